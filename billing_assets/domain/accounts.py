"""The list of accounts to track, item by item: every item is an account, or is named with its reason.

Source: SPEC.md section 1.3. Which items are one account lives in `listed_accounts`; the cache in `accounts_cache`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.json_text import NumberText, decode_exactly, text_of
from billing_assets.domain.money import MoneyError, exact_number

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_OBJECT = "no JSON object"
NO_NUMBER = "no account number"

_TEXTS: dict[str, tuple[str, ...]] = {
    "account_number": ("accountNumber", "account_number"),
    "property_id": ("propertyId", "property_id"),
    "property_name": ("propertyName", "property_name"),
    "vendor_id": ("vendorId", "vendor_id"),
    "vendor_name": ("vendorName", "vendor_name"),
    "gl_account_number": ("glAccountNumber", "gl_account"),
    "gl_account_name": ("glAccountName", "gl_account_name"),
}
_DAYS = ("daysBetweenBills", "days_between_bills")
_TRACKED = ("is_tracked",)
_UBI = ("is_ubi", "ubi_tracking")
_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"0", "false", "no"})
_MOST_DAYS = 36_525
"""A century; what is longer is no interval between bills, and need not fit a column of whole numbers."""


@dataclass(frozen=True, slots=True)
class AccountToTrack:
    """One account that operations expect bills for; texts are trimmed, `""` where the list says nothing."""

    account_number: str
    property_id: str
    property_name: str
    vendor_id: str
    vendor_name: str
    gl_account_number: str
    gl_account_name: str
    days_between_bills: int | None
    """None where unknown."""
    is_tracked: bool
    is_ubi: bool

    @property
    def is_expected(self) -> bool:
        """Whether this item says that a bill is expected every period."""
        return self.is_tracked and self.is_ubi


@dataclass(frozen=True, slots=True)
class ListFault:
    """What is wrong with an item of the list, by its place in the list (from 0)."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class AccountsList:
    """A list as it was read: accounts and unreadable items together are its items."""

    accounts: list[AccountToTrack] = field(default_factory=list)
    """In the list's order."""
    indices: list[int] = field(default_factory=list)
    """Each account's place in the list, from 0."""
    unreadable: list[ListFault] = field(default_factory=list)
    doubts: list[ListFault] = field(default_factory=list)
    """Accounts that are used, although something of them is not as the contract has it."""

    @property
    def items(self) -> int:
        """How many items the list has."""
        return len(self.accounts) + len(self.unreadable)


def parse_accounts(text: str, *, where: str) -> AccountsList:
    """Read the list; an item that can't be read never drops the good ones.

    A BOM is no fault. An empty list is none either: nobody is expected then.

    Raises:
        UnreadableInputError: The text is no JSON list at all.
    """
    read = AccountsList()
    for index, item in enumerate(_items_of(text, where)):
        if not isinstance(item, Mapping):
            read.unreadable.append(ListFault(index, NO_OBJECT))
        elif not _text(item, _TEXTS["account_number"]):
            read.unreadable.append(ListFault(index, NO_NUMBER))
        else:
            read.accounts.append(_account(item))
            read.indices.append(index)
            read.doubts.extend(ListFault(index, doubt) for doubt in _doubts_of(item))
    return read


def accounts_sha256(accounts: Iterable[AccountToTrack]) -> str:
    """SHA-256 of what the list says, whatever its spelling, order and layout: the data version."""
    content = sorted(json.dumps(asdict(account), sort_keys=True) for account in accounts)
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def _items_of(text: str, where: str) -> list[Any]:
    try:
        decoded = decode_exactly(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise _unreadable(where, f"no JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(where, f"no JSON: {error}") from None
    if not isinstance(decoded, list):
        raise _unreadable(where, f"{_kind_of(decoded)}, not a list")
    return decoded


def _kind_of(decoded: Any) -> str:
    if isinstance(decoded, NumberText):
        return "a JSON number"
    kinds = {dict: "object", str: "text", bool: "true or false"}
    return f"a JSON {kinds.get(type(decoded), 'null')}"


def _unreadable(where: str, found: str) -> UnreadableInputError:
    return UnreadableInputError(
        "the accounts to track can't be read",
        where=where,
        found=found,
        rule="the list is a JSON list of accounts; completion can't be judged without it, billing is not concerned",
        remedy="save the list again on the CONFIG page of the app, or restore an earlier version of the object",
    )


def _account(item: Mapping[str, Any]) -> AccountToTrack:
    texts: dict[str, Any] = {name: _text(item, spellings) for name, spellings in _TEXTS.items()}
    return AccountToTrack(
        **texts,
        days_between_bills=_days(item),
        is_tracked=_flag(item, _TRACKED, default=True),
        is_ubi=_flag(item, _UBI, default=False),
    )


def _doubts_of(item: Mapping[str, Any]) -> Iterable[str]:
    for spellings in _TEXTS.values():
        if len({text for spelling in spellings if (text := _text(item, (spelling,)))}) > 1:
            yield f"{' and '.join(spellings)} differ; {spellings[0]} is used"
    if not _text(item, _TEXTS["property_id"]):
        yield "no property; matched by its number alone, where that is unique"
    if (text := _text(item, _DAYS)) and _days_of(text) is None:
        yield "days between bills are no number from 0 on; they count as unknown"
    if len(set(map(_is_true, _given(item, _UBI)))) > 1:
        yield f"{' and '.join(_UBI)} differ; it counts as billed to residents"
    for spelling in (*_TRACKED, *_UBI):
        if any(not _is_flag(value) for value in _given(item, (spelling,))):
            yield f"{spelling} is neither true nor false; it counts as false"


def _text(item: Mapping[str, Any], spellings: Iterable[str]) -> str:
    given = (item.get(spelling) for spelling in spellings)
    return next((text for value in given if not isinstance(value, bool) and (text := text_of(value))), "")


def _days(item: Mapping[str, Any]) -> int | None:
    return _days_of(_text(item, _DAYS)) or None


def _days_of(text: str) -> int | None:
    """Whole days, a mean such as 30.4 rounded half-even; None for what is no interval."""
    try:
        days = exact_number(text)
    except MoneyError:
        return None
    return int(days.to_integral_value()) if 0 <= days <= _MOST_DAYS else None


def _flag(item: Mapping[str, Any], spellings: Iterable[str], *, default: bool) -> bool:
    given = _given(item, spellings)
    return any(map(_is_true, given)) if given else default


def _given(item: Mapping[str, Any], spellings: Iterable[str]) -> list[Any]:
    values = (item.get(spelling) for spelling in spellings)
    return [value for value in values if value is not None and (not isinstance(value, str) or value.strip())]


def _is_true(value: Any) -> bool:
    return _spelled(value) in _TRUE


def _is_flag(value: Any) -> bool:
    return _spelled(value) in _TRUE | _FALSE


def _spelled(value: Any) -> str:
    if isinstance(value, NumberText):
        # 1.0 is 1; a number that can't be read is no flag.
        return str(value).removesuffix(".0")
    if isinstance(value, str):
        return value.strip().lower()
    return str(value).lower() if isinstance(value, bool) else ""
