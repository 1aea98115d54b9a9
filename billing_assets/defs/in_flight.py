"""What the instance knows of runs by their period: those under way, and the month end's so far."""

from collections.abc import Mapping

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from billing_assets.domain.open_periods import MonthEndTries
from billing_assets.domain.periods import Month, PeriodError, months_between

PARTITION = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
MONTH_END = "billing/month_end"
"""Tag of a month end's run: its period. A run that is executed again keeps it."""

_NOT_ENDED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_SETTLED = {*_NOT_ENDED, DagsterRunStatus.SUCCESS}
_MOST_RUNS = 200


def periods_of(run: DagsterRun) -> list[str]:
    """The periods that a run is of: one, a range, or none; a range of something else is none."""
    if PARTITION in run.tags:
        return [run.tags[PARTITION]]
    if _FIRST not in run.tags or _LAST not in run.tags:
        return []
    try:
        first, last = (Month.from_key(run.tags[name]) for name in (_FIRST, _LAST))
    except PeriodError:
        return []
    return [month.key for month in months_between(first, last)]


def periods_in_flight(instance: DagsterInstance) -> set[str]:
    """The periods that a run is queued or under way for, whoever launched it."""
    runs = instance.get_runs(RunsFilter(statuses=_NOT_ENDED))
    return {period for run in runs for period in periods_of(run)}


def job_in_flight(instance: DagsterInstance, job: str) -> bool:
    """Whether a run of a job is queued or under way."""
    return bool(instance.get_runs(RunsFilter(job_name=job, statuses=_NOT_ENDED), limit=1))


def month_end_tries(instance: DagsterInstance, job: str) -> Mapping[str, MonthEndTries]:
    """The month end's runs of each period, among the last 200."""
    tries: dict[str, MonthEndTries] = {}
    for run in instance.get_runs(RunsFilter(job_name=job), limit=_MOST_RUNS):
        if period := run.tags.get(MONTH_END):
            before = tries.get(period, MonthEndTries(0, settled=False))
            tries[period] = MonthEndTries(before.runs + 1, settled=before.settled or run.status in _SETTLED)
    return tries


def default_status(*, running: bool) -> tuple[dg.DefaultScheduleStatus, dg.DefaultSensorStatus]:
    """How a schedule and a sensor begin their lives; a person's switch in the UI wins over it."""
    if running:
        return dg.DefaultScheduleStatus.RUNNING, dg.DefaultSensorStatus.RUNNING
    return dg.DefaultScheduleStatus.STOPPED, dg.DefaultSensorStatus.STOPPED
