"""Checks of the whole assignments table, from one Scan of their own.

They hang on the source asset, since a check on a partitioned asset that is not partitioned itself is never done in
Dagster's eyes (DESIGN.md decision 4).
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import markdown_table
from billing_assets.defs.partitions import partition_range
from billing_assets.defs.resources import AssignmentsResource
from billing_assets.defs.sources import ASSIGNMENTS_TABLE
from billing_assets.domain.assignments import TableReading
from billing_assets.domain.control_letters import lost_records_letter
from billing_assets.domain.control_totals import stray_periods
from billing_assets.domain.periods import Month
from billing_assets.stores.dynamodb import ReadFigures

EVERY_RECORD_BELONGS_TO_A_PERIOD = "every_record_belongs_to_a_period"
WHOLE_TABLE_ADDS_UP = "whole_table_control_totals"

_MOST_SHOWN = 50


def build_whole_table_checks(first: Month) -> dg.AssetChecksDefinition:
    """One op, one strongly consistent Scan, two results.

    Args:
        first: The first UBI period; earlier records belong to no partition.
    """

    @dg.multi_asset_check(
        name="whole_table_checks",
        specs=[
            dg.AssetCheckSpec(
                EVERY_RECORD_BELONGS_TO_A_PERIOD,
                asset=ASSIGNMENTS_TABLE,
                description="Records whose period is missing, can't be read or lies outside the partitions are in no "
                "master bill. WARN with their texts.",
            ),
            dg.AssetCheckSpec(
                WHOLE_TABLE_ADDS_UP,
                asset=ASSIGNMENTS_TABLE,
                description="Records in all partitions and records of no partition are the records scanned. ERROR if "
                "one was lost on the way.",
            ),
        ],
        description="Reads the whole table once, whatever its size, and counts every record.",
        pool="dynamodb",
    )
    def whole_table_checks(
        context: dg.AssetCheckExecutionContext, assignments: AssignmentsResource
    ) -> Iterator[dg.AssetCheckResult]:
        now = dt.datetime.now(dt.UTC)
        with letters_to_failures(context):
            reading, figures = assignments.open().read_table(partition_range(first, now))
        context.log.info(f"{reading.records_scanned:,} records scanned in {figures.pages} pages")
        yield _belongs(reading)
        yield _adds_up(reading, figures, assignments.read_units_per_second)

    return whole_table_checks


def _belongs(reading: TableReading) -> dg.AssetCheckResult:
    strays = stray_periods(reading.no_partition)
    count = len(reading.no_partition)
    return dg.AssetCheckResult(
        asset_key=ASSIGNMENTS_TABLE,
        check_name=EVERY_RECORD_BELONGS_TO_A_PERIOD,
        passed=not strays,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{count:,} records belong to no period, and are in no master bill" if strays else None,
        metadata={
            "records": count,
            "texts": len(strays),
            "periods": markdown_table(
                ("period as stored", "why", "records"),
                [(repr(text), why, number) for text, why, number in strays[:_MOST_SHOWN]],
            ),
        },
    )


def _adds_up(reading: TableReading, figures: ReadFigures, rate_limit: int) -> dg.AssetCheckResult:
    partitions = sorted(reading.records_by_partition.items())
    return dg.AssetCheckResult(
        asset_key=ASSIGNMENTS_TABLE,
        check_name=WHOLE_TABLE_ADDS_UP,
        passed=reading.all_accounted_for,
        severity=dg.AssetCheckSeverity.ERROR,
        description=lost_records_letter(reading),
        metadata={
            "records_scanned": reading.records_scanned,
            "records_in_partitions": sum(reading.records_by_partition.values()),
            "records_of_no_partition": len(reading.no_partition),
            "by_partition": markdown_table(("period", "records"), partitions),
            "read_pages": figures.pages,
            "read_capacity_units": figures.read_units,
            "read_capacity_units_per_second_at_most": rate_limit,
            "read_retries": figures.retries,
        },
    )
