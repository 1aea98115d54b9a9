"""The optional cache of the accounts to track: does the list still fit into its item, and does it equal the list in S3?

Source: SPEC.md section 1.3. The app's writes once failed silently at the limit of an item; this is to see it coming.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from billing_assets.domain.dynamodb_size import MAX_ITEM_BYTES, item_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_assets.domain.accounts import AccountToTrack
    from billing_assets.domain.listed_accounts import AccountKey

WARN_FROM_PERCENT = 80

_LIST = "Data"
_UPDATED_AT = "UpdatedAt"


@dataclass(frozen=True, slots=True)
class CachedList:
    """The cache's item: its list as text, and its size."""

    text: str
    updated_at: str
    """As stored; blank if it isn't."""
    size_bytes: int
    """Of the whole item, by DynamoDB's own rules."""

    @classmethod
    def of(cls, item: Mapping[str, Mapping[str, Any]]) -> CachedList:
        """Read an item in DynamoDB's own form; an item without a list has a blank one."""
        return cls(
            text=str(item.get(_LIST, {}).get("S", "")),
            updated_at=str(next(iter(item.get(_UPDATED_AT, {"S": ""}).values()))),
            size_bytes=item_bytes(item),
        )

    def age_text(self, now: dt.datetime) -> str:
        """How old it is, in words.

        Example:
            >>> noon = dt.datetime(2025, 1, 3, 12, tzinfo=dt.UTC)
            >>> CachedList("[]", "2025-01-01T09:00:00Z", 9).age_text(noon)
            '2 days and 3 hours old (of 2025-01-01T09:00:00Z)'
        """
        try:
            written = dt.datetime.fromisoformat(self.updated_at.strip())
        except ValueError:
            return f"of unknown age (UpdatedAt is {self.updated_at!r})" if self.updated_at else "of unknown age"
        age = now - (written if written.tzinfo else written.replace(tzinfo=dt.UTC))
        hours = max(0, int(age.total_seconds())) // 3600
        return f"{_counted(hours // 24, 'day')} and {_counted(hours % 24, 'hour')} old (of {self.updated_at})"


@dataclass(frozen=True, slots=True)
class CacheFit:
    """How much of its item the cached list takes, and what the list in S3 would take."""

    size_bytes: int
    accounts: int
    mean_bytes: int
    """Of one account of the cached list, rounded up."""
    would_be_bytes: int | None
    """Of the item if it held the list of S3; None where that can't be read."""

    @classmethod
    def of(cls, cached: CachedList, accounts: int, primary_text: str | None) -> CacheFit:
        """Measure it.

        Args:
            cached: The item.
            accounts: How many items its list has.
            primary_text: The list in S3, any JSON list; it is laid out as the cached one is.
        """
        list_bytes = len(cached.text.encode("utf-8", "surrogatepass"))
        mean = -(-list_bytes // accounts) if accounts else 0
        would_be = None
        if primary_text is not None:
            would_be = cached.size_bytes - list_bytes + _bytes_as_cached(primary_text, cached.text)
        return cls(cached.size_bytes, accounts, mean, would_be)

    @property
    def items_until_full(self) -> int | None:
        """How many more accounts of the present mean fit; None if there is no mean."""
        return max(0, MAX_ITEM_BYTES - self.size_bytes) // self.mean_bytes if self.mean_bytes else None

    @property
    def fits(self) -> bool:
        """Whether the cached list, and the list in S3, are within the limit."""
        return self._largest <= MAX_ITEM_BYTES

    @property
    def is_roomy(self) -> bool:
        """Whether both are below the part from which a warning is due."""
        return self._largest * 100 < MAX_ITEM_BYTES * WARN_FROM_PERCENT

    @property
    def percent(self) -> int:
        """Of the limit, by the larger of the two, rounded down."""
        return self._largest * 100 // MAX_ITEM_BYTES

    @property
    def _largest(self) -> int:
        return max(self.size_bytes, self.would_be_bytes or 0)


@dataclass(frozen=True, slots=True)
class CacheDifference:
    """Where the cache and the list in S3 say different things, by account; each in order."""

    missing: list[AccountKey]
    """In S3 only."""
    extra: list[AccountKey]
    """In the cache only."""
    different: list[tuple[AccountKey, tuple[str, ...]]]
    """In both, with the fields that differ; none named if they are listed another number of times."""

    @classmethod
    def of(cls, primary: Sequence[AccountToTrack], cached: Sequence[AccountToTrack]) -> CacheDifference:
        """Compare them, whatever their order."""
        here, there = _by_account(primary), _by_account(cached)
        both = sorted(here.keys() & there.keys())
        return cls(
            missing=sorted(here.keys() - there.keys()),
            extra=sorted(there.keys() - here.keys()),
            different=[(key, _differing(here[key], there[key])) for key in both if here[key] != there[key]],
        )

    @property
    def agrees(self) -> bool:
        """Whether there is no difference."""
        return not (self.missing or self.extra or self.different)


def _by_account(accounts: Sequence[AccountToTrack]) -> dict[AccountKey, list[AccountToTrack]]:
    groups: dict[AccountKey, list[AccountToTrack]] = defaultdict(list)
    for account in accounts:
        groups[account.property_id, account.account_number].append(account)
    return {key: sorted(items, key=repr) for key, items in groups.items()}


def _differing(here: Sequence[AccountToTrack], there: Sequence[AccountToTrack]) -> tuple[str, ...]:
    names = type(here[0]).__dataclass_fields__
    return tuple(name for name in names if {getattr(a, name) for a in here} != {getattr(a, name) for a in there})


def _bytes_as_cached(primary: str, cached: str) -> int:
    """The size of the primary list, laid out as the cache's writer lays it out; compact where that can't be told."""
    content = json.loads(primary.removeprefix("\ufeff"))
    try:
        known: Any = json.loads(cached)
    except (ValueError, RecursionError):
        known = None
    layouts = list(product(((",", ":"), (", ", ": ")), (True, False)))
    own = next((how for how in layouts if known and _laid_out(known, *how) == cached), layouts[0])
    return len(_laid_out(content, *own).encode("utf-8", "surrogatepass"))


def _laid_out(content: Any, separators: tuple[str, str], ensure_ascii: bool) -> str:
    return json.dumps(content, separators=separators, ensure_ascii=ensure_ascii)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
