"""What is wrong with the accounts to track, as letters: which items, why, and what to do. They warn and stop nothing.

The letters follow STYLE.md; the tables beside them are made in `billing_assets.defs.checks.accounts`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from billing_assets.domain.errors import BillingError, ConfigurationError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_assets.domain.accounts import AccountsList, ListFault
    from billing_assets.domain.listed_accounts import ListedAccount

_MOST_NAMED = 20
_CORRECT = "correct them on the CONFIG page; the next materialization picks them up"


def unreadable_letter(read: AccountsList, where: str) -> str | None:
    """Which items can't be read; None if all can."""
    if not read.unreadable:
        return None
    return BillingError(
        f"{len(read.unreadable):,} of {read.items:,} accounts to track can't be read",
        where=f"{where}, {items_text([fault.index for fault in read.unreadable])}",
        found=_by_reason(read.unreadable),
        rule="an account without its number can't be matched, and would look complete when it isn't",
        remedy=_CORRECT,
    ).letter()


def doubtful_letter(read: AccountsList, doubts: Sequence[ListFault], where: str) -> str | None:
    """Which items are used although they are not as they should be; None if there is none."""
    if not doubts:
        return None
    indices = sorted({doubt.index for doubt in doubts})
    return BillingError(
        f"{len(indices):,} of {read.items:,} accounts to track are in doubt, and are used as the table says",
        where=f"{where}, {items_text(indices)}",
        found=_by_reason(doubts),
        rule="an account is told by property and number, counts once, and is expected if any of its items says so",
        remedy=_CORRECT,
    ).letter()


def repeated_doubts(read: AccountsList, listed: Iterable[ListedAccount]) -> dict[tuple[int, ...], str]:
    """Accounts that are listed more than once, by their items' places in the list, and what is made of them.

    Beside them stand items without a property whose number stands at several.
    """
    found = {}
    for account in listed:
        places = tuple(read.indices[place] for place in account.places)
        if account.ambiguous:
            found[places] = "no property, and its number stands at several; it can't be matched"
        elif account.differing:
            becomes = "expected" if account.is_expected else "not expected"
            found[places] = f"listed {len(places)} times with another {', '.join(account.differing)}; {becomes}"
        elif len(places) > 1:
            found[places] = f"listed {len(places)} times alike; counts once"
    return found


def items_text(indices: Sequence[int]) -> str:
    """Places in the list, from 0, in words.

    Example:
        >>> items_text([17]), items_text([17, 940]), items_text(range(30))[-18:]
        ('item 17', 'items 17 and 940', '18, 19 and 10 more')
    """
    named = [str(index) for index in indices[:_MOST_NAMED]]
    if len(indices) == 1:
        return f"item {named[0]}"
    if len(indices) > _MOST_NAMED:
        return f"items {', '.join(named)} and {len(indices) - _MOST_NAMED:,} more"
    return f"items {', '.join(named[:-1])} and {named[-1]}"


def no_list_error(primary: BillingError, cache: str, *, where: str) -> BillingError:
    """The letter for a list that stands neither in S3 nor in the cache; a retry may help if S3 could not be reached."""
    kind = StoreUnavailableError if primary.retryable else ConfigurationError
    return kind(
        "there is no list of accounts to track, neither in S3 nor in its cache",
        where=where,
        found=f"S3: {_short(primary)}\ncache: {cache}",
        rule="until there is one again, completion is judged against the list that was read last; no bill is",
        remedy="save the list on the CONFIG page of the app or restore an earlier version of the object "
        "(check BILLING_BUCKET and BILLING_ACCOUNTS_KEY first), then materialize accounts_to_track",
    )


def fallback_letter(primary: BillingError, *, where: str, cache_where: str, age: str) -> str:
    """What is said when the cache stands in for the list."""
    return BillingError(
        f"THE ACCOUNTS TO TRACK COME FROM THE CACHE, which is {age}",
        where=f"{where}\nread instead: {cache_where}",
        found=_short(primary),
        rule="the list in S3 counts; the cache may be old and is cut off at 409,600 bytes",
        remedy="save the list again on the CONFIG page of the app, or restore an earlier version of the object, then "
        "materialize accounts_to_track",
    ).letter()


def _short(error: BillingError) -> str:
    found = (error.found or "").splitlines()
    return f"{error.summary} ({found[0]})" if found else error.summary


def _by_reason(faults: Iterable[ListFault]) -> str:
    places: dict[str, list[int]] = defaultdict(list)
    for fault in faults:
        places[fault.reason].append(fault.index)
    if len(places) == 1:
        return next(iter(places))
    return "\n".join(f"{reason}: {items_text(indices)}" for reason, indices in places.items())
