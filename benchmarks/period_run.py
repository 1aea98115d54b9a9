"""The section on a period's run: the chain next to four empty assets, and where the difference goes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import empty_chain, laden_chain
from benchmarks.measuring import ROOT
from benchmarks.report import Section, seconds, table
from billing_assets.local.sample_data import SampleChoice, ensure_sample
from billing_assets.local.stack import FOREIGN_VARIABLES, EmbeddedStack
from billing_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

CHAIN = ("ubi_assignments", "resolved_line_items", "master_bills_json", "snowflake_master_bills")
_EMPTY, _LADEN, _CHAIN = "four empty assets", "the same with the chain's imports and checks", "the chain"
_WAYS = {
    _EMPTY: ("benchmarks.empty_chain", empty_chain.NAMES),
    _LADEN: ("benchmarks.laden_chain", laden_chain.NAMES),
    _CHAIN: ("billing_assets.definitions", CHAIN),
}
_LAST = "2026-06"
_NOT_A_USERS = frozenset({*FOREIGN_VARIABLES, "PYTHONDONTWRITEBYTECODE"})
"""With the last one our modules, and no package's, would be compiled again in every run."""
_LOADS = {"import dagster": "import dagster", "load definitions": "import billing_assets.definitions"}
_SECONDS = 180


class _Runs:
    """Commands in one environment: the embedded stack, and a Dagster instance of its own.

    Args:
        folder: Of the instance.
        stack: The variables that lead to it.
    """

    def __init__(self, folder: Path, stack: dict[str, str]) -> None:
        folder.mkdir()
        (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in _NOT_A_USERS and not name.startswith(("BILLING_", "SNOWFLAKE_", "AWS_"))
        }
        own = {"DAGSTER_HOME": str(folder), "BILLING_STORAGE_URI": str(folder / "storage")}
        self._environment = kept | stack | own | {"PYTHONPATH": str(ROOT)}

    def timed(self, *command: str) -> float:
        """Seconds that a command took; it must succeed."""
        began = time.perf_counter()
        self.output(*command)
        return time.perf_counter() - began

    def output(self, *command: str) -> str:
        """What it prints."""
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done.stdout


def _materialize(module: str, names: tuple[str, ...], period: str) -> list[str]:
    return ["-m", module, "--select", ",".join(names), "--partition", period]


def period_run_section(folder: Path, *, scale: float, rounds: int, on_run: Callable[[str], None]) -> Section:
    """Measure `rounds` periods, each for the first time, and the loading of definitions."""
    section = Section(
        "A period's run",
        f"`dagster asset materialize` of the chain on the embedded stack, next to four assets that do nothing, in the "
        f"same Dagster with SQLite; interleaved, medians of {rounds}. Each round is another period, run for the first "
        f"time; a period has about {round(734 * scale):,} assignments. Between them stand four assets that do nothing "
        f"either, but import what the chain imports and carry its {laden_chain.CHECKS} checks: a chain that reads and "
        f"writes nothing costs that.",
    )
    on_run("starting the embedded stack and loading the sample")
    with EmbeddedStack.start(folder / "stack") as stack:
        environment = stack.environment()
        choice = SampleChoice(scale, _LAST)
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            ensure_sample(folder / "stack", choice, Settings.from_environment({}), lambda *_: None)
        finally:
            os.environ.clear()
            os.environ.update(before)
        runs = _Runs(folder / "home", environment)
        _runs_next_to_empty_ones(section, runs, choice.periods, rounds, on_run)
        _loads(section, runs, rounds, on_run)
    return section


def _runs_next_to_empty_ones(
    section: Section, runs: _Runs, periods: list[str], rounds: int, on_run: Callable[[str], None]
) -> None:
    dagster = (str(Path(sys.executable).parent / "dagster"), "asset", "materialize")
    took: dict[str, list[float]] = defaultdict(list)
    on_run("warming up")
    # Creates the instance's files and the tables in Snowflake.
    for way in _WAYS.values():
        runs.timed(*dagster, *_materialize(*way, periods[-1]))
    doors: dict[str, list[float]] = defaultdict(list)
    for number, period in enumerate(periods[:rounds]):
        for name in _WAYS if number % 2 else reversed(_WAYS):
            on_run(f"{period}: {name}")
            took[name].append(runs.timed(*dagster, *_materialize(*_WAYS[name], period)))
    for period in periods[rounds : 2 * rounds]:
        on_run(f"{period}: where the time goes")
        watched = _materialize(*_WAYS[_CHAIN], period)
        told = json.loads(runs.output(sys.executable, "-m", "benchmarks.timed_run", *watched).splitlines()[-1])
        for door, spent in told.items():
            doors[door].append(spent)
    medians = {name: statistics.median(times) for name, times in took.items()}
    chain, empty = medians[_CHAIN], medians[_EMPTY]
    ratios = [a / b for a, b in zip(took[_CHAIN], took[_EMPTY], strict=True)]
    section.must(
        "a period's run costs ≤ 1.5 × four empty assets', aim 1.2",
        f"{chain / empty:.2f} × ({seconds(chain)} to {seconds(empty)}; rounds {min(ratios):.2f} to {max(ratios):.2f})",
        holds=chain <= 1.5 * empty,
    )
    ways: list[tuple[object, ...]] = [
        (name, f"{medians[name] / empty:.2f} ×", seconds(medians[name])) for name in _WAYS
    ]
    section.parts.append(table(("", "to the empty ones", "wall"), ways))
    rows: list[tuple[object, ...]] = [(door, seconds(statistics.median(spent))) for door, spent in doors.items()]
    section.parts.append(f"**Where the chain's time goes**\n\n{table(('', 'seconds'), rows)}")


def _loads(section: Section, runs: _Runs, rounds: int, on_run: Callable[[str], None]) -> None:
    took: dict[str, list[float]] = defaultdict(list)
    for number in range(max(rounds, 2) * 2 - 1):
        names = list(_LOADS) if number % 2 else list(reversed(_LOADS))
        for name in names:
            on_run(name)
            took[name].append(runs.timed(sys.executable, "-c", _LOADS[name]))
    load, dagster = (statistics.median(took[name]) for name in ("load definitions", "import dagster"))
    section.must(
        "definitions load in ≤ 1.2 × `import dagster`",
        f"{load / dagster:.2f} × ({seconds(load)} to {seconds(dagster)}, medians of {len(took['import dagster'])})",
        holds=load <= 1.2 * dagster,
    )
