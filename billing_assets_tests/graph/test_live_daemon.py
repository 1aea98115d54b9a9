"""On a live daemon: what people do to the assignments runs exactly the periods concerned, once, and nothing else.

The same story as in `test_changed_assignments`, with `dagster-daemon`, its queue and a process for each run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from billing_assets.stores.aws import AwsClients
from billing_assets_tests.graph.watched_world import PERIODS, STORY, WatchedWorld, made_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_assets.local.stack import EmbeddedStack

FULL = os.environ.get("BILLING_ASSETS_FULL") == "1"
PROJECT = Path(__file__).parents[2]
WATCH_SECONDS = 3
_DEADLINE_SECONDS = 300
_QUIET_TICKS = 3
SENSOR = "changed_assignments"

pytestmark = [
    pytest.mark.skipif(not FULL, reason="some minutes of processes: BILLING_ASSETS_FULL=1 runs it"),
    pytest.mark.timeout(2400),
]


class LiveDaemon:
    """`dagster-daemon` over the code location, in a folder of its own."""

    def __init__(self, world: WatchedWorld, home: Path) -> None:
        self.world, self.home = world, home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, in a process group of its own."""
        shell = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with (self.home / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "-m", "billing_assets.definitions"],
                env={**shell, **self.world.environment, "PYTHONPATH": str(PROJECT), "DAGSTER_HOME": str(self.home)},
                cwd=self.home,
                start_new_session=True,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it and all that it started, at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def runs(self) -> list[dg.DagsterRun]:
        """Every run of the instance, the oldest first."""
        return list(reversed(self.world.instance.get_runs()))

    def ticks(self) -> int:
        """How often the sensor looked, without fault."""
        states = [s for s in self.world.instance.all_instigator_state() if s.instigator_name == SENSOR]
        if not states:
            return 0
        ticks = self.world.instance.get_ticks(states[0].instigator_origin_id, states[0].selector_id, limit=5000)
        failed = [tick.error for tick in ticks if tick.error]
        assert not failed, failed[0]
        return sum(tick.is_completed for tick in ticks)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Poll until something is so."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not condition():
            assert self.process is None or self.process.poll() is None, "the daemon ended"
            assert time.monotonic() < deadline, f"{what}\n{(self.home / 'daemon.log').read_text()[-4000:]}"
            time.sleep(0.5)

    def settle(self) -> None:
        """Wait until the sensor looked some times with no run under way and asked for none."""
        while True:
            before, ticks = len(self.runs()), self.ticks()
            self.wait(lambda ticks=ticks: self.ticks() >= ticks + _QUIET_TICKS, "the sensor stands still")  # type: ignore[misc]
            self.wait(lambda: all(run.is_finished for run in self.runs()), "a run does not end")
            if len(self.runs()) == before:
                return


@pytest.fixture
def daemon(stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveDaemon]:
    """A daemon over three periods that were run once; only the sensor of changed assignments is on."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        more = {"BILLING_AUTOMATION": "off", "BILLING_WATCH_SECONDS": str(WATCH_SECONDS)}
        world = made_world(stack.environment(), AwsClients(), tmp_path / "storage", instance, **more)
        for period in PERIODS:
            assert world.run(dg.RunRequest(partition_key=period)).success
        live = LiveDaemon(world, home)
        live.start()
        try:
            _switch_on(live)
            yield live
        finally:
            live.kill()


def _switch_on(live: LiveDaemon) -> None:
    """As a person does in the UI."""
    subprocess.run(
        [sys.executable, "-m", "dagster", "sensor", "start", SENSOR, "-m", "billing_assets.definitions"],
        env={
            "PATH": os.environ["PATH"],
            **live.world.environment,
            "PYTHONPATH": str(PROJECT),
            "DAGSTER_HOME": str(live.home),
        },
        cwd=live.home,
        check=True,
        capture_output=True,
        timeout=_DEADLINE_SECONDS,
    )


def test_on_a_live_daemon_each_change_runs_exactly_the_periods_concerned(daemon: LiveDaemon) -> None:
    """Added, removed, edited under an old date, moved, removed and restored, the daemon killed in between."""
    daemon.wait(lambda: daemon.ticks() > 0, "the sensor does not look")
    daemon.settle()
    known = {run.run_id for run in daemon.runs()}
    assert len(known) == len(PERIODS), "a first look runs nothing"
    launched = 0
    for number, chapter in enumerate(STORY):
        if number == len(STORY) // 2:
            daemon.kill()
        chapter.change(daemon.world)
        if daemon.process is None:
            daemon.start()
        daemon.settle()
        new = [run for run in daemon.runs() if run.run_id not in known]
        known |= {run.run_id for run in new}
        assert sorted(run.tags["dagster/partition"] for run in new) == list(chapter.periods), chapter.title
        assert all(run.is_success for run in new), chapter.title
        assert {run.tags["dagster/sensor_name"] for run in new} <= {SENSOR}
        for period in chapter.periods[:1]:
            assert daemon.world.amounts(period) == list(chapter.amounts), chapter.title
        launched += len(new)
    # For the closing note of whoever runs it.
    print(f"{launched} runs for {len(STORY)} changes, {daemon.ticks()} looks")  # noqa: T201
