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

from billing_assets.domain.combined_list import strongest_by_id
from billing_assets.domain.master_bills import DRAFT, MasterBill
from billing_assets.domain.money import EXACT, ZERO, plain, total

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from decimal import Decimal

    from billing_assets.domain.listed_bills import ListedBill


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
class StandingBill:
    """A bill as its readers see it now."""

    master_bill_id: str
    amount_usd: Decimal | None
    """None where the app's entry has no readable amount."""
    content_hash: str
    """`""` where the app's entry is no longer a whole bill: no content equals it."""
    status: str
    created_utc: str
    created_by: str
    lines: tuple[tuple[str, Decimal], ...]
    """Hash and amount of each bill line."""


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
    listed: Sequence[ListedBill],
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
    chosen = strongest_by_id([bill for bill in listed if (bill.master_bill_id, bill.content_hash) not in superseded])
    standing = {bill.master_bill_id: _standing(bill) for bill in published or ()}
    for name, bill in chosen.items():
        own = standing.get(name)
        same = own is not None and own.content_hash == bill.content_hash
        if published is None or same or bill.status != DRAFT:
            standing[name] = _as_listed(bill)
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


def verdict_on(
    difference: Difference,
    *,
    closed: bool,
    restated: bool,
    max_shrink: Decimal,
    read_at: dt.datetime,
    published_read_at: dt.datetime | None,
) -> Verdict:
    """Decide whether a run may publish, guard by guard.

    Args:
        difference: What publishing would do.
        closed: Whether the period is closed: then any change, addition or removal waits for a decision.
        restated: Whether a person decided, with a reason: it overrides all guards but the last run's freshness.
        max_shrink: The share of a period that a run may take away (0.10 is ten per cent).
        read_at: When the run read the assignments.
        published_read_at: When the published run did; None where nothing is published or that isn't known.
    """
    if published_read_at is not None and read_at < published_read_at:
        return Verdict.STALE
    if not difference.touched:
        return Verdict.UNCHANGED
    if restated:
        return Verdict.PUBLISH
    if closed or any(change.frozen for change in difference.touched):
        return Verdict.PENDING
    return Verdict.REFUSED if difference.shrinks_beyond(max_shrink) else Verdict.PUBLISH


def _standing(bill: MasterBill) -> StandingBill:
    return StandingBill(
        master_bill_id=bill.master_bill_id,
        amount_usd=bill.utility_amount,
        content_hash=bill.content_hash,
        status=bill.status,
        created_utc=bill.created_utc,
        created_by=bill.created_by,
        lines=tuple((line.line_hash, line.amount) for line in bill.source_line_items),
    )


def _as_listed(listed: ListedBill) -> StandingBill:
    if listed.bill is not None:
        return _standing(msgspec.structs.replace(listed.bill, status=listed.status))
    return StandingBill(listed.master_bill_id, listed.amount_usd, "", listed.status, "", "", ())


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
