"""The DynamoDB tables: there, of what size, with which index, and whether we may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing_assets.domain.accounts_cache import WARN_FROM_PERCENT
from billing_assets.domain.dynamodb_size import MAX_ITEM_BYTES, item_bytes
from billing_assets.domain.errors import AccessDeniedError, ConfigurationError
from billing_assets.domain.findings import Finding, Outcome
from billing_assets.stores.app_stores import CACHE_KEY
from billing_assets.stores.aws_errors import CredentialsError, as_billing_error

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from billing_assets.settings import Settings

POLICY = "docs/operations.md, IAM policy"

_PERIOD_KEY = "ubi_period"
_SCAN_INSTEAD = "until then set BILLING_SCAN_LIMIT_MB above the table's size, so that periods are read by Scan"


class TablesExamination:
    """Looks at the tables of the settings, read only.

    Args:
        dynamodb: The shared client.
        settings: Names of tables and index.
    """

    def __init__(self, dynamodb: DynamoDBClient, settings: Settings) -> None:
        self._dynamodb = dynamodb
        self._settings = settings

    def table(self, check: str, table: str, *, variable: str, is_needed: bool = True) -> Finding:
        """A table's existence, count and size; DynamoDB brings both up to date about every six hours."""
        subject, outcome = f"table {table}", Outcome.FAILED if is_needed else Outcome.ABSENT
        try:
            description = self.describe(table)
        except ConfigurationError as error:
            remedy = f"set {variable} to the table that exists, and check AWS_REGION" if variable else ""
            return Finding.of_error(check, subject, error, remedy=remedy, outcome=outcome)
        except AccessDeniedError as error:
            return self._denied(check, subject, error, f"dynamodb:DescribeTable on {table}", outcome)
        records, size = description.get("ItemCount", 0), description.get("TableSizeBytes", 0)
        key = " + ".join(part["AttributeName"] for part in description.get("KeySchema", ()))
        status = description.get("TableStatus", "ACTIVE")
        found = f"{records:,} items, {size:,} bytes, key {key}"
        if status not in {"ACTIVE", "UPDATING"}:
            return Finding(check, subject, outcome, f"{found}, {status}", "wait until the table is ACTIVE")
        return Finding.ok(check, subject, found, items=records, size_bytes=size, key=key)

    def index(self, check: str) -> Finding:
        """The index by UBI period: there under its name, by `ubi_period`, with all attributes."""
        wanted, table = self._settings.assignments_index, self._settings.assignments_table
        subject = f"index {wanted}"
        indexes = {index["IndexName"]: index for index in self.describe(table).get("GlobalSecondaryIndexes", ())}
        if wanted not in indexes:
            return Finding.failed(check, subject, *_no_index(indexes, wanted))
        index = indexes[wanted]
        keys = [part["AttributeName"] for part in index.get("KeySchema", ())]
        projection = index.get("Projection", {}).get("ProjectionType", "")
        found = f"by {' + '.join(keys)}, projection {projection}"
        if keys[:1] != [_PERIOD_KEY]:
            return Finding.failed(
                check,
                subject,
                f"{found}, not by {_PERIOD_KEY}",
                f"set BILLING_ASSIGNMENTS_INDEX to the index whose hash key is {_PERIOD_KEY}",
            )
        if projection != "ALL":
            return Finding.failed(
                check,
                subject,
                f"{found}, not ALL: records read by it would lack amounts and keys",
                f"make the index anew with projection ALL; {_SCAN_INSTEAD}",
            )
        return Finding.ok(check, subject, found, projection=projection)

    def scan_right(self, check: str, table: str) -> Finding:
        """One strongly consistent page of one record."""
        right = f"dynamodb:Scan on {table}"
        return self._try(check, right, lambda: self._dynamodb.scan(TableName=table, Limit=1, ConsistentRead=True))

    def query_right(self, check: str) -> Finding:
        """One page of the index for a period that nobody bills."""
        table, index = self._settings.assignments_table, self._settings.assignments_index
        return self._try(
            check,
            f"dynamodb:Query on {table}, index {index}",
            lambda: self._dynamodb.query(
                TableName=table,
                IndexName=index,
                Limit=1,
                KeyConditionExpression=f"{_PERIOD_KEY} = :period",
                ExpressionAttributeValues={":period": {"S": "01/1900"}},
            ),
        )

    def cache(self, check: str) -> Finding:
        """The optional cache of the accounts to track against the 400 KB that one item may hold."""
        table = self._settings.config_table
        subject = f"cache of the accounts to track in {table}"
        try:
            with as_billing_error(f"DynamoDB table {table}"):
                item = self._dynamodb.get_item(TableName=table, Key=CACHE_KEY).get("Item")
        except CredentialsError:
            raise
        except (ConfigurationError, AccessDeniedError) as error:
            remedy = "nothing: the cache is optional, and read only where S3 has no list"
            return Finding.of_error(check, subject, error, remedy=remedy, outcome=Outcome.ABSENT)
        if item is None:
            return Finding(check, subject, Outcome.ABSENT, "no such item: the list in S3 is primary")
        size = item_bytes(item)
        found = f"{size:,} of {MAX_ITEM_BYTES:,} bytes ({size / MAX_ITEM_BYTES:.1%})"
        if size * 100 >= MAX_ITEM_BYTES * WARN_FROM_PERCENT:
            remedy = (
                "see that the app writes the list to S3 first: beyond the limit DynamoDB refuses the item, and "
                "accounts added in the app would be in S3 only; this pipeline reads the cache only where S3 has no list"
            )
            return Finding(check, subject, Outcome.WARNING, found, remedy, {"size_bytes": size})
        return Finding.ok(check, subject, found, size_bytes=size)

    def describe(self, table: str) -> dict[str, Any]:
        """The table's description as DynamoDB gives it.

        Raises:
            ConfigurationError: There is no such table.
            AccessDeniedError: AWS says no.
        """
        with as_billing_error(f"DynamoDB table {table}"):
            described: dict[str, Any] = dict(self._dynamodb.describe_table(TableName=table).get("Table") or {})
            return described

    def _try(self, check: str, right: str, call: Any) -> Finding:
        subject = f"right {right}"
        try:
            with as_billing_error(right.partition(" on ")[2]):
                call()
        except AccessDeniedError as error:
            return self._denied(check, subject, error, right, Outcome.FAILED)
        return Finding.ok(check, subject, "allowed")

    @staticmethod
    def _denied(check: str, subject: str, error: AccessDeniedError, right: str, outcome: Outcome) -> Finding:
        remedy = error.remedy if isinstance(error, CredentialsError) else f"grant our role {right} ({POLICY})"
        return Finding.of_error(check, subject, error, remedy=remedy, outcome=outcome)


def _no_index(indexes: dict[str, Any], wanted: str) -> tuple[str, str]:
    by_period = [
        name for name, index in indexes.items() if index.get("KeySchema", [{}])[0].get("AttributeName") == _PERIOD_KEY
    ]
    if by_period:
        return (
            f"no index of that name; by {_PERIOD_KEY} there is {', '.join(by_period)}",
            f"set BILLING_ASSIGNMENTS_INDEX={by_period[0]}",
        )
    others = f"; there is {', '.join(indexes)}" if indexes else "; the table has no index"
    return (
        f"no index of that name{others}",
        f"make the index {wanted} by {_PERIOD_KEY} with projection ALL; {_SCAN_INSTEAD}",
    )
