"""The optional cache of the accounts to track: does it fit, how old is it, does it equal the list?"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.accounts import parse_accounts
from billing_assets.domain.accounts_cache import CacheDifference, CachedList, CacheFit
from billing_assets.domain.dynamodb_size import MAX_ITEM_BYTES, item_bytes

KB = 1024
OVERHEAD = item_bytes({"PK": {"S": "CONFIG#accounts-to-track"}, "SK": {"S": "v1"}, "Data": {"S": ""}})
NUMBERS = st.lists(st.tuples(st.sampled_from("PQ"), st.sampled_from("ABC"), st.booleans()), max_size=6)


def cached(text: str) -> CachedList:
    """The item that holds a list."""
    return CachedList.of({"PK": {"S": "CONFIG#accounts-to-track"}, "SK": {"S": "v1"}, "Data": {"S": text}})


def list_of(size_bytes: int, accounts: int = 100) -> str:
    """A list whose item has exactly this size."""
    items: list[dict[str, str]] = [{"accountNumber": str(n), "comment": ""} for n in range(accounts)]
    items[0]["comment"] = "x" * (size_bytes - OVERHEAD - len(json.dumps(items)))
    return json.dumps(items)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "é€"}, 5),
        ({"N": "0"}, 1),
        ({"N": "100"}, 2),
        ({"N": "-12.5"}, 4),
        ({"N": "1234567"}, 5),
        ({"N": "1.5E3"}, 2),
        ({"B": b"abc"}, 3),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "22"]}, 4),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"BOOL": True}]}, 8),
        ({"M": {"k": {"S": "v"}}}, 6),
    ],
)
def test_an_item_is_measured_otherwise_than_dynamodb_does(value: dict[str, Any], size: int) -> None:
    """Names and texts by UTF-8 bytes, numbers by pairs of digits, containers with their overhead."""
    assert item_bytes({"n": value}) == 1 + size


@given(st.dictionaries(st.text(min_size=1), st.text()), st.text(min_size=1), st.text())
def test_an_attribute_more_makes_an_item_smaller(texts: dict[str, str], name: str, text: str) -> None:
    """Every attribute adds its name and its value, in bytes of UTF-8, whatever else there is."""
    item = {other: {"S": value} for other, value in texts.items() if other != name}
    added = len(name.encode()) + len(text.encode())
    assert item_bytes(item | {name: {"S": text}}) == item_bytes(item) + added


@pytest.mark.parametrize(
    ("kilobytes", "fits", "percent"),
    [(319, True, 79), (320, True, 80), (399, True, 99), (400, True, 100), (401, False, 100)],
)
def test_a_size_at_the_limit_is_judged_wrongly(kilobytes: int, fits: bool, percent: int) -> None:
    """400 KB fit, a byte more doesn't, and the warning begins at 80 %."""
    text = list_of(kilobytes * KB)
    fit = CacheFit.of(cached(text), 100, text)
    assert (fit.size_bytes, fit.would_be_bytes) == (kilobytes * KB, kilobytes * KB)
    assert (fit.fits, fit.percent, fit.is_roomy) == (fits, percent, kilobytes < 320)


def test_a_byte_more_than_the_limit_still_fits() -> None:
    """The limit is exact."""
    fits = [CacheFit.of(cached(list_of(MAX_ITEM_BYTES + more)), 100, None).fits for more in (-1, 0, 1)]
    assert fits == [True, True, False]


def test_room_is_promised_that_is_not_there() -> None:
    """Items until full are whole ones, at the present mean."""
    fit = CacheFit.of(cached(list_of(300 * KB)), 100, None)
    assert fit.items_until_full is not None
    assert fit.size_bytes + fit.items_until_full * fit.mean_bytes <= MAX_ITEM_BYTES
    assert fit.size_bytes + (fit.items_until_full + 1) * fit.mean_bytes > MAX_ITEM_BYTES
    assert CacheFit.of(cached("[]"), 0, None).items_until_full is None


def test_a_list_in_s3_that_the_cache_cannot_hold_is_not_seen() -> None:
    """The cache has stayed at an old list, because the new one is refused."""
    fit = CacheFit.of(cached(list_of(100 * KB)), 100, list_of(401 * KB))
    assert (fit.size_bytes, fit.would_be_bytes, fit.fits) == (100 * KB, 401 * KB, False)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_the_list_in_s3_is_measured_in_another_layout(separators: tuple[str, str], ensure_ascii: bool) -> None:
    """As the cache's writer lays it out, whatever the layout in S3."""
    items = [{"accountNumber": "é", "n": 1.5}]
    text = json.dumps(items, separators=separators, ensure_ascii=ensure_ascii)
    fit = CacheFit.of(cached(text), 1, "\ufeff" + json.dumps(items, indent=4))
    assert fit.would_be_bytes == fit.size_bytes


@pytest.mark.parametrize(
    ("updated_at", "age"),
    [
        ("2025-01-02T11:59:00Z", "1 day and 0 hours old (of 2025-01-02T11:59:00Z)"),
        ("2025-01-03T11:00:00", "0 days and 1 hour old (of 2025-01-03T11:00:00)"),
        ("2026-01-01T00:00:00+00:00", "0 days and 0 hours old (of 2026-01-01T00:00:00+00:00)"),
        ("", "of unknown age"),
        ("1735689600", "of unknown age (UpdatedAt is '1735689600')"),
    ],
)
def test_an_old_cache_looks_young(updated_at: str, age: str) -> None:
    """In days and hours; what is no time is shown."""
    assert CachedList("[]", updated_at, 2).age_text(dt.datetime(2025, 1, 3, 12, tzinfo=dt.UTC)) == age


@given(NUMBERS, NUMBERS)
def test_a_difference_is_not_told(here: list[tuple[str, str, bool]], there: list[tuple[str, str, bool]]) -> None:
    """They agree if, and only if, they hold the same items, in whatever order; each account is told in one way."""
    lists = [
        parse_accounts(
            json.dumps([{"propertyId": p, "accountNumber": a, "is_ubi": ubi} for p, a, ubi in items]), where=""
        ).accounts
        for items in (here, there)
    ]
    difference = CacheDifference.of(*lists)
    assert difference.agrees == (sorted(here) == sorted(there))
    keys = [{(p, a) for p, a, _ in items} for items in (here, there)]
    assert set(difference.missing) == keys[0] - keys[1]
    assert set(difference.extra) == keys[1] - keys[0]
    assert {key for key, _ in difference.different} <= keys[0] & keys[1]
