"""The combined list: laws of merging one period into what everybody else wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.combined_list import MergeReport, merged
from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.json_list import elements_of, rendered
from billing_assets.domain.listed_bills import bill_of, entries_of, listed_bills
from billing_assets.domain.master_bills import MasterBill, encode_bill
from billing_assets.domain.money import ZERO, total
from billing_assets_tests.unit.made_bills import bill, line, with_status

WHERE = "s3://invented/config/master-bills-latest.json"
JANUARY, FEBRUARY = "2025-01", "2025-02"

OTHERS = [
    '{"master_bill_id":"legacy-7","billback_month_start":"01/01/2025","utility_amount":12.10}',
    '{"master_bill_id":"a|b|c|1/2025|1/2025","billback_month_start":"01/01/2025"}',
    '{"master_bill_id":"P1|WTR|Water|01/2025|01/2025","billback_month_start":"soon","utility_amount":12.10}',
    '{"utility_amount": 1e400,   "big":123456789012345678901234567890.10, "\\ud800":"\\udfff"}',
    '{"x":NaN,"y":-Infinity,"x":12.10}',
    '{\n  "billback_month_start": null\n}',
    "null",
    "12.10",
    '"\\ud83d\\ude00 \\ud800"',
    "[ 1.0,\t2.50 ]",
    '{"status":"final","master_bill_id":"P1|WTR|Water|03/2025|03/2025","billback_month_start":"03/01/2025","n":1.10}',
    '{"n":1.100,"master_bill_id":"P1|WTR|Water|03/2025|03/2025","billback_month_start":"03/01/2025"}',
]
"""Entries that neither January nor February may touch; the last two are of March, under one id."""

BLANKS = st.sampled_from(["", " ", "\n", "\r\n\t  "])
PLACES = st.sampled_from(["P1", "P2", "P10", "P%7C", "p1"])
CENTS = st.integers(-99_999, 99_999).map(lambda cents: str(Decimal(cents).scaleb(-2)))


@st.composite
def bills_of(draw: st.DrawFn, period: str) -> list[MasterBill]:
    """Some bills of a period."""
    places = draw(st.lists(PLACES, unique=True, max_size=3))
    months = draw(st.sampled_from([1, 3]))
    return [bill(place, draw(CENTS), period=period, months=months) for place in places]


@st.composite
def lists(draw: st.DrawFn) -> bytes:
    """A list as anybody may have left it: our bills in any spelling and place, other entries among them."""
    texts = draw(st.lists(st.sampled_from(OTHERS), max_size=6))
    for period in (JANUARY, FEBRUARY):
        for made in draw(bills_of(period)):
            listed = with_status(made, draw(st.sampled_from(["draft", "final"])))
            spelt = draw(st.sampled_from([encode_bill(listed).decode(), as_the_app_writes(listed)]))
            texts.insert(draw(st.integers(0, len(texts))), spelt)
    separator = draw(BLANKS) + "," + draw(BLANKS)
    return (draw(BLANKS) + "[" + draw(BLANKS) + separator.join(texts) + draw(BLANKS) + "]" + draw(BLANKS)).encode()


def as_the_app_writes(made: MasterBill, **added: object) -> str:
    """The bill as the app saves it: floats, other key order, its own fields."""
    fields: dict[str, Any] = dict(sorted(json.loads(encode_bill(made)).items())) | added
    return json.dumps(fields, indent=1)


def merge(existing: bytes | None, period: str, bills: list[MasterBill]) -> bytes:
    """The bytes after a merge."""
    return merged(existing, period, bills, where=WHERE).content


def report_of(existing: bytes | None, period: str, bills: list[MasterBill]) -> MergeReport:
    """What a merge says it did."""
    return merged(existing, period, bills, where=WHERE).report


def texts_in(content: bytes) -> list[str]:
    """The raw texts of a list."""
    return [text for text, _ in elements_of(content, where=WHERE, remedy="")]


def standing_in(content: bytes, period: str) -> dict[str, MasterBill | None]:
    """The period's bills of our form, by id."""
    return {
        e.master_bill_id: bill_of(e)
        for e in entries_of(content, where=WHERE)
        if e.partition == period and e.master_bill_id
    }


@given(lists(), bills_of(JANUARY))
def test_merging_the_same_bills_again_changes_no_byte(existing: bytes, bills: list[MasterBill]) -> None:
    """A re-run is silent."""
    once = merge(existing, JANUARY, bills)
    again = merged(once, JANUARY, bills, where=WHERE)
    assert again.content is once
    assert not again.changed
    assert not again.report.touched


@given(lists(), bills_of(JANUARY), bills_of(FEBRUARY))
def test_periods_may_be_merged_in_any_order(
    existing: bytes, january: list[MasterBill], february: list[MasterBill]
) -> None:
    """Two runs at once end in the same bytes, whoever is first."""
    one_way = merge(merge(existing, JANUARY, january), FEBRUARY, february)
    assert merge(merge(existing, FEBRUARY, february), JANUARY, january) == one_way


@given(lists(), bills_of(JANUARY), st.randoms())
def test_the_order_of_the_bills_given_changes_no_byte(existing: bytes, bills: list[MasterBill], random: Any) -> None:
    """Permuted input gives equal bytes."""
    shuffled = list(bills)
    random.shuffle(shuffled)
    assert merge(existing, JANUARY, shuffled) == merge(existing, JANUARY, bills)


@given(lists(), bills_of(JANUARY))
def test_every_other_entry_keeps_its_text(existing: bytes, bills: list[MasterBill]) -> None:
    """Nothing that is not a bill of the period is lost, doubled or respelt, and foreign entries keep their order."""
    ours = {
        e.text for e in entries_of(existing, where=WHERE) if e.partition == JANUARY and e.master_bill_id is not None
    }
    before = [entry.text for entry in entries_of(existing, where=WHERE) if entry.text not in ours]
    entries = list(entries_of(merge(existing, JANUARY, bills), where=WHERE))
    after = [e for e in entries if e.partition != JANUARY or e.master_bill_id is None]
    assert sorted(entry.text for entry in after) == sorted(before)
    foreign = [e.text for e in entries_of(existing, where=WHERE) if e.master_bill_id is None or e.partition is None]
    assert [e.text for e in after if e.master_bill_id is None or e.partition is None] == foreign


@given(lists(), bills_of(JANUARY))
def test_the_period_adds_up_to_what_was_merged(existing: bytes, bills: list[MasterBill]) -> None:
    """The list's bills of the period are the ones given, and so is their total, to the cent."""
    standing = standing_in(merge(existing, JANUARY, bills), JANUARY)
    assert standing.keys() == {made.master_bill_id for made in bills}
    amounts = [ZERO if made is None else made.utility_amount for made in standing.values()]
    assert total(amounts) == total(made.utility_amount for made in bills)


@given(lists(), bills_of(JANUARY))
def test_a_merge_accounts_for_every_bill(existing: bytes, bills: list[MasterBill]) -> None:
    """Ids before plus added minus removed are the ids after."""
    report = report_of(existing, JANUARY, bills)
    before = standing_in(existing, JANUARY).keys()
    assert (before | set(report.added)) - set(report.removed) == {made.master_bill_id for made in bills}


def test_an_empty_or_absent_list_is_begun() -> None:
    """The first publication writes the list, one bill a line, in order."""
    bills = [bill("P2"), bill("P10"), bill("P1")]
    lines = merge(None, JANUARY, bills).decode().splitlines()
    assert lines[0] == "["
    assert lines[-1] == "]"
    assert [json.loads(text.rstrip(","))["property_id"] for text in lines[1:-1]] == ["P1", "P10", "P2"]
    assert merge(b"[]", JANUARY, bills) == merge(None, JANUARY, bills)
    assert merge(None, JANUARY, []) == b"[]\n"


def test_a_range_is_replaced_with_the_period_of_its_first_month() -> None:
    """A legacy bill over three months belongs to the first."""
    content = merge(None, JANUARY, [bill("P1", months=3)])
    assert report_of(content, FEBRUARY, []).removed == ()
    assert report_of(content, JANUARY, []).removed == ("P1|WTR|Water|01/2025|03/2025",)


def test_numbers_keep_the_digits_that_were_written() -> None:
    """12.10 stays 12.10 in other people's entries."""
    content = merge(("[" + ",".join(OTHERS) + "]").encode(), JANUARY, [bill()])
    assert content.count(b"12.10") == 4 + 2  # ours has it as the bill's amount and as its line's
    assert b"1.100" in content


def test_kept_entries_are_reported() -> None:
    """Entries without a month, and of the period without an id of our form, are named."""
    report = report_of(("[" + ",".join(OTHERS) + "]").encode(), JANUARY, [])
    assert report.foreign == ("entry 0: id 'legacy-7'", "entry 1: id 'a|b|c|1/2025|1/2025'")
    assert len(report.without_month) == 8
    assert report.without_month[-1] == "entry 9: without id, a JSON list"


def test_an_edited_status_survives_in_the_apps_own_spelling() -> None:
    """A bill of unchanged content that the app saved with floats is left exactly as it is."""
    listed = with_status(bill("P1", created_by="first run"), "final")
    existing = ("[" + as_the_app_writes(listed, reviewed_by="Ann") + "]").encode()
    again = merged(existing, JANUARY, [bill("P1", created_by="second run")], where=WHERE)
    assert again.content is existing


def test_a_moved_source_keeps_status_and_the_apps_fields() -> None:
    """Where a line was found is brought up to date around what the app wrote."""
    listed = with_status(bill("P1", created_by="first run"), "final")
    existing = ("[" + as_the_app_writes(listed, score=1.10, note="n").replace("1.1,", "1.10,") + "]").encode()
    moved = bill("P1", lines=(line(name="P1-a", s3_key="in/x_20250202T000000Z.jsonl"),))
    (text,) = texts_in(merge(existing, JANUARY, [moved]))
    assert text.endswith(',"score":1.10,"note":"n"}')
    fields = json.loads(text)
    assert (fields["status"], fields["created_by"]) == ("final", "first run")
    assert fields["source_line_items"][0]["s3_key"] == "in/x_20250202T000000Z.jsonl"


def test_changed_content_is_a_new_bill() -> None:
    """A changed bill begins as a draft, and the status that it overrules is named."""
    existing = merge(None, JANUARY, [with_status(bill("P1", "1.00"), "final")])
    result = merged(existing, JANUARY, [bill("P1", "2.00")], where=WHERE)
    assert json.loads(result.content)[0]["status"] == "draft"
    assert result.report.overruled == ("P1|WTR|Water|01/2025|01/2025 (final)",)


def test_a_bill_that_stands_twice_is_listed_once() -> None:
    """Of two entries under one id the one that somebody decided on counts."""
    texts = [encode_bill(bill()), encode_bill(with_status(bill(), "final"))]
    result = merged(rendered(texts), JANUARY, [bill()], where=WHERE)
    assert [entry["status"] for entry in json.loads(result.content)] == ["final"]
    assert result.report.replaced == ("P1|WTR|Water|01/2025|01/2025",)


def test_a_byte_order_mark_is_no_obstacle() -> None:
    """A list with a BOM is read, and left alone if nothing changes."""
    existing = b"\xef\xbb\xbf" + merge(None, JANUARY, [bill()])
    assert merge(existing, JANUARY, [bill()]) is existing
    assert len(texts_in(merge(existing, JANUARY, [bill("P2")]))) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "it is blank"),
        (b" \n", "it is blank"),
        (b'{"bills": []}', "it is not a JSON list"),
        (b"null", "it is not a JSON list"),
        (b"[1,]", "Expecting value at line 1, character 3 of 4"),
        (b"[1 2]", "Expecting ',' delimiter or ']' at line 1, character 3 of 5"),
        (b"[1]\n[2]", "Extra data at line 2, character 4 of 7"),
        (b'[{"a": 1}', "Expecting ',' delimiter or ']' at line 1, character 9 of 9"),
        (b'["\xff"]', "no UTF-8 at byte 2"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_an_unreadable_list_is_refused_with_a_remedy(content: bytes, found: str) -> None:
    """Nothing is made of a list that nobody can read, and the letter says what to do."""
    with pytest.raises(UnreadableInputError) as caught:
        merge(content, JANUARY, [bill()])
    assert caught.value.found == found
    assert caught.value.where == WHERE
    assert "job `republish`" in caught.value.remedy


def test_a_bill_damaged_by_the_app_is_still_seen() -> None:
    """An entry under our id that is no whole bill counts with what can be read of it."""
    text = '[{"master_bill_id":"P1|WTR|Water|01/2025|01/2025","billback_month_start":"1/1/2025","utility_amount":7.5}]'
    (standing,) = listed_bills(text.encode(), JANUARY, where=WHERE)
    assert (standing.amount_usd, standing.content_hash, standing.status) == (Decimal("7.5"), "", "draft")


@pytest.mark.parametrize("edit", [{"source_line_items": None}, {"utility_amount": 12.105}, {"utility_amount": "NaN"}])
def test_what_is_no_whole_bill_equals_no_bill(edit: dict[str, object]) -> None:
    """Half cents, NaN and missing lines never pass as the published content."""
    existing = ("[" + as_the_app_writes(bill(), **edit) + "]").encode()
    assert report_of(existing, JANUARY, [bill()]).replaced == ("P1|WTR|Water|01/2025|01/2025",)


def test_a_whole_number_may_be_spelt_as_a_float() -> None:
    """`line_index: 0.0` is the same place."""
    text = as_the_app_writes(bill()).replace('"line_index": 0', '"line_index": 0.0')
    existing = f"[{text}]".encode()
    assert merge(existing, JANUARY, [bill()]) is existing


_MEASURED = """
import resource, sys
from billing_assets.domain.combined_list import merged
from billing_assets_tests.unit.made_bills import bill, line
from billing_assets.domain.json_list import rendered
from billing_assets.domain.master_bills import encode_bill
lines = tuple(line("1.10", name=f"{number:064x}") for number in range(8))
texts = (encode_bill(bill(f"P{number:05}", period=period, lines=lines)) for period in ("2025-01", "2025-02")
         for number in range(1300))
existing = rendered(list(texts)).replace("\\u2013".encode(), "\\U0001F4A7".encode(), 1)
new = [bill(f"P{number:05}", lines=lines[1:]) for number in range(1300)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = merged(existing, "2025-01", new, where="")
print(len(existing), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(result.report.replaced))
"""


def test_merging_ten_megabytes_takes_less_than_a_hundred() -> None:
    """Memory stays small, even where one wide character makes Python hold four bytes for each."""
    output = subprocess.run([sys.executable, "-c", _MEASURED], check=True, capture_output=True, text=True).stdout
    size_bytes, growth_kib, replaced = map(int, output.split())
    assert size_bytes > 10_000_000
    assert growth_kib < 100_000
    assert replaced == 1300


def test_a_lone_surrogate_in_an_edited_bill_does_no_harm() -> None:
    """A status that can't be written as UTF-8 stays as it is in the list."""
    text = as_the_app_writes(bill(), status="fi\ud800nal", note=float("nan"))
    existing = f"[{text}]".encode()
    moved = bill("P1", lines=(line(name="P1-a", s3_key="in/x_20250202T000000Z.jsonl"),))
    assert texts_in(merge(existing, JANUARY, [moved])) == [text]


def test_bills_follow_the_order_of_their_unescaped_values() -> None:
    """Ids with escaped bars sort as the values that they stand for, as in the period's own object."""
    names = ["P|", "P%", "Pa"]
    bills = [
        msgspec.structs.replace(
            bill(),
            property_id=name,
            master_bill_id=name.replace("%", "%25").replace("|", "%7C") + "|WTR||01/2025|01/2025",
        )
        for name in names
    ]
    assert [json.loads(text)["property_id"] for text in texts_in(merge(None, JANUARY, bills))] == ["P%", "Pa", "P|"]
