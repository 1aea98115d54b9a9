"""The one place where the parts meet: `build_definitions` for tests, `defs` for Dagster.

This is the only module that reads the settings when it loads, since partitions need the first period.
"""

from __future__ import annotations

import dagster as dg

from billing_assets.defs.alert_resource import AlertsResource
from billing_assets.defs.assets.accounts_to_track import build_accounts_to_track
from billing_assets.defs.assets.completion import build_completion_grid, build_completion_tracker
from billing_assets.defs.assets.master_bills_json import build_master_bills_json
from billing_assets.defs.assets.period_status import build_period_status, build_refreshing
from billing_assets.defs.assets.resolved_line_items import build_resolved_line_items
from billing_assets.defs.assets.snowflake_master_bills import build_snowflake_master_bills
from billing_assets.defs.assets.ubi_assignments import build_ubi_assignments
from billing_assets.defs.checks.combined import build_combined_list_check
from billing_assets.defs.checks.completion import build_completion_check
from billing_assets.defs.checks.exported import build_exported_check, build_exported_periods_table
from billing_assets.defs.checks.whole_table import build_whole_table_checks
from billing_assets.defs.completion_automation import build_completion_sensor
from billing_assets.defs.io_manager import ParquetIOManager
from billing_assets.defs.jobs import build_jobs
from billing_assets.defs.observations import build_observed_stores, build_observing
from billing_assets.defs.partitions import period_partitions
from billing_assets.defs.period_jobs import build_period_jobs
from billing_assets.defs.resources import (
    AccountsResource,
    AppStoresResource,
    ArchiveResource,
    AssignmentsResource,
    BucketResource,
    ClockResource,
    MasterBillsResource,
    StoredCompletionResource,
    StoredPeriodsResource,
)
from billing_assets.defs.schedules import build_schedules
from billing_assets.defs.sensors.accounts import build_changed_accounts
from billing_assets.defs.sensors.alerts import build_alert_sensors
from billing_assets.defs.sensors.assignments import build_changed_assignments
from billing_assets.defs.sensors.exports import build_exports_follow, follows_publication
from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.settings import Settings

CHAIN = "master_bills"
COMPLETION = "completion"
HEALTH = "health"


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location.

    Args:
        settings: All that is configurable; nothing else is read.
    """
    partitions = period_partitions(settings.first_period)
    period_jobs = build_period_jobs()
    observing, observing_schedule = build_observing(settings)
    refreshing, refreshing_schedule = build_refreshing(settings)
    return dg.Definitions(
        assets=[
            *build_observed_stores(settings),
            build_ubi_assignments(partitions, first=settings.first_period, group=CHAIN),
            build_resolved_line_items(partitions, settings=settings, group=CHAIN),
            build_master_bills_json(partitions, settings=settings, group=CHAIN),
            build_snowflake_master_bills(partitions, group=CHAIN, condition=follows_publication()),
            build_exported_periods_table(),
            build_accounts_to_track(group=COMPLETION),
            build_completion_tracker(partitions, group=COMPLETION),
            build_completion_grid(group=COMPLETION),
            build_period_status(settings, group=HEALTH),
        ],
        asset_checks=[
            build_whole_table_checks(settings.first_period),
            build_exported_check(),
            build_combined_list_check(),
            build_completion_check(partitions, settings),
        ],
        jobs=[*build_jobs(), *period_jobs, observing, refreshing],
        schedules=[*build_schedules(settings, period_jobs), observing_schedule, refreshing_schedule],
        sensors=[
            build_completion_sensor(settings),
            build_changed_assignments(settings, period_jobs),
            build_changed_accounts(settings, period_jobs),
            build_exports_follow(settings),
            *build_alert_sensors(settings),
        ],
        resources=_resources(settings),
        # A step process costs seconds before it does anything; a run is the unit of isolation.
        executor=dg.in_process_executor,
    )


def _resources(settings: Settings) -> dict[str, object]:
    return {
        "io_manager": ParquetIOManager(storage_uri=settings.storage_uri),
        "assignments": AssignmentsResource(
            table=settings.assignments_table,
            index=settings.assignments_index,
            scan_limit_mb=settings.scan_limit_mb,
            read_units_per_second=settings.read_units_per_second,
            retry_seconds=settings.retry_seconds,
        ),
        "bucket": BucketResource(
            bucket=settings.bucket, requests=settings.s3_requests, retry_seconds=settings.retry_seconds
        ),
        "stored_periods": StoredPeriodsResource(storage_uri=settings.storage_uri),
        "archive": ArchiveResource(table=settings.archived_table),
        "master_bills": MasterBillsResource(
            bucket=settings.bucket,
            combined_key=settings.master_bills_key,
            periods_prefix=settings.master_bills_prefix,
        ),
        "snowflake": SnowflakeExportResource.from_variables(settings.variables_set),
        "app_stores": AppStoresResource(bucket=settings.bucket, stage4_prefix=settings.stage4_prefix),
        "alerts": AlertsResource.from_settings(settings),
        "accounts": AccountsResource(
            bucket=settings.bucket, key=settings.accounts_key, cache_table=settings.config_table
        ),
        "stored_completion": StoredCompletionResource(storage_uri=settings.storage_uri),
        "clock": ClockResource(),
    }


defs: dg.Definitions = build_definitions(Settings.from_environment())
