"""The combined list of all periods' master bills: one period's bills merged in, everything else kept as written.

Source: SPEC.md section 7.1. Its entries live in `listed_bills`; replacing it in S3 in
`billing_assets.stores.publication`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from billing_assets.domain.json_list import rendered
from billing_assets.domain.listed_bills import bill_of, entries_of, order_of, status_of
from billing_assets.domain.master_bills import DRAFT, MasterBill, encode_bill

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_assets.domain.listed_bills import ListedEntry
    from billing_assets.domain.periods import Month

_OUR_FIELDS = frozenset(MasterBill.__struct_fields__)
_FOREIGN: tuple[str, tuple[str | Month, ...]] = ("~", ())
"""Sorts after every period."""


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge did to the entries of the list."""

    added: tuple[str, ...] = ()
    """Ids of bills that were not in the list."""
    replaced: tuple[str, ...] = ()
    """Ids of bills that stood there with other values, or twice."""
    removed: tuple[str, ...] = ()
    """Ids of the period that are no bills of it."""
    overruled: tuple[str, ...] = ()
    """Those removed, or replaced by other content, although their status was not `draft`; with that status."""
    without_month: tuple[str, ...] = ()
    """Entries without a readable month, kept; for people."""
    foreign: tuple[str, ...] = ()
    """Entries of the period whose id is not of our form, kept; for people."""

    @property
    def touched(self) -> bool:
        """Whether any entry is another than before."""
        return bool(self.added or self.replaced or self.removed)


@dataclass(frozen=True, slots=True)
class Merge:
    """The new list, and what became of the old one's entries."""

    content: bytes
    """The very bytes of the old list if nothing changes, whatever their layout."""
    changed: bool
    report: MergeReport


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


@dataclass(frozen=True, slots=True)
class _Standing:
    """An entry of the period under an id of ours."""

    text: bytes
    status: str
    carried: bytes | None
    """The new text, if the content is that of the new bill."""


class _Merging:
    """One merge; old entries go in, one after the other."""

    def __init__(self, period: str, bills: Iterable[MasterBill]) -> None:
        self._period = period
        self._bills = {bill.master_bill_id: bill for bill in bills}
        self._kept: list[tuple[tuple[str, tuple[str | Month, ...]], bytes]] = []
        self._standing: dict[str, list[_Standing]] = {}
        self._without_month: list[str] = []
        self._foreign: list[str] = []

    def of(self, existing: bytes | None, *, where: str) -> Merge:
        if existing is not None:
            for entry in entries_of(existing, where=where):
                self._take(entry)
        added, replaced, overruled = [], [], []
        for name, bill in self._bills.items():
            entries = self._standing.pop(name, [])
            same = [entry for entry in entries if entry.carried is not None]
            carried = _strongest(same).carried if same else None
            text = encode_bill(bill) if carried is None else carried
            self._kept.append(((self._period, order_of(name)), text))
            if not entries:
                added.append(name)
            elif [entry.text for entry in entries] != [text]:
                replaced.append(name)
                overruled += [] if same else _decided(name, entries)
        for name, entries in self._standing.items():
            overruled += _decided(name, entries)
        report = MergeReport(
            added=tuple(sorted(added)),
            replaced=tuple(sorted(replaced)),
            removed=tuple(sorted(self._standing)),
            overruled=tuple(sorted(overruled)),
            without_month=tuple(self._without_month),
            foreign=tuple(self._foreign),
        )
        if existing is not None and not report.touched:
            return Merge(existing, changed=False, report=report)
        return Merge(self._rendered(), changed=True, report=report)

    def _rendered(self) -> bytes:
        self._kept.sort(key=lambda pair: pair[0])
        return rendered([text for _, text in self._kept])

    def _take(self, entry: ListedEntry) -> None:
        partition, name, text = entry.partition, entry.master_bill_id, entry.text.encode()
        if name is not None and partition is not None:
            if partition == self._period:
                self._standing.setdefault(name, []).append(self._standing_of(entry, name, text))
            else:
                self._kept.append(((partition, order_of(name)), text))
            return
        if partition is None:
            self._without_month.append(entry.shown())
        elif partition == self._period:
            self._foreign.append(entry.shown())
        self._kept.append((_FOREIGN, text))

    def _standing_of(self, entry: ListedEntry, name: str, text: bytes) -> _Standing:
        """Compare at once, so that decoded bills don't pile up."""
        new, old = self._bills.get(name), bill_of(entry)
        if new is None or old is None or new.content_hash != old.content_hash:
            return _Standing(text, status_of(entry), None)
        carried = msgspec.structs.replace(
            new, created_utc=old.created_utc, created_by=old.created_by, status=old.status
        )
        return _Standing(text, old.status, text if carried == old else _with_added_fields(carried, text))


def _with_added_fields(bill: MasterBill, text: bytes) -> bytes:
    """The bill with the fields that the app added to its entry, each as written."""
    try:
        fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        # NaN or a lone surrogate: where its lines were found is worth less than what the app wrote.
        return text
    added = [
        b"%b:%b" % (msgspec.json.encode(name), bytes(raw)) for name, raw in fields.items() if name not in _OUR_FIELDS
    ]
    return b",".join((encode_bill(bill)[:-1], *added)) + b"}"


def _strongest(entries: Sequence[_Standing]) -> _Standing:
    """Of several the first that somebody has decided on, else the first."""
    return next((entry for entry in entries if entry.status != DRAFT), entries[0])


def _decided(name: str, entries: Sequence[_Standing]) -> list[str]:
    return [f"{name} ({entry.status})" for entry in entries if entry.status != DRAFT]
