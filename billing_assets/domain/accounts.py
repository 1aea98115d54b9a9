"""Accounts to track: which accounts should have a bill. They feed the completion checks, never the billing.

Source: SPEC.md section 1.3.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.json_text import NumberText, decode_exactly, text_of
from billing_assets.domain.money import MoneyError, exact_number

if TYPE_CHECKING:
    from collections.abc import Iterable

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
_UBI = ("is_ubi", "ubi_tracking")
_TRUE = frozenset({"1", "true", "yes"})


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


@dataclass(frozen=True, slots=True)
class UnreadableAccount:
    """An item of the list that is no account, by its place in the list (from 0)."""

    index: int
    reason: str


def parse_accounts(text: str, *, where: str) -> tuple[list[AccountToTrack], list[UnreadableAccount]]:
    """Read the list; an item that can't be read never drops the good ones.

    Raises:
        UnreadableInputError: The text is no JSON list at all.
    """
    try:
        decoded = decode_exactly(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(where, f"no JSON: {error}") from None
    if not isinstance(decoded, list):
        raise _unreadable(where, f"a JSON {type(decoded).__name__}, not a list")
    accounts, faults = [], []
    for index, item in enumerate(decoded):
        if not isinstance(item, Mapping):
            faults.append(UnreadableAccount(index, "no JSON object"))
        elif not _text(item, _TEXTS["account_number"]):
            faults.append(UnreadableAccount(index, "no account number"))
        else:
            accounts.append(_account(item))
    return accounts, faults


def accounts_sha256(accounts: Iterable[AccountToTrack]) -> str:
    """SHA-256 of what the list says, whatever its spelling: the data version."""
    content = [asdict(account) for account in accounts]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
        is_tracked=_flag(item, ("is_tracked",), default=True),
        is_ubi=_flag(item, _UBI, default=False),
    )


def _text(item: Mapping[str, Any], spellings: Iterable[str]) -> str:
    return next((text for spelling in spellings if (text := text_of(item.get(spelling)))), "")


def _days(item: Mapping[str, Any]) -> int | None:
    try:
        days = exact_number(_text(item, _DAYS))
    except MoneyError:
        return None
    return int(days) if days > 0 else None


def _flag(item: Mapping[str, Any], spellings: Iterable[str], *, default: bool) -> bool:
    given = [value for spelling in spellings if (value := item.get(spelling)) is not None and value != ""]
    return any(map(_is_true, given)) if given else default


def _is_true(value: Any) -> bool:
    if isinstance(value, NumberText):
        return value not in {"0", "0.0"}
    return value.strip().lower() in _TRUE if isinstance(value, str) else value is True
