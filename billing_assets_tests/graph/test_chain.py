"""Whole runs over the emulators against the sample's oracle: nothing lost, nothing billed twice, exact to the cent."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.domain.assignments import PartitionRange
from billing_assets.domain.money import total
from billing_assets.domain.periods import Month
from billing_assets.domain.resolved import ResolvedLineItem, Status, resolve
from billing_assets.stores import parquet
from billing_assets.stores.dynamodb import AssignmentsTable
from billing_assets.stores.objects import StageFourObjects
from billing_assets.stores.publication import read_published
from billing_assets.stores.snowflake import table_totals
from billing_assets_tests.graph.conftest import CHAIN

if TYPE_CHECKING:
    from decimal import Decimal

    from billing_assets_tests.graph.conftest import World


def _rows(world: World, period: str) -> list[ResolvedLineItem]:
    content = world.storage.read(f"resolved_line_items/{period}.parquet")
    assert content is not None
    return parquet.decode_resolved(content).rows


def test_every_assignment_meets_the_fate_that_the_oracle_knows(world: World) -> None:
    """Status, reason, amount, place and relocation of every assignment are as they were planted."""
    expected = {fate.assignment_id: fate for fate in world.sample.expected if fate.partition is not None}
    met = {}
    for period in world.sample.periods:
        for row in _rows(world, period):
            fate = expected[row.assignment.assignment_id]
            billable = row.status is Status.BILLABLE
            met[fate.assignment_id] = (
                period,
                row.status.value,
                row.reason or None,
                row.billed_usd if billable else None,
                row.relocated,
            )
            if billable:
                assert (row.found_key, row.line.position if row.line else None) == (fate.found_key, fate.found_index)
    assert met == {
        name: (fate.partition, fate.status, fate.reason, fate.billed_amount, fate.relocated)
        for name, fate in expected.items()
    }


def test_records_of_no_partition_are_counted_and_not_billed(world: World) -> None:
    """Records in partitions and records in none add up to the whole table."""
    nowhere = [fate for fate in world.sample.expected if fate.partition is None]
    in_periods = sum(len(_rows(world, period)) for period in world.sample.periods)
    assert nowhere
    assert in_periods + len(nowhere) == len(world.sample.assignments)


def test_master_bills_add_up_to_what_the_oracle_bills(world: World) -> None:
    """Every master bill has the oracle's id, number of lines and amount, and there is no other bill."""
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for fate in world.sample.expected:
        if fate.master_bill_id is not None and fate.billed_amount is not None:
            amounts[fate.master_bill_id].append(fate.billed_amount)
    published = {}
    for period in world.sample.periods:
        found = read_published(world.clients.s3, world.location, period)
        assert found is not None
        published.update({bill.master_bill_id: bill for bill in found.bills})
    assert {name: (len(bill.source_line_items), bill.utility_amount) for name, bill in published.items()} == {
        name: (len(shares), total(shares)) for name, shares in amounts.items()
    }


def test_snowflake_holds_what_was_published_to_the_cent(world: World) -> None:
    """Count and exact sum of each period are the same in S3 and in Snowflake."""
    resource = SnowflakeExportResource.from_variables(world.settings.variables_set)
    snowflake = resource.process_config_and_initialize()
    in_snowflake = table_totals(snowflake.connect, snowflake.target)
    for period in world.sample.periods:
        published = read_published(world.clients.s3, world.location, period)
        assert published is not None
        totals = in_snowflake[period]
        assert totals.bill_count == len(published.bills)
        assert totals.bills_total_usd == total(bill.utility_amount for bill in published.bills)
        assert totals.line_items_total_usd == totals.bills_total_usd


def test_a_second_run_changes_no_byte_and_no_row(world: World) -> None:
    """Running a period again leaves the combined list as it is and finds Snowflake holding it already."""
    period = world.sample.periods[0]
    before = world.combined_list()
    result = world.run(*CHAIN, partition=period)
    assert result.success
    assert world.combined_list() == before
    (export,) = [
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key and event.asset_key.to_user_string() == "snowflake_master_bills"
    ]
    assert export.metadata["held_already"].value is True


def test_a_run_says_what_it_did(world: World) -> None:
    """Counts and dollars by status stand in the metadata of the resolved rows."""
    result = world.run("ubi_assignments", "resolved_line_items", partition=world.sample.periods[1])
    (materialization,) = result.asset_materializations_for_node("resolved_line_items")
    metadata = materialization.metadata
    rows = _rows(world, world.sample.periods[1])
    assert metadata["dagster/partition_row_count"].value == len(rows)
    assert metadata["rows_billable"].value == sum(row.status is Status.BILLABLE for row in rows)
    assert metadata["objects_read"].value


def test_the_index_gives_other_records_than_the_scan(world: World) -> None:
    """Above the scan limit every period of the sample holds the same records as below it, and gives the same rows."""
    settings = world.settings
    months = PartitionRange(Month(2024, 1), Month(2027, 6))
    by_scan, by_index = (
        AssignmentsTable(
            world.clients.dynamodb,
            table=settings.assignments_table,
            index=settings.assignments_index,
            scan_limit_mb=limit,
        )
        for limit in (64, 0)
    )
    for period in world.sample.periods:
        scanned, scan = by_scan.read_period(period, months)
        queried, query = by_index.read_period(period, months)
        assert (scan.path, query.path) == ("scan", "index")
        assert scanned.assignments
        assert queried.assignments == scanned.assignments
        source = StageFourObjects(world.clients, settings.bucket, requests=16, retry_seconds=30)
        assert resolve(queried.assignments, source)[0] == _rows(world, period)
