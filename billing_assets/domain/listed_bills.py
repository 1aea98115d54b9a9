"""Master bills as they stand in a JSON list that the app edits: bills of ours recognised, whatever their spelling.

Source: SPEC.md section 7.1. Taking the list apart lives in `json_list`, merging a period's bills into it in
`combined_list`, what a run may change of them in `restatement`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.json_list import elements_of
from billing_assets.domain.json_text import NumberText, storable
from billing_assets.domain.master_bills import DRAFT, MasterBill, parse_day
from billing_assets.domain.money import CENT, EXACT, MoneyError, exact_number
from billing_assets.domain.periods import Month

if TYPE_CHECKING:
    from collections.abc import Iterator

COMBINED_REMEDY = (
    "bring back its last readable version (the bucket's object versions, or the app's own backup), or move it away if "
    "nothing in it is wanted; then run the job `republish` for every published period"
)

_MONTH = r"(?:0[1-9]|1[0-2])/(?!0000)[0-9]{4}"
_OUR_ID = re.compile(rf"[^|]+\|[^|]+\|[^|]*\|{_MONTH}\|{_MONTH}", re.ASCII)
_LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """One element of the list; anything JSON may stand there."""

    index: int
    """Its place, from 0."""
    text: str
    """Its JSON as written."""
    value: Any
    """The same decoded, every number as `NumberText`."""

    @property
    def partition(self) -> str | None:
        """The partition of `billback_month_start`; None where there is no readable one."""
        text = self.value.get("billback_month_start") if isinstance(self.value, dict) else None
        return None if type(text) is not str else _partition_of(text)

    @property
    def master_bill_id(self) -> str | None:
        """Its id, if it has the form of ours."""
        text = self.value.get("master_bill_id") if isinstance(self.value, dict) else None
        return storable(text) if type(text) is str and _OUR_ID.fullmatch(text) else None

    def shown(self) -> str:
        """For people: its place and what it calls itself."""
        named = self.value.get("master_bill_id") if isinstance(self.value, dict) else None
        name = f"id {named!r}" if named else f"without id, a JSON {_kind_of(self.value)}"
        return f"entry {self.index}: {name}"[:_LONGEST_SHOWN]


@dataclass(frozen=True, slots=True)
class StandingBill:
    """What a bill's readers see of it now: all that a new one is compared with, and inherits."""

    master_bill_id: str
    amount_usd: Decimal | None
    """None where the app's entry has no readable amount."""
    status: str
    content_hash: str
    """`""` where the app's entry is no longer a whole bill: no content equals it."""
    created_utc: str
    created_by: str
    lines: tuple[tuple[str, Decimal], ...]
    """Hash and amount of each bill line."""

    @classmethod
    def of(cls, bill: MasterBill) -> StandingBill:
        """What stands when the bill is published."""
        return cls(
            master_bill_id=bill.master_bill_id,
            amount_usd=bill.utility_amount,
            status=bill.status,
            content_hash=bill.content_hash,
            created_utc=bill.created_utc,
            created_by=bill.created_by,
            lines=tuple((line.line_hash, line.amount) for line in bill.source_line_items),
        )


def entries_of(content: bytes, *, where: str) -> Iterator[ListedEntry]:
    """The entries of the combined list, in their order.

    Raises:
        UnreadableInputError: It is no JSON list; nothing is known about its entries.
    """
    for index, (text, value) in enumerate(elements_of(content, where=where, remedy=COMBINED_REMEDY)):
        yield ListedEntry(index, text, value)


def bill_of(entry: ListedEntry) -> MasterBill | None:
    """The entry as a bill of ours, amounts in whole cents whatever their spelling; None if it is none.

    Fields that we don't know are passed over.
    """
    if entry.master_bill_id is None or entry.partition is None:
        return None
    fields = entry.value | {"status": status_of(entry)}
    try:
        bill = msgspec.convert(_with_whole_indexes(fields), MasterBill)
        return msgspec.structs.replace(
            bill,
            utility_amount=_in_cents(bill.utility_amount),
            source_line_items=tuple(
                msgspec.structs.replace(line, amount=_in_cents(line.amount)) for line in bill.source_line_items
            ),
            created_utc=storable(bill.created_utc),
            created_by=storable(bill.created_by),
        )
    except (msgspec.ValidationError, Inexact, InvalidOperation):
        return None


def standing_bill_of(entry: ListedEntry) -> StandingBill | None:
    """What stands in the list under an id of ours, whole or not; None for everything else."""
    name = entry.master_bill_id
    if name is None or entry.partition is None:
        return None
    bill = bill_of(entry)
    if bill is not None:
        return StandingBill.of(bill)
    return StandingBill(name, _amount_of(entry.value), status_of(entry), "", "", "", ())


def status_of(entry: ListedEntry) -> str:
    """Its status; `draft` where it is absent, blank or no text, since nobody has decided anything."""
    status = entry.value.get("status")
    return (storable(status.strip()) if type(status) is str else "") or DRAFT


def listed_bills(content: bytes | None, period: str, *, where: str) -> list[StandingBill]:
    """The bills of a period that carry an id of our form, in their order; an id may stand there twice.

    Raises:
        UnreadableInputError: The list is no JSON list.
    """
    entries = () if content is None else entries_of(content, where=where)
    found = (standing_bill_of(entry) for entry in entries if entry.partition == period)
    return [bill for bill in found if bill is not None]


def order_of(master_bill_id: str) -> tuple[str | Month, ...]:
    """The place of a bill of ours within its period: by property, charge code, utility, months.

    The same order as that of `MasterBillKey`, which has the values unescaped.

    Example:
        >>> order_of("P%7C1|WTR||01/2025|01/2025")[:3]
        ('P|1', 'WTR', '')
    """
    *values, first, last = master_bill_id.split("|")
    unescaped = (value.replace("%7C", "|").replace("%25", "%") for value in values)
    return (*unescaped, Month.from_app(first), Month.from_app(last))


@lru_cache(maxsize=4096)
def _partition_of(text: str) -> str | None:
    try:
        day = parse_day(text)
    except ValueError:
        return None
    # `strptime` also reads the digits of other scripts.
    return Month(day.year, day.month).key if text.isascii() else None


def _kind_of(value: object) -> str:
    kinds = {dict: "object", list: "list", str: "text", NumberText: "number", bool: "boolean"}
    return kinds.get(type(value), "null")


def _with_whole_indexes(fields: dict[str, Any]) -> dict[str, Any]:
    """`line_index` as an int, since numbers are still texts here, and the app may write `3.0`."""
    lines = fields.get("source_line_items")
    if not isinstance(lines, list):
        return fields
    whole = [
        line | {"line_index": _whole(line.get("line_index"))} if isinstance(line, dict) else line for line in lines
    ]
    return fields | {"source_line_items": whole}


def _whole(value: object) -> object:
    if isinstance(value, NumberText):
        try:
            number = exact_number(value)
        except MoneyError:
            return value
        return int(number) if number == number.to_integral_value() else value
    return value


def _in_cents(amount: Decimal) -> Decimal:
    if not amount.is_finite():
        raise InvalidOperation
    return amount.quantize(CENT, context=EXACT)


def _amount_of(fields: dict[str, Any]) -> Decimal | None:
    text = fields.get("utility_amount")
    try:
        return exact_number(text) if isinstance(text, str) else None
    except MoneyError:
        return None
