"""Sums that must agree: SPEC.md section 6."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from billing_assets.domain.control_totals import (
    ControlTotals,
    StatusTotals,
    UnbilledShare,
    reasons_of,
    rounding_difference_usd,
    stray_periods,
    totals_by_status,
    worst_objects,
)
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets_tests.unit.making import KEY, a_line, an_assignment, jsonl, n, rows_of

if TYPE_CHECKING:
    from billing_assets.domain.assignments import Assignment

LINE = a_line()
EXCLUDED, NO_CODE = (
    a_line({"id": 1, "Is Excluded From UBI": 1, "Exclusion Reason": "x"}),
    a_line({"id": 2, "Charge Code": ""}),
)
UNREADABLE = a_line({"id": 3, "Line Item Charge": "ten"})
OBJECTS = {KEY: jsonl(LINE, EXCLUDED, NO_CODE, UNREADABLE)}


def _period() -> tuple[list[Assignment], list[ResolvedLineItem]]:
    records = [
        an_assignment(LINE, amount=n("1.005"), assignment_id="a"),
        an_assignment(LINE, amount=n("2.00"), assignment_id="b"),
        an_assignment(EXCLUDED, amount=n("4.00")),
        an_assignment(NO_CODE, amount=n("-8.00")),
        an_assignment(NO_CODE, KEY.replace("bill_", "lost_"), amount=n("16.00")),
        an_assignment(UNREADABLE, amount=None),
        an_assignment(LINE, months=n(0), amount="$32.00"),
        an_assignment(LINE, amount="ten"),
        an_assignment(a_line({"id": 9}), amount=None),
    ]
    return records, rows_of(records, OBJECTS)


def test_a_lost_amount_is_not_told() -> None:
    """Records and their own amounts are counted on both sides, by status; absent and unreadable ones are counted."""
    records, rows = _period()
    totals = ControlTotals.of(records, rows)
    assert totals.agree
    assert (totals.records_read, totals.rows_out) == (9, 9)
    assert totals.own_amounts_read_usd == Decimal("47.005")
    assert totals.own_amounts_by_status_usd == {
        Status.BILLABLE: Decimal("1.005"),
        Status.DUPLICATE: Decimal("2.00"),
        Status.EXCLUDED: Decimal("4.00"),
        Status.UNBILLABLE: Decimal("-8.00"),
        Status.UNRESOLVED: Decimal("16.00"),
        Status.INVALID: Decimal("32.00"),
    }
    assert (totals.amounts_absent, totals.amounts_unreadable) == (2, 1)


def test_a_lost_row_or_cent_passes_the_check() -> None:
    """One row fewer, one row twice, or a cent elsewhere is told."""
    records, rows = _period()
    assert not ControlTotals.of(records, rows[1:]).agree
    assert not ControlTotals.of(records, [*rows, rows[0]]).agree
    assert not ControlTotals.of(records, [*rows, rows[5]]).agree
    assert not ControlTotals.of([*records, records[5]], rows).agree
    changed = replace(rows[0], assigned_usd=Decimal("1.006"))
    assert not ControlTotals.of(records, [changed, *rows[1:]]).agree
    swapped = [replace(rows[0], status=Status.EXCLUDED), *rows[1:]]
    assert ControlTotals.of(records, swapped).agree


def test_the_charge_of_a_line_counts_as_an_amount_of_its_record() -> None:
    """A record without an amount has none of its own, though its row is billed."""
    records = [an_assignment(LINE, amount=None)]
    rows = rows_of(records, OBJECTS)
    totals = ControlTotals.of(records, rows)
    assert rows[0].billed_usd == Decimal("10.00")
    assert {totals.own_amounts_read_usd, *totals.own_amounts_by_status_usd.values()} == {Decimal("0.00")}
    assert totals.agree


def test_an_explicit_zero_is_counted_as_absent() -> None:
    """A record with an amount of 0 has an amount of its own."""
    records = [an_assignment(LINE, amount=n(0)), an_assignment(LINE, amount="")]
    totals = ControlTotals.of(records, rows_of(records, OBJECTS))
    assert (totals.amounts_absent, totals.amounts_unreadable) == (1, 0)


def test_rows_and_dollars_by_status_are_wrong() -> None:
    """Every status has its rows and billed dollars, also one that doesn't occur."""
    assert totals_by_status(_period()[1]) == {
        Status.INVALID: StatusTotals(2, Decimal("32.00")),
        Status.UNRESOLVED: StatusTotals(2, Decimal("16.00")),
        Status.DUPLICATE: StatusTotals(1, Decimal("2.00")),
        Status.EXCLUDED: StatusTotals(1, Decimal("4.00")),
        Status.UNBILLABLE: StatusTotals(2, Decimal("-8.00")),
        Status.BILLABLE: StatusTotals(1, Decimal("1.00")),
    }
    assert totals_by_status([]) == dict.fromkeys(Status, StatusTotals(0, Decimal("0.00")))


def test_credits_hide_what_is_not_billed() -> None:
    """Invalid, unresolved and unbillable rows count together, their dollars without their signs."""
    share = UnbilledShare.of(_period()[1])
    assert share == UnbilledShare(6, 9, Decimal("56.00"), Decimal("63.00"))
    assert share.text() == "6 of 9 rows, $56.00 of $63.00"


@pytest.mark.parametrize(
    ("share", "exceeds"),
    [
        ((0, 0, "0", "0"), False),
        ((0, 100, "0", "100"), False),
        # At the limit is not above it, by rows and by dollars; either alone is enough.
        ((5, 100, "5.00", "100"), False),
        ((6, 100, "5.00", "100"), True),
        ((5, 100, "5.01", "100"), True),
        ((1, 100, "99", "100"), True),
        ((99, 100, "0", "100"), True),
        ((1, 1, "0", "0"), True),
    ],
)
def test_a_period_is_stopped_at_the_wrong_share(share: tuple[int, int, str, str], exceeds: bool) -> None:
    """Above the limit of records, or of absolute readable dollars, a period is stopped; at the limit it isn't."""
    rows, of_rows, absolute, of_absolute = share
    assert UnbilledShare(rows, of_rows, Decimal(absolute), Decimal(of_absolute)).exceeds(Decimal("0.05")) is exceeds


def test_the_rounding_of_a_period_is_not_reported() -> None:
    """The sum of what rounding took from the billable rows is exact, and gains offset losses."""
    lines = [a_line({"id": at}) for at in range(4)]
    amounts: list[Any] = [n("0.004"), n("0.009"), n("1.00"), None]
    records = [an_assignment(line, amount=amount, months=n(3)) for line, amount in zip(lines, amounts, strict=True)]
    rows = rows_of(records, {KEY: jsonl(*lines)})
    assert rows[3].assigned_usd is not None
    third = rows[3].assigned_usd - Decimal("3.33")
    assert abs(rounding_difference_usd(rows) - Decimal("0.003") - third) < Decimal("1E-25")
    assert rounding_difference_usd([rows[0], rows[1]]) == Decimal("0.003")
    assert rounding_difference_usd([replace(rows[0], status=Status.EXCLUDED)]) == Decimal("0.00")
    assert rounding_difference_usd([replace(rows[0], billed_usd=None)]) == Decimal("0.00")


def test_the_reasons_of_a_period_are_miscounted() -> None:
    """Rows that aren't billed are counted by status and reason, the most frequent first, then by name."""
    rows = _period()[1]
    assert reasons_of([*rows, rows[4]]) == [
        ("unresolved", "object_missing", 2),
        *(("duplicate", "", 1), ("excluded", "x", 1), ("invalid", "bad_amount", 1), ("invalid", "bad_months", 1)),
        *(
            ("unbillable", "bad_amount", 1),
            ("unbillable", "missing_charge_code", 1),
            ("unresolved", "line_not_found", 1),
        ),
    ]


def test_the_worst_objects_are_not_the_worst() -> None:
    """Objects are named by their unbilled rows, with absolute dollars; the most rows first, then by name."""
    rows = _period()[1]
    lost = KEY.replace("bill_", "lost_")
    assert worst_objects([*rows, rows[4], rows[3], rows[3]], 3) == [
        (KEY, "unbillable", "missing_charge_code", 3, "24.00"),
        (lost, "unresolved", "object_missing", 2, "32.00"),
        (KEY, "invalid", "bad_amount", 1, "0.00"),
    ]
    assert worst_objects(rows[:3], 9) == []


def test_a_record_of_no_period_is_not_explained() -> None:
    """Texts of no partition are counted, each with its reason, the most frequent first."""
    texts = ["13/2025", "01/2019", "", "13/2025", "02/2025 to 01/2025", " "]
    strays = [an_assignment(LINE, ubi_period=text) for text in texts]
    unreadable = "no month or range of months, MM/YYYY"
    assert stray_periods(strays) == [
        ("13/2025", unreadable, 2),
        ("", "no period", 1),
        (" ", "no period", 1),
        ("01/2019", "outside the partitions", 1),
        ("02/2025 to 01/2025", unreadable, 1),
    ]
