"""The section on growth: how time and memory follow the work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks.measuring import Series, interleaved, measured
from benchmarks.report import Section, seconds, table
from benchmarks.tables import growing_table
from benchmarks.task import Task
from benchmarks.workload import Size, Workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def growth_section(
    folder: Path,
    factor: float,
    tables: tuple[int, ...],
    rounds: int,
    on_run: Callable[[str], None],
) -> Section:
    """Measure 1, 10 and 100 times the work without a network, and one period while the table grows."""
    section = Section(
        "Growth",
        "Ours without a network: objects from memory, and as many copies of the assignments, each of an object and a "
        f"family of its own. Medians of {rounds}; a hundred times once. Memory holds assignments, rows, and the "
        "objects once.",
    )
    on_run("inventing objects")
    workload = Workload.write(folder / "growth", Size.times(factor))
    tasks = {copies: Task("ours_in_memory", str(workload.folder), option=str(copies)) for copies in (1, 10, 100)}
    series = interleaved(
        {str(copies): tasks[copies] for copies in (1, 10)}, rounds, lambda name: on_run(f"{name} times the work")
    )
    on_run("100 times the work")
    series["100"] = Series([measured(tasks[100])])
    walls = [series[name].wall for name in ("1", "10", "100")]
    slope = math.log10(walls[2] / walls[0]) / 2
    section.must(
        "time grows with the work, not faster", f"log-log slope {slope:.3f} from 1 to 100 times", holds=slope <= 1.05
    )
    rows: list[tuple[object, ...]] = [
        (
            f"{name} ×",
            f"{of.runs[0].count:,}",
            seconds(of.wall),
            f"{of.wall / of.runs[0].count * 1e6:.0f} µs",
            f"{of.memory_mb:,.0f} MB",
        )
        for name, of in series.items()
    ]
    section.parts.append(table(("", "assignments", "wall", "for each", "memory"), rows))
    section.parts.append(growing_table(folder, tables, rounds, on_run))
    return section
