"""Amounts before and after, by property and by utility: what a person looks at before what happened bill by bill.

Whether a change may be published is decided in `restatement`; here changes are only added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.listed_bills import order_of
from billing_assets.domain.money import EXACT, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from billing_assets.domain.master_bills import MasterBill
    from billing_assets.domain.restatement import BillChange


@dataclass(frozen=True, slots=True)
class AmountChange:
    """The sum of some bills, twice."""

    of: str
    """For people: the property or the utility; `""` is a blank utility."""
    before_usd: Decimal
    after_usd: Decimal

    @property
    def difference_usd(self) -> Decimal:
        """Negative where it became less."""
        return EXACT.subtract(self.after_usd, self.before_usd)

    def exceeds(self, most: Decimal) -> bool:
        """Whether it changed by more than the share `most` of what was before; from nothing, any change does."""
        return self.difference_usd.copy_abs() > EXACT.multiply(most, self.before_usd.copy_abs())


def changes_by_property(before: Iterable[MasterBill], after: Iterable[MasterBill]) -> list[AmountChange]:
    """Compare two periods' bills property by property.

    A property without bills counts as 0. A legacy range counts in its first month, as everywhere.

    Returns:
        The largest absolute difference first. The law: the differences add up to that of the two periods' totals.
    """
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    names: dict[str, str] = {}
    for place, bills in enumerate((before, after)):
        for bill in bills:
            _add(sums, bill.property_id, bill.utility_amount, place)
            names[bill.property_id] = bill.property_name or names.get(bill.property_id, "")
    shown = {key: f"{name} ({key})" if (name := names[key]) else key for key in sums}
    changes = [AmountChange(shown[key], *both) for key, both in sums.items()]
    return sorted(changes, key=lambda change: (-change.difference_usd.copy_abs(), change.of))


def changes_by_utility(changes: Iterable[BillChange]) -> list[AmountChange]:
    """Add up what a run does to a period's bills by utility, in order of name; an unreadable amount counts as 0."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for change in changes:
        utility = str(order_of(change.master_bill_id)[2])
        for place, amount in enumerate((change.before_usd, change.after_usd)):
            _add(sums, utility, amount or ZERO, place)
    return [AmountChange(utility, *sums[utility]) for utility in sorted(sums)]


def _add(sums: dict[str, tuple[Decimal, Decimal]], key: str, amount: Decimal, place: int) -> None:
    before, after = sums.get(key, (ZERO, ZERO))
    sums[key] = (before, EXACT.add(after, amount)) if place else (EXACT.add(before, amount), after)
