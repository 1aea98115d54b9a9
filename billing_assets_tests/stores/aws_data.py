"""What the AWS stores' tests put into the emulator: buckets, tables, bill lines, and the records that name them."""

from __future__ import annotations

import functools
import itertools
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from billing_assets.domain.assignments import Assignment
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.line_hash import line_hash
from billing_assets.stores.aws import AwsClients

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from types_boto3_dynamodb import DynamoDBClient

PREFIX = "Bill_Parser_4_Enriched_Outputs/yyyy=2025/mm=10/dd=21/"
_numbers = itertools.count(1)


def fresh_name(of: str) -> str:
    """A name that no other test of the process uses."""
    return f"{of}-{next(_numbers)}"


@contextmanager
def environment(variables: Mapping[str, str], **changed: str | None) -> Iterator[None]:
    """The environment of the SDK for a while: these variables, and none other of AWS's."""
    with pytest.MonkeyPatch.context() as patch:
        import os  # noqa: PLC0415  # only here is the environment touched

        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        for name, value in {**variables, **changed}.items():
            if value is not None:
                patch.setenv(name, value)
        yield


def clients_in(variables: Mapping[str, str], **changed: str | None) -> AwsClients:
    """Clients whose S3 was made in an environment, and keeps to it."""
    with environment(variables, **changed):
        clients = AwsClients()
        assert clients.s3
        assert clients.s3_single_try
        return clients


def dynamodb_in(variables: Mapping[str, str], **changed: str | None) -> DynamoDBClient:
    """The shared client of a process, made in an environment."""
    with environment(variables, **changed):
        return AwsClients().dynamodb


def make_bucket(clients: AwsClients, objects: Mapping[str, bytes]) -> str:
    """A bucket of its own that holds these objects."""
    bucket = fresh_name("bucket")
    clients.s3.create_bucket(Bucket=bucket)
    for key, body in objects.items():
        clients.s3.put_object(Bucket=bucket, Key=key, Body=body)
    return bucket


def make_table(dynamodb: DynamoDBClient, key: str = "line_hash") -> str:
    """An empty table of assignments with its index, under either key."""
    table = fresh_name("assignments")
    names: list[Any] = [{"AttributeName": name, "AttributeType": "S"} for name in (key, "ubi_period")]
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=names,
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "ubi-period-index",
                "KeySchema": [{"AttributeName": "ubi_period", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return table


def put_items(dynamodb: DynamoDBClient, table: str, items: list[dict[str, Any]]) -> None:
    """Write items in DynamoDB's own form, 25 at a time."""
    for start in range(0, len(items), 25):
        requests: list[Any] = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        while requests:
            requests = dynamodb.batch_write_item(RequestItems={table: requests})["UnprocessedItems"].get(table, [])


def bill_line(number: int, **fields: object) -> dict[str, object]:
    """A bill line that is like no other with another number."""
    return {
        "EnrichedPropertyID": f"P{number % 7}",
        "Charge Code": "WAT",
        "Utility Type": "Water",
        "Account Number": f"A{number}",
        "Line Item Charge": f"{number}.10",
        "Line Item Description": f"line {number} ü",
    } | fields


def jsonl(*lines: dict[str, object]) -> bytes:
    """The lines as an object holds them."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def assigned(line: dict[str, object], key: str, **fields: object) -> Assignment:
    """The record that assigns a line of an object."""
    record = {
        "line_hash": line_hash(line, "v1"),
        "ubi_period": "10/2025",
        "s3_key": key,
        "line_index": NumberText("0"),
        "amount": NumberText("1.23"),
    }
    return Assignment.from_record(record | fields)


@functools.cache
def small_period() -> tuple[dict[str, bytes], list[Assignment]]:
    """Objects, and the records of one period: plain ones, moved, rewritten, gone, and equal lines."""
    objects: dict[str, bytes] = {}
    records: list[Assignment] = []
    for number in range(120):
        old, new = (f"{PREFIX}bill{number}_2025102{day}T150300Z.jsonl" for day in (1, 2))
        lines = [bill_line(number * 10 + position) for position in range(3)]
        records += [assigned(line, old, line_index=NumberText(str(at))) for at, line in enumerate(lines)]
        kind = number % 12
        if kind < 9 or kind == 10:  # where it was; of kind 10 both timestamps stand there for a moment
            objects[old] = jsonl(*lines)
        if kind in {9, 10}:  # rewritten, with a line in front
            objects[new] = jsonl(bill_line(9000 + number), *lines)
        # of kind 11 all are gone
    return objects, records
