"""Every setting, with its meaning, unit and default: the only reader of the environment.

Source: SPEC.md section 9. The AWS SDK and Dagster read their own variables themselves; secrets are never read here,
only whether they are set, since resources are given them by name.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.periods import Month, PeriodError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STATE_FOLDER = ".billing"
"""Where everything that git ignores lives, below the folder one works in."""

SNOWFLAKE_VARIABLES = {
    "SNOWFLAKE_ACCOUNT": "account identifier, `organisation-account`",
    "SNOWFLAKE_USER": "user that exports",
    "SNOWFLAKE_PRIVATE_KEY": "PEM text of the user's private key; the recommended way to log in",
    "SNOWFLAKE_PRIVATE_KEY_PATH": "file that holds the PEM text instead",
    "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": "passphrase of an encrypted private key",
    "SNOWFLAKE_PASSWORD": "password, only where there is no private key",
    "SNOWFLAKE_SECRET_ID": "name or ARN of an AWS Secrets Manager secret that holds any of these as JSON; "
    "a variable that is set wins",
    "SNOWFLAKE_ROLE": "role; the user's default if not set",
    "SNOWFLAKE_WAREHOUSE": "warehouse; the user's default if not set",
    "SNOWFLAKE_DATABASE": "database of the tables; must exist",
    "SNOWFLAKE_SCHEMA": "schema of the tables; must exist",
    "SNOWFLAKE_HOST": "only for an emulator: host",
    "SNOWFLAKE_PORT": "only for an emulator: port",
    "SNOWFLAKE_PROTOCOL": "only for an emulator: `http`",
}
"""Given to dagster-snowflake by name; never read here."""


class Variable(NamedTuple):
    """One environment variable: how it is documented and read."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any]


def _variable(name: str, default: str, meaning: str, parse: Callable[[str], Any] = str) -> Any:
    # Typed as Any, since the value is of the field's own type.
    return dataclasses.field(metadata={"variable": Variable(name, default, meaning, parse)})


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:/-]+", text):
        raise ValueError("is no name of a bucket, table or index")
    return text


def _key(text: str) -> str:
    if text.startswith("/") or not text.strip():
        raise ValueError("is no S3 key: it must not be blank or begin with a slash")
    return text


def _prefix(text: str) -> str:
    if not _key(text).endswith("/"):
        raise ValueError("is no S3 prefix: it must end with a slash")
    return text


def _share(text: str) -> Decimal:
    try:
        share = Decimal(text)
    except InvalidOperation:
        raise ValueError("is no number from 0 to 1, such as 0.05") from None
    if not share.is_finite() or not 0 <= share <= 1:
        raise ValueError("is no number from 0 to 1, such as 0.05")
    return share


def _multiple(text: str) -> Decimal:
    try:
        multiple = Decimal(text)
    except InvalidOperation:
        raise ValueError("is no number of 0 or more, such as 0.50") from None
    if not multiple.is_finite() or multiple < 0:
        raise ValueError("is no number of 0 or more, such as 0.50")
    return multiple


def _whole_from(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise ValueError(f"is no whole number of {least} or more")
        return int(text)

    return parse


def _month(text: str) -> Month:
    try:
        return Month.from_key(text)
    except PeriodError:
        raise ValueError("is no month written YYYY-MM") from None


def _storage(text: str) -> str:
    if re.match(r"s3://[^/]", text) or ":" not in text:
        return text.rstrip("/")
    raise ValueError("is neither a folder nor s3://bucket/prefix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the pipeline is told from outside; every field has a default that works."""

    bucket: str = _variable(
        "BILLING_BUCKET", "jrk-analytics-billing", "bucket of Stage 4, the accounts and the master bills", _name
    )
    assignments_table: str = _variable(
        "BILLING_ASSIGNMENTS_TABLE", "jrk-bill-ubi-assignments", "DynamoDB table of UBI assignments", _name
    )
    assignments_index: str = _variable(
        "BILLING_ASSIGNMENTS_INDEX", "ubi-period-index", "its index by UBI period", _name
    )
    archived_table: str = _variable(
        "BILLING_ARCHIVED_TABLE", "jrk-bill-ubi-archived", "DynamoDB table of archived assignments", _name
    )
    config_table: str = _variable(
        "BILLING_CONFIG_TABLE", "jrk-bill-config", "DynamoDB table of the app's configuration", _name
    )
    drafts_table: str = _variable(
        "BILLING_DRAFTS_TABLE", "jrk-bill-drafts", "DynamoDB table of the app's header drafts; only observed", _name
    )
    billback_table: str = _variable(
        "BILLING_BILLBACK_TABLE",
        "jrk-bill-billback-master",
        "DynamoDB table of the app's billback masters; only observed",
        _name,
    )
    scan_limit_mb: int = _variable(
        "BILLING_SCAN_LIMIT_MB", "64", "megabytes: a larger assignments table is read by its index", _whole_from(0)
    )
    read_units_per_second: int = _variable(
        "BILLING_READ_UNITS_PER_SECOND",
        "0",
        "read capacity units a second that one read may use; 0 is no limit",
        _whole_from(0),
    )
    stage4_prefix: str = _variable(
        "BILLING_STAGE4_PREFIX", "Bill_Parser_4_Enriched_Outputs/", "prefix of the Stage 4 objects", _prefix
    )
    accounts_key: str = _variable(
        "BILLING_ACCOUNTS_KEY", "Bill_Parser_Config/accounts_to_track.json", "object of the accounts to track", _key
    )
    master_bills_key: str = _variable(
        "BILLING_MASTER_BILLS_KEY", "config/master-bills-latest.json", "the combined list that the app reads", _key
    )
    master_bills_prefix: str = _variable(
        "BILLING_MASTER_BILLS_PREFIX", "config/master-bills/", "prefix of the periods' own objects", _prefix
    )
    first_period: Month = _variable("BILLING_FIRST_PERIOD", "2024-01", "the first UBI period, YYYY-MM", _month)
    max_unbilled: Decimal = _variable(
        "BILLING_MAX_UNBILLED", "0.05", "share of a period that may be invalid, unresolved or unbillable", _share
    )
    max_shrink: Decimal = _variable(
        "BILLING_MAX_SHRINK", "0.10", "share of a published open period that a run may take away", _share
    )
    max_change: Decimal = _variable(
        "BILLING_MAX_CHANGE",
        "0.50",
        "change of a property's amount against the previous period, as a share, above which a check warns",
        _multiple,
    )
    storage_uri: str = _variable(
        "BILLING_STORAGE_URI",
        f"{STATE_FOLDER}/storage",
        "folder or s3://bucket/prefix of intermediate Parquet",
        _storage,
    )
    s3_requests: int = _variable(
        "BILLING_S3_REQUESTS", "96", "S3 requests in flight at most; fewer while S3 says to slow down", _whole_from(1)
    )
    retry_seconds: int = _variable(
        "BILLING_RETRY_SECONDS",
        "120",
        "seconds for which throttling, 5xx and broken connections are retried",
        _whole_from(1),
    )
    variables_set: frozenset[str] = frozenset()
    """Which of the Snowflake variables are set; their values are never read."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the process's environment (or the mapping given); a blank variable counts as not set.

        Raises:
            ConfigurationError: Some variables can't be read; all of them are named.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        faults = []
        for field_name, variable in variables().items():
            text = environment.get(variable.name, "").strip() or variable.default
            try:
                values[field_name] = variable.parse(text)
            except ValueError as error:
                faults.append(f"{variable.name}: {text!r} {error}")
        if faults:
            raise ConfigurationError(
                f"{len(faults)} setting(s) can't be read",
                where="the environment",
                found="\n".join(faults),
                remedy="correct or unset the variables named above; docs/operations.md lists them all",
            )
        is_set = frozenset(name for name in SNOWFLAKE_VARIABLES if environment.get(name, "").strip())
        return cls(**values, variables_set=is_set)


def variables() -> dict[str, Variable]:
    """The variable behind each field, in the order of the documentation's table."""
    fields = dataclasses.fields(Settings)
    return {field.name: field.metadata["variable"] for field in fields if "variable" in field.metadata}


def aws_variables(environment: Mapping[str, str] | None = None) -> frozenset[tuple[str, str]]:
    """What the AWS SDK sees, so that clients are shared for as long as it stays the same; never shown to anyone."""
    environment = os.environ if environment is None else environment
    return frozenset((name, value) for name, value in environment.items() if name.startswith("AWS_"))


def markdown_table() -> str:
    """The documentation's table of all variables."""
    rows = [(variable.name, variable.default, variable.meaning) for variable in variables().values()]
    rows += [(name, "", meaning) for name, meaning in SNOWFLAKE_VARIABLES.items()]
    lines = [f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" for name, default, meaning in rows]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *lines])
