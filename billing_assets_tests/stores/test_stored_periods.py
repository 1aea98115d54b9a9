"""What other stored periods bill of a period's lines and invoices, in a folder and in S3."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from billing_assets.domain.period_tables import AssignmentsOfPeriod, ResolvedPeriod
from billing_assets.domain.shares import billed_shares
from billing_assets.stores import parquet
from billing_assets.stores.intermediate import IntermediateStore
from billing_assets.stores.stored_periods import shares_beside
from billing_assets_tests.stores.published import s3_client
from billing_assets_tests.unit.making import KEY, a_line, an_assignment, jsonl, n, rows_of, v1

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from billing_assets.domain.resolved import ResolvedLineItem

READ_AT = dt.datetime(2025, 10, 1, tzinfo=dt.UTC)
COPY = KEY.replace("bill_", "copy_")
LINE = {**a_line(), "Status": "Posted"}
STRANGER = a_line({"Account Number": "A-9"})
TWIN = a_line({"parsed_at_utc": "later", "Line Item Charge": "$11.00"})
EXCLUDED = {**LINE, "Is Excluded From UBI": True}
_serial = itertools.count()


@pytest.fixture(params=["folder", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, stack_environment: dict[str, str]
) -> Iterator[IntermediateStore]:
    """An empty store; one that is in S3 has neighbours whose names begin alike."""
    with s3_client(stack_environment) as s3:
        if request.param == "folder":
            yield IntermediateStore(str(tmp_path), lambda: s3)
            return
        bucket = f"stored-{next(_serial)}"
        s3.create_bucket(Bucket=bucket)
        yield IntermediateStore(f"s3://{bucket}/some/where", lambda: s3)


def _rows(*lines: Any, key: str = KEY) -> list[ResolvedLineItem]:
    records = [an_assignment(v1(line), key, amount=None, months=n(at + 1)) for at, line in enumerate(lines)]
    return rows_of(records, {key: jsonl(*lines)})


def _store(store: IntermediateStore, partition: str, rows: list[ResolvedLineItem]) -> None:
    content = parquet.encode(ResolvedPeriod(partition, READ_AT, rows))
    store.write(f"resolved_line_items/{partition}.parquet", content)


def test_a_share_of_another_period_is_not_found(store: IntermediateStore) -> None:
    """Billable rows of the same line or the same invoice come back as they were; the period's own don't."""
    own = billed_shares(_rows(LINE), "2025-03", READ_AT)
    others = _rows(STRANGER, LINE), _rows(TWIN, STRANGER, key=COPY)
    for partition, rows in zip(("2025-01", "2025-02"), others, strict=True):
        _store(store, partition, rows)
    _store(store, "2025-03", _rows(LINE))
    _store(store, "2025-04", _rows(EXCLUDED))
    found = shares_beside(store, own, "2025-03")
    assert found.shares == [
        billed_shares(others[0], "2025-01", READ_AT)[1],
        billed_shares(others[1], "2025-02", READ_AT)[0],
    ]
    assert [share.charge_usd for share in found.shares] == [Decimal("10.00"), Decimal("11.00")]
    assert (found.periods, found.unreadable) == (["2025-01", "2025-02", "2025-04"], [])


def test_nothing_stored_is_an_error(store: IntermediateStore) -> None:
    """A first run finds no folder; a period without shares asks for nothing."""
    own = billed_shares(_rows(LINE), "2025-03", READ_AT)
    assert store.names("resolved_line_items") == []
    assert shares_beside(store, own, "2025-03").periods == []
    _store(store, "2025-01", [])
    assert shares_beside(store, [], "2025-03").periods == []
    assert shares_beside(store, own, "2025-03").periods == ["2025-01"]


def test_a_file_that_is_none_of_ours_ends_the_run(store: IntermediateStore) -> None:
    """It is named, and what stands below or beside the folder is not looked at."""
    own = billed_shares(_rows(LINE), "2025-03", READ_AT)
    _store(store, "2025-01", _rows(LINE))
    store.write("resolved_line_items/2024-01.parquet", b"PAR1")
    store.write("resolved_line_items/2024-02.parquet", parquet.encode(_assignments()))
    store.write("resolved_line_items/notes.txt", b"")
    store.write("resolved_line_items/deeper/2024-03.parquet", b"")
    store.write("resolved_line_items_of_old/2024-04.parquet", b"")
    found = shares_beside(store, own, "2025-03")
    assert found.unreadable == ["resolved_line_items/2024-01.parquet", "resolved_line_items/2024-02.parquet"]
    assert (found.periods, len(found.shares)) == (["2025-01"], 1)


def _assignments() -> AssignmentsOfPeriod:
    return AssignmentsOfPeriod("2024-02", READ_AT, [an_assignment(LINE)])


def test_a_line_is_another_line_after_it_was_stored() -> None:
    """The identity of a line survives the file, so that a stored period can be compared with a running one."""
    rows = _rows(LINE, STRANGER)
    again = parquet.decode_resolved(parquet.encode(ResolvedPeriod("2025-01", READ_AT, rows))).rows
    assert again == rows
