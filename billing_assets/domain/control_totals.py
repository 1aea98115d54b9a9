"""Sums that must agree, and shares that must stay small: what the checks of a period compare.

Source: SPEC.md section 6. How a failed comparison is shown lives in `billing_assets.defs.checks`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.money import EXACT, ZERO, plain, total
from billing_assets.domain.periods import PeriodError
from billing_assets.domain.resolved import UNBILLED, ResolvedLineItem, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from billing_assets.domain.assignments import Assignment


@dataclass(frozen=True, slots=True)
class StatusTotals:
    """Rows and dollars of one status."""

    rows: int
    billed_usd: Decimal


def totals_by_status(rows: Iterable[ResolvedLineItem]) -> dict[Status, StatusTotals]:
    """Rows and readable dollars of every status, also of those that don't occur."""
    counts: Counter[Status] = Counter()
    dollars = dict.fromkeys(Status, ZERO)
    for row in rows:
        counts[row.status] += 1
        if row.billed_usd is not None:
            dollars[row.status] = EXACT.add(dollars[row.status], row.billed_usd)
    return {status: StatusTotals(counts[status], dollars[status]) for status in Status}


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """Records in against rows out, and their own amounts by status (SPEC.md section 6)."""

    records_read: int
    rows_out: int
    own_amounts_read_usd: Decimal
    own_amounts_by_status_usd: dict[Status, Decimal]
    amounts_absent: int
    amounts_unreadable: int

    @property
    def agree(self) -> bool:
        """Whether nothing was lost on the way."""
        amounts_out = total(self.own_amounts_by_status_usd.values())
        return self.records_read == self.rows_out and self.own_amounts_read_usd == amounts_out

    @classmethod
    def of(cls, assignments: Sequence[Assignment], rows: Sequence[ResolvedLineItem]) -> ControlTotals:
        """Count both sides independently."""
        by_status = dict.fromkeys(Status, ZERO)
        for row in rows:
            if row.assignment.amount_text and row.assigned_usd is not None:
                by_status[row.status] = EXACT.add(by_status[row.status], row.assigned_usd)
        return cls(
            records_read=len(assignments),
            rows_out=len(rows),
            own_amounts_read_usd=total(record.amount for record in assignments if record.amount is not None),
            own_amounts_by_status_usd=by_status,
            amounts_absent=sum(not record.amount_text for record in assignments),
            amounts_unreadable=sum(bool(record.amount_text) and record.amount is None for record in assignments),
        )


@dataclass(frozen=True, slots=True)
class UnbilledShare:
    """How much of a period people have to mend before it is billed: rows invalid, unresolved or unbillable."""

    rows: int
    of_rows: int
    absolute_usd: Decimal
    of_absolute_usd: Decimal

    @classmethod
    def of(cls, rows: Iterable[ResolvedLineItem]) -> UnbilledShare:
        """Count rows, and the absolute dollars of those whose amount is readable."""
        counts, dollars = [0, 0], [ZERO, ZERO]
        for row in rows:
            unbilled = row.status in UNBILLED
            amount = ZERO if row.billed_usd is None else row.billed_usd.copy_abs()
            for index, counted in enumerate((unbilled, True)):
                if counted:
                    counts[index] += 1
                    dollars[index] = EXACT.add(dollars[index], amount)
        return cls(counts[0], counts[1], dollars[0], dollars[1])

    def exceeds(self, most: Decimal) -> bool:
        """Whether the share of rows or of dollars is above `most` (0.05 is five per cent)."""
        return self.rows > most * self.of_rows or self.absolute_usd > most * self.of_absolute_usd

    def text(self) -> str:
        """For people: `3 of 700 rows, $12.00 of $9,000.00`."""
        return f"{self.rows:,} of {self.of_rows:,} rows, ${plain(self.absolute_usd)} of ${plain(self.of_absolute_usd)}"


def stray_periods(no_partition: Iterable[Assignment]) -> list[tuple[str, str, int]]:
    """The period texts of records that belong to no partition, why, and how many; the most frequent first."""
    counts = Counter((record.ubi_period, _why_nowhere(record)) for record in no_partition)
    return [(text, why, count) for (text, why), count in sorted(counts.items(), key=_most_first)]


def _why_nowhere(record: Assignment) -> str:
    if not record.ubi_period.strip():
        return "no period"
    try:
        _ = record.period
    except PeriodError:
        return "no month or range of months, MM/YYYY"
    return "outside the partitions"


def reasons_of(rows: Iterable[ResolvedLineItem]) -> list[tuple[str, str, int]]:
    """Rows that aren't billed by status and reason, the most frequent first."""
    counts = Counter((row.status.value, row.reason) for row in rows if row.status is not Status.BILLABLE)
    return [(status, reason, count) for (status, reason), count in sorted(counts.items(), key=_most_first)]


def worst_objects(rows: Iterable[ResolvedLineItem], most: int) -> list[tuple[str, str, str, int, str]]:
    """The objects behind the most unbilled rows: key, status, reason, rows, absolute US dollars."""
    counts: Counter[tuple[str, str, str]] = Counter()
    dollars: dict[tuple[str, str, str], Decimal] = {}
    for row in rows:
        if row.status in UNBILLED:
            identity = row.assignment.s3_key, row.status.value, row.reason
            counts[identity] += 1
            amount = ZERO if row.billed_usd is None else row.billed_usd.copy_abs()
            dollars[identity] = EXACT.add(dollars.get(identity, ZERO), amount)
    worst = sorted(counts.items(), key=_most_first)[:most]
    return [(*identity, count, plain(dollars[identity])) for identity, count in worst]


def dearest_unbilled(rows: Iterable[ResolvedLineItem], most: int) -> list[ResolvedLineItem]:
    """The unbilled rows of the most absolute dollars, dearest first; those without a readable amount come last."""
    unbilled = [row for row in rows if row.status in UNBILLED]
    dollars = {id(row): ZERO if row.billed_usd is None else row.billed_usd.copy_abs() for row in unbilled}
    return sorted(unbilled, key=lambda row: (-dollars[id(row)], row.assignment.order))[:most]


def rounding_difference_usd(rows: Iterable[ResolvedLineItem]) -> Decimal:
    """What rounding to cents took from the billable rows' exact amounts (positive) or gave to them."""
    differences = (
        EXACT.subtract(row.assigned_usd, row.billed_usd)
        for row in rows
        if row.status is Status.BILLABLE and row.assigned_usd is not None and row.billed_usd is not None
    )
    return total(differences)


def _most_first(counted: tuple[tuple[str, ...], int]) -> tuple[int, tuple[str, ...]]:
    identity, count = counted
    return -count, identity
