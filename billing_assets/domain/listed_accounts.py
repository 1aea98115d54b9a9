"""Which items of the list are one account, whether a bill is expected of it, and where its items contradict each other.

Source: SPEC.md section 8. Reading the items lives in `accounts`; matching them with bills in `completion`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from billing_assets.domain.accounts import AccountToTrack

AccountKey = tuple[str, str]
"""Property and account number; `""` for an account whose property nobody knows."""

EXPECTED = ""
NOT_TRACKED = "listed, not tracked"
NOT_BILLED_TO_RESIDENTS = "listed, not billed to residents"

_CONTRADICTING = (
    *("is_tracked", "is_ubi", "vendor_id", "property_name", "vendor_name"),
    *("gl_account_number", "gl_account_name", "days_between_bills"),
)


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """One account, however often it is listed; a name is the first non-blank one by alphabet, whatever the order."""

    property_id: str
    account_number: str
    property_name: str
    vendor_name: str
    not_expected: str
    """Why no bill is expected, `EXPECTED` if one is."""
    places: tuple[int, ...]
    """Which of the accounts given it is made of, in their order."""
    differing: tuple[str, ...]
    """The fields in which its items contradict each other."""
    ambiguous: bool
    """It has no property, and several listed ones have its number: it can't be matched."""

    @property
    def key(self) -> AccountKey:
        """What tells it from every other account."""
        return self.property_id, self.account_number

    @property
    def is_expected(self) -> bool:
        """Whether a bill is expected every period."""
        return self.not_expected == EXPECTED


def listed_accounts(accounts: Sequence[AccountToTrack]) -> list[ListedAccount]:
    """Put the items of one account together.

    An item without a property is the account of its number where the list knows that number at one property only. It
    is an account of its own where the list knows none, and ambiguous where it knows several.

    Args:
        accounts: In any order: another order gives the same accounts, at other places.

    Returns:
        In order of property and number; every item is in exactly one.
    """
    properties = properties_by_number((account.property_id, account.account_number) for account in accounts)
    groups: dict[AccountKey, list[int]] = defaultdict(list)
    for place, account in enumerate(accounts):
        known = properties[account.account_number]
        property_id = account.property_id or (next(iter(known)) if len(known) == 1 else "")
        groups[property_id, account.account_number].append(place)
    return [_of_group(key, groups[key], accounts, properties) for key in sorted(groups)]


def properties_by_number(keys: Iterable[AccountKey]) -> dict[str, set[str]]:
    """The properties at which each account number stands."""
    properties: dict[str, set[str]] = defaultdict(set)
    for property_id, number in keys:
        properties[number].update({property_id} - {""})
    return properties


def _of_group(
    key: AccountKey, places: list[int], accounts: Sequence[AccountToTrack], properties: Mapping[str, set[str]]
) -> ListedAccount:
    property_id, number = key
    items = [accounts[place] for place in places]
    return ListedAccount(
        property_id=property_id,
        account_number=number,
        property_name=min(filter(None, (item.property_name for item in items)), default=""),
        vendor_name=min(filter(None, (item.vendor_name for item in items)), default=""),
        not_expected=_why_not_expected(items),
        places=tuple(places),
        # What one item does not say contradicts no other.
        differing=tuple(
            name for name in _CONTRADICTING if len({getattr(item, name) for item in items} - {"", None}) > 1
        ),
        ambiguous=not property_id and len(properties[number]) > 1,
    )


def _why_not_expected(items: Sequence[AccountToTrack]) -> str:
    if any(item.is_expected for item in items):
        return EXPECTED
    return NOT_BILLED_TO_RESIDENTS if any(item.is_tracked for item in items) else NOT_TRACKED
