"""The assignments table: one strongly consistent parallel Scan while it is small, its index above the limit.

Source: SPEC.md section 1.1. Which records belong to a period is decided in `billing_assets.domain.assignments`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.assignments import PartitionRange, TableReading
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.periods import Month, spellings_of
from billing_assets.stores.aws_errors import as_billing_error

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Record = Mapping[str, Any]
"""One item: texts as `str`, numbers as `NumberText`, NULL as None, flags as `bool`, the rest as DynamoDB sends it."""

_SEGMENTS = 4
_BYTES_PER_MB = 1_000_000
_RAW_ITEMS = "BillingRawItems"


@dataclass(slots=True)
class ReadFigures:
    """What a read took."""

    pages: int = 0
    read_units: float = 0.0
    path: str = ""
    """`scan` or `index`."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """What DynamoDB says of a table; it brings these figures up to date about every six hours."""

    records: int
    size_bytes: int


class AssignmentsTable:
    """The live assignments, read only.

    Args:
        dynamodb: Shared by all threads.
        table: Its name.
        index: The secondary index by UBI period.
        scan_limit_mb: Up to this table size the whole table is scanned for a period.
        read_units_per_second: How fast to read at most; 0 is no limit.
    """

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        *,
        table: str,
        index: str,
        scan_limit_mb: int,
        read_units_per_second: int = 0,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._index = index
        self._scan_limit_bytes = scan_limit_mb * _BYTES_PER_MB
        self._units_per_second = read_units_per_second
        _take_items_as_sent(dynamodb)

    def size(self) -> TableSize:
        """Records and bytes, as DynamoDB last counted them."""
        return table_size(self._dynamodb, self._table)

    def read_period(self, partition: str, partitions: PartitionRange) -> tuple[TableReading, ReadFigures]:
        """The records of one partition; the whole table's control totals come along if it is small enough to scan.

        The index is eventually consistent and holds no record without a period: a reading by it knows nothing of the
        other partitions (`TableReading.whole_table` is False).
        """
        if self.size().size_bytes <= self._scan_limit_bytes:
            return self.read_table(partitions, partition)
        figures = ReadFigures(path="index")
        spellings = spellings_of(Month.from_key(partition))
        pages = (self._query_pages(spelling) for spelling in spellings)
        records = self._gather(pages, figures)
        return TableReading.of(records, partitions, partition, whole_table=False), figures

    def read_table(self, partitions: PartitionRange, partition: str | None = None) -> tuple[TableReading, ReadFigures]:
        """Every record, by one strongly consistent parallel Scan."""
        figures = ReadFigures(path="scan")
        records = self._gather((self._scan_pages(segment) for segment in range(_SEGMENTS)), figures)
        return TableReading.of(records, partitions, partition, whole_table=True), figures

    def _scan_pages(self, segment: int) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "Segment": segment,
            "TotalSegments": _SEGMENTS,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "TOTAL",
        }
        return _pages(self._dynamodb.scan, request)

    def _query_pages(self, spelling: str) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": self._index,
            "KeyConditionExpression": "ubi_period = :period",
            "ExpressionAttributeValues": {":period": {"S": spelling}},
            "ReturnConsumedCapacity": "TOTAL",
        }
        return _pages(self._dynamodb.query, request)

    def _gather(self, sources: Iterator[Iterator[dict[str, Any]]], figures: ReadFigures) -> Iterator[Record]:
        """Read several sequences of pages at once; their records, in no order."""
        pace = _Pace(self._units_per_second)

        def read(pages: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
            answers = []
            for page in pages:
                units = float(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0))
                answers.append({"items": page[_RAW_ITEMS], "units": units})
                pace.spend(units)
            return answers

        with as_billing_error(f"DynamoDB table {self._table}"), ThreadPoolExecutor(_SEGMENTS) as pool:
            for answers in pool.map(read, sources):
                for answer in answers:
                    figures.pages += 1
                    figures.read_units += answer["units"]
                    yield from map(_plain_record, answer["items"])


def table_size(dynamodb: DynamoDBClient, table: str) -> TableSize:
    """Records and bytes of any table, as DynamoDB last counted them."""
    with as_billing_error(f"DynamoDB table {table}"):
        description = dynamodb.describe_table(TableName=table)["Table"]
    return TableSize(description.get("ItemCount", 0), description.get("TableSizeBytes", 0))


def _pages(call: Callable[..., Any], request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start: Any = None
    while True:
        page = call(**request) if start is None else call(**request, ExclusiveStartKey=start)
        yield page
        start = page.get("LastEvaluatedKey")
        if not start:
            return


class _Pace:
    """Keeps the read capacity of all threads together under a rate."""

    def __init__(self, units_per_second: int) -> None:
        self._units_per_second = units_per_second
        self._free_at = time.monotonic()

    def spend(self, units: float) -> None:
        if not self._units_per_second:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + units / self._units_per_second
        time.sleep(max(0.0, self._free_at - now))


def _plain_record(item: dict[str, dict[str, Any]]) -> Record:
    return {name: _plain_value(value) for name, value in item.items()}


def _plain_value(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "S":
        return content
    if kind == "N":
        return NumberText(content)
    if kind == "NULL":
        return None
    return content if kind == "BOOL" else value


_decode_answer = msgspec.json.Decoder(dict[str, Any]).decode


def _take_items_as_sent(dynamodb: DynamoDBClient) -> None:
    """Decode the items of an answer ourselves: botocore's own parser takes 44 ms for a thousand records.

    It is the documented place to change an answer before botocore reads it; retries, signing and errors stay its own.
    """
    for operation in ("Scan", "Query"):
        dynamodb.meta.events.register_first(
            f"before-parse.dynamodb.{operation}", _take_items, unique_id=f"billing-assets-{operation}"
        )


def _take_items(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] != 200:
        return
    try:
        answer = _decode_answer(response_dict["body"])
    except msgspec.DecodeError:
        return  # botocore's own parser says what is wrong with it
    customized_response_dict[_RAW_ITEMS] = answer.pop("Items", [])
    response_dict["body"] = msgspec.json.encode(answer)
