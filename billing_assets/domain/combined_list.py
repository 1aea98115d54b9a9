"""The combined list of all periods' master bills: one period's bills merged in, everything else kept as written.

Source: SPEC.md section 7.1. Reading such a list lives in `listed_bills`; replacing it in S3 in
`billing_assets.stores.publication`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from billing_assets.domain.listed_bills import ListedEntry, entries_of, listed_bill_of, order_of, rendered
from billing_assets.domain.master_bills import DRAFT, MasterBill, encode_bill
from billing_assets.domain.periods import Month

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_assets.domain.listed_bills import ListedBill

REMEDY = (
    "bring back its last readable version (the bucket's object versions, or the app's own backup), or move it away if "
    "nothing in it is wanted; then run the job `republish` for every published period"
)

_OUR_FIELDS = frozenset(MasterBill.__struct_fields__)
_FOREIGN: tuple[str, tuple[str | Month, ...]] = ("~", ())
"""Sorts after every period."""


@dataclass(frozen=True, slots=True)
class Merge:
    """The new list, and what became of the old one's entries."""

    content: bytes
    """The very bytes of the old list if nothing changes, whatever their layout."""
    changed: bool
    added: tuple[str, ...]
    """Ids of bills that were not in the list."""
    replaced: tuple[str, ...]
    """Ids of bills that stood there with other values, or twice."""
    removed: tuple[str, ...]
    """Ids of the period that are no bills of it."""
    overruled: tuple[str, ...]
    """Those removed, or replaced by other content, although their status was not `draft`; with that status."""
    without_month: tuple[str, ...]
    """Entries without a readable month, kept; for people."""
    foreign: tuple[str, ...]
    """Entries of the period whose id is not of our form, kept; for people."""


def merged(existing: bytes | None, period: str, bills: Iterable[MasterBill], *, where: str) -> Merge:
    """Replace exactly one period's bills in the list.

    A bill whose content stands in the list already keeps the `status`, `created_utc` and `created_by` that it has
    there, and fields that the app added; if nothing else differs, also its spelling. Every other entry keeps its text.

    The laws: merging the same bills again changes no byte; periods may be merged in any order.

    Args:
        existing: The list as it is; None where there is none yet.
        period: The partition, `YYYY-MM`.
        bills: All bills of the period, in any order.
        where: The list's address, for the error.

    Returns:
        Bills in order of period, property, charge code, utility and months, then the entries that are no bills of
        ours in the order that they had.

    Raises:
        UnreadableInputError: The list is no JSON list; nothing is known about its entries.
    """
    return _Merging(period, bills).of(existing, where=where)


def listed_bills(existing: bytes | None, period: str, *, where: str) -> list[ListedBill]:
    """The entries of a period that carry an id of our form, in their order; an id may stand there twice.

    Raises:
        UnreadableInputError: The list is no JSON list.
    """
    entries = () if existing is None else entries_of(existing, where=where, remedy=REMEDY)
    found = (listed_bill_of(entry) for entry in entries if entry.partition == period)
    return [bill for bill in found if bill is not None]


def strongest_by_id(listed: Sequence[ListedBill]) -> dict[str, ListedBill]:
    """One entry for each id: of several the first that somebody has decided on, else the first."""
    chosen: dict[str, ListedBill] = {}
    for bill in listed:
        known = chosen.get(bill.master_bill_id)
        if known is None or (known.status == DRAFT and bill.status != DRAFT):
            chosen[bill.master_bill_id] = bill
    return chosen


class _Merging:
    """One merge; old entries go in, one after the other."""

    def __init__(self, period: str, bills: Iterable[MasterBill]) -> None:
        self._period = period
        self._bills = {bill.master_bill_id: bill for bill in bills}
        self._kept: list[tuple[tuple[str, tuple[str | Month, ...]], bytes]] = []
        self._standing: dict[str, list[ListedEntry]] = {}
        self._without_month: list[str] = []
        self._foreign: list[str] = []

    def of(self, existing: bytes | None, *, where: str) -> Merge:
        if existing is not None:
            for entry in entries_of(existing, where=where, remedy=REMEDY):
                self._take(entry)
        added, replaced, overruled = [], [], []
        for name, bill in self._bills.items():
            entries = self._standing.pop(name, [])
            text, carried = _text_of(bill, entries)
            self._kept.append(((self._period, order_of(name)), text))
            if not entries:
                added.append(name)
            elif len(entries) > 1 or entries[0].text.encode() != text:
                replaced.append(name)
                overruled += [] if carried else _decided(entries)
        for entries in self._standing.values():
            overruled += _decided(entries)
        changed = bool(existing is None or added or replaced or self._standing)
        self._kept.sort(key=lambda pair: pair[0])
        return Merge(
            content=rendered([text for _, text in self._kept]) if changed or existing is None else existing,
            changed=changed,
            added=tuple(sorted(added)),
            replaced=tuple(sorted(replaced)),
            removed=tuple(sorted(self._standing)),
            overruled=tuple(sorted(overruled)),
            without_month=tuple(self._without_month),
            foreign=tuple(self._foreign),
        )

    def _take(self, entry: ListedEntry) -> None:
        partition, name = entry.partition, entry.master_bill_id
        if name is not None and partition is not None:
            if partition == self._period:
                self._standing.setdefault(name, []).append(entry)
            else:
                self._kept.append(((partition, order_of(name)), entry.text.encode()))
            return
        if partition is None:
            self._without_month.append(entry.shown())
        elif partition == self._period:
            self._foreign.append(entry.shown())
        self._kept.append((_FOREIGN, entry.text.encode()))


def _text_of(bill: MasterBill, entries: Sequence[ListedEntry]) -> tuple[bytes, bool]:
    """The JSON of a bill, and whether it carries over what stood there."""
    same: list[tuple[ListedEntry, ListedBill]] = []
    for entry in entries:
        listed = listed_bill_of(entry)
        if listed is not None and listed.content_hash == bill.content_hash:
            same.append((entry, listed))
    if not same:
        return encode_bill(bill), False
    entry, listed = next((pair for pair in same if pair[1].status != DRAFT), same[0])
    carried = carried_over(bill, listed)
    return (entry.text.encode() if carried == listed.bill else _with_added_fields(carried, entry)), True


def carried_over(bill: MasterBill, listed: ListedBill) -> MasterBill:
    """A bill with what a listed one of the same content was given: its status, and when and by whom it was made."""
    if listed.bill is None:
        return bill
    return msgspec.structs.replace(
        bill, created_utc=listed.bill.created_utc, created_by=listed.bill.created_by, status=listed.bill.status
    )


def _with_added_fields(bill: MasterBill, entry: ListedEntry) -> bytes:
    """The bill with the fields that the app added to the entry, each as written."""
    try:
        fields = msgspec.json.decode(entry.text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        # NaN or a lone surrogate: where its lines were found is worth less than what the app wrote.
        return entry.text.encode()
    added = [
        b"%b:%b" % (msgspec.json.encode(name), bytes(raw)) for name, raw in fields.items() if name not in _OUR_FIELDS
    ]
    return b",".join((encode_bill(bill)[:-1], *added)) + b"}"


def _decided(entries: Sequence[ListedEntry]) -> list[str]:
    listed = (listed_bill_of(entry) for entry in entries)
    return [f"{bill.master_bill_id} ({bill.status})" for bill in listed if bill is not None and bill.status != DRAFT]
