"""What a sum that does not agree says, as a letter: what was lost, which rule, and what to do now.

The sums live in `control_totals` and `assignments`; who compares them in `billing_assets.defs.checks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.errors import BillingError
from billing_assets.domain.money import plain, total

if TYPE_CHECKING:
    from decimal import Decimal

    from billing_assets.domain.assignments import TableReading
    from billing_assets.domain.control_totals import ControlTotals

_OUR_ERROR = "this is an error of this project, not of the data: keep the run, and report it (docs/runbook.md)"


def lost_rows_letter(totals: ControlTotals) -> str | None:
    """Records that left no row, or dollars that did not arrive; None if all did."""
    if totals.agree:
        return None
    amount = total(totals.own_amounts_by_status_usd.values())
    return BillingError(
        f"{totals.records_read:,} records were read, and {totals.rows_out:,} rows were made of them",
        found=f"own amounts of ${plain(totals.own_amounts_read_usd)} in, ${plain(amount)} out",
        rule="every record leaves one row, and its dollars with it; nothing of the period was published",
        remedy=_OUR_ERROR,
    ).letter()


def lost_records_letter(reading: TableReading) -> str | None:
    """Records of the whole table that are in no partition and not outside of them; None if all are accounted for."""
    if reading.all_accounted_for:
        return None
    inside, outside = sum(reading.records_by_partition.values()), len(reading.no_partition)
    return BillingError(
        f"{reading.records_scanned:,} records were scanned, and {inside + outside:,} are accounted for",
        found=f"{inside:,} in partitions, {outside:,} in none",
        rule="every record of the table is of one period, or listed as one of none",
        remedy=f"publish nothing until it is understood: {_OUR_ERROR}",
    ).letter()


def not_published_letter(
    *, unpublished: int, of_no_row: int, billable_usd: Decimal, published_usd: Decimal
) -> str | None:
    """What stands in S3 is not what the rows bill; None if it is.

    Args:
        unpublished: Billable rows that no published line item is of.
        of_no_row: Published line items that no billable row is of.
        billable_usd: Of the rows.
        published_usd: Of the bills.
    """
    if not unpublished and not of_no_row and billable_usd == published_usd:
        return None
    return BillingError(
        f"{unpublished:,} billable rows are not published, and {of_no_row:,} published line items are of no row",
        found=f"${plain(billable_usd)} billable, ${plain(published_usd)} published",
        rule="the period's object holds every billable row once, to the cent",
        remedy="run the period again, which publishes what differs; if it fails once more, somebody else writes the "
        "object: its versions in the bucket tell who",
    ).letter()
