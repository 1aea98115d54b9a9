"""Schedules on a set clock: each asks for exactly its periods, none twice in a tick, none forgotten after a day down.

Fourteen months with two year ends and every change of daylight saving, in three time zones, each tick as Dagster's own
cron gives it; then Dagster's own scheduler over the daemon's absences (`BILLING_ASSETS_FULL=1`: over all 14 months).
"""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import (
    create_run_for_test,
    create_test_daemon_workspace_context,
    freeze_time,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._utils.schedules import schedule_execution_time_iterator

from billing_assets.definitions import build_definitions
from billing_assets.defs.in_flight import MONTH_END
from billing_assets.domain.periods import Month
from billing_assets.settings import Settings
from billing_assets.stores.aws import AwsClients

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from billing_assets.local.stack import EmbeddedStack

FULL = os.environ.get("BILLING_ASSETS_FULL") == "1"
ZONES = ("America/Los_Angeles", "Europe/Berlin", "America/Santiago")
BEGIN, END = dt.datetime(2024, 11, 20, tzinfo=dt.UTC), dt.datetime(2026, 1, 20, tzinfo=dt.UTC)
CLOSED = ["2024-03", "2024-04"]
MOST_RUNS = 100
"""More than any look at the scheduler launches."""
EXPORT_JOB = "master_bills_and_export_of_a_period"
# In the hours that daylight saving leaves out or repeats.
ODD_HOURS = {"BILLING_DAILY_CRON": "30 2 * * *", "BILLING_MONTH_END_TIME": "01:30", "BILLING_CHECKS_CRON": "0 0 * * *"}
JOBS = {
    "open_periods": "master_bills_of_a_period",
    "month_end": EXPORT_JOB,
    "closed_periods_weekly": "master_bills_of_a_period",
    "checks_of_all_periods": "checks_of_all_periods",
}


@dataclass
class Clock:
    """A code location in a zone, and the ticks that Dagster's cron gives each of its schedules."""

    zone: str
    bucket: str
    instance: dg.DagsterInstance
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {"BILLING_TIME_ZONE": self.zone, "BILLING_BUCKET": self.bucket, "BILLING_FIRST_PERIOD": "2024-01"}
        self.settings = Settings.from_environment({**named, **self.variables})
        self.definitions = build_definitions(self.settings)
        self.repository = self.definitions.get_repository_def()

    def ticks(self, name: str) -> list[dt.datetime]:
        """When the schedule ticks within the fourteen months."""
        schedule = self.repository.get_schedule_def(name)
        found: list[dt.datetime] = []
        for tick in schedule_execution_time_iterator(
            BEGIN.timestamp(), str(schedule.cron_schedule), schedule.execution_timezone, ascending=True
        ):
            if tick > END:
                return found
            found.append(tick)
        return found

    def requests(self, name: str, tick: dt.datetime) -> list[dg.RunRequest]:
        """What the schedule asks for at a tick."""
        schedule = self.repository.get_schedule_def(name)
        resources = self.definitions.resources or {}
        context = dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=tick,
            # Dagster makes an instance for resources each time, which takes a fifth of a second.
            resources={key: resources[key] for key in schedule.required_resource_keys},
        )
        # The context would open the instance anew each time, which takes longer than all else.
        context._instance = self.instance  # type: ignore[assignment]  # noqa: SLF001
        asked: Any = schedule(context)
        return [request for request in asked if isinstance(request, dg.RunRequest)]

    def ran(self, request: dg.RunRequest, status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS) -> None:
        """A run of the month end, as the instance remembers it."""
        create_run_for_test(self.instance, job_name=EXPORT_JOB, tags=dict(request.tags), status=status)


@pytest.fixture(scope="module")
def bucket(stack: EmbeddedStack) -> Iterator[str]:
    """A bucket with two closed periods, one of them reopened later on."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment().items():
            patch.setenv(name, value)
        s3 = AwsClients().s3
        s3.create_bucket(Bucket="scheduled")
        for period in (*CLOSED, "reopened/2024-05-20250101"):
            s3.put_object(Bucket="scheduled", Key=f"config/master-bills/closed/{period}.json", Body=b"{}")
        yield "scheduled"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance without runs; a schedule's context takes none that is in memory only."""
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as made:
        yield made


@pytest.fixture(params=ZONES)
def clock(request: pytest.FixtureRequest, bucket: str, instance: dg.DagsterInstance) -> Clock:
    """One zone's, with its ticks in odd hours."""
    return Clock(request.param, bucket, instance, ODD_HOURS)


def _local(tick: dt.datetime, zone: str) -> dt.date:
    return tick.astimezone(ZoneInfo(zone)).date()


def _month(day: dt.date, months: int) -> str:
    return Month(day.year, day.month).plus(months).key


def test_every_day_the_previous_and_the_current_month_are_asked_for_once(clock: Clock) -> None:
    """One tick on every day, also on those of 23 and 25 hours, and no run key twice in fourteen months."""
    ticks = clock.ticks("open_periods")
    days = [_local(tick, clock.zone) for tick in ticks]
    first = days[0]
    assert days == [first + dt.timedelta(days=number) for number in range(len(days))]
    assert len(days) in {425, 426, 427}
    keys: Counter[str] = Counter()
    for tick, day in zip(ticks, days, strict=True):
        requests = clock.requests("open_periods", tick)
        assert [request.partition_key for request in requests] == [_month(day, -1), _month(day, 0)], tick
        keys.update(request.run_key or "" for request in requests)
    assert set(keys.values()) == {1}


def test_every_month_end_is_run_once_and_with_its_export(clock: Clock) -> None:
    """On day 5 of each month the month before, and on no other day again."""
    asked = []
    for tick in clock.ticks("month_end"):
        for request in clock.requests("month_end", tick):
            asked.append((_local(tick, clock.zone).isoformat(), request.partition_key))
            clock.ran(request)
    first = Month(2024, 10)
    # The watch begins on 20 November: October is due, and it is not known that anybody exported it.
    expected = [("2024-11-20", "2024-10")]
    for number in range(1, 15):
        due = first.plus(number)
        expected.append((f"{due.plus(1).key}-05", due.key))
    # In some zones the first tick is on the evening before.
    assert [period for _, period in asked] == [period for _, period in expected]
    assert asked[1:] == expected[1:]
    assert clock.repository.get_schedule_def("month_end").job_name == EXPORT_JOB


def test_every_week_the_closed_periods_are_computed_without_publishing(clock: Clock) -> None:
    """Exactly the closed ones; what was reopened is open."""
    ticks = clock.ticks("closed_periods_weekly")
    assert {_local(tick, clock.zone).isoweekday() for tick in ticks} == {7}
    assert len(ticks) in {60, 61}
    keys = []
    for tick in ticks[:: 1 if FULL else 15]:
        requests = clock.requests("closed_periods_weekly", tick)
        assert [request.partition_key for request in requests] == CLOSED
        for request in requests:
            assert request.run_config == {"ops": {"master_bills_json": {"config": {"publish": False}}}}
            keys.append(request.run_key)
    assert len(set(keys)) == len(keys)


def test_every_day_the_checks_of_all_periods_run_and_know_what_is_due(clock: Clock) -> None:
    """A month whose month end is still to come is not missed in Snowflake."""
    for tick in clock.ticks("checks_of_all_periods")[:: 1 if FULL else 5]:
        (request,) = clock.requests("checks_of_all_periods", tick)
        day = _local(tick, clock.zone)
        (config,) = request.run_config["ops"].values()
        assert config == {"config": {"due_until": _month(day, -1 if day.day >= 5 else -2)}}


def test_a_month_end_that_failed_is_asked_for_at_the_next_tick_until_it_succeeds(
    bucket: str, instance: dg.DagsterInstance
) -> None:
    """And not while a run of it is under way."""
    clock = Clock("Europe/Berlin", bucket, instance)
    keys, ticks = [], clock.ticks("month_end")
    statuses = ["FAILURE", "CANCELED", "STARTED", None, None]
    for tick, status in zip(ticks, statuses, strict=False):
        requests = clock.requests("month_end", tick)
        assert [request.partition_key for request in requests] == (["2024-10"] if status else []), tick
        for request in requests:
            keys.append(request.run_key)
            clock.ran(request, dg.DagsterRunStatus[str(status)])
    assert keys == ["2024-10/0", "2024-10/1", "2024-10/2"]


def test_month_ends_of_a_long_absence_are_made_up_for(bucket: str, instance: dg.DagsterInstance) -> None:
    """A daemon that was away for three months exports each of them."""
    clock = Clock("Europe/Berlin", bucket, instance)
    clock.ran(dg.RunRequest(tags={MONTH_END: "2024-11"}))
    tick = dt.datetime(2025, 3, 7, 6, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert [r.partition_key for r in clock.requests("month_end", tick)] == ["2024-12", "2025-01", "2025-02"]


class Daemon:
    """Dagster's own scheduler over a code location in this process; runs are recorded and launched nowhere."""

    def __init__(self, folder: Path, bucket: str, zone: str) -> None:
        variables = {
            "BILLING_TIME_ZONE": zone,
            "BILLING_BUCKET": bucket,
            "BILLING_AUTOMATION": "on",
            "BILLING_FIRST_PERIOD": "2024-01",
        }
        self.file = folder / "location.py"
        self.file.write_text(
            "from billing_assets.definitions import build_definitions\n"
            "from billing_assets.settings import Settings\n"
            f"defs = build_definitions(Settings.from_environment({variables!r}))\n"
        )
        self.zone = ZoneInfo(zone)
        self.folder = folder
        self.seen: set[str] = set()
        launcher = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}
        coordinator = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}
        self.instance = dg.DagsterInstance.local_temp(
            str(folder),
            overrides={"telemetry": {"enabled": False}, "run_launcher": launcher, "run_coordinator": coordinator},
        )

    def __enter__(self) -> Self:
        origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file=str(self.file)))
        self.workspace = create_test_daemon_workspace_context(InProcessWorkspaceLoadTarget(origin), self.instance)
        self.context = self.workspace.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.workspace.__exit__(None, None, None)
        self.instance.dispose()

    def tick(self, moment: str) -> list[tuple[str, str]]:
        """What the scheduler launches when it looks at a moment: schedule and period of each new run, in order."""
        now = dt.datetime.fromisoformat(moment).replace(tzinfo=self.zone).astimezone(dt.UTC)
        with freeze_time(now):
            # Nothing is remembered from the look before, as by a daemon that was started anew.
            logger = logging.getLogger("scheduler")
            for error in launch_scheduled_runs(self.context, logger, end_datetime_utc=now, iteration_times={}):
                assert error is None, error
        # The newest only: to read all of them at each look would take most of the time of 14 months.
        new = [run for run in self.instance.get_runs(limit=MOST_RUNS) if run.run_id not in self.seen]
        assert len(new) < MOST_RUNS
        self.seen |= {run.run_id for run in new}
        # The schedules that only look at things have no periods, and nothing to forget.
        runs = [run for run in new if run.tags["dagster/schedule_name"] in JOBS]
        found = [(run.tags["dagster/schedule_name"], run.tags.get("dagster/partition", "")) for run in runs]
        for run in runs:
            assert run.job_name == JOBS[run.tags["dagster/schedule_name"]]
        return sorted(found)


# Dagster itself asks its schedules for something that it has deprecated.
of_dagster_itself = pytest.mark.filterwarnings("ignore:.*environment_vars:DeprecationWarning")


@of_dagster_itself
def test_a_daemon_that_was_away_forgets_nothing_and_repeats_nothing(bucket: str, tmp_path: Path) -> None:
    """Away over a year end, over the month end's day, and over the night in which the clocks change."""
    with Daemon(tmp_path, bucket, "America/Los_Angeles") as daemon:
        assert daemon.tick("2025-12-30T23:00") == []
        daily = [("checks_of_all_periods", ""), ("open_periods", "2025-11"), ("open_periods", "2025-12")]
        december = [*daily, ("month_end", "2025-11")]
        assert daemon.tick("2025-12-31T12:00") == sorted(december)
        assert daemon.tick("2025-12-31T12:01") == []
        # Away for the whole of New Year's Day: back in the night after, the tick that was missed is made up for.
        january = [("checks_of_all_periods", ""), ("open_periods", "2025-12"), ("open_periods", "2026-01")]
        assert daemon.tick("2026-01-02T00:10") == sorted(january)
        # Away for four days with a Sunday and the fifth, when December is due: the last tick of each is made up for.
        closed = [("closed_periods_weekly", period) for period in CLOSED]
        assert daemon.tick("2026-01-06T00:10") == sorted([*january, *closed, ("month_end", "2025-12")])
        assert daemon.tick("2026-01-06T12:00") == sorted(january)
        # Away for two months, until after the night of 8 March, which has 23 hours.
        march = [("checks_of_all_periods", ""), ("open_periods", "2026-02"), ("open_periods", "2026-03")]
        back = [*march, *closed, ("month_end", "2026-01"), ("month_end", "2026-02")]
        assert daemon.tick("2026-03-08T13:00") == sorted(back)
        assert daemon.tick("2026-03-08T13:01") == []


@pytest.mark.skipif(not FULL, reason="twenty minutes: BILLING_ASSETS_FULL=1 runs it")
@pytest.mark.timeout(3600)
@of_dagster_itself
@pytest.mark.parametrize("zone", ["America/Santiago"])
def test_the_scheduler_over_fourteen_months_with_absences(zone: str, bucket: str, tmp_path: Path) -> None:
    """Twice a day for fourteen months, away on every sixth day: every day's tick once, every month end once."""
    with Daemon(tmp_path, bucket, zone) as daemon:
        day = dt.date(2024, 11, 20)
        assert daemon.tick(f"{day}T23:00") == []
        launched: Counter[tuple[str, str]] = Counter()
        number = 0
        while day < dt.date(2026, 1, 20):
            day, number = day + dt.timedelta(days=1), number + 1
            if number % 6 == 0:
                continue
            launched.update(daemon.tick(f"{day}T00:40"))
            launched.update(daemon.tick(f"{day}T12:00"))
        days = number - (1 if number % 6 == 0 else 0)
        assert launched["checks_of_all_periods", ""] == days
        assert sum(count for (name, _), count in launched.items() if name == "open_periods") == 2 * days
        month_ends = {period: count for (name, period), count in launched.items() if name == "month_end"}
        assert month_ends == {Month(2024, 10).plus(step).key: 1 for step in range(15)}
        assert {period for name, period in launched if name == "closed_periods_weekly"} == set(CLOSED)
