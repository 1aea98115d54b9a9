"""A line's shares of all periods against its charge, and a record's own amount against its line.

Source: issue 3, SPEC.md sections 1.1 and 3. Only what is billed counts: a share that is excluded or can't be billed
costs nobody anything. Reading what other periods hold lives in `billing_assets.stores.stored_periods`.

A line is the same line in every period if it stands in the same object family and has the same *slot*: the v2 hash,
whichever version a record holds, and how many equal lines stand in front of it. So neither a rewrite under a newer
timestamp nor two records with different hash versions make two lines of one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from billing_assets.domain.line_items import money_of
from billing_assets.domain.money import EXACT, ZERO, share_in_cents, total
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets.domain.stage4 import ObjectFamily

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

HALF_A_CENT = Decimal("0.005")
"""What rounding may take from or give to one share."""


@dataclass(frozen=True, slots=True)
class BilledShare:
    """One billable row of one period: what two periods are compared by."""

    partition: str
    read_at_utc: dt.datetime
    """When the period's assignments were read: of two rows of a line the later knows its present charge."""
    found_s3_key: str
    position: int
    line_identity: str
    """The slot as text; see `NamedLine.identity`."""
    line_hash: str
    assignment_id: str
    share_usd: Decimal
    """The exact share, before it is rounded."""
    billed_usd: Decimal
    """The same in whole cents."""
    months: int
    charge_usd: Decimal | None
    """The line's override or charge, undivided."""
    account_number: str
    service_start: str
    service_end: str
    utility_name: str
    line_charge: str
    """What the invoice asks for, whatever people made of it; as written."""

    @property
    def family(self) -> ObjectFamily:
        """The object family in which the line stands; a key that spells a family's name is no member of it."""
        return ObjectFamily.of(self.found_s3_key).identity

    @property
    def age(self) -> tuple[dt.datetime, str]:
        """Greater for what is known more lately."""
        return self.read_at_utc, self.partition

    @property
    def invoice_usd(self) -> Decimal | None:
        """What the invoice asks for; None if that can't be read."""
        return money_of(self.line_charge)


def billed_shares(rows: Iterable[ResolvedLineItem], partition: str, read_at_utc: dt.datetime) -> list[BilledShare]:
    """The billable rows of a period, in their order."""
    return [
        BilledShare(
            partition=partition,
            read_at_utc=read_at_utc,
            found_s3_key=row.found_key,
            position=row.line.position,
            line_identity=row.line.identity,
            line_hash=row.assignment.line_hash,
            assignment_id=row.assignment.assignment_id,
            share_usd=row.assigned_usd,
            billed_usd=row.billed_usd,
            months=row.assignment.months,
            charge_usd=row.line.item.charge_usd,
            account_number=row.line.item.account_number,
            service_start=row.line.item.service_start,
            service_end=row.line.item.service_end,
            utility_name=row.line.item.utility_name,
            line_charge=row.line.item.line_charge,
        )
        for row in rows
        if row.status is Status.BILLABLE and row.line and row.assigned_usd is not None and row.billed_usd is not None
    ]


@dataclass(frozen=True, slots=True)
class LineShares:
    """The shares of one line that don't add up to its charge."""

    shares: tuple[BilledShare, ...]
    """By partition."""
    charge_usd: Decimal
    shares_usd: Decimal
    """Their exact sum: rounding each of them to cents is another matter, and is reported as such."""

    @property
    def excess_usd(self) -> Decimal:
        """What the shares are more than the charge (more credit, for a credit); negative for less."""
        difference = EXACT.subtract(self.shares_usd, self.charge_usd)
        return EXACT.minus(difference) if self.charge_usd < 0 else difference


def shares_beside_charges(shares: Iterable[BilledShare], partition: str) -> list[LineShares]:
    """The lines of a partition whose shares over all periods add up to more than the charge, or finally to less.

    Less is told once as many periods as the records say are billed; until then the others may still come. Half a cent
    a share is what the app's own rounding may leave. A line whose charge can't be read has nothing to be compared with.

    Args:
        shares: Of all periods, in any order; each period holds a line once.
        partition: Only its lines are told, so that each period speaks of its own.

    Returns:
        The most dollars first, whichever way.
    """
    by_line: dict[tuple[ObjectFamily, str], list[BilledShare]] = defaultdict(list)
    for share in shares:
        by_line[share.family, share.line_identity].append(share)
    faults = (_beside_charge(of_line) for of_line in by_line.values() if _touches(of_line, partition))
    return sorted((fault for fault in faults if fault is not None), key=_worst_line)


def _beside_charge(shares: list[BilledShare]) -> LineShares | None:
    charge = max(shares, key=lambda share: share.age).charge_usd
    if charge is None:
        return None
    in_order = sorted(shares, key=lambda share: (share.partition, share.assignment_id))
    line = LineShares(tuple(in_order), charge, total(share.share_usd for share in shares))
    tolerance = HALF_A_CENT * len(shares)
    # A charge of nothing has no direction: any dollar on it is one too many.
    excess = line.excess_usd if charge else line.excess_usd.copy_abs()
    is_whole = len(shares) >= max(share.months for share in shares)
    return line if excess > tolerance or (is_whole and excess < -tolerance) else None


def _touches(shares: Iterable[BilledShare], partition: str) -> bool:
    return any(share.partition == partition for share in shares)


def _worst_line(line: LineShares) -> tuple[Decimal, str, str]:
    first = line.shares[0]
    return -line.excess_usd.copy_abs(), first.found_s3_key, first.line_identity


@dataclass(frozen=True, slots=True)
class DriftedAmount:
    """A record whose own amount is not its share of the line's present charge."""

    row: ResolvedLineItem
    own_usd: Decimal
    expected_usd: Decimal
    """The present share, in whole cents."""

    @property
    def difference_usd(self) -> Decimal:
        """What the own amount is above (or below) the present share."""
        return EXACT.subtract(self.own_usd, self.expected_usd)


def drifted_amounts(rows: Iterable[ResolvedLineItem]) -> list[DriftedAmount]:
    """The billable rows of a period whose own amount is not the line's charge or override divided by the months.

    A charge that was overridden after it was assigned shows here. Half a cent a month may differ, since the last share
    of a line often takes what rounding left of the others. A row without an own amount can't drift.

    Returns:
        The most dollars first, whichever way.
    """
    drifted = []
    for row in rows:
        own, charge = row.assignment.amount, None if row.item is None else row.item.charge_usd
        if row.status is not Status.BILLABLE or own is None or charge is None:
            continue
        months = Decimal(row.assignment.months)
        # Compared undivided, since a quotient may never end: own - charge / months, and half a cent times months.
        difference = EXACT.subtract(EXACT.multiply(own, months), charge)
        if difference.copy_abs() > EXACT.multiply(HALF_A_CENT, EXACT.multiply(months, months)):
            drifted.append(DriftedAmount(row, own, share_in_cents(charge, row.assignment.months)))
    return sorted(drifted, key=lambda drift: (-drift.difference_usd.copy_abs(), drift.row.assignment.order))


def above_and_below_usd(lines: Iterable[LineShares]) -> tuple[Decimal, Decimal]:
    """What lines' shares are above their charges in all, and what below; both positive and in cents."""
    exact = [line.excess_usd if line.charge_usd else line.excess_usd.copy_abs() for line in lines]
    excesses = [share_in_cents(excess) for excess in exact]
    above = total(excess for excess in excesses if excess > ZERO)
    return above, EXACT.minus(total(excess for excess in excesses if excess < ZERO))
