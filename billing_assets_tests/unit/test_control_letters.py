"""Checks that stop a period or doubt the table say what was lost, and what to do: never a blank."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from billing_assets.defs.checks.resolved import check_resolved
from billing_assets.domain.assignments import PartitionRange, TableReading
from billing_assets.domain.control_letters import lost_records_letter, lost_rows_letter, not_published_letter
from billing_assets.domain.control_totals import ControlTotals
from billing_assets.domain.periods import Month
from billing_assets_tests.unit.making import KEY, a_line, an_assignment, jsonl, n, rows_of

LINE = a_line()
RECORDS = [an_assignment(LINE, amount=n("1.50")), an_assignment(LINE, KEY.replace("bill_", "lost_"), amount=n("2.00"))]


def test_a_lost_row_stops_a_period_without_a_word() -> None:
    """How many records, rows and dollars; nothing where they agree."""
    rows = rows_of(RECORDS, {KEY: jsonl(LINE)})
    assert lost_rows_letter(ControlTotals.of(RECORDS, rows)) is None
    assert lost_rows_letter(ControlTotals.of(RECORDS, rows[:1])) == (
        "2 records were read, and 1 rows were made of them\n"
        "  found:  own amounts of $3.50 in, $1.50 out\n"
        "  rule:   every record leaves one row, and its dollars with it; nothing of the period was published\n"
        "  remedy: this is an error of this project, not of the data: keep the run, and report it (docs/runbook.md)"
    )
    check, share, _ = check_resolved(RECORDS, rows[:1], Decimal("0.05"))
    assert not check.passed
    assert "2 records were read" in (check.description or "")
    assert share.passed
    _, share, _ = check_resolved(RECORDS, rows, Decimal("0.05"))
    assert "1 of 2 rows" in (share.description or "")
    assert "\n  remedy: mend the worst objects below in the app" in (share.description or "")


def test_a_lost_record_of_the_table_is_not_counted() -> None:
    """Scanned, in partitions, and in none."""
    partitions = PartitionRange(Month(2025, 1), Month(2025, 12))
    reading = TableReading.of([{"ubi_period": "01/2025"}, {"ubi_period": "soon"}], partitions, None)
    assert lost_records_letter(reading) is None
    letter = lost_records_letter(dataclasses.replace(reading, records_scanned=3)) or ""
    assert letter.startswith("3 records were scanned, and 2 are accounted for\n  found:  1 in partitions, 1 in none\n")
    assert "remedy: publish nothing until it is understood" in letter


@pytest.mark.parametrize(
    ("unpublished", "of_no_row", "published_usd", "said"),
    [
        (0, 0, "10.00", None),
        (1, 0, "10.00", "1 billable rows are not published, and 0 published line items are of no row"),
        (0, 2, "10.00", "0 billable rows are not published, and 2 published line items are of no row"),
        (0, 0, "10.01", "$10.00 billable, $10.01 published"),
    ],
)
def test_what_is_published_differs_without_a_word(
    unpublished: int, of_no_row: int, published_usd: str, said: str | None
) -> None:
    """Rows, line items and dollars, and to run the period again."""
    letter = not_published_letter(
        unpublished=unpublished,
        of_no_row=of_no_row,
        billable_usd=Decimal("10.00"),
        published_usd=Decimal(published_usd),
    )
    assert (letter is None) == (said is None)
    assert (said or "") in (letter or "")
    assert letter is None or "remedy: run the period again" in letter
