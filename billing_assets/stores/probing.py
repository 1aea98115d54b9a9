"""A random sample of the assignments table, read only: how the table is made, and some of its records.

What is made of the sample lives in `billing_assets.domain.probe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing_assets.domain.probe.tables import TableIndex, TableShape
from billing_assets.stores.aws_errors import as_billing_error
from billing_assets.stores.dynamodb import SentRecord, take_items_as_sent
from billing_assets.stores.retrying import Backoff, retried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from types_boto3_dynamodb import DynamoDBClient

    from billing_assets.stores.dynamodb import Record

_RETRY_SECONDS = 20.0
_FROM_A_SEGMENT = 20
"""Records taken of one place of the table; the places themselves are drawn."""

_MOST_SEGMENTS = 4096


def table_shape(dynamodb: DynamoDBClient, table: str) -> TableShape:
    """The table's key, indexes and size.

    Raises:
        ConfigurationError: There is no such table.
        AccessDeniedError: AWS says no.
    """
    with as_billing_error(f"DynamoDB table {table}"):
        described: dict[str, Any] = dict(dynamodb.describe_table(TableName=table).get("Table") or {})
    indexes = (*described.get("GlobalSecondaryIndexes", ()), *described.get("LocalSecondaryIndexes", ()))
    return TableShape(
        name=table,
        records=described.get("ItemCount", 0),
        size_bytes=described.get("TableSizeBytes", 0),
        key=_names(described.get("KeySchema", ())),
        indexes=tuple(
            TableIndex(
                index["IndexName"],
                _names(index.get("KeySchema", ())),
                index.get("Projection", {}).get("ProjectionType", ""),
            )
            for index in indexes
        ),
    )


def random_records(
    dynamodb: DynamoDBClient,
    table: TableShape,
    count: int,
    random: Random,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Record]:
    """So many records from all over the table, each at most once; all of them where it holds no more.

    The table is scanned in many segments, of which some are drawn, and a few records are taken of each: DynamoDB places
    records by a hash of their key, so that neighbours have nothing in common. Reads a few dozen small pages.

    Args:
        dynamodb: The shared client.
        table: The table as described; its count is six hours old at worst, and only says into how many segments to cut.
        count: How many.
        random: Draws; equal seeds draw the same records of an unchanged table.
        on_progress: Told how many of how many are there.
    """
    take_items_as_sent(dynamodb)
    total = max(1, min(_MOST_SEGMENTS, table.records // (2 * _FROM_A_SEGMENT)))
    records: list[Record] = []
    begun: list[tuple[int, dict[str, Any]]] = []
    for segment in random.sample(range(total), total):
        page, left = _page(dynamodb, table.name, segment, total, {})
        records += page
        if left:
            begun.append((segment, left))
        if on_progress is not None:
            on_progress(min(len(records), count), count)
        if len(records) >= count:
            return random.sample(records, count)
    # A small table, or one whose records stand unevenly: go on where something was left.
    for segment, left in begun:
        for page in _pages(dynamodb, table.name, segment, total, left):
            records += page
            if len(records) >= count:
                return random.sample(records, count)
    return records


def _pages(
    dynamodb: DynamoDBClient, table: str, segment: int, total: int, start: dict[str, Any]
) -> Iterator[list[Record]]:
    while start:
        page, start = _page(dynamodb, table, segment, total, start)
        yield page


def _page(
    dynamodb: DynamoDBClient, table: str, segment: int, total: int, start: dict[str, Any]
) -> tuple[list[Record], dict[str, Any]]:
    request: dict[str, Any] = {
        "TableName": table,
        "Segment": segment,
        "TotalSegments": total,
        "Limit": _FROM_A_SEGMENT,
        **({"ExclusiveStartKey": start} if start else {}),
    }

    def ask() -> tuple[list[Record], dict[str, Any]]:
        with as_billing_error(f"DynamoDB table {table}"):
            answer: dict[str, Any] = dict(dynamodb.scan(**request))
        return [SentRecord(item) for item in answer.get("Items", ())], dict(answer.get("LastEvaluatedKey") or {})

    return retried(ask, Backoff(_RETRY_SECONDS))


def _names(key: Any) -> tuple[str, ...]:
    in_order = sorted(key, key=lambda part: part["KeyType"] != "HASH")
    return tuple(part["AttributeName"] for part in in_order)
