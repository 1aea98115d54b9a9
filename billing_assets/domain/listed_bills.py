"""Reading a JSON list of master bills, whoever wrote it: raw texts kept, bills of ours recognised.

Source: SPEC.md section 7.1. Merging a period's bills into such a list lives in `combined_list`; what a period's bills
are frozen or compared by, in `restatement`.

The list is read entry by entry, so that only one is held decoded at a time. Python's own scanner does it: unlike
msgspec's it passes NaN and lone surrogates, which the app's `json.dumps` writes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.master_bills import DRAFT, MasterBill, parse_day
from billing_assets.domain.money import CENT, EXACT, MoneyError, exact_number
from billing_assets.domain.periods import Month

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER = json.JSONDecoder(parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText)
_BLANKS = re.compile(r"[ \t\n\r]*")
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
        return text if type(text) is str and _OUR_ID.fullmatch(text) else None

    def shown(self) -> str:
        """For people: its place and what it calls itself."""
        named = self.value.get("master_bill_id") if isinstance(self.value, dict) else None
        name = f"id {named!r}" if named else f"without id, a JSON {_kind_of(self.value)}"
        return f"entry {self.index}: {name}"[:_LONGEST_SHOWN]


@dataclass(frozen=True, slots=True)
class ListedBill:
    """A bill of ours as it stands in the combined list, where the app may have edited it."""

    master_bill_id: str
    amount_usd: Decimal | None
    """None where it can't be read."""
    status: str
    bill: MasterBill | None
    """None where it is no longer a whole bill of ours."""
    content_hash: str
    """`""` where it is no longer whole."""


def entries_of(content: bytes, *, where: str, remedy: str) -> Iterator[ListedEntry]:
    """Take a JSON list apart, one entry at a time.

    A BOM, NaN, infinities, numbers of any length, lone surrogates, repeated keys and entries of any kind pass.

    Args:
        content: The whole list, UTF-8.
        where: Its address, for the error.
        remedy: What to do when it can't be read.

    Raises:
        UnreadableInputError: It is no UTF-8, no JSON, no list, or nested too deeply.
    """
    try:
        for index, (text, value) in enumerate(_split(content.decode("utf-8-sig"))):
            yield ListedEntry(index, text, value)
    except (ValueError, RecursionError) as error:
        raise UnreadableInputError(
            "a list of master bills can't be read, and is left as it is",
            where=where,
            found=_described(error),
            rule="entries that other people wrote would be lost if it were overwritten",
            remedy=remedy,
        ) from error


def bill_of(entry: ListedEntry) -> MasterBill | None:
    """The entry as a bill of ours, amounts in whole cents whatever their spelling; None if it is none.

    Fields that we don't know are passed over.
    """
    if entry.master_bill_id is None or entry.partition is None:
        return None
    try:
        bill = msgspec.convert(_with_whole_indexes(entry.value), MasterBill)
        lines = tuple(msgspec.structs.replace(line, amount=_in_cents(line.amount)) for line in bill.source_line_items)
        return msgspec.structs.replace(bill, utility_amount=_in_cents(bill.utility_amount), source_line_items=lines)
    except (msgspec.ValidationError, Inexact, InvalidOperation):
        return None


def listed_bill_of(entry: ListedEntry) -> ListedBill | None:
    """What stands in the list under an id of ours, whole or not; None for everything else.

    A status that is absent or no text is `draft`: nobody has decided anything.
    """
    if entry.master_bill_id is None:
        return None
    bill = bill_of(entry)
    status = entry.value.get("status")
    return ListedBill(
        master_bill_id=entry.master_bill_id,
        amount_usd=_amount_of(entry.value) if bill is None else bill.utility_amount,
        status=(type(status) is str and status.strip()) or DRAFT,
        bill=bill,
        content_hash="" if bill is None else bill.content_hash,
    )


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


def rendered(texts: list[bytes]) -> bytes:
    """A list of entries as it is published: one after the other, each on a new line.

    Example:
        >>> rendered([b"1", b"2"])
        b'[\\n1,\\n2\\n]\\n'
    """
    return b"".join((b"[\n", b",\n".join(texts), b"\n]\n")) if texts else b"[]\n"


def _split(text: str) -> Iterator[tuple[str, Any]]:
    position = _after_blanks(text, 0)
    if text[position : position + 1] != "[":
        raise ValueError("it is not a JSON list" if text.strip() else "it is blank")
    position = _after_blanks(text, position + 1)
    more = text[position : position + 1] != "]"
    while more:
        value, end = _DECODER.raw_decode(text, position)
        yield text[position:end], value
        position = _after_blanks(text, end)
        more = text[position : position + 1] == ","
        if more:
            position = _after_blanks(text, position + 1)
        elif text[position : position + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' delimiter or ']'", text, position)
    end = _after_blanks(text, position + 1)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)


def _after_blanks(text: str, position: int) -> int:
    return cast("re.Match[str]", _BLANKS.match(text, position)).end()


def _described(error: ValueError | RecursionError) -> str:
    """What is wrong, without quoting the list: it names residents' properties."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, character {error.pos} of {len(error.doc)}"
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 at byte {error.start}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


@lru_cache(maxsize=4096)
def _partition_of(text: str) -> str | None:
    try:
        day = parse_day(text)
    except ValueError:
        return None
    return Month(day.year, day.month).key


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
