"""A chain of four assets that do nothing, partitioned like ours: what a period's run costs in Dagster alone."""

import dagster as dg

_PERIODS = dg.MonthlyPartitionsDefinition(start_date="2024-01", fmt="%Y-%m", end_offset=13)
NAMES = ("empty_assignments", "empty_line_items", "empty_bills", "empty_export")


@dg.asset(partitions_def=_PERIODS)
def empty_assignments() -> None:
    """Nothing."""


@dg.asset(partitions_def=_PERIODS, deps=[empty_assignments])
def empty_line_items() -> None:
    """Nothing."""


@dg.asset(partitions_def=_PERIODS, deps=[empty_line_items])
def empty_bills() -> None:
    """Nothing."""


@dg.asset(partitions_def=_PERIODS, deps=[empty_bills])
def empty_export() -> None:
    """Nothing."""


defs = dg.Definitions(
    assets=[empty_assignments, empty_line_items, empty_bills, empty_export], executor=dg.in_process_executor
)
