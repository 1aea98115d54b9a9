"""`resolved_line_items`: one row for every assignment of a UBI period, with its line and its status."""

import dagster as dg

from billing_assets.defs.checks.resolved import check_resolved, resolved_check_specs
from billing_assets.defs.checks.shares import check_shares, share_check_specs
from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import (
    PREVIEW_ROWS,
    WRITES,
    Metadata,
    by_status,
    column_schema,
    dollars,
    markdown_table,
    page,
    plotted_dollars,
    preview_table,
)
from billing_assets.defs.progress import LoggedProgress
from billing_assets.defs.resources import BucketResource, StoredPeriodsResource
from billing_assets.defs.sources import STAGE4_OBJECTS
from billing_assets.domain.content import content_sha256
from billing_assets.domain.control_totals import reasons_of, rounding_difference_usd, totals_by_status
from billing_assets.domain.period_tables import AssignmentsOfPeriod, ResolvedPeriod
from billing_assets.domain.resolution import ReadingFigures
from billing_assets.domain.resolved import ResolvedLineItem, Status, resolve
from billing_assets.domain.shares import billed_shares
from billing_assets.settings import Settings
from billing_assets.stores.objects import FetchFigures
from billing_assets.stores.parquet import RESOLVED_COLUMNS
from billing_assets.stores.timed_objects import TimedObjects

DESCRIPTION = """**One row is one assignment** of the period, with the bill line that it names and a status; every
assignment has a row.

| status | meaning |
| --- | --- |
| `billable` | goes into the master bills |
| `excluded` | the line is marked as not billed to residents |
| `duplicate` | another record of the period has the same line |
| `unresolved` | the line can't be found: its object is gone or unreadable, or holds no such line |
| `unbillable` | the line lacks a property, a charge code or a readable amount |
| `invalid` | the record itself can't be used |
"""


def build_resolved_line_items(
    partitions: dg.PartitionsDefinition, *, settings: Settings, group: str
) -> dg.AssetsDefinition:
    """The second asset of the chain.

    Args:
        partitions: UBI periods.
        settings: How much of a period may stay unbilled.
        group: Where the graph shows it.
    """

    @dg.asset(
        partitions_def=partitions,
        deps=[STAGE4_OBJECTS],
        group_name=group,
        description=DESCRIPTION,
        kinds={"s3", "parquet"},
        owners=["team:billing-data"],
        code_version="2",
        pool="s3",
        # Beside check results Dagster takes no type from a MaterializeResult's parameter.
        dagster_type=dg.PythonObjectDagsterType(ResolvedPeriod),
        check_specs=[
            *resolved_check_specs("resolved_line_items", partitions),
            *share_check_specs("resolved_line_items", partitions),
        ],
        tags={WRITES: "intermediate"},
        metadata=page(
            column_schema(RESOLVED_COLUMNS),
            explain="LINE_HASH",
            runbook=("A run stopped at unbilled_share_is_small", "A row is line_not_found: what has changed?"),
        ),
    )
    def resolved_line_items(
        context: dg.AssetExecutionContext,
        ubi_assignments: AssignmentsOfPeriod,
        bucket: BucketResource,
        stored_periods: StoredPeriodsResource,
    ) -> dg.MaterializeResult:
        partition, read_at = ubi_assignments.partition, ubi_assignments.read_at_utc
        progress = LoggedProgress(context.log.info, "objects")
        with letters_to_failures(context):
            source = bucket.objects(progress)
            timed = TimedObjects(source)
            rows, reading = resolve(ubi_assignments.assignments, timed)
            seconds = progress.seconds
            own = billed_shares(rows, partition, read_at)
            stored = stored_periods.shares_beside(own, partition)
        context.log.info(
            f"{len(rows):,} assignments resolved from {reading.objects_read:,} objects in {seconds:.2f} s "
            f"({progress.rate(reading.objects_read):,.0f} objects/s)"
        )
        return dg.MaterializeResult(
            value=ResolvedPeriod(partition, read_at, rows),
            metadata=_metadata(rows, reading) | _speed(reading, source.figures, timed, seconds),
            check_results=[
                *check_resolved(ubi_assignments.assignments, rows, settings.max_unbilled),
                *check_shares(rows, own, stored, partition),
            ],
            data_version=dg.DataVersion(content_sha256(rows)),
        )

    return resolved_line_items


def _metadata(rows: list[ResolvedLineItem], reading: ReadingFigures) -> Metadata:
    totals = totals_by_status(rows)
    billable = totals[Status.BILLABLE]
    return {
        "dagster/partition_row_count": len(rows),
        "billable_usd": dollars(billable.billed_usd),
        "billable_usd_plotted": plotted_dollars(billable.billed_usd),
        **{f"rows_{status.value}": total.rows for status, total in totals.items()},
        "by_status": by_status(totals),
        "by_reason": markdown_table(("status", "reason", "rows"), reasons_of(rows)),
        "relocated": sum(row.relocated for row in rows),
        "rounding_difference_usd": dollars(rounding_difference_usd(rows)),
        "objects_read": reading.objects_read,
        "bytes_read": reading.bytes_read,
        "lines_read": reading.lines_read,
        "lines_passed_over": reading.lines_passed_over,
        "families_listed": reading.families_listed,
        "preview": preview_table(
            ("line_hash", "status", "reason", "property", "account", "utility", "charge code", "amount"),
            map(_preview, rows[:PREVIEW_ROWS]),
        ),
    }


def _speed(reading: ReadingFigures, fetched: FetchFigures, timed: TimedObjects, seconds: float) -> Metadata:
    """What resolving took; hashing goes on while objects are on their way, so fetching is what it waited for."""
    reading_seconds = max(timed.fetch_seconds + timed.hash_seconds, 1e-9)
    return {
        "s3_requests": fetched.requests,
        "s3_retries": fetched.retries,
        "s3_slow_downs": fetched.slow_downs,
        "s3_gets_per_second": round(fetched.requests / reading_seconds),
        "seconds": round(seconds, 3),
        "seconds_waiting_for_objects": round(timed.fetch_seconds, 3),
        "seconds_listing_families": round(timed.list_seconds, 3),
        "seconds_hashing": round(timed.hash_seconds, 3),
        "objects_per_second": round(reading.objects_read / max(seconds, 1e-9)),
    }


def _preview(row: ResolvedLineItem) -> tuple[object, ...]:
    item = row.item
    fields = ("",) * 4 if item is None else (item.property_id, item.account_number, item.utility_name, item.charge_code)
    amount = "" if row.billed_usd is None else row.billed_usd
    return row.assignment.line_hash[:12], row.status.value, row.reason, *fields, amount
