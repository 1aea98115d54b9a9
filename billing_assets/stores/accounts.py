"""The accounts to track where the app keeps them: an object of S3, and an optional cache in DynamoDB. Read only.

Source: SPEC.md section 1.3. What an item of the list means is a rule of the domain (`accounts`, `accounts_cache`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.accounts import AccountsList, parse_accounts
from billing_assets.domain.accounts_cache import CachedList
from billing_assets.domain.accounts_letters import fallback_letter, no_list_error
from billing_assets.domain.errors import BillingError
from billing_assets.stores.aws_errors import as_billing_error, error_code
from billing_assets.stores.retrying import Backoff, retried
from billing_assets.stores.small_objects import read_text

if TYPE_CHECKING:
    import datetime as dt

    from types_boto3_dynamodb import DynamoDBClient

    from billing_assets.stores.aws import AwsClients

CACHE_KEY = "CONFIG#accounts-to-track"

_VERSION = "v1"
_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ListLocation:
    """Where the list is, and where its cache may be."""

    bucket: str
    key: str
    cache_table: str

    @property
    def uri(self) -> str:
        """Of the list, for people."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def cache_uri(self) -> str:
        """Of the cache, for people."""
        return f"dynamodb://{self.cache_table}/{CACHE_KEY}"


@dataclass(frozen=True, slots=True)
class CacheReading:
    """What is known of the cache; all None: there is none."""

    item: CachedList | None = None
    accounts: AccountsList | None = None
    """What it says; None if it says nothing that can be read."""
    fault: str | None = None
    """Why it can't be read."""

    @property
    def is_absent(self) -> bool:
        """Whether there is no cache, which is no fault."""
        return self.item is None and self.fault is None


@dataclass(frozen=True, slots=True)
class ListReading:
    """The list that counts, and what was found on the way to it."""

    accounts: AccountsList
    where: str
    size_bytes: int
    primary_text: str | None
    """The list in S3; None where the cache stands in for it."""
    fallback: str | None
    """The letter that says so, and why."""
    cache: CacheReading


def read_list(clients: AwsClients, location: ListLocation, *, now: dt.datetime) -> ListReading:
    """The list in S3, or the cached one where S3 has none that can be read.

    Raises:
        BillingError: Neither has one; a retry may help if its type says so.
    """
    cache = _read_cache(clients, location)
    try:
        text, size_bytes = read_text(clients.s3, location.bucket, location.key)
        return ListReading(parse_accounts(text, where=location.uri), location.uri, size_bytes, text, None, cache)
    except BillingError as error:
        if cache.item is None or cache.accounts is None:
            raise no_list_error(error, cache.fault or "there is none", where=location.uri) from error
        letter = fallback_letter(
            error, where=location.uri, cache_where=location.cache_uri, age=cache.item.age_text(now)
        )
        size_bytes = len(cache.item.text.encode())
        return ListReading(cache.accounts, location.cache_uri, size_bytes, None, letter, cache)


def read_cached_list(dynamodb: DynamoDBClient, table: str) -> CachedList | None:
    """The cached list; None if there is no such item, or no such table, since the cache is optional.

    Raises:
        BillingError: It can't be told whether there is one.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

    def get() -> CachedList | None:
        with as_billing_error(f"DynamoDB table {table}, item {CACHE_KEY}"):
            try:
                answer = dynamodb.get_item(
                    TableName=table, Key={"PK": {"S": CACHE_KEY}, "SK": {"S": _VERSION}}, ConsistentRead=True
                )
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return None
                raise
            item = answer.get("Item")
            return CachedList.of(item) if item else None

    return retried(get, Backoff(_RETRY_SECONDS))


def _read_cache(clients: AwsClients, location: ListLocation) -> CacheReading:
    try:
        item = read_cached_list(clients.dynamodb, location.cache_table)
    except BillingError as error:
        return CacheReading(fault=f"{error.summary} ({error.found})")
    if item is None:
        return CacheReading()
    try:
        return CacheReading(item, parse_accounts(item.text, where=location.cache_uri))
    except BillingError as error:
        return CacheReading(item, fault=f"{error.summary} ({error.found})")
