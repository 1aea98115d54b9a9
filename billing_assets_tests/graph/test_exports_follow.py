"""Exports follow what is published: the condition evaluated on a clock that the test sets, over events that it writes.

Equal output is no new data, a first export is the month end's, and no period is exported by two runs at once.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from billing_assets.definitions import build_definitions
from billing_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

BILLS, EXPORT = dg.AssetKey("master_bills_json"), dg.AssetKey("snowflake_master_bills")
JANUARY, FEBRUARY = "2025-01", "2025-02"


class Clock:
    """Ticks of the sensor, five minutes apart, with its cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.definitions = build_definitions(Settings.from_environment({}))
        self.now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
        self.cursor: object = None
        self.tick()

    def tick(self) -> set[str | None]:
        """The periods whose export is asked for."""
        self.now += dt.timedelta(minutes=5)
        result = dg.evaluate_automation_conditions(
            defs=self.definitions,
            instance=self.instance,
            asset_selection=dg.AssetSelection.assets(EXPORT),
            evaluation_time=self.now,
            cursor=self.cursor,  # type: ignore[arg-type]
        )
        self.cursor = result.cursor
        return set(result.get_requested_partitions(EXPORT))

    def published(self, period: str, content: str) -> None:
        """A run published the period, with this content."""
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(BILLS, partition=period, tags={"dagster/data_version": content})
        )

    def exported(self, period: str) -> None:
        """A run exported the period."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(EXPORT, partition=period))


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Two periods published, January exported as well."""
    with dg.DagsterInstance.ephemeral() as instance:
        made = Clock(instance)
        made.published(JANUARY, "a")
        made.published(FEBRUARY, "a")
        made.exported(JANUARY)
        assert made.tick() == set()
        yield made


def test_an_exported_period_that_is_published_anew_is_exported_once(clock: Clock) -> None:
    """New content, one request, and no second one while nothing else changes."""
    clock.published(JANUARY, "b")
    assert clock.tick() == {JANUARY}
    assert clock.tick() == set()
    clock.exported(JANUARY)
    assert clock.tick() == set()


def test_equal_output_is_no_new_data(clock: Clock) -> None:
    """A run that publishes the same bytes, or only computes, makes nothing follow."""
    clock.published(JANUARY, "a")
    assert clock.tick() == set()


def test_a_period_that_was_never_exported_waits_for_its_month_end(clock: Clock) -> None:
    """Finance sees whole months; from its first export on the period follows."""
    clock.published(FEBRUARY, "b")
    assert clock.tick() == set()
    clock.exported(FEBRUARY)
    assert clock.tick() == set()
    clock.published(FEBRUARY, "c")
    assert clock.tick() == {FEBRUARY}


def test_what_the_same_run_exports_is_not_exported_again(clock: Clock) -> None:
    """The month end publishes and exports in one run: while it is under way, and after it, nothing is asked for."""
    with_export = clock.definitions.get_repository_def().get_job("master_bills_and_export_of_a_period")
    run = create_run_for_test(
        clock.instance,
        job_name=with_export.name,
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": JANUARY},
        asset_selection=frozenset({BILLS, EXPORT}),
    )
    for key in (BILLS, EXPORT):
        planned = dg.DagsterEvent.build_asset_materialization_planned_event(
            job_name=run.job_name,
            step_key=key.to_user_string(),
            asset_materialization_planned_data=dg._core.events.AssetMaterializationPlannedData(key, JANUARY, None),  # noqa: SLF001
        )
        clock.instance.report_dagster_event(planned, run.run_id)
    clock.published(JANUARY, "b")
    assert clock.tick() == set()
    clock.exported(JANUARY)
    clock.instance.report_run_canceled(run)
    assert clock.tick() == set()


def test_a_failed_export_is_not_asked_for_at_every_tick(clock: Clock) -> None:
    """The alert tells a person; the next change is exported again."""
    clock.published(JANUARY, "b")
    assert clock.tick() == {JANUARY}
    assert clock.tick() == set()
    clock.published(JANUARY, "c")
    assert clock.tick() == {JANUARY}


def test_a_change_while_the_daemon_was_away_is_seen_when_it_is_back(clock: Clock) -> None:
    """The cursor remembers how far it looked."""
    clock.published(JANUARY, "b")
    clock.now += dt.timedelta(days=1)
    assert clock.tick() == {JANUARY}
