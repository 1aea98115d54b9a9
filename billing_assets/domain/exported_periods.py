"""What Snowflake holds, compared with what is published: which periods are missing, stale, orphaned or unsound.

Source: SPEC.md section 7.3. Reading the two sides lives in `billing_assets.stores`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from billing_assets.domain.money import ZERO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


class PeriodTotals(NamedTuple):
    """Bills, line items and dollars of a period."""

    bills: int
    line_items: int
    amount_usd: Decimal
    line_items_amount_usd: Decimal


class ExportedRow(NamedTuple):
    """What a period's row says that its last export wrote."""

    content_sha256: str
    bills: int
    line_items: int
    amount_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportDifferences:
    """Periods by what is wrong with them, each in order; a period stands in the first that is true of it."""

    unsound: tuple[str, ...] = ()
    """The tables don't hold what the period's row says: somebody else wrote there."""
    orphaned: tuple[str, ...] = ()
    """Snowflake holds it, and it is not published."""
    missing: tuple[str, ...] = ()
    """Published and never exported."""
    stale: tuple[str, ...] = ()
    """Other content was published since."""

    @property
    def to_export(self) -> tuple[str, ...]:
        """The periods that an export mends."""
        return tuple(sorted((*self.missing, *self.stale)))

    def due_until(self, period: str) -> ExportDifferences:
        """The same without missing periods after one (`YYYY-MM`), which are still to be exported; `""`: with all."""
        if not period:
            return self
        return replace(self, missing=tuple(missing for missing in self.missing if missing <= period))

    def __bool__(self) -> bool:
        return bool(self.unsound or self.orphaned or self.missing or self.stale)


def compare_exported(
    published: Mapping[str, str], rows: Mapping[str, ExportedRow], tables: Mapping[str, PeriodTotals]
) -> ExportDifferences:
    """Compare what is published with what was exported.

    A period that was published empty and exported has a row, and nothing in the tables: that is no difference.

    Args:
        published: Content SHA-256 by period.
        rows: The periods' own rows.
        tables: What the tables of bills and line items hold.
    """
    held = {*rows, *(period for period, totals in tables.items() if totals.bills or totals.line_items)}
    orphaned = held - set(published)
    unsound = {period for period in held - orphaned if not _is_sound(rows.get(period), tables.get(period))}
    missing = set(published) - held
    stale = {
        period
        for period in set(published) & set(rows)
        if period not in unsound and rows[period].content_sha256 != published[period]
    }
    return ExportDifferences(
        unsound=tuple(sorted(unsound)),
        orphaned=tuple(sorted(orphaned)),
        missing=tuple(sorted(missing)),
        stale=tuple(sorted(stale)),
    )


def _is_sound(row: ExportedRow | None, totals: PeriodTotals | None) -> bool:
    if row is None:
        return False
    described = PeriodTotals(row.bills, row.line_items, row.amount_usd, row.amount_usd)
    return described == (totals or PeriodTotals(0, 0, ZERO, ZERO))
