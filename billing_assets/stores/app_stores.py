"""What the Bill Review app's stores hold, each by the cheapest honest question; nothing is written.

Absent is an answer, not an error: it comes as None. Source: the source document's stores, and SPEC.md section 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing_assets.domain.dynamodb_size import item_bytes
from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.json_list import elements_of
from billing_assets.stores.aws_errors import as_billing_error, error_code
from billing_assets.stores.retrying import Backoff, retried

if TYPE_CHECKING:
    import datetime as dt

    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

_RETRY_SECONDS = 20.0
_ABSENT = frozenset({"ResourceNotFoundException", "NoSuchKey", "404", "NotFound"})
CACHE_KEY = {"PK": {"S": "CONFIG#accounts-to-track"}, "SK": {"S": "v1"}}
_DAY_FOLDER = "yyyy=%Y/mm=%m/dd=%d/"
_MOST_PAGES = 20
"""Of a day: 20,000 objects."""


@dataclass(frozen=True, slots=True)
class TableFigures:
    """As DynamoDB last counted them, up to about six hours ago."""

    records: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ItemFigures:
    """One item that holds a JSON list."""

    size_bytes: int
    """Of the whole item, as its limit counts it."""
    entries: int | None
    """None where its list can't be read."""
    updated_at: str
    sha256: str
    """Of the list's text."""


@dataclass(frozen=True, slots=True)
class ListFigures:
    """One S3 object that holds a JSON list."""

    size_bytes: int
    entries: int | None
    """None where it is no list."""
    etag: str
    last_modified_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The objects of one day's folder."""

    day: dt.date
    objects: int
    size_bytes: int
    newest_utc: dt.datetime | None
    whole: bool
    """False where there are more than were counted."""


def table_figures(dynamodb: DynamoDBClient, table: str) -> TableFigures | None:
    """Records and bytes of a table; None if there is no such table."""

    def describe() -> TableFigures | None:
        found = _answer(f"DynamoDB table {table}", dynamodb.describe_table, TableName=table)
        if found is None:
            return None
        described = found["Table"]
        return TableFigures(described.get("ItemCount", 0), described.get("TableSizeBytes", 0))

    return retried(describe, Backoff(_RETRY_SECONDS))


def cache_figures(dynamodb: DynamoDBClient, table: str) -> ItemFigures | None:
    """The cached accounts to track; None if there is no such table or item. It reads the item, 400 KB at most."""

    def get() -> ItemFigures | None:
        where = f"DynamoDB table {table}, item {CACHE_KEY['PK']['S']}"
        found = _answer(where, dynamodb.get_item, TableName=table, Key=CACHE_KEY)
        item = (found or {}).get("Item")
        if not item:
            return None
        text = str(item.get("Data", {}).get("S", ""))
        updated = next(iter(item.get("UpdatedAt", {"S": ""}).values()))
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return ItemFigures(item_bytes(item), _entries(text.encode("utf-8", "surrogatepass")), str(updated), digest)

    return retried(get, Backoff(_RETRY_SECONDS))


def list_figures(s3: S3Client, bucket: str, key: str) -> ListFigures | None:
    """A JSON list in S3, read whole to count its entries; None if there is no such object."""

    def get() -> ListFigures | None:
        where = f"s3://{bucket}/{key}"
        found = _answer(where, s3.get_object, Bucket=bucket, Key=key)
        if found is None:
            return None
        with as_billing_error(where):
            content: bytes = found["Body"].read()
        return ListFigures(len(content), _entries(content), found["ETag"].strip('"'), found["LastModified"])

    return retried(get, Backoff(_RETRY_SECONDS))


def day_figures(s3: S3Client, bucket: str, prefix: str, day: dt.date) -> DayFigures:
    """The objects of one day's folder, `yyyy=…/mm=…/dd=…/`; a thousand a request, and 20 requests at most."""
    folder = f"{prefix}{day.strftime(_DAY_FOLDER)}"

    def listed() -> DayFigures:
        objects = size_bytes = 0
        newest: dt.datetime | None = None
        with as_billing_error(f"s3://{bucket}/{folder}"):
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder)
            for number, page in enumerate(pages, 1):
                entries = page.get("Contents", [])
                objects += len(entries)
                size_bytes += sum(entry["Size"] for entry in entries)
                times = [entry["LastModified"] for entry in entries]
                newest = max([*times, newest] if newest else times, default=None)
                if number == _MOST_PAGES:
                    return DayFigures(day, objects, size_bytes, newest, whole=not page["IsTruncated"])
        return DayFigures(day, objects, size_bytes, newest, whole=True)

    return retried(listed, Backoff(_RETRY_SECONDS))


def _answer(where: str, call: Any, **request: Any) -> dict[str, Any] | None:
    """The answer; None where what was asked for does not exist."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

    with as_billing_error(where):
        try:
            answer: dict[str, Any] = call(**request)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
    return answer


def _entries(content: bytes) -> int | None:
    try:
        return sum(1 for _ in elements_of(content, where="", remedy=""))
    except UnreadableInputError:
        return None
