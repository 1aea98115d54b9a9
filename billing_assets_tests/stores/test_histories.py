"""What stores hold about a line or a bill, looked for by hash and id: rows, decisions, the app's list, the archive."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from billing_assets.domain.period_tables import AssignmentsOfPeriod, ResolvedPeriod
from billing_assets.stores import parquet
from billing_assets.stores.archive import archived_records
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.intermediate import IntermediateStore
from billing_assets.stores.publication import (
    MasterBillLocation,
    PublicationHistory,
    close_period,
    reopen_period,
)
from billing_assets.stores.stored_rows import matches_of, periods_that_only_read, resolved_periods, stored_periods
from billing_assets_tests.stores.aws_data import make_table, put_items
from billing_assets_tests.stores.published import JANUARY, MINUTE, NOON, QUICK, Place, s3_client
from billing_assets_tests.unit.made_bills import bill
from billing_assets_tests.unit.making import KEY, a_line, an_assignment, jsonl, rows_of, v1, v2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ_AT = dt.datetime(2025, 10, 1, tzinfo=dt.UTC)
LINE = {**a_line(), "Status": "Posted"}
OTHER = a_line({"Account Number": "A-9"})
_serial = itertools.count()


def _refuse() -> None:
    pytest.fail("a folder asks no S3")


@pytest.fixture
def store(tmp_path: Path) -> IntermediateStore:
    """January assigns a line by its v1 hash, February by its v2 hash; March was read only; April is no table."""
    store = IntermediateStore(str(tmp_path), _refuse)  # type: ignore[arg-type]  # never asked
    for period, line_hash in (("2025-01", v1(LINE)), ("2025-02", v2(LINE))):
        rows = rows_of([an_assignment(line_hash, KEY), an_assignment(OTHER, KEY)], {KEY: jsonl(LINE, OTHER)})
        store.write(f"resolved_line_items/{period}.parquet", parquet.encode(ResolvedPeriod(period, READ_AT, rows)))
    waiting = AssignmentsOfPeriod("2025-03", READ_AT, [an_assignment("c" * 64, KEY)])
    store.write("ubi_assignments/2025-03.parquet", parquet.encode(waiting))
    store.write("resolved_line_items/2025-04.parquet", b"no table")
    return store


@pytest.fixture
def place(stack_environment: dict[str, str]) -> Iterator[Place]:
    """A folder of its own in the emulator."""
    with s3_client(stack_environment) as s3:
        name = f"histories-{next(_serial)}"
        s3.create_bucket(Bucket=name)
        yield Place(s3, MasterBillLocation(name, "latest.json", "bills/"))


def test_a_share_of_another_period_is_not_found(store: IntermediateStore) -> None:
    """A line's periods are all found by either hash; a damaged file is named, and stops nothing."""
    found = matches_of(store, v1(LINE)[:8])
    assert (found.hashes, found.periods) == ({v1(LINE)}, {"2025-01", "2025-02"})
    assert found.looked_through == ["2025-01", "2025-02"]
    assert found.unreadable == ["resolved_line_items/2025-04.parquet"]
    assert matches_of(store, v2(LINE)).hashes == {v2(LINE)}
    assert matches_of(store, "0" * 64).periods == set()


def test_a_v2_hash_that_no_record_holds_names_nothing(store: IntermediateStore) -> None:
    """Where every record holds the v1 hash, the line's v2 hash still leads to it."""
    store.write("resolved_line_items/2025-02.parquet", store.read("resolved_line_items/2025-01.parquet") or b"")
    assert matches_of(store, v2(LINE)).hashes == {v1(LINE)}


def test_an_assignment_that_waits_is_called_unknown(store: IntermediateStore) -> None:
    """A hash that was read and not resolved is found among the assignments."""
    assert matches_of(store, "c" * 12).hashes == set()
    assert periods_that_only_read(store, "c" * 12) == ["2025-03"]
    assert stored_periods(store) == ["2025-01", "2025-02", "2025-04"]
    assert list(resolved_periods(store, ["2025-01", "2025-09"])) == ["2025-01"]


def test_a_decision_is_missing_from_the_history(place: Place) -> None:
    """Closing, reopening and restating are told in order, by whom and why, and of this period alone."""
    bills = [bill("P1", "10.00"), bill("P2", "5.00")]
    place.run(*bills)
    place.run(bill("P1", "1.00", period="2025-02"), period="2025-02")
    close_period(place.s3, place.location, JANUARY, closed_by="ann", now=NOON)
    later = NOON + MINUTE
    reopen_period(place.s3, place.location, JANUARY, reason="meter swapped", reopened_by="bob", now=later)
    close_period(place.s3, place.location, JANUARY, closed_by="cid", now=later + MINUTE)
    place.run(bill("P1", "12.00"), bills[1], reason="misread")
    history = PublicationHistory(place.s3, place.location, QUICK)
    decisions = history.decisions(JANUARY)
    assert [(each.decision, each.by) for each in decisions[:3]] == [
        ("was closed", "ann"),
        ("reopened", "bob"),
        ("closed", "cid"),
    ]
    assert decisions[1].reason == "meter swapped"
    (restated,) = decisions[3:]
    assert (restated.decision, restated.reason) == ("restated", "misread")
    changed = [(each.master_bill_id, each.before_usd, each.after_usd) for each in restated.bills]
    assert changed == [(bills[0].master_bill_id, Decimal("10.00"), Decimal("12.00"))]
    assert history.decisions("2025-02") == ()


def test_published_bills_are_not_found_by_a_hash(place: Place) -> None:
    """The periods whose object holds a hash are found in its bytes; the app's entry is told with its status."""
    january, february = bill("P1", "10.00"), bill("P1", "2.00", period="2025-02")
    place.run(january)
    place.run(february, period="2025-02")
    history = PublicationHistory(place.s3, place.location, QUICK)
    assert history.periods() == [JANUARY, "2025-02"]
    assert history.periods_holding("no such hash") == []
    assert JANUARY in history.periods_holding(january.source_line_items[0].line_hash)
    assert list(history.published([JANUARY, "2031-01"])) == [JANUARY]
    (listed,) = history.listed([january.master_bill_id])[january.master_bill_id]
    assert (listed.amount_usd, listed.status, listed.content_hash) == (Decimal("10.00"), "draft", january.content_hash)
    assert history.listed(["P9|X|Y|01/2025|01/2025"]) == {}


def test_an_archived_record_is_lost_among_many(
    stack_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More hashes than one filter takes are all looked for, and nothing else comes."""
    for name, value in stack_environment.items():
        monkeypatch.setenv(name, value)
    dynamodb = AwsClients().dynamodb
    table = make_table(dynamodb)
    hashes = [f"{number:064x}" for number in range(230)]
    put_items(
        dynamodb,
        table,
        [
            {"line_hash": {"S": line_hash}, "ubi_period": {"S": "01/2025"}, "amount": {"N": "1.5"}}
            for line_hash in hashes
        ],
    )
    found = archived_records(dynamodb, table, hashes[:205])
    assert sorted(record.line_hash for record in found) == hashes[:205]
    assert {record.amount for record in found} == {Decimal("1.5")}
    assert archived_records(dynamodb, table, []) == []
