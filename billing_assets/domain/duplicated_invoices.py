"""The same invoice parsed twice: one charge that stands in two object families, and is billed from both.

Source: issue 3. The line hash can't tell it, since it covers when and from which file a line was parsed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.money import EXACT, total

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from billing_assets.domain.shares import BilledShare
    from billing_assets.domain.stage4 import ObjectFamily


@dataclass(frozen=True, slots=True)
class DuplicatedInvoice:
    """One charge of one account that is billed from several object families."""

    charge_usd: Decimal
    shares_by_family: dict[ObjectFamily, tuple[BilledShare, ...]]
    """Two families or more, by name; shares by partition and position."""

    @property
    def over_billed_usd(self) -> Decimal:
        """What all families but the one that bills the most bill (or credit) besides."""
        amounts = [total(share.billed_usd for share in shares) for shares in self.shares_by_family.values()]
        return EXACT.subtract(total(amounts), max(amounts, key=lambda amount: amount.copy_abs()))


def duplicated_invoices(shares: Iterable[BilledShare], partition: str) -> list[DuplicatedInvoice]:
    """The charges of a partition that also another object family bills, in whichever period.

    One charge is: the same account, service dates, utility and invoice amount. A line without an account or without
    both dates says too little to be the same as another, and a charge of nothing bills nobody twice. Equal lines of one
    family are several charges.

    Args:
        shares: Of all periods, in any order.
        partition: Only its charges are told, so that each period speaks of its own.

    Returns:
        The most dollars first.
    """
    by_charge: dict[tuple[str, str, str, str, Decimal], list[BilledShare]] = defaultdict(list)
    for share in shares:
        charge = share.invoice_usd
        if charge and share.account_number and share.service_start and share.service_end:
            dates = share.service_start, share.service_end
            by_charge[share.account_number, *dates, share.utility_name, charge].append(share)
    found = [
        DuplicatedInvoice(charge, families)
        for (*_, charge), alike in by_charge.items()
        if any(share.partition == partition for share in alike) and len(families := _by_family(alike)) > 1
    ]
    return sorted(found, key=_worst)


def _by_family(shares: Iterable[BilledShare]) -> dict[ObjectFamily, tuple[BilledShare, ...]]:
    families: dict[ObjectFamily, list[BilledShare]] = defaultdict(list)
    for share in sorted(shares, key=lambda share: (share.partition, share.position, share.assignment_id)):
        families[share.family].append(share)
    by_name = sorted(families, key=lambda family: (family.name, family.timestamp is not None))
    return {family: tuple(families[family]) for family in by_name}


def _worst(invoice: DuplicatedInvoice) -> tuple[Decimal, list[str], Decimal]:
    return -invoice.over_billed_usd.copy_abs(), [family.name for family in invoice.shares_by_family], invoice.charge_usd
