"""Four assets that do nothing either, but import what ours import and carry as many checks: no work of ours saves that.

Nothing is read, hashed, written or exported here; the difference to `empty_chain` is the price of the packages and of
Dagster's records.
"""

from collections.abc import Iterator

import dagster as dg

import billing_assets.definitions  # noqa: F401  # Dagster's code location pays for it in every run
from billing_assets.defs.resources import aws_clients

_PERIODS = dg.MonthlyPartitionsDefinition(start_date="2024-01", fmt="%Y-%m", end_offset=13)
_Results = dg.MaterializeResult[None] | dg.AssetCheckResult
LINE_ITEMS_CHECKS, BILLS_CHECKS = 7, 4
CHECKS = LINE_ITEMS_CHECKS + BILLS_CHECKS
"""As many as run with the chain, as a test holds."""
NAMES = ("laden_assignments", "laden_line_items", "laden_bills", "laden_export")


def _checks(asset: str, count: int) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(f"check_{number}", asset=asset, partitions_def=_PERIODS, blocking=True)
        for number in range(count)
    ]


def _results(count: int) -> Iterator[_Results]:
    yield dg.MaterializeResult()
    for number in range(count):
        yield dg.AssetCheckResult(passed=True, check_name=f"check_{number}")


@dg.asset(partitions_def=_PERIODS)
def laden_assignments() -> None:
    """What reading DynamoDB and writing Parquet import, and the client's making."""
    import pyarrow.parquet  # noqa: F401, PLC0415

    _ = aws_clients().dynamodb


@dg.asset(partitions_def=_PERIODS, deps=[laden_assignments], check_specs=_checks("laden_line_items", LINE_ITEMS_CHECKS))
def laden_line_items() -> Iterator[_Results]:
    """What reading S3 imports, and the client's making."""
    import pycurl  # noqa: F401, PLC0415

    _ = aws_clients().s3_single_try
    yield from _results(LINE_ITEMS_CHECKS)


@dg.asset(partitions_def=_PERIODS, deps=[laden_line_items], check_specs=_checks("laden_bills", BILLS_CHECKS))
def laden_bills() -> Iterator[_Results]:
    """Nothing."""
    yield from _results(BILLS_CHECKS)


@dg.asset(partitions_def=_PERIODS, deps=[laden_bills])
def laden_export() -> None:
    """What loading Snowflake imports."""
    import snowflake.connector.pandas_tools  # noqa: F401, PLC0415

    from billing_assets.defs.light_snowflake import snowflake_resource_class  # noqa: PLC0415

    snowflake_resource_class()


defs = dg.Definitions(
    assets=[laden_assignments, laden_line_items, laden_bills, laden_export], executor=dg.in_process_executor
)
