"""What a run would change in a published period, and whether it may.

Source: SPEC.md section 7.2. Merging what may be published lives in `combined_list`, writing it in
`billing_assets.stores.publication`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from billing_assets.domain.listed_bills import StandingBill
from billing_assets.domain.master_bills import DRAFT, MasterBill
from billing_assets.domain.money import EXACT, ZERO, plain, total

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Mapping
    from decimal import Decimal


class Verdict(StrEnum):
    """What becomes of a run's bills."""

    PUBLISH = "published"
    UNCHANGED = "unchanged"
    """No bill's content differs; a status that the app edited is still carried into the period object."""
    PENDING = "pending restatement"
    REFUSED = "refused by the shrink guard"
    STALE = "stale"
    """A run that read later has published."""


class Change(StrEnum):
    """What a run does to one bill."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class BillChange:
    """One bill before and after."""

    master_bill_id: str
    change: Change
    before_usd: Decimal | None
    """None for a new bill, or where the amount that stands there can't be read."""
    after_usd: Decimal | None
    """None for a vanished bill."""
    status: str
    """Of the bill that stands; `draft` for a new one."""
    content_before: str
    lines_gone: tuple[tuple[str, Decimal], ...]
    """Hash and amount of the bill lines that it has no longer."""

    @property
    def frozen(self) -> bool:
        """Whether somebody has decided on the bill."""
        return self.status != DRAFT

    @property
    def taken_usd(self) -> Decimal:
        """How much of the standing absolute amount goes; all of it where the sign turns."""
        before, after = self.before_usd or ZERO, self.after_usd or ZERO
        if EXACT.multiply(before, after) < 0:
            return before.copy_abs()
        return max(ZERO, EXACT.subtract(before.copy_abs(), after.copy_abs()))

    def archived_since(self, archived: Collection[str]) -> tuple[int, Decimal]:
        """How many of the lines that are gone are in the archive, and their dollars."""
        amounts = [amount for line_hash, amount in self.lines_gone if line_hash in archived]
        return len(amounts), total(amounts)


@dataclass(frozen=True, slots=True)
class Difference:
    """What publishing would do to a period, bill by bill, in order of id."""

    changes: tuple[BillChange, ...]

    @property
    def touched(self) -> tuple[BillChange, ...]:
        """New, changed and vanished bills."""
        return tuple(change for change in self.changes if change.change is not Change.UNCHANGED)

    @property
    def before_usd(self) -> Decimal:
        """The sum of what stands."""
        return total(change.before_usd for change in self.changes if change.before_usd is not None)

    @property
    def after_usd(self) -> Decimal:
        """The sum of what would stand."""
        return total(change.after_usd for change in self.changes if change.after_usd is not None)

    @property
    def line_hashes_gone(self) -> frozenset[str]:
        """Lines that a bill has no longer: the ones to look for in the archive."""
        return frozenset(line_hash for change in self.touched for line_hash, _ in change.lines_gone)

    def counts(self) -> dict[Change, int]:
        """Bills by what becomes of them, also of kinds that don't occur."""
        found = Counter(change.change for change in self.changes)
        return {change: found[change] for change in Change}

    def shrinks_beyond(self, most: Decimal) -> bool:
        """Whether more than the share `most` of the standing bills or of their absolute amount goes, or all bills do.

        What is taken counts bill by bill: new bills don't make up for vanished ones.
        """
        standing = [change for change in self.changes if change.change is not Change.NEW]
        vanished = sum(change.change is Change.VANISHED for change in standing)
        absolute = total(change.before_usd.copy_abs() for change in standing if change.before_usd is not None)
        taken = total(change.taken_usd for change in standing)
        emptied = bool(standing) and all(change.change is Change.VANISHED for change in self.changes)
        return emptied or vanished > most * len(standing) or taken > most * absolute

    def text(self, archived: Collection[str] = frozenset(), *, most: int = 20) -> str:
        """For people: sums, then bill by bill before, after, and what is archived since."""
        counts = ", ".join(f"{count:,} {change}" for change, count in self.counts().items())
        lines = [f"{counts}; ${plain(self.before_usd)} before, ${plain(self.after_usd)} after"]
        lines += [_shown(change, archived) for change in self.touched[:most]]
        if len(self.touched) > most:
            lines.append(f"... and {len(self.touched) - most:,} more")
        return "\n".join(lines)


def standing_bills(
    published: Iterable[MasterBill] | None,
    listed: Iterable[StandingBill],
    superseded: Collection[tuple[str, str]] = frozenset(),
) -> dict[str, StandingBill]:
    """What a run is compared with: the period's own object, with what the app decided in the combined list.

    A listed bill of the same content lends its status and creation. One of other content, or that the period's object
    doesn't have, counts where somebody decided on it; a draft is healed instead. Without a period object, what is
    listed stands.

    Args:
        published: The bills of the period's object; None where there is none.
        listed: The period's entries of our form in the combined list.
        superseded: Id and content of bills that a restatement put aside: if the run died before the combined list was
            rewritten, they still stand there, and nobody is protected by them any more.
    """
    standing = {bill.master_bill_id: StandingBill.of(bill) for bill in published or ()}
    still = (bill for bill in listed if (bill.master_bill_id, bill.content_hash) not in superseded)
    for name, bill in _strongest_by_id(still).items():
        own = standing.get(name)
        same = own is not None and own.content_hash == bill.content_hash
        if published is None or same or bill.status != DRAFT:
            standing[name] = bill
    return standing


def carry_over(bills: Iterable[MasterBill], standing: Mapping[str, StandingBill]) -> list[MasterBill]:
    """Bills whose content stands already, with its status, and when and by whom it was made; the others as they are."""
    return [
        msgspec.structs.replace(bill, created_utc=old.created_utc, created_by=old.created_by, status=old.status)
        if (old := standing.get(bill.master_bill_id)) is not None and old.content_hash == bill.content_hash
        else bill
        for bill in bills
    ]


def difference_between(standing: Mapping[str, StandingBill], bills: Iterable[MasterBill]) -> Difference:
    """Compare what stands with what a run made, by id and content."""
    made = {bill.master_bill_id: bill for bill in bills}
    return Difference(tuple(_change(name, standing.get(name), made.get(name)) for name in sorted({*standing, *made})))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else decides."""

    published: bool
    """Whether the period has an object yet; the first publication writes one even without bills."""
    closed: bool
    """Then any change, addition or removal waits for a decision."""
    restated: bool
    """Whether a person decided, with a reason: overrides every guard but the last."""
    max_shrink: Decimal
    """The share of a period that a run may take away (0.10 is ten per cent)."""
    read_at: dt.datetime
    """When the run read the assignments."""
    published_read_at: dt.datetime | None
    """When the published run did; None where that isn't known."""


def verdict_on(difference: Difference, at: Circumstances) -> Verdict:
    """Decide whether a run may publish, guard by guard."""
    if at.published_read_at is not None and at.read_at < at.published_read_at:
        return Verdict.STALE
    if not difference.touched:
        return Verdict.UNCHANGED if at.published else Verdict.PUBLISH
    if at.restated:
        return Verdict.PUBLISH
    if at.closed or any(change.frozen for change in difference.touched):
        return Verdict.PENDING
    return Verdict.REFUSED if difference.shrinks_beyond(at.max_shrink) else Verdict.PUBLISH


def _strongest_by_id(listed: Iterable[StandingBill]) -> dict[str, StandingBill]:
    """One bill for each id: of several the first that somebody has decided on, else the first."""
    chosen: dict[str, StandingBill] = {}
    for bill in listed:
        known = chosen.get(bill.master_bill_id)
        if known is None or (known.status == DRAFT and bill.status != DRAFT):
            chosen[bill.master_bill_id] = bill
    return chosen


def _change(name: str, before: StandingBill | None, after: MasterBill | None) -> BillChange:
    return BillChange(
        master_bill_id=name,
        change=_kind_of(before, after),
        before_usd=None if before is None else before.amount_usd,
        after_usd=None if after is None else after.utility_amount,
        status=DRAFT if before is None else before.status,
        content_before="" if before is None else before.content_hash,
        lines_gone=() if before is None else _lines_gone(before, after),
    )


def _kind_of(before: StandingBill | None, after: MasterBill | None) -> Change:
    if before is None:
        return Change.NEW
    if after is None:
        return Change.VANISHED
    return Change.UNCHANGED if before.content_hash == after.content_hash else Change.CHANGED


def _lines_gone(before: StandingBill, after: MasterBill | None) -> tuple[tuple[str, Decimal], ...]:
    left = Counter(line.line_hash for line in after.source_line_items) if after is not None else Counter[str]()
    gone = []
    for line_hash, amount in before.lines:
        left[line_hash] -= 1
        if left[line_hash] < 0:
            gone.append((line_hash, amount))
    return tuple(gone)


def _shown(change: BillChange, archived: Collection[str]) -> str:
    before, after = (
        "nothing" if amount is None else f"${plain(amount)}" for amount in (change.before_usd, change.after_usd)
    )
    text = f"{change.change}: {change.master_bill_id}, {before} -> {after}, status {change.status}"
    if not change.lines_gone:
        return text
    count, amount = change.archived_since(archived)
    since = f"{count} archived since (${plain(amount)})" if count else "none archived since"
    return f"{text}; of {len(change.lines_gone)} lines gone, {since}"
