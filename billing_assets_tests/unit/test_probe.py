"""The probe over samples in memory: sound data are never accused, and each way of breaking SPEC.md is named alone."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import os
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_assets.domain.assignments import PartitionRange
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.line_hash import VOLATILE_V2, line_hash
from billing_assets.domain.periods import Month
from billing_assets.domain.probe import Misfit, ProbeReport, TableShape, probe
from billing_assets.domain.probe.misfits import shape, shown_key
from billing_assets.domain.probe.tables import TableIndex
from billing_assets.domain.resolution import OBJECT_MISSING, ObjectFault
from billing_assets.local.sample import Sample, generate
from billing_assets_tests.unit.probed_data import STAGE_4, TABLE, Data, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from billing_assets.domain.stage4 import ObjectFamily

PARTITIONS = PartitionRange(Month(2024, 1), Month(2027, 6))


class Objects:
    """Objects in memory."""

    def __init__(self, bodies: dict[str, bytes]) -> None:
        self._bodies = bodies

    def fetch(self, keys: Collection[str]) -> Iterator[tuple[str, bytes | ObjectFault]]:
        """Each in turn."""
        for key in keys:
            yield key, self._bodies.get(key, ObjectFault(OBJECT_MISSING))

    def siblings(self, families: Collection[ObjectFamily]) -> Iterator[tuple[ObjectFamily, list[str]]]:
        """By prefix."""
        for family in families:
            yield family, [key for key in self._bodies if key.startswith(family.prefix)]


@functools.cache
def _sample() -> Sample:
    return generate(last_period="2026-06", scale=0.2)


def _as_read(record: Record) -> Record:
    numbers = (int, float, Decimal)
    return {
        name: NumberText(str(value)) if isinstance(value, numbers) and not isinstance(value, bool) else value
        for name, value in record.items()
    }


def probed(records: list[Record], objects: dict[str, bytes], table: TableShape = TABLE) -> ProbeReport:
    """Probe these."""
    names = {"index_name": "ubi-period-index", "stage4_prefix": STAGE_4}
    return probe([_as_read(record) for record in records], Objects(objects), PARTITIONS, table, **names)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=60 if os.environ.get("BILLING_ASSETS_FULL") else 5, deadline=None)
def test_sound_data_are_accused(seed: int) -> None:
    """Whatever is drawn of the sample, with all its slips, SPEC.md fits; and every record is counted once."""
    records = Random(seed).sample(_sample().assignments, 200)  # noqa: S311  # drawn, and drawn again
    report = probed(records, _sample().objects)
    assert report.rules == []
    assert report.records == 200
    assert sum(totals.rows for totals in report.statuses.values()) + report.no_partition == 200
    assert sum(report.facts["period"].values()) == 200


def test_plain_data_are_accused_or_have_exceptions() -> None:
    """Nothing at all is said of them, so that whatever is said below comes of the break."""
    data = Data()
    report = probed(data.records, data.objects())
    assert report.misfits == []
    assert report.statuses["billable"].rows == 100  # type: ignore[index]  # a StrEnum
    assert set(report.facts["hash version"]) == {"v1 alone", "v2 alone"}


def compact_hash(line: Record) -> str:
    """A third recipe: v2 without blanks."""
    kept = {name: value for name, value in line.items() if name not in VOLATILE_V2}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _without(*names: str) -> Callable[[Record], str]:
    return lambda line: line_hash({name: value for name, value in line.items() if name not in names}, "v2")


def _other_index(data: Data) -> None:
    data.table = replace(TABLE, indexes=(TableIndex("UbiPeriodGSI", ("ubi_period",), "ALL"),))


def _keys_only(data: Data) -> None:
    data.table = replace(TABLE, indexes=(TableIndex("ubi-period-index", ("ubi_period",), "KEYS_ONLY"),))


def _rename(old: str, new: str) -> Callable[[Data], None]:
    def change(record: Record) -> None:
        record[new] = record.pop(old)

    return lambda data: data.each(change)


def _update(**fields: Any) -> Callable[[Data], None]:
    return lambda data: data.each(lambda record: record.update(fields))


def _undivided(data: Data) -> None:
    data.each(lambda record: record.update(amount=Decimal(str(data.line_of(record)["Line Item Charge"]))))


def _divided_twice(data: Data) -> None:
    data.each(lambda record: record.update(amount=(record["amount"] / record["months"]).quantize(Decimal("0.01"))))


def _in_cents(data: Data) -> None:
    data.each(lambda record: record.update(amount=record["amount"] * 100))


def _twins(data: Data) -> None:
    data.records += [dict(record) for record in data.records[:3]]
    data.each(lambda record: record.pop("assignment_id"))


def _json_lists(data: Data) -> None:
    data.objects = lambda: {  # type: ignore[method-assign]
        key: b"[" + b",\n".join(json.dumps(line).encode() for line in lines) + b"]\n"
        for key, lines in data.lines.items()
    }


def _gzip_without_suffix(data: Data) -> None:
    plain = data.objects
    data.objects = lambda: {key: gzip.compress(body) for key, body in plain().items()}  # type: ignore[method-assign]


BREAKS: dict[str, tuple[Callable[[Data], None], str, str, str]] = {
    "another index name": (_other_index, "1.1", "no index of that name", "UbiPeriodGSI"),
    "an index of keys only": (_keys_only, "1.1", "index of another form", "KEYS_ONLY"),
    "compact separators": (lambda d: d.rehash(compact_hash), "3", "volatile fields of v2, no blanks", "… in "),
    "one volatile field more": (lambda d: d.rehash(_without("parsed_at_utc")), "3", "'parsed_at_utc' as well", "…"),
    "two volatile fields more": (
        lambda d: d.rehash(_without("parsed_at_utc", "Bill Date")),
        "3",
        "'Bill Date' and 'parsed_at_utc' as well",
        "…",
    ),
    "a recipe that nobody guesses": (
        lambda d: d.rehash(lambda line: hashlib.sha256(line["Account Number"].encode()).hexdigest()),
        "3",
        "neither version",
        "…",
    ),
    "MD5 of the line": (
        lambda d: d.rehash(lambda line: hashlib.md5(json.dumps(line).encode()).hexdigest()),  # noqa: S324
        "3",
        "MD5 of the line as it is written",
        "…",
    ),
    "other place of objects": (
        lambda d: d.rekey(lambda key: key.replace(STAGE_4, "enriched/v2/")),
        "1.2",
        "keys of another place",
        "enriched/v2/",
    ),
    "other timestamps": (
        lambda d: d.rekey(lambda key: key.replace("_20251021T15", "-2025102115").replace("Z.jsonl", ".jsonl")),
        "1.2",
        "timestamps of another form",
        ".jsonl",
    ),
    "addresses in place of keys": (
        lambda d: d.each(lambda record: record.update(s3_key=f"s3://bucket/{record['s3_key']}")),
        "1.2",
        "an address with its bucket",
        "s3://bucket/",
    ),
    "months in words": (_update(months="two"), "1.1", "something else", "'two'"),
    "a share of records with months in words": (
        lambda d: d.each(lambda record: record.update(months="two"), share=20),
        "1.1",
        "something else",
        "'two'",
    ),
    "amounts undivided": (_undivided, "1.1", "the whole charge, although it is split", "months 2, charge"),
    "amounts divided twice": (_divided_twice, "1.1", "divided once more", "months 2, charge"),
    "amounts in cents": (_in_cents, "1.1", "amounts in cents", "charge 30.60"),
    "amounts of nothing known": (
        lambda d: d.each(lambda record: record.update(amount=record["amount"] + 7)),
        "1.1",
        "not the line's charge",
        "amount ",
    ),
    "amounts with a currency": (_update(amount="USD 12.50"), "4", "another notation", "'USD 12.50'"),
    "European charges": (
        lambda d: d.set_field("Line Item Charge", lambda line: line["Line Item Charge"].replace(".", ",")),
        "4",
        "another notation",
        ",60'",
    ),
    "periods YYYY-MM": (
        lambda d: d.each(lambda record: record.update(ubi_period=f"2025-{record['ubi_period'][:2]}")),
        "2",
        "periods like 9999-99",
        "'2025-",
    ),
    "periods as numbers": (_update(ubi_period=202501), "1.1", "another type", "as N"),
    "periods long ago": (_update(ubi_period="01/2019"), "2", "months outside", "'01/2019'"),
    "another name of the period": (
        _rename("ubi_period", "billing_month"),
        "1.1",
        "no `ubi_period`; attributes like it: billing_month",
        "billing_month",
    ),
    "another name of the amount": (
        _rename("amount", "share_usd"),
        "1.1",
        "no `amount` in most records, but share_usd",
        "share_usd",
    ),
    "another name of the account": (
        lambda d: d.rename_field("Account Number", "Acct No"),
        "1.2",
        "fields like it: Acct No",
        "…0000",
    ),
    "another name of the charge": (
        lambda d: d.rename_field("Line Item Charge", "Line Total"),
        "1.2",
        "fields like it: Line Total",
        "Line Total is '",
    ),
    "positions from 1": (
        lambda d: d.each(lambda record: record.update(line_index=record["line_index"] + 1)),
        "1.1",
        "most are +1 beside it",
        "line_index",
    ),
    "records of a line without ids": (_twins, "1.1", "several records of a line, without ids", "stands 2 times"),
    "dates of another form": (
        lambda d: d.set_field("Bill Date", lambda _: "2025-11-02"),
        "1.2",
        "another form",
        "9999-99-99",
    ),
    "flags of another kind": (
        lambda d: d.set_field("Is Excluded From UBI", lambda _: "Y"),
        "1.2",
        "another value",
        "'Y'",
    ),
    "objects that are JSON lists": (_json_lists, "1.2", "objects most of whose lines are something else", "lines"),
    "gzip without its suffix": (_gzip_without_suffix, "1.2", "objects that can't be read", "not UTF-8"),
    "objects gone": (lambda d: d.lines.clear(), "1.2", "objects that are not there", ".jsonl"),
}

# What follows of the break, beside its own sentence.
BY_CATCH = {
    "MD5 of the line": {"a hash of another form"},
    "addresses in place of keys": {"objects that are not there"},
    "other timestamps": {"keys without a timestamp, whose rewrites can't be followed"},
    "periods as numbers": {"periods like A 999999"},
    "another name of the period": {"several records of a line, without ids"},
    "objects that are JSON lists": {"hashes that neither version"},
}


@pytest.mark.parametrize("name", BREAKS)
def test_data_break_spec_and_nobody_says_so(name: str) -> None:
    """The sentence by its section, what was found and an example; and no sentence that the data do keep.

    No example holds an account number, a property's or a vendor's name; a key loses its name.
    """
    change, section, found, example = BREAKS[name]
    data = Data()
    change(data)
    report = probed(data.records, data.objects(), data.table)
    named = [one for one in report.rules if one.section == section and found in one.found]
    assert named, [(one.section, one.found) for one in report.misfits]
    assert example in named[0].example
    assert named[0].sentence
    allowed = BY_CATCH.get(name, set())
    others = [one for one in report.rules if one not in named and not any(text in one.found for text in allowed)]
    assert others == []
    said = repr(report.misfits) + repr(report.facts)
    assert not any(secret in said for secret in ("77-10-", "Invented", "V-0"))


def test_a_slip_is_called_a_rule() -> None:
    """One record of a hundred is an exception, with its example, and not a misfit of SPEC.md."""
    data = Data()
    data.records[0]["months"] = "two"
    data.records[1]["ubi_period"] = "soon"
    data.records[2]["amount"] = "12.3.4"
    report = probed(data.records, data.objects())
    assert report.rules == []
    assert [(one.section, one.count) for one in report.exceptions] == [("1.1", 1), ("2", 1), ("4", 1)]


def test_a_key_of_two_attributes_is_an_error() -> None:
    """The key is never relied on: another one is worth a word, and no more."""
    data = Data()
    table = replace(TABLE, key=("line_hash", "ubi_period"))
    report = probed(data.records, data.objects(), table)
    assert report.rules == []
    assert [one.example for one in report.exceptions] == ["line_hash + ubi_period"]


@given(st.text(max_size=80))
def test_a_shape_shows_a_letter_or_digit_of_its_text(text: str) -> None:
    """Only A and 9 are left of letters and digits, and shaping twice changes nothing."""
    once = shape(text)
    assert shape(once) == once
    assert all(not character.isascii() or not character.isalnum() or character in "A9" for character in once)


@given(st.text(alphabet="abc0123456789-_./TZ", max_size=60))
def test_a_shown_key_shows_more_than_four_characters_of_a_name(name: str) -> None:
    """Nothing of the name before its last four characters is left."""
    key = f"folder/{name.replace('/', '')}XXXXX1234_20250101T000000Z.jsonl"
    assert shown_key(key) == "folder/…1234_20250101T000000Z.jsonl"


def _all_misfits(report: ProbeReport) -> list[Misfit]:
    return [*report.rules, *report.exceptions]


def test_a_misfit_is_neither_rule_nor_exception() -> None:
    """Both lists together are all of them."""
    data = Data()
    _undivided(data)
    data.records[1]["ubi_period"] = "soon"
    report = probed(data.records, data.objects())
    assert sorted(map(repr, _all_misfits(report))) == sorted(map(repr, report.misfits))
    assert len(report.rules) == len(report.exceptions) == 1
