"""Completion follows the accounts on a live daemon: once for each resolved period, and nothing else.

Minutes, since the daemon's sensor ticks every half minute: only with `BILLING_ASSETS_FULL=1`. The same conditions are
evaluated tick by tick in `test_completion.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from billing_assets.defs.completion_automation import EVERY_ACCOUNT_HAS_A_BILL, SENSOR
from billing_assets_tests.graph.completion_world import CompletionWorld, account
from billing_assets_tests.graph.publication_world import DECEMBER, JANUARY, PUBLISHING, PublicationWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.skipif(os.environ.get("BILLING_ASSETS_FULL") != "1", reason="minutes: set BILLING_ASSETS_FULL=1"),
    pytest.mark.timeout(1200),
]
PROJECT = Path(__file__).parents[2]
_LONGEST_SECONDS = 400.0
_TAG = "billing/completion"


@pytest.fixture
def live(
    stack_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CompletionWorld]:
    """Two periods, published, and the list read, on an instance that a daemon can share."""
    for name, value in stack_environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.get() as instance:
        world = CompletionWorld(PublicationWorld.make(instance, tmp_path / "storage", stack_environment))
        for period in (DECEMBER, JANUARY):
            assert world.run(*PUBLISHING, period=period).success
        world.save([account(100), account(101)])
        assert world.read_accounts().success
        yield world


@contextmanager
def _daemon(world: CompletionWorld, home: Path) -> Iterator[None]:
    own = {**world.base.environment, "BILLING_CONFIG_TABLE": world.cache_table, "DAGSTER_HOME": str(home)}
    code = ["-m", "billing_assets.definitions"]
    start = [sys.executable, "-m", "dagster", "sensor", "start", SENSOR, *code]
    subprocess.run(start, cwd=home, env={**os.environ, **own}, check=True, capture_output=True)
    command = [sys.executable, "-m", "dagster._daemon", "run", *code]
    with (home / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            command, cwd=home, env={**os.environ, **own}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield
        finally:
            daemon.terminate()
            daemon.wait(60)


def _until(happens: Callable[[], bool], what: str, home: Path) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not happens():
        log = (home / "daemon.log").read_text()[-4000:]
        assert time.monotonic() < deadline, f"{what}\n{log}"
        time.sleep(0.5)


def _ticks(instance: dg.DagsterInstance) -> int:
    """How often the sensor has looked."""
    states = [state for state in instance.all_instigator_state() if state.name == SENSOR]
    ticks = [
        tick
        for state in states
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)
        if tick.status.value in {"SUCCESS", "SKIPPED"}
    ]
    return len(ticks)


def _runs(instance: dg.DagsterInstance) -> dict[str, tuple[str | None, frozenset[str], str]]:
    """Each run: its period, what it made, and its status."""
    found = {}
    for run in instance.get_runs():
        assets = {key.to_user_string() for key in run.asset_selection or ()}
        checks = {key.to_user_string() for key in run.asset_check_selection or ()}
        made = frozenset(assets | checks)
        found[run.run_id] = (run.tags.get("dagster/partition"), made, run.status.value)
    return found


def test_an_accounts_only_change_re_runs_something_else_or_nothing(live: CompletionWorld, tmp_path: Path) -> None:
    """Another list: check and tracker of each resolved period, and the grid, once; the same list again: no run."""
    instance = live.base.instance

    def looked(more: int) -> None:
        seen = _ticks(instance)
        _until(lambda: _ticks(instance) >= seen + more, "the sensor does not tick", tmp_path)

    with _daemon(live, tmp_path):
        looked(2)
        before = _runs(instance)
        live.save([account(100), account(101), account(0)])
        assert live.read_accounts().success
        by_hand = 1

        def finished() -> bool:
            new = [run for name, run in _runs(instance).items() if name not in before]
            return len(new) >= 3 + by_hand and all(status in {"SUCCESS", "FAILURE"} for _, _, status in new)

        _until(finished, "completion was not run again", tmp_path)
        looked(2)
        tagged = [name for name in _runs(instance) if name not in before]
        completion = [run.run_id for run in instance.get_runs() if _TAG in run.tags]
        assert len(tagged) == len(completion) + by_hand
        both = frozenset({"completion_tracker", EVERY_ACCOUNT_HAS_A_BILL.to_user_string()})
        runs = sorted((_runs(instance)[name] for name in completion), key=str)
        assert runs == sorted(
            [
                (None, frozenset({"completion_grid"}), "SUCCESS"),
                (DECEMBER, both, "SUCCESS"),
                (JANUARY, both, "SUCCESS"),
            ],
            key=str,
        )
        live.save(json.dumps([account(0), account(101), account(100)], indent=2).encode())
        assert live.read_accounts().success
        looked(3)
        assert len(_runs(instance)) == len(before) + len(completion) + 2 * by_hand
        # For the closing note of whoever runs it.
        print(f"{len(completion)} runs after a change, 0 after an unchanged list, {_ticks(instance)} ticks")  # noqa: T201
