"""Reading the assignments of a period: ours, botocore's parser, the resource interface, and a decoder of our own.

`option` says which:

- `ours`: the asset's `AssignmentsTable.read_period`
- `client`: the same Scan in the same four segments, its answers read by botocore's parser
- `resource`: the same by boto3's `Table`, which makes Decimals as well
- `typed`: requests signed here and sent by urllib3, answers decoded by msgspec into a typed record: what ours gave up
"""

from __future__ import annotations

import datetime as dt
import hashlib
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import boto3.dynamodb.types
import msgspec
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from benchmarks.table import NAME, SEGMENTS
from benchmarks.workload import agreed
from billing_assets.domain.assignments import PartitionRange, TableReading
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.periods import Month
from billing_assets.settings import Settings
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.dynamodb import AssignmentsTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.task import Task

_PARTITIONS = PartitionRange(Month(2024, 1), Month(2027, 1))
_PERIOD = "2026-01"


class _Text(msgspec.Struct, frozen=True):
    S: str = ""


class _Number(msgspec.Struct, frozen=True):
    N: str | None = None


class _Record(msgspec.Struct, frozen=True):
    line_hash: _Text = _Text()
    s3_key: _Text = _Text()
    ubi_period: _Text = _Text()
    bill_id: _Text = _Text()
    assignment_id: _Text = _Text()
    assigned_by: _Text = _Text()
    assigned_date: _Text = _Text()
    line_index: _Number = _Number()
    amount: _Number = _Number()
    months: _Number = _Number()


class _Answer(msgspec.Struct, frozen=True):
    Items: list[_Record]
    LastEvaluatedKey: dict[str, Any] | None = None


def prepare(task: Task) -> Any:
    """The way of reading, its clients made."""
    return {"ours": _ours, "client": _client, "resource": _resource, "typed": _typed}[task.option](task)


def run(_: Task, read: Any) -> TableReading:
    """Read the period."""
    reading: TableReading = read()
    return reading


def answers(_: Task, __: object, reading: TableReading) -> tuple[str, int, str]:
    """The period's records."""
    rows = [(each.assignment_id, each.line_hash, each.s3_key, str(each.amount)) for each in reading.assignments]
    counted = hashlib.sha256(str(sorted(reading.records_by_partition.items())).encode()).hexdigest()[:8]
    scanned = f"{reading.records_scanned:,} records, {len(rows):,} of the period"
    return agreed(rows) + (counted if reading.whole_table else ""), len(rows), scanned


def _ours(_: Task) -> Any:
    settings = Settings.from_environment()
    table = AssignmentsTable(
        AwsClients().dynamodb,
        table=NAME,
        index=settings.assignments_index,
        scan_limit_mb=settings.scan_limit_mb,
        retry_seconds=settings.retry_seconds,
    )
    return lambda: table.read_period(_PERIOD, _PARTITIONS)[0]


def _in_segments(pages_of: Callable[[int], Iterator[list[dict[str, Any]]]]) -> TableReading:
    with ThreadPoolExecutor(SEGMENTS) as pool:
        segments = pool.map(lambda segment: list(pages_of(segment)), range(SEGMENTS))
        records = [record for pages in segments for page in pages for record in page]
    return TableReading.of(records, _PARTITIONS, _PERIOD)


def _scan(segment: int) -> dict[str, Any]:
    return {"TableName": NAME, "Segment": segment, "TotalSegments": SEGMENTS, "ConsistentRead": True}


def _client(_: Task) -> Any:
    client = boto3.client("dynamodb")

    def plain(value: dict[str, Any]) -> Any:
        ((kind, content),) = value.items()
        return NumberText(content) if kind == "N" else content

    def pages(segment: int) -> Iterator[list[dict[str, Any]]]:
        for page in client.get_paginator("scan").paginate(**_scan(segment)):
            yield [{name: plain(value) for name, value in item.items()} for item in page["Items"]]

    return lambda: _in_segments(pages)


def _resource(_: Task) -> Any:
    table = boto3.resource("dynamodb").Table(NAME)

    def plain(value: Any) -> Any:
        return NumberText(value) if isinstance(value, Decimal) else value

    def pages(segment: int) -> Iterator[list[dict[str, Any]]]:
        request = {name: value for name, value in _scan(segment).items() if name != "TableName"}
        while True:
            page = table.scan(**request)
            yield [{name: plain(value) for name, value in item.items()} for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    return lambda: _in_segments(pages)


def _typed(task: Task) -> Any:
    credentials = boto3.Session().get_credentials()
    assert credentials is not None
    signer = SigV4Auth(credentials, "dynamodb", "us-east-1")
    http = urllib3.PoolManager(maxsize=SEGMENTS)
    decode = msgspec.json.Decoder(_Answer).decode
    began = dt.datetime.now(dt.UTC)

    def record(item: _Record) -> dict[str, Any]:
        texts = {name: getattr(item, name).S for name in _Record.__struct_fields__[:7]}
        numbers = {name: getattr(item, name).N for name in _Record.__struct_fields__[7:]}
        return texts | {name: NumberText(number) for name, number in numbers.items() if number is not None}

    def pages(segment: int) -> Iterator[list[dict[str, Any]]]:
        request = _scan(segment)
        while True:
            headers = {
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": "DynamoDB_20120810.Scan",
                "X-Amz-Date": began.strftime("%Y%m%dT%H%M%SZ"),
            }
            signed = AWSRequest("POST", task.endpoint, data=msgspec.json.encode(request), headers=headers)
            signer.add_auth(signed)
            answer = http.request("POST", task.endpoint, body=signed.data, headers=dict(signed.headers))
            page = decode(answer.data)
            # Only the wanted period's records are made whole; of the others the period is enough.
            yield [
                record(item) if item.ubi_period.S == "01/2026" else {"ubi_period": item.ubi_period.S}
                for item in page.Items
            ]
            if page.LastEvaluatedKey is None:
                return
            request["ExclusiveStartKey"] = page.LastEvaluatedKey

    return lambda: _in_segments(pages)
