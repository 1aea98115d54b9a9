"""UBI periods as Dagster partitions: one a month, up to 12 months ahead.

Source: DESIGN.md decisions 1 and 2.
"""

import datetime as dt

import dagster as dg

from billing_assets.domain.assignments import PartitionRange
from billing_assets.domain.periods import Month

MONTHS_AHEAD = 12
"""People assign lines to periods to come; later ones belong to no partition yet."""


def period_partitions(first: Month) -> dg.MonthlyPartitionsDefinition:
    """One shared object for all assets: equal objects are equal partitions to Dagster, but one is enough."""
    return dg.MonthlyPartitionsDefinition(start_date=first.key, fmt="%Y-%m", end_offset=MONTHS_AHEAD + 1)


def partition_range(first: Month, now: dt.datetime) -> PartitionRange:
    """The same months as a rule of the domain understands them."""
    return PartitionRange(first, Month(now.year, now.month).plus(MONTHS_AHEAD))
