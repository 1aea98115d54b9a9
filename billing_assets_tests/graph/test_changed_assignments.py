"""The sensor of changed assignments: each change runs exactly the periods concerned, once, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from billing_assets.defs.sensors import assignments
from billing_assets.domain.assignments import PartitionRange
from billing_assets.domain.periods import Month
from billing_assets.domain.watched_periods import Watch
from billing_assets.stores.aws import AwsClients
from billing_assets_tests.graph.watched_world import FEBRUARY, JANUARY, LINES, PERIODS, STORY, WatchedWorld, made_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from billing_assets.local.stack import EmbeddedStack


@pytest.fixture
def watched(stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WatchedWorld]:
    """A table with three periods that were run once, and an instance of its own."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        yield made_world(stack.environment(), AwsClients(), tmp_path, instance)


class Watcher:
    """The daemon's part: a tick, the cursor that it stores, and the run keys that it remembers for ever."""

    def __init__(self, world: WatchedWorld) -> None:
        self.world = world
        self.cursor: str | None = None
        self.keys: set[str] = set()
        self.reason = ""

    def tick(self) -> list[dg.RunRequest]:
        """Evaluate the sensor once; a run key that was used before is dropped as Dagster drops it."""
        world = self.world
        context = dg.build_sensor_context(
            instance=world.instance,
            cursor=self.cursor,
            repository_def=world.repository,
            resources=dict(world.definitions.resources or {}),
        )
        found = world.repository.get_sensor_def("changed_assignments").evaluate_tick(context)
        self.cursor, self.reason = found.cursor, found.skip_message or ""
        new = [request for request in found.run_requests or [] if request.run_key not in self.keys]
        self.keys |= {request.run_key or "" for request in new}
        return new

    def settle(self) -> list[str]:
        """Tick and run what is asked for, until nothing is; the periods that were run."""
        periods = []
        while requests := self.tick():
            for request in requests:
                assert self.world.run(request).success
                periods.append(request.partition_key or "")
        return periods


def _run_all(world: WatchedWorld) -> None:
    for period in PERIODS:
        assert world.run(dg.RunRequest(partition_key=period)).success


def test_each_change_runs_exactly_the_periods_concerned_once(watched: WatchedWorld) -> None:
    """Added, removed, edited under an old date, moved, removed and restored; and what was run is published."""
    _run_all(watched)
    watcher = Watcher(watched)
    assert watcher.settle() == []
    for chapter in STORY:
        chapter.change(watched)
        assert watcher.settle() == list(chapter.periods), chapter.title
        for period in chapter.periods[:1]:
            assert watched.amounts(period) == list(chapter.amounts), chapter.title


def test_a_period_that_was_never_run_is_not_published_by_a_first_look(watched: WatchedWorld) -> None:
    """What the app's own generator made is taken over by a person; what changes from then on is run."""
    watcher = Watcher(watched)
    assert watcher.settle() == []
    watched.remove(JANUARY, 1)
    assert watcher.settle() == [JANUARY]


def test_a_change_during_a_run_is_asked_for_when_it_has_ended(watched: WatchedWorld) -> None:
    """At most one run of a period at once, whoever launched it; other periods don't wait."""
    _run_all(watched)
    watcher = Watcher(watched)
    watcher.settle()
    run = create_run_for_test(watched.instance, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": JANUARY})
    watched.remove(JANUARY, 1)
    watched.remove(FEBRUARY, 1)
    assert watcher.settle() == [FEBRUARY]
    assert JANUARY in watcher.reason
    assert "under way" in watcher.reason
    watched.instance.report_run_canceled(run)
    assert watcher.settle() == [JANUARY]


def test_a_lost_cursor_loses_no_change_and_repeats_no_run(watched: WatchedWorld) -> None:
    """The instance knows what was read; requests after it have run keys of their own."""
    _run_all(watched)
    watcher = Watcher(watched)
    watcher.settle()
    watched.add(JANUARY, 0)
    watcher.settle()
    watched.remove(JANUARY, 0)
    watcher.cursor = None
    watcher.keys.clear()
    assert watcher.settle() == [JANUARY]
    assert Watch.from_text(watcher.cursor)


def test_a_period_that_lost_all_its_records_with_the_cursor_is_forgotten(watched: WatchedWorld) -> None:
    """It is asked for once, since a run read more; whether it may be emptied the publication decides."""
    _run_all(watched)
    watcher = Watcher(watched)
    watcher.settle()
    for number in range(1, LINES):
        watched.remove(JANUARY, number)
    watcher.cursor = None
    assert [request.partition_key for request in watcher.tick()] == [JANUARY]
    assert watcher.tick() == []


def test_a_run_that_only_looks_has_handled_no_change(watched: WatchedWorld) -> None:
    """Neither `publish: false` nor the assignments alone publish anything; a daily run that published did."""
    _run_all(watched)
    watcher = Watcher(watched)
    watcher.settle()
    watched.remove(JANUARY, 1)
    only_computed = dg.RunRequest(
        partition_key=JANUARY, run_config={"ops": {"master_bills_json": {"config": {"publish": False}}}}
    )
    assert watched.run(only_computed).success
    (request,) = watcher.tick()
    assert request.partition_key == JANUARY
    assert watched.run(request).success
    watched.remove(FEBRUARY, 1)
    assert watched.run(dg.RunRequest(partition_key=FEBRUARY)).success
    assert watcher.settle() == []


def test_above_the_scan_limit_every_period_is_still_seen(
    stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the index, some periods in turn: within a few ticks the change is found, and nothing else is run."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    # A period is some 75 queries by the index, one for each spelling: a few months are enough here.
    few = PartitionRange(Month.from_key(JANUARY), Month.from_key("2025-07"))
    monkeypatch.setattr(assignments, "partition_range", lambda *_: few)
    monkeypatch.setattr(assignments, "PERIODS_BY_INDEX", 2)
    with dg.DagsterInstance.ephemeral() as instance:
        world = made_world(stack.environment(), AwsClients(), tmp_path, instance, BILLING_SCAN_LIMIT_MB="0")
        watcher = Watcher(world)
        assert watcher.tick() == []
        world.add(FEBRUARY, 1, amount={"N": "1.15"})
        asked = [request.partition_key for _ in range(4) for request in watcher.tick()]
        assert asked == [FEBRUARY]
