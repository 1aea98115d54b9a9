"""`ubi_assignments`: the records of one UBI period, as they were read."""

import datetime as dt

import dagster as dg

from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import (
    PREVIEW_ROWS,
    WRITES,
    Metadata,
    column_schema,
    dollars,
    page,
    preview_table,
)
from billing_assets.defs.partitions import partition_range
from billing_assets.defs.resources import AssignmentsResource
from billing_assets.defs.sources import ASSIGNMENTS_TABLE
from billing_assets.domain.assignments import Assignment, TableReading
from billing_assets.domain.content import content_sha256
from billing_assets.domain.fingerprints import fingerprint
from billing_assets.domain.money import total
from billing_assets.domain.period_tables import AssignmentsOfPeriod
from billing_assets.domain.periods import Month
from billing_assets.stores.dynamodb import ReadFigures
from billing_assets.stores.parquet import ASSIGNMENT_COLUMNS

FINGERPRINT = "records_fingerprint"
"""What a run read, so that the sensor of changed assignments knows it."""

DESCRIPTION = """**One row is one assignment record** of the UBI period, as it was read; records that can't be used keep
their row.

While the table is small, one strongly consistent parallel Scan gives the period, the records that belong to no period
and the control totals of the whole table; above `BILLING_SCAN_LIMIT_MB` the period is read by its index.
"""


def build_ubi_assignments(partitions: dg.PartitionsDefinition, *, first: Month, group: str) -> dg.AssetsDefinition:
    """The first asset of the chain.

    Args:
        partitions: UBI periods.
        first: The first of them.
        group: Where the graph shows it.
    """

    @dg.asset(
        partitions_def=partitions,
        deps=[ASSIGNMENTS_TABLE],
        group_name=group,
        description=DESCRIPTION,
        kinds={"dynamodb", "parquet"},
        owners=["team:billing-data"],
        code_version="1",
        pool="dynamodb",
        tags={WRITES: "intermediate"},
        metadata=page(
            column_schema(ASSIGNMENT_COLUMNS), explain="LINE_HASH", runbook=("every_record_belongs_to_a_period warns",)
        ),
    )
    def ubi_assignments(
        context: dg.AssetExecutionContext, assignments: AssignmentsResource
    ) -> dg.MaterializeResult[AssignmentsOfPeriod]:
        read_at = dt.datetime.now(dt.UTC)
        with letters_to_failures(context):
            reading, figures = assignments.open().read_period(context.partition_key, partition_range(first, read_at))
        context.log.info(
            f"{len(reading.assignments):,} assignments of {context.partition_key} "
            f"({reading.records_scanned:,} records, {figures.pages} pages, by {figures.path})"
        )
        return dg.MaterializeResult(
            value=AssignmentsOfPeriod(context.partition_key, read_at, reading.assignments),
            metadata=_metadata(reading, figures, assignments.read_units_per_second),
            data_version=dg.DataVersion(content_sha256(reading.assignments)),
        )

    return ubi_assignments


def _metadata(reading: TableReading, figures: ReadFigures, rate_limit: int) -> Metadata:
    rows = reading.assignments
    amounts = [row.amount for row in rows if row.amount is not None]
    metadata: Metadata = {
        "dagster/partition_row_count": len(rows),
        "own_amounts_usd": dollars(total(amounts)),
        "amounts_absent": sum(not row.amount_text for row in rows),
        "unusable_records": sum(bool(row.fault) for row in rows),
        FINGERPRINT: fingerprint(rows),
        "distinct_objects": len({row.s3_key for row in rows}),
        "read_by": figures.path,
        "read_pages": figures.pages,
        "read_capacity_units": figures.read_units,
        "read_capacity_units_per_second_at_most": rate_limit,
        "read_retries": figures.retries,
        "preview": preview_table(
            ("line_hash", "period", "amount", "months", "object"), map(_preview, rows[:PREVIEW_ROWS])
        ),
    }
    if reading.whole_table:
        metadata |= {
            "table_records": reading.records_scanned,
            "table_records_of_no_partition": len(reading.no_partition),
        }
    return metadata


def _preview(row: Assignment) -> tuple[object, ...]:
    name = row.s3_key.rsplit("/", 1)[-1]
    return row.line_hash[:12], row.ubi_period, row.amount_text, row.months, name
