"""The archive of assignments, observed and never billed: which lines stand in it.

Source: SPEC.md sections 1.1 and 7.2. Asked only where a guard holds a publication back, so it is scanned whole: its key
differs from deployment to deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing_assets.domain.assignments import Assignment
from billing_assets.stores.aws_errors import as_billing_error
from billing_assets.stores.dynamodb import SentRecord
from billing_assets.stores.retrying import Backoff, retried

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from types_boto3_dynamodb import DynamoDBClient


_RETRY_SECONDS = 60.0
_MOST_IN_A_FILTER = 100
"""DynamoDB's own limit of operands of IN."""


def archived_among(dynamodb: DynamoDBClient, table: str, line_hashes: Collection[str]) -> frozenset[str]:
    """Those of the line hashes that an archived assignment holds."""

    def read() -> set[str]:
        with as_billing_error(f"DynamoDB table {table}"):
            pages = dynamodb.get_paginator("scan").paginate(
                TableName=table, ProjectionExpression="line_hash", ConsistentRead=True
            )
            return {item["line_hash"].get("S", "") for page in pages for item in page["Items"] if "line_hash" in item}

    return frozenset(retried(read, Backoff(_RETRY_SECONDS)).intersection(line_hashes))


def archived_records(dynamodb: DynamoDBClient, table: str, line_hashes: Collection[str]) -> list[Assignment]:
    """The archived assignments of some lines, whole, in their own order.

    Scanned with a filter, so that a few lines of a large archive cost its reading, but not its sending. Asked once
    and not again and again: a person waits.

    Raises:
        BillingError: The table is missing, says no or stays away.
    """
    hashes = sorted(line_hashes)
    requests = [hashes[start : start + _MOST_IN_A_FILTER] for start in range(0, len(hashes), _MOST_IN_A_FILTER)]
    found = []
    for some in requests:
        names = {f":h{number}": {"S": line_hash} for number, line_hash in enumerate(some)}
        with as_billing_error(f"DynamoDB table {table}"):
            pages = dynamodb.get_paginator("scan").paginate(
                TableName=table,
                FilterExpression=f"line_hash IN ({', '.join(names)})",
                ExpressionAttributeValues=names,
                ConsistentRead=True,
            )
            found += [Assignment.from_record(_sent(item)) for page in pages for item in page["Items"]]
    return sorted(found, key=lambda record: record.order)


def _sent(item: Mapping[str, Any]) -> SentRecord:
    return SentRecord(dict(item))
