"""Checks of `accounts_to_track`: items that can't be read, doubts and contradictions, and the optional cache.

All of them warn and none blocks: a wrong list makes completion look wrong, and bills nobody.
"""

from collections.abc import Iterator

import dagster as dg

from billing_assets.defs.metadata import Metadata, markdown_table
from billing_assets.domain.accounts import AccountsList, ListFault
from billing_assets.domain.accounts_cache import WARN_FROM_PERCENT, CacheDifference, CacheFit
from billing_assets.domain.accounts_letters import doubtful_letter, items_text, repeated_doubts, unreadable_letter
from billing_assets.domain.dynamodb_size import MAX_ITEM_BYTES
from billing_assets.domain.listed_accounts import listed_accounts
from billing_assets.stores.accounts import CacheReading, ListReading

EVERY_ITEM_CAN_BE_READ = "every_listed_account_can_be_read"
LISTED_ONCE_AND_CLEARLY = "every_account_is_listed_once_and_clearly"
READ_FROM_S3 = "accounts_are_read_from_s3"
CACHE_FITS = "accounts_cache_fits_its_item"
CACHE_EQUALS = "accounts_cache_equals_the_list"

_MOST_SHOWN = 500
_NO_CACHE = "there is no cache, which is optional: nothing to judge"


def account_check_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks, each a promise about the list."""
    promises = {
        READ_FROM_S3: "The list was read from S3. WARN if the cache in DynamoDB stood in for it, with its age.",
        EVERY_ITEM_CAN_BE_READ: "Every item of the list is an account with a number. WARN with the place of each that "
        "isn't, and why; the others are used.",
        LISTED_ONCE_AND_CLEARLY: "Each account is listed once, in one spelling, with its property. WARN with the "
        "others, and what is made of them.",
        CACHE_FITS: f"The optional cache, and the list it should hold, take less than {WARN_FROM_PERCENT} % of the "
        f"{MAX_ITEM_BYTES:,} bytes of an item. WARN from there on: beyond the limit, saving failed silently once.",
        CACHE_EQUALS: "The optional cache says the same as the list in S3. WARN with the accounts that differ.",
    }
    return [dg.AssetCheckSpec(name, asset=asset, description=promise) for name, promise in promises.items()]


def check_accounts(reading: ListReading) -> list[dg.AssetCheckResult]:
    """The results, in the order of the specs."""
    return [
        _result(READ_FROM_S3, reading.fallback, {"read_from": reading.where}),
        _readable(reading.accounts, reading.where),
        _clear(reading.accounts, reading.where),
        _fits(reading),
        _equals(reading),
    ]


def _result(name: str, letter: str | None, metadata: Metadata, passed_with: str | None = None) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=letter is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=letter or passed_with,
        metadata=metadata,
    )


def _readable(read: AccountsList, where: str) -> dg.AssetCheckResult:
    rows = [(fault.index, fault.reason) for fault in read.unreadable[:_MOST_SHOWN]]
    metadata = {
        "items": read.items,
        "unreadable_items": len(read.unreadable),
        "unreadable": markdown_table(("item (from 0)", "found"), rows),
    }
    return _result(EVERY_ITEM_CAN_BE_READ, unreadable_letter(read, where), metadata)


def _clear(read: AccountsList, where: str) -> dg.AssetCheckResult:
    repeated = repeated_doubts(read, listed_accounts(read.accounts))
    doubts = [*read.doubts, *(ListFault(index, text) for places, text in repeated.items() for index in places)]
    at = dict(zip(read.indices, read.accounts, strict=True))
    rows = [((doubt.index,), doubt.reason) for doubt in read.doubts] + list(repeated.items())
    shown = [
        (items_text(places), at[places[0]].property_id, at[places[0]].account_number, text)
        for places, text in sorted(rows)[:_MOST_SHOWN]
    ]
    metadata = {
        "doubtful_items": len({doubt.index for doubt in doubts}),
        "listed_more_than_once": sum(len(places) > 1 for places in repeated),
        "doubts": markdown_table(("items (from 0)", "property", "account", "what is made of them"), shown),
    }
    return _result(LISTED_ONCE_AND_CLEARLY, doubtful_letter(read, doubts, where), metadata)


def _fits(reading: ListReading) -> dg.AssetCheckResult:
    cache = reading.cache
    if cache.item is None:
        return _of_unread(CACHE_FITS, cache)
    fit = CacheFit.of(cache.item, cache.accounts.items if cache.accounts else 0, reading.primary_text)
    until_full = fit.items_until_full
    metadata: Metadata = {
        "size_bytes": fit.size_bytes,
        "limit_bytes": MAX_ITEM_BYTES,
        "percent": fit.percent,
        "cached_items": fit.accounts,
        "mean_bytes_an_item": fit.mean_bytes,
        "items_until_full": "unknown" if until_full is None else until_full,
        "size_bytes_with_the_list_of_s3": "unknown" if fit.would_be_bytes is None else fit.would_be_bytes,
        "updated_at": cache.item.updated_at or "not told",
    }
    return _result(CACHE_FITS, None if fit.is_roomy else _fit_text(fit), metadata)


def _fit_text(fit: CacheFit) -> str:
    if not fit.fits:
        size = max(fit.size_bytes, fit.would_be_bytes or 0)
        return (
            f"the list does not fit into its cache: {size:,} of {MAX_ITEM_BYTES:,} bytes\n"
            "  rule:   DynamoDB refuses such an item, so the cache keeps an old list without a word\n"
            "  remedy: let the app read the list from S3 alone (docs/runbook.md, the cache is full)"
        )
    room = f"room for {fit.items_until_full:,} more items" if fit.items_until_full is not None else "room unknown"
    return (
        f"the cache is {fit.percent} % full: {fit.size_bytes:,} of {MAX_ITEM_BYTES:,} bytes, {room}\n"
        "  rule:   beyond the limit DynamoDB refuses the item, and saving failed silently once\n"
        "  remedy: take accounts off the list that are not tracked any more, or let the app read it from S3 alone\n"
        "          (docs/runbook.md, the cache is full)"
    )


def _equals(reading: ListReading) -> dg.AssetCheckResult:
    cache = reading.cache
    if cache.accounts is None:
        return _of_unread(CACHE_EQUALS, cache)
    if reading.primary_text is None:
        return _result(CACHE_EQUALS, "not compared: S3 has no list that can be read", {})
    difference = CacheDifference.of(reading.accounts.accounts, cache.accounts.accounts)
    metadata = {
        "missing": len(difference.missing),
        "extra": len(difference.extra),
        "different": len(difference.different),
        "unreadable_in_the_cache": len(cache.accounts.unreadable),
        "accounts": markdown_table(("property", "account", "how"), list(_differences(difference))[:_MOST_SHOWN]),
    }
    letter = (
        f"the cache differs from the list: {len(difference.missing):,} missing, {len(difference.extra):,} extra, "
        f"{len(difference.different):,} different\n"
        "  rule:   the list in S3 counts; whoever reads the cache sees other accounts\n"
        "  remedy: save the list again on the CONFIG page; if it stays, see docs/runbook.md, the cache is full"
    )
    return _result(CACHE_EQUALS, None if difference.agrees else letter, metadata)


def _differences(difference: CacheDifference) -> Iterator[tuple[str, str, str]]:
    for (property_id, number), fields in difference.different:
        yield property_id, number, f"different: {', '.join(fields) or 'listed another number of times'}"
    for how, keys in (("missing in the cache", difference.missing), ("only in the cache", difference.extra)):
        for property_id, number in keys:
            yield property_id, number, how


def _of_unread(name: str, cache: CacheReading) -> dg.AssetCheckResult:
    if cache.is_absent:
        return _result(name, None, {}, passed_with=_NO_CACHE)
    return _result(name, f"the cache can't be judged: {cache.fault}", {})
