"""Running competitors: each in a fresh process, turn and turn about, and the medians of what they took."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.task import Measured, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from benchmarks.workload import Workload

ROOT = Path(__file__).parents[1]


class Server:
    """The server in memory over one workload, listening once for each latency; ends with the `with`.

    Args:
        workload: What it holds.
        latencies: Seconds for which each request waits.
    """

    def __init__(self, workload: Workload, latencies: Sequence[float]) -> None:
        self._latencies = latencies
        command = [sys.executable, "-m", "benchmarks.server", str(workload.folder), *map(str, latencies)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ports: list[int] = []

    def endpoint(self, latency: float) -> str:
        """Where it answers after so many seconds."""
        return f"http://127.0.0.1:{self._ports[self._latencies.index(latency)]}"

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        self._ports = json.loads(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measured(task: Task) -> Measured:
    """One competitor's run, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.worker", task.to_text()]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BILLING_"))}
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{task.competitor} failed with {done.returncode}:\n{done.stderr}")
    return Measured(**json.loads(done.stdout))


@dataclass(slots=True)
class Series:
    """The runs of one competitor."""

    runs: list[Measured] = field(default_factory=list)
    factor: float = 1.0
    """What a run on a part is multiplied by to speak of the whole."""

    @property
    def wall(self) -> float:
        """Median seconds."""
        return statistics.median(run.wall_seconds for run in self.runs) * self.factor

    @property
    def cpu(self) -> float:
        """Median seconds of processor."""
        return statistics.median(run.cpu_seconds for run in self.runs) * self.factor

    @property
    def memory_mb(self) -> float:
        """Median peak above the imports."""
        return statistics.median(run.memory_mb for run in self.runs)


def interleaved(
    tasks: dict[str, Task], rounds: int, on_run: Callable[[str], None], once: Sequence[str] = ()
) -> dict[str, Series]:
    """Run all, `rounds` times, every other round the other way round, so that a busy machine slows all of them.

    Args:
        tasks: By name.
        rounds: How often each.
        on_run: Told each name before it runs.
        once: Names that run in the first round only, for want of time.
    """
    series: dict[str, Series] = defaultdict(Series)
    for number in range(rounds):
        names = list(tasks) if number % 2 == 0 else list(reversed(tasks))
        for name in names:
            if number == 0 or name not in once:
                on_run(name)
                series[name].runs.append(measured(tasks[name]))
    return dict(series)


def ratio(series: dict[str, Series], of: str, to: str) -> tuple[float, float, float]:
    """How many times longer one took than another: the medians' ratio, and the smallest and largest of any round."""
    pairs = zip(series[of].runs, series[to].runs, strict=False)
    ratios = [series[of].factor * a.wall_seconds / (series[to].factor * b.wall_seconds) for a, b in pairs]
    return series[of].wall / series[to].wall, min(ratios), max(ratios)
