"""Every setting, with its meaning, unit and default: the only reader of the environment.

Source: SPEC.md section 9. The AWS SDK and Dagster read their own variables themselves; secrets are never read here,
only whether they are set, since resources are given them by name.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from billing_assets import setting_values as read
from billing_assets.domain.errors import ConfigurationError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from decimal import Decimal
    from zoneinfo import ZoneInfo

    from billing_assets.domain.periods import Month

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

ALERT_VARIABLES = {
    "BILLING_ALERT_URL": "webhook that gets each digest of alerts as JSON; a secret",
    "BILLING_SLACK_TOKEN": "token of a Slack bot with `chat:write`; a secret",
}
"""Given to the alerts by name; never read here."""

_SECRETS = (
    *("SNOWFLAKE_PRIVATE_KEY", "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", "SNOWFLAKE_PASSWORD"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "DAGSTER_POSTGRES_PASSWORD",
    *ALERT_VARIABLES,
)


class Variable(NamedTuple):
    """One environment variable: how it is documented and read."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any]


def _variable(name: str, default: str, meaning: str, parse: Callable[[str], Any] = str) -> Any:
    # Typed as Any, since the value is of the field's own type.
    return dataclasses.field(metadata={"variable": Variable(name, default, meaning, parse)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the pipeline is told from outside; every field has a default that works."""

    bucket: str = _variable(
        "BILLING_BUCKET",
        "jrk-analytics-billing",
        "bucket of Stage 4, the accounts and the master bills",
        read.bare_name,
    )
    assignments_table: str = _variable(
        "BILLING_ASSIGNMENTS_TABLE", "jrk-bill-ubi-assignments", "DynamoDB table of UBI assignments", read.bare_name
    )
    assignments_index: str = _variable(
        "BILLING_ASSIGNMENTS_INDEX", "ubi-period-index", "its index by UBI period", read.bare_name
    )
    archived_table: str = _variable(
        "BILLING_ARCHIVED_TABLE", "jrk-bill-ubi-archived", "DynamoDB table of archived assignments", read.bare_name
    )
    config_table: str = _variable(
        "BILLING_CONFIG_TABLE", "jrk-bill-config", "DynamoDB table of the app's configuration", read.bare_name
    )
    drafts_table: str = _variable(
        "BILLING_DRAFTS_TABLE",
        "jrk-bill-drafts",
        "DynamoDB table of the app's header drafts; only observed",
        read.bare_name,
    )
    billback_table: str = _variable(
        "BILLING_BILLBACK_TABLE",
        "jrk-bill-billback-master",
        "DynamoDB table of the app's billback masters; only observed",
        read.bare_name,
    )
    scan_limit_mb: int = _variable(
        "BILLING_SCAN_LIMIT_MB", "64", "megabytes: a larger assignments table is read by its index", read.whole_from(0)
    )
    read_units_per_second: int = _variable(
        "BILLING_READ_UNITS_PER_SECOND",
        "0",
        "read capacity units a second that one read may use; 0 is no limit",
        read.whole_from(0),
    )
    stage4_prefix: str = _variable(
        "BILLING_STAGE4_PREFIX", "Bill_Parser_4_Enriched_Outputs/", "prefix of the Stage 4 objects", read.object_prefix
    )
    accounts_key: str = _variable(
        "BILLING_ACCOUNTS_KEY",
        "Bill_Parser_Config/accounts_to_track.json",
        "object of the accounts to track",
        read.object_key,
    )
    master_bills_key: str = _variable(
        "BILLING_MASTER_BILLS_KEY",
        "config/master-bills-latest.json",
        "the combined list that the app reads",
        read.object_key,
    )
    master_bills_prefix: str = _variable(
        "BILLING_MASTER_BILLS_PREFIX", "config/master-bills/", "prefix of the periods' own objects", read.object_prefix
    )
    first_period: Month = _variable("BILLING_FIRST_PERIOD", "2024-01", "the first UBI period, YYYY-MM", read.month)
    max_unbilled: Decimal = _variable(
        "BILLING_MAX_UNBILLED", "0.05", "share of a period that may be invalid, unresolved or unbillable", read.share
    )
    max_shrink: Decimal = _variable(
        "BILLING_MAX_SHRINK", "0.10", "share of a published open period that a run may take away", read.share
    )
    max_change: Decimal = _variable(
        "BILLING_MAX_CHANGE",
        "0.50",
        "change of a property's amount against the previous period, as a share, above which a check warns",
        read.multiple,
    )
    completion_warn_days: int = _variable(
        "BILLING_COMPLETION_WARN_DAYS",
        "30",
        "days after a period's end from which missing bills are a warning; until then they may still come",
        read.whole_from(0),
    )
    completion_floor: Decimal = _variable(
        "BILLING_COMPLETION_FLOOR",
        "0.80",
        "share of the expected accounts with a bill, below which such a period's missing bills are an ERROR",
        read.share,
    )
    storage_uri: str = _variable(
        "BILLING_STORAGE_URI",
        f"{STATE_FOLDER}/storage",
        "folder or s3://bucket/prefix of intermediate Parquet",
        read.storage,
    )
    s3_requests: int = _variable(
        "BILLING_S3_REQUESTS",
        "192",
        "S3 requests in flight at most; fewer while S3 says to slow down or answers at once",
        read.whole_from(1),
    )
    retry_seconds: int = _variable(
        "BILLING_RETRY_SECONDS",
        "120",
        "seconds for which throttling, 5xx and broken connections are retried",
        read.whole_from(1),
    )
    automation: bool = _variable(
        "BILLING_AUTOMATION",
        "off",
        "`on` starts schedules and sensors with the deployment; else each by hand",
        read.switch,
    )
    time_zone: ZoneInfo = _variable(
        "BILLING_TIME_ZONE", "America/Los_Angeles", "the business's time zone, of all schedules", read.time_zone
    )
    daily_cron: str = _variable(
        "BILLING_DAILY_CRON", "15 5 * * *", "when the previous and the current month are made again", read.cron
    )
    month_end_day: int = _variable(
        "BILLING_MONTH_END_DAY",
        "5",
        "day of the month, 1 to 28, from which the month before is due for export",
        read.day_of_month,
    )
    month_end_time: dt.time = _variable("BILLING_MONTH_END_TIME", "06:30", "time of that day, HH:MM", read.time_of_day)
    weekly_cron: str = _variable(
        "BILLING_WEEKLY_CRON", "30 4 * * 0", "when closed periods are computed again without publishing", read.cron
    )
    checks_cron: str = _variable(
        "BILLING_CHECKS_CRON", "45 6 * * *", "when the checks of all periods together run", read.cron
    )
    watch_seconds: int = _variable(
        "BILLING_WATCH_SECONDS",
        "300",
        "seconds between two looks at the assignments and the accounts list; each look scans the table once",
        read.whole_from(1),
    )
    alert_seconds: int = _variable(
        "BILLING_ALERT_SECONDS", "60", "seconds between two digests at least", read.whole_from(1)
    )
    alert_log: bool = _variable(
        "BILLING_ALERT_LOG", "off", "`on` writes each digest of alerts as one JSON line to the log", read.switch
    )
    slack_channel: str = _variable("BILLING_SLACK_CHANNEL", "", "channel for alerts; needs `BILLING_SLACK_TOKEN`")
    slack_url: str = _variable(
        "BILLING_SLACK_URL", "", "Slack's API elsewhere: a proxy, or a receiver in a test", read.url
    )
    ui_url: str = _variable("BILLING_UI_URL", "", "where people open the Dagster UI, for links", read.url)
    variables_set: frozenset[str] = frozenset()
    """Which of the variables that hold credentials are set; their values are never read."""

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
        names = (*SNOWFLAKE_VARIABLES, *ALERT_VARIABLES)
        is_set = frozenset(name for name in names if environment.get(name, "").strip())
        return cls(**values, variables_set=is_set)


def variables() -> dict[str, Variable]:
    """The variable behind each field, in the order of the documentation's table."""
    fields = dataclasses.fields(Settings)
    return {field.name: field.metadata["variable"] for field in fields if "variable" in field.metadata}


def aws_variables(environment: Mapping[str, str] | None = None) -> frozenset[tuple[str, str]]:
    """What the AWS SDK sees, so that clients are shared for as long as it stays the same; never shown to anyone."""
    environment = os.environ if environment is None else environment
    return frozenset((name, value) for name, value in environment.items() if name.startswith("AWS_"))


def secret_values(environment: Mapping[str, str] | None = None) -> list[str]:
    """The secrets that the process holds, so that alerts can leave them out; never shown to anyone."""
    environment = os.environ if environment is None else environment
    return [value for name in _SECRETS if (value := environment.get(name, "").strip())]


def markdown_table() -> str:
    """The documentation's table of all variables."""
    rows = [(variable.name, variable.default, variable.meaning) for variable in variables().values()]
    rows += [(name, "", meaning) for name, meaning in (ALERT_VARIABLES | SNOWFLAKE_VARIABLES).items()]
    lines = [f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" for name, default, meaning in rows]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *lines])
