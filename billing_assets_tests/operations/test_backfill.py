"""Twenty-four periods by the UI's backfill, while the schedule of the open ones ticks, publish the bytes of a sequence.

It takes minutes, so it runs with BILLING_ASSETS_FULL=1 only; figures are printed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import time
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionStatus

from billing_assets.definitions import build_definitions
from billing_assets.domain.periods import Month
from billing_assets.settings import Settings
from billing_assets_tests.graph.exporting import months
from billing_assets_tests.graph.publication_world import DECEMBER, JANUARY, PUBLISHING
from billing_assets_tests.operations.conftest import DEPLOYMENT, FULL, ONE_MACHINE, deployed
from billing_assets_tests.operations.postgres import why_not
from billing_assets_tests.operations.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_assets_tests.graph.publication_world import PublicationWorld
    from billing_assets_tests.operations.conftest import Deployment

EXPORT = "snowflake_master_bills"
SCHEDULE = "open_periods"
# The schedule asks for the current and the previous month, which are the newest of these.
_TODAY = dt.datetime.now(dt.UTC)
PERIODS = months(Month(_TODAY.year, _TODAY.month).plus(-23).key, 24)
EVERY_MINUTE = {"BILLING_DAILY_CRON": "* * * * *", "BILLING_TIME_ZONE": "UTC"}
_LEAST_TICKS = 2
_BACKFILL_SECONDS = 2400.0

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not FULL, reason="takes minutes: BILLING_ASSETS_FULL=1 runs it"),
]


@pytest.fixture
def busy(stack_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment with the project's own limits, and 24 periods to bill."""
    folder = tmp_path_factory.mktemp("busy")
    kind = ONE_MACHINE if why_not() else DEPLOYMENT
    monitoring = {"poll_interval_seconds": 60}
    with deployed(kind, folder, stack_environment, EVERY_MINUTE, run_monitoring=monitoring) as running:
        for number, period in enumerate(PERIODS):
            if period not in {DECEMBER, JANUARY}:
                running.world.add_period(period, 10_000 + 100 * number)
        yield running


def test_a_backfill_beside_a_schedule_publishes_other_bytes_than_a_sequence(busy: Deployment) -> None:
    """Every run succeeds, but for the time of publication every byte is the sequential run's, and all is exported."""
    house, began = busy.house, time.monotonic()
    house.switch_schedule(SCHEDULE, on=True)
    backfill_id = house.backfill(PUBLISHING, PERIODS)
    until(
        lambda: _succeeded(busy, backfill_id) and len(_ticked(busy)) >= 2 * _LEAST_TICKS,
        seconds=_BACKFILL_SECONDS,
        what=lambda: _failed(busy),
    )
    house.switch_schedule(SCHEDULE, on=False)
    ticked = _ticked(busy)
    until(lambda: all(map(house.has_ended, ticked)), seconds=_BACKFILL_SECONDS, what=lambda: _failed(busy))
    seconds, most = time.monotonic() - began, _most_at_once(busy)
    export_id = house.backfill([EXPORT], PERIODS)
    until(lambda: _succeeded(busy, export_id), seconds=_BACKFILL_SECONDS, what=lambda: _failed(busy))
    runs = house.instance.get_runs()
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}, _failed(busy)
    print(f"\n{len(runs)} runs, {len(ticked)} of them ticked, at most {most} at once, {seconds:.0f} s")  # noqa: T201
    for asset in (*PUBLISHING, EXPORT):
        assert house.instance.get_materialized_partitions(dg.AssetKey(asset)) == set(PERIODS)
    assert _published_bytes(busy.world) == _published_bytes(_sequential(busy.world))


def _ticked(busy: Deployment) -> list[str]:
    """The runs that the schedule has launched."""
    of_schedule = dg.RunsFilter(tags={"dagster/schedule_name": SCHEDULE})
    return [run.run_id for run in busy.house.instance.get_runs(of_schedule)]


def _succeeded(busy: Deployment, backfill_id: str) -> bool:
    """Whether a backfill is over; another end than success fails the test."""
    backfill = busy.house.instance.get_backfill(backfill_id)
    assert backfill is not None
    if backfill.status not in BULK_ACTION_TERMINAL_STATUSES:
        return False
    assert backfill.status is BulkActionStatus.COMPLETED_SUCCESS, _failed(busy)
    return True


def _sequential(world: PublicationWorld) -> PublicationWorld:
    """The same assignments, published elsewhere one after the other in this process."""
    elsewhere = {
        **world.environment,
        "BILLING_MASTER_BILLS_KEY": "sequence/master-bills-latest.json",
        "BILLING_MASTER_BILLS_PREFIX": "sequence/master-bills/",
        "BILLING_STORAGE_URI": f"{world.settings.storage_uri}-sequence",
    }
    settings = Settings.from_environment(elsewhere)
    other = dataclasses.replace(world, settings=settings, definitions=build_definitions(settings))
    for period in PERIODS:
        assert other.run(period=period).success
    return other


def _published_bytes(world: PublicationWorld) -> dict[str, bytes]:
    """Every period's object and the combined list, without the time of publication."""
    found = {period: world.period_object(period) for period in PERIODS} | {"combined": world.combined}
    return {name: re.sub(rb'"created_utc": ?"[^"]+"', b'"created_utc":""', content) for name, content in found.items()}


def _most_at_once(busy: Deployment) -> int:
    """The largest number of runs that went at the same time."""
    moments = []
    for record in busy.house.instance.get_run_records():
        moments += [(record.start_time or 0.0, 1), (record.end_time or 0.0, -1)]
    going = most = 0
    for _, step in sorted(moments):
        going += step
        most = max(most, going)
    return most


def _failed(busy: Deployment) -> str:
    return "\n".join(
        busy.house.story(run.run_id)
        for run in busy.house.instance.get_runs()
        if run.status is not dg.DagsterRunStatus.SUCCESS
    )
