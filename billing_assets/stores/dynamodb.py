"""The assignments table: one strongly consistent parallel Scan while it is small, its index above the limit.

Source: SPEC.md section 1.1. Which records belong to a period is decided in `billing_assets.domain.assignments`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.assignments import PartitionRange, TableReading
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.periods import Month, spellings_of
from billing_assets.stores.aws_errors import as_billing_error, unavailable
from billing_assets.stores.retrying import Backoff, RatePace, retried

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Record = Mapping[str, Any]
"""One item: texts as `str`, numbers as `NumberText`, NULL as None, flags as `bool`, the rest as DynamoDB sends it."""

_Request = dict[str, Any]
_SEGMENTS = 4
_BYTES_PER_MB = 1_000_000
_RETRY_SECONDS = 120.0
_FIRST_CONTACT_SECONDS = 5.0
"""For how long a table is asked for its size: a wrong endpoint shows there, and shall not take minutes to tell."""


@dataclass(slots=True)
class ReadFigures:
    """What a read took."""

    pages: int = 0
    read_units: float = 0.0
    path: str = ""
    """`scan` or `index`."""
    retries: int = 0


@dataclass(frozen=True, slots=True)
class TableSize:
    """What DynamoDB says of a table; it brings these figures up to date about every six hours."""

    records: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Page:
    items: list[dict[str, Any]]
    read_units: float
    retries: int


class AssignmentsTable:
    """The live assignments, read only.

    Args:
        dynamodb: Shared by all threads.
        table: Its name.
        index: The secondary index by UBI period.
        scan_limit_mb: Up to this table size the whole table is scanned for a period.
        read_units_per_second: How fast to read at most; 0 is no limit.
        retry_seconds: For how long a page is asked for while DynamoDB throttles, fails or breaks off.
        clock: Seconds of any monotonic clock.
        sleep: Waits for so many seconds.
    """

    def __init__(  # noqa: PLR0913  # a table, and by which clock it is read
        self,
        dynamodb: DynamoDBClient,
        *,
        table: str,
        index: str,
        scan_limit_mb: int,
        read_units_per_second: int = 0,
        retry_seconds: float = _RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._index = index
        self._scan_limit_bytes = scan_limit_mb * _BYTES_PER_MB
        self._units_per_second = read_units_per_second
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._sleep = sleep
        take_items_as_sent(dynamodb)

    def size(self) -> TableSize:
        """Records and bytes, as DynamoDB last counted them."""
        return table_size(self._dynamodb, self._table)

    def read_period(self, partition: str, partitions: PartitionRange) -> tuple[TableReading, ReadFigures]:
        """The records of one partition; the whole table's control totals come along if it is small enough to scan.

        The index is eventually consistent and holds no record without a period: a reading by it knows nothing of the
        other partitions (`TableReading.whole_table` is False).
        """
        if self.is_small:
            return self.read_table(partitions, partition)
        figures = ReadFigures(path="index")
        records = self.records_of([partition], figures)
        return TableReading.of(records, partitions, partition, whole_table=False), figures

    def read_table(self, partitions: PartitionRange, partition: str | None = None) -> tuple[TableReading, ReadFigures]:
        """Every record, by one strongly consistent parallel Scan."""
        figures = ReadFigures(path="scan")
        return TableReading.of(self.records(figures), partitions, partition, whole_table=True), figures

    @property
    def is_small(self) -> bool:
        """Whether the whole table is scanned for a period."""
        return self.size().size_bytes <= self._scan_limit_bytes

    def records(self, figures: ReadFigures) -> Iterator[Record]:
        """Every record as it was sent, in no order, by one strongly consistent parallel Scan."""
        return self._gather([(self._dynamodb.scan, self._scan_of(segment)) for segment in range(_SEGMENTS)], figures)

    def records_of(self, partitions: Iterable[str], figures: ReadFigures) -> Iterator[Record]:
        """The records of some partitions, by the index under every spelling that belongs to them."""
        spellings = [spelling for partition in partitions for spelling in spellings_of(Month.from_key(partition))]
        return self._gather([(self._dynamodb.query, self._query_of(spelling)) for spelling in spellings], figures)

    def _scan_of(self, segment: int) -> _Request:
        return {
            "TableName": self._table,
            "Segment": segment,
            "TotalSegments": _SEGMENTS,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "TOTAL",
        }

    def _query_of(self, spelling: str) -> _Request:
        return {
            "TableName": self._table,
            "IndexName": self._index,
            "KeyConditionExpression": "ubi_period = :period",
            "ExpressionAttributeValues": {":period": {"S": spelling}},
            "ReturnConsumedCapacity": "TOTAL",
        }

    def _gather(self, requests: list[tuple[Callable[..., Any], _Request]], figures: ReadFigures) -> Iterator[Record]:
        """Follow several requests to their last page at once; their records, in no order."""
        pace = RatePace(self._units_per_second, self._clock, self._sleep)

        def read(request: tuple[Callable[..., Any], _Request]) -> list[_Page]:
            pages = []
            for page in self._pages(*request):
                pages.append(page)
                pace.spend(page.read_units)
            return pages

        with ThreadPoolExecutor(_SEGMENTS) as pool:
            for pages in pool.map(read, requests):
                for page in pages:
                    figures.pages += 1
                    figures.read_units += page.read_units
                    figures.retries += page.retries
                    yield from map(SentRecord, page.items)

    def _pages(self, call: Callable[..., Any], request: _Request) -> Iterator[_Page]:
        start: _Request = {}
        retries: list[None] = []
        while True:
            backoff = Backoff(self._retry_seconds, self._clock, self._sleep)
            ask = partial(self._ask, call, {**request, **start})
            answer = retried(ask, backoff, partial(retries.append, None))
            units = float(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0))
            yield _Page(answer["Items"], units, len(retries))
            retries.clear()
            if not answer.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _ask(self, call: Callable[..., Any], request: _Request) -> dict[str, Any]:
        where = f"DynamoDB table {self._table}"
        if "IndexName" in request:
            where += f", index {self._index}"
        with as_billing_error(where):
            answer: dict[str, Any] = call(**request)
        # botocore reads a body that is no JSON as an answer without anything in it, which would end the pages here.
        if answer.get("Count") != len(answer.get("Items", ())):
            raise unavailable(where, "an answer that is cut short or garbled")
        return answer


def table_size(dynamodb: DynamoDBClient, table: str) -> TableSize:
    """Records and bytes of any table, as DynamoDB last counted them."""
    where = f"DynamoDB table {table}"

    def describe() -> TableSize:
        with as_billing_error(where):
            description = dynamodb.describe_table(TableName=table).get("Table")
        if not description:
            raise unavailable(where, "an answer that is cut short or garbled")
        return TableSize(description.get("ItemCount", 0), description.get("TableSizeBytes", 0))

    return retried(describe, Backoff(_FIRST_CONTACT_SECONDS))


class SentRecord(Mapping[str, Any]):
    """One item as it was sent, each value decoded when it is asked for: most records are of other periods."""

    __slots__ = ("_sent",)

    def __init__(self, sent: dict[str, dict[str, Any]]) -> None:
        self._sent = sent

    def __getitem__(self, name: str) -> Any:
        """A value as a plain one.

        Raises:
            KeyError: The record has no such attribute.
        """
        return _plain_value(self._sent[name])

    def __iter__(self) -> Iterator[str]:
        """The attributes that the record has."""
        return iter(self._sent)

    def __len__(self) -> int:
        """How many."""
        return len(self._sent)


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


def take_items_as_sent(dynamodb: DynamoDBClient) -> None:
    """Decode the items of an answer ourselves: botocore's own parser takes 44 ms for a thousand records.

    It is the documented place to change an answer before botocore reads it; retries, signing and errors stay its own.
    Whoever shares the client gets the items as ever, except that binary values stay base64 text.
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
        return
    if isinstance(items := answer.pop("Items", None), list):
        customized_response_dict["Items"] = items
        response_dict["body"] = msgspec.json.encode(answer)
