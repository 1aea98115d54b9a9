"""The accounts to track against the emulator: the list, its optional cache, sizes at the limit, and 20,000 accounts."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from billing_assets.defs.checks.accounts import CACHE_EQUALS, CACHE_FITS, check_accounts
from billing_assets.defs.heat_map import heat_map_svg
from billing_assets.domain.accounts_cache import CacheFit
from billing_assets.domain.completion import Completion, bills_by_account
from billing_assets.domain.completion_grid import CompletionGrid
from billing_assets.domain.errors import BillingError, ConfigurationError
from billing_assets.domain.listed_accounts import listed_accounts
from billing_assets.domain.periods import Month
from billing_assets.stores.accounts import ListLocation, read_cached_list, read_list
from billing_assets.stores.completion_columns import grid_values
from billing_assets_tests.graph.completion_world import make_config_table
from billing_assets_tests.stores.aws_data import clients_in, environment, fresh_name
from billing_assets_tests.stores.published import NOON
from billing_assets_tests.unit.test_accounts_cache import KB, list_of
from billing_assets_tests.unit.test_completion import row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_assets.stores.aws import AwsClients

MANY = 20_000
MONTHS = [Month(2024, 1).plus(n).key for n in range(14)]
# Seconds of a machine whose two cores five other test processes use.
SECONDS = 30.0


@pytest.fixture
def clients(stack_environment: dict[str, str]) -> Iterator[AwsClients]:
    """Clients of the emulator."""
    with environment(stack_environment):
        yield clients_in(stack_environment)


@pytest.fixture
def place(clients: AwsClients) -> ListLocation:
    """An empty bucket and table."""
    location = ListLocation(fresh_name("accounts"), "Config/accounts.json", fresh_name("accounts-config"))
    clients.s3.create_bucket(Bucket=location.bucket)
    make_config_table(clients.dynamodb, location.cache_table)
    return location


def _cache(clients: AwsClients, place: ListLocation, text: str) -> None:
    texts = {"PK": "CONFIG#accounts-to-track", "SK": "v1", "Data": text}
    clients.dynamodb.put_item(TableName=place.cache_table, Item={name: {"S": value} for name, value in texts.items()})


def _save(clients: AwsClients, place: ListLocation, content: str) -> None:
    clients.s3.put_object(Bucket=place.bucket, Key=place.key, Body=content.encode())


@pytest.mark.parametrize(("kilobytes", "accepted"), [(399, True), (400, True), (401, False)])
def test_a_size_that_dynamodb_refuses_is_said_to_fit(
    clients: AwsClients, place: ListLocation, kilobytes: int, accepted: bool
) -> None:
    """The emulator and the rule agree, to the byte: 400 KB are kept, and a list of 401 KB is told from S3 alone."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

    text = list_of(kilobytes * KB)
    _save(clients, place, text)
    if accepted:
        _cache(clients, place, text)
        cached = read_cached_list(clients.dynamodb, place.cache_table)
        assert cached is not None
        assert (cached.text, cached.size_bytes) == (text, kilobytes * KB)
        assert CacheFit.of(cached, 100, text).fits
    else:
        with pytest.raises(ClientError, match=r"(?i)item size"):
            _cache(clients, place, text)
        _cache(clients, place, list_of(100 * KB))
    (check,) = [c for c in check_accounts(read_list(clients, place, now=NOON)) if c.check_name == CACHE_FITS]
    assert not check.passed
    begins = f"the cache is {99 if kilobytes == 399 else 100} % full" if accepted else "the list does not fit"
    assert (check.description or "").startswith(begins)


def test_a_byte_more_than_the_limit_is_kept(clients: AwsClients, place: ListLocation) -> None:
    """The emulator's limit is where the rule has it."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

    _cache(clients, place, list_of(400 * KB))
    with pytest.raises(ClientError, match=r"(?i)item size"):
        _cache(clients, place, list_of(400 * KB + 1))


def test_a_cache_that_is_not_there_is_a_fault(clients: AwsClients, place: ListLocation) -> None:
    """No item and no table: there is no cache, and the list is read from S3."""
    _save(clients, place, "[]")
    for table in (place.cache_table, "no-such-table"):
        reading = read_list(clients, ListLocation(place.bucket, place.key, table), now=NOON)
        assert reading.cache.is_absent
        assert reading.fallback is None
        assert all(c.passed for c in check_accounts(reading) if c.check_name in {CACHE_FITS, CACHE_EQUALS})


@pytest.mark.parametrize(("content", "found"), [(None, "NoSuchKey"), ("{}", "a JSON object, not a list")])
def test_the_cache_is_not_used_though_s3_has_no_list(
    clients: AwsClients, place: ListLocation, content: str | None, found: str
) -> None:
    """A missing object, or one that is no list: the cached list counts, and the letter says why."""
    if content is not None:
        _save(clients, place, content)
    with pytest.raises(ConfigurationError, match="neither in S3 nor in its cache"):
        read_list(clients, place, now=NOON)
    _cache(clients, place, '[{"accountNumber": "A"}]')
    reading = read_list(clients, place, now=NOON)
    assert [account.account_number for account in reading.accounts.accounts] == ["A"]
    assert reading.fallback is not None
    assert found in reading.fallback
    assert place.cache_uri in reading.fallback


def test_an_unreachable_s3_has_no_list(clients: AwsClients, place: ListLocation) -> None:
    """Access to the bucket fails: the cache stands in; without one, the error's own letter is told."""
    elsewhere = ListLocation("no-such-bucket", place.key, place.cache_table)
    with pytest.raises(BillingError, match="there is no such bucket"):
        read_list(clients, elsewhere, now=NOON)
    _cache(clients, place, "[]")
    assert "there is no such bucket" in (read_list(clients, elsewhere, now=NOON).fallback or "")


def test_twenty_thousand_accounts_take_minutes(clients: AwsClients, place: ListLocation) -> None:
    """Read from S3 and from a full cache, checked, judged for a period and gridded over fourteen, in seconds."""
    items: list[dict[str, Any]] = [
        {"accountNumber": f"A{n}", "propertyId": f"P{n % 400}", "propertyName": f"Property {n % 400}", "is_ubi": True}
        for n in range(MANY)
    ]
    _save(clients, place, json.dumps(items))
    _cache(clients, place, json.dumps(items[:3000]))
    bills = {
        month: bills_by_account(row(f"P{n % 400}", f"A{n}") for n in range(MANY) if (n + at) % 10)
        for at, month in enumerate(MONTHS)
    }
    began = time.process_time()
    reading = read_list(clients, place, now=NOON)
    results = {check.check_name: check for check in check_accounts(reading)}
    listed = listed_accounts(reading.accounts.accounts)
    checked = time.process_time()
    completion = Completion.of(MONTHS[-1], listed, bills)
    judged = time.process_time()
    grid = CompletionGrid.of(listed, bills)
    size = len(grid.csv()), len(heat_map_svg(grid)), len(grid_values(grid))
    ended = time.process_time()
    assert not results[CACHE_FITS].passed
    assert results[CACHE_EQUALS].metadata["missing"].value == MANY - 3000
    assert (completion.share.expected, completion.share.missing) == (MANY, MANY // 10)
    assert all(size)
    steps = f"read and checked {checked - began:.1f} s, judged {judged - checked:.1f} s, gridded {ended - judged:.1f} s"
    print(steps)  # noqa: T201  # for the closing note
    assert ended - began < SECONDS, steps
