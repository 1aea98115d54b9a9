"""`period_status`: the page to look at. One row for every period, from what the stores and Dagster know."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from billing_assets.defs.columns import PERIOD_STATUS
from billing_assets.defs.in_flight import default_status
from billing_assets.defs.metadata import WRITES, Metadata, markdown_table, page
from billing_assets.defs.pictures import labelled_grid, picture
from billing_assets.defs.resources import MasterBillsResource, StoredPeriodsResource
from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.defs.status_sources import status_sources
from billing_assets.domain.period_status import COLUMNS, StatusRow, Tone, status_rows
from billing_assets.settings import Settings

_MOST_DRAWN = 36
_COLOURS = {
    Tone.GOOD: "#97d0a5",
    Tone.ATTENTION: "#f7ce69",
    Tone.BAD: "#e88a7c",
    Tone.NONE: "#e4e6e9",
}

DESCRIPTION = """The page to look at: **one row for every UBI period**, the newest first.

Green is well, yellow waits for somebody, red is wrong, grey is open or not known; a cell that is not known says why. It
bills nothing and is upstream of nothing: materialize it as often as you like (job `refresh_period_status`).
"""


def build_period_status(settings: Settings, *, group: str) -> dg.AssetsDefinition:
    """The page.

    Args:
        settings: Whether Snowflake is configured.
        group: Where the graph shows it.
    """
    has_snowflake = bool(settings.variables_set & {"SNOWFLAKE_ACCOUNT", "SNOWFLAKE_SECRET_ID"})

    @dg.asset(
        deps=["master_bills_json", "snowflake_master_bills", "completion_tracker"],
        group_name=group,
        description=DESCRIPTION,
        kinds={"s3", "table"},
        owners=["team:billing-data"],
        code_version="1",
        tags={WRITES: "nothing"},
        metadata=page(PERIOD_STATUS),
    )
    def period_status(
        context: dg.AssetExecutionContext,
        master_bills: MasterBillsResource,
        stored_periods: StoredPeriodsResource,
        snowflake: SnowflakeExportResource,
    ) -> dg.MaterializeResult:
        configured = snowflake if has_snowflake else None
        rows = status_rows(status_sources(context.instance, master_bills, stored_periods, configured))
        context.log.info(f"{len(rows):,} periods, {_count(rows, Tone.BAD)} cells are wrong")
        return dg.MaterializeResult(metadata=_metadata(rows))

    return period_status


def build_refreshing(settings: Settings) -> tuple[UnresolvedAssetJobDefinition, dg.ScheduleDefinition]:
    """The job that makes the page anew, and a schedule for it."""
    job = dg.define_asset_job(
        "refresh_period_status",
        selection=dg.AssetSelection.assets("period_status"),
        description="Make the page `period_status` anew. Reads every published period; writes nothing but the page.",
    )
    schedule = dg.ScheduleDefinition(
        name="refresh_period_status_hourly",
        job=job,
        cron_schedule="40 * * * *",
        execution_timezone=settings.time_zone.key,
        default_status=default_status(running=settings.automation)[0],
    )
    return job, schedule


def _metadata(rows: list[StatusRow]) -> Metadata:
    drawn = [(row.period, [(cell.short, _COLOURS[cell.tone]) for cell in row.cells]) for row in rows[:_MOST_DRAWN]]
    return {
        "dagster/row_count": len(rows),
        "picture": picture(labelled_grid(COLUMNS, drawn), of="periods by what was done"),
        "periods": markdown_table(
            ("period", *COLUMNS), [(row.period, *(cell.text for cell in row.cells)) for row in rows]
        ),
        "cells_wrong": _count(rows, Tone.BAD),
        "cells_that_wait_for_somebody": _count(rows, Tone.ATTENTION),
    }


def _count(rows: list[StatusRow], tone: Tone) -> int:
    return sum(cell.tone is tone for row in rows for cell in row.cells)
