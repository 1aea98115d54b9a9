"""The section on resolving: ours next to the app's flow, an index, two frames, and the floor; memory; ten times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.measuring import Series, Server, interleaved, measured, ratio
from benchmarks.report import Section, seconds, table
from benchmarks.task import Task
from benchmarks.workload import Size, Workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APP, INDEX, OURS = "(a) the app's flow", "(b) boto3, 32 threads", "(c) ours"
POLARS, DUCKDB, HASHING = "(d) polars", "(d) DuckDB", "(e) hash all"
FETCHES = {
    "(e) fetch all, libcurl, 32 at once": "libcurl 32",
    "(e) fetch all, libcurl, 256 at once": "libcurl 256",
    "(e) fetch all, obstore, 96 threads": "threads 96",
}
CEILING = "server's ceiling"
_MEMORY_LIMIT_MB = 150


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    factor: float = 1.0
    rounds: int = 5
    app_objects: int = 300
    latencies: tuple[float, ...] = (0.0, 0.015, 0.04)
    more_lines: int = 30
    whole: bool = True
    """Whether every way is measured everywhere; else each of them once."""


SMALL = Scale(factor=0.02, rounds=1, app_objects=20, latencies=(0.015,), more_lines=5, whole=False)
FULL = Scale()
_SLOW = {
    "(b), ten times": "boto3_index",
    "polars, ten times": "polars_frame",
    "DuckDB, ten times": "duckdb_sql",
}


def resolve_section(folder: Path, scale: Scale, on_run: Callable[[str], None]) -> Section:
    """Measure it all.

    Raises:
        AssertionError: Two competitors found different lines.
    """
    section = Section(
        "Resolving",
        f"{Size.times(scale.factor).text()}, from a server in memory (uvloop, a process of its own) that answers each "
        "request after so many milliseconds. Each run is a fresh process; the clock begins when clients and input are "
        "ready, memory is the peak above the same process when it had only imported, input included. "
        f"Medians of {scale.rounds}, interleaved. Ours is `resolve` over `BucketResource.objects`, as in the asset.",
    )
    on_run("inventing objects")
    once, tenfold = (
        Workload.write(folder / name, Size.times(factor))
        for name, factor in (("once", scale.factor), ("tenfold", 10 * scale.factor))
    )
    large = Workload.write(folder / "large", Size.times(scale.factor, more_lines=scale.more_lines))
    by_latency: dict[float, dict[str, Series]] = {}
    with Server(once, scale.latencies) as server:
        for latency in scale.latencies:
            by_latency[latency] = _at(latency, once, server, scale, on_run)
        whole = _whole_app_flow(once, server, on_run) if scale.whole else None
    for latency, series in by_latency.items():
        section.parts.append(_table(f"{latency * 1000:.0f} ms a request", series))
        _judge(section, latency, series)
    if whole is not None:
        _tell_of_the_whole(section, whole, by_latency[0.015], scale)
    if scale.whole:
        _ten_times(section, (once, tenfold, large), scale, on_run)
    return section


def _tell_of_the_whole(section: Section, whole: Series, parts: dict[str, Series], scale: Scale) -> None:
    assert whole.runs[0].agreed == parts[OURS].runs[0].agreed, "the app's flow and ours found different lines"
    section.parts.append(
        f"The app's flow is measured on {scale.app_objects} objects and multiplied. Run whole, once, at 15 ms, it "
        f"took {seconds(whole.wall)} where the parts say {seconds(parts[APP].wall)}. All competitors agree on every "
        "line that they found. polars and DuckDB can't make the hash: Python makes it for them; both hold all bytes in "
        "memory, fetched by obstore's event loop."
    )


def _tasks(workload: Workload, endpoint: str, objects: int) -> dict[str, Task]:
    at = Task("", str(workload.folder), endpoint)
    return {
        APP: replace(at, competitor="app_flow", most_objects=objects),
        INDEX: replace(at, competitor="boto3_index"),
        POLARS: replace(at, competitor="polars_frame"),
        DUCKDB: replace(at, competitor="duckdb_sql"),
        OURS: replace(at, competitor="ours"),
        **{name: replace(at, competitor="floor_fetch", option=option) for name, option in FETCHES.items()},
        HASHING: replace(at, competitor="floor_hash"),
        CEILING: replace(at, competitor="floor_fetch", option="raw 256"),
    }


def _at(
    latency: float, workload: Workload, server: Server, scale: Scale, on_run: Callable[[str], None]
) -> dict[str, Series]:
    tasks = _tasks(workload, server.endpoint(latency), scale.app_objects)
    if latency > 0.015:
        # Where only the network counts the frames tell nothing new.
        del tasks[POLARS], tasks[DUCKDB], tasks[HASHING]
    if not scale.whole:
        tasks = {name: task for name, task in tasks.items() if name not in {*list(FETCHES)[1:], CEILING}}
    series = interleaved(tasks, scale.rounds, lambda name: on_run(f"{latency * 1000:.0f} ms: {name}"))
    series[APP].factor = Size.times(scale.factor).objects / scale.app_objects
    found = {run.agreed for name in (INDEX, POLARS, DUCKDB, OURS) if name in series for run in series[name].runs}
    assert len(found) == 1, f"the competitors found different lines at {latency} s"
    part = measured(replace(tasks[OURS], most_objects=scale.app_objects)).agreed
    assert {run.agreed for run in series[APP].runs} == {part}, "the app's flow and ours found different lines"
    return series


def _whole_app_flow(workload: Workload, server: Server, on_run: Callable[[str], None]) -> Series:
    on_run("the app's flow, whole")
    return Series([measured(Task("app_flow", str(workload.folder), server.endpoint(0.015)))])


def floor_of(series: dict[str, Series]) -> tuple[str, Series]:
    """The floor: the fastest way of fetching, or hashing if that takes longer."""
    fetched = min((name for name in series if name in FETCHES), key=lambda name: series[name].wall)
    hashed = series.get(HASHING)
    if hashed is not None and hashed.wall > series[fetched].wall:
        return HASHING, hashed
    return fetched, series[fetched]


def _judge(section: Section, latency: float, series: dict[str, Series]) -> None:
    floor, _ = floor_of(series)
    to_app, _, _ = ratio(series, APP, OURS)
    to_floor, least, most = ratio(series, OURS, floor)
    text = f"{to_floor:.2f} × (rounds {least:.2f} to {most:.2f}; the floor is {floor})"
    at = f"at {latency * 1000:.0f} ms"
    if latency == 0.015:
        section.must(f"{at} ours is ≥ 90 × (a), aim 150", f"{to_app:.0f} ×", holds=to_app >= 90)
        section.must(f"{at} ours takes ≤ 1.8 × (e), aim 1.3", text, holds=to_floor <= 1.8)
    elif latency == 0:
        section.must(f"{at} ours takes ≤ 2.5 × (e)", text, holds=to_floor <= 2.5)


def _table(title: str, series: dict[str, Series]) -> str:
    ours = series[OURS].wall
    floor, _ = floor_of(series)
    rows: list[tuple[object, ...]] = []
    for name, of in sorted(series.items(), key=lambda pair: pair[1].wall, reverse=True):
        shown = f"**{name}**" if name in {OURS, floor} else name
        memory = "" if name == APP else f"{of.memory_mb:.0f} MB"
        rows.append((shown, f"{of.wall / ours:.2f} ×", seconds(of.wall), seconds(of.cpu), memory, of.runs[0].detail))
    headings = ("", "to ours", "wall", "CPU", "memory", "")
    return f"**{title}**\n\n{table(headings, rows)}"


def _ten_times(section: Section, workloads: tuple[Workload, ...], scale: Scale, on_run: Callable[[str], None]) -> None:
    once, tenfold, large = workloads
    latency = 0.015
    with Server(once, [latency]) as a, Server(tenfold, [latency]) as b, Server(large, [latency]) as c:
        tasks = {
            "once": Task("ours", str(once.folder), a.endpoint(latency)),
            "ten times": Task("ours", str(tenfold.folder), b.endpoint(latency)),
            "once, larger objects": Task("ours", str(large.folder), c.endpoint(latency)),
            "fetch all, ten times": Task("floor_fetch", str(tenfold.folder), b.endpoint(latency), option="libcurl 256"),
        }
        tasks |= {name: Task(each, str(tenfold.folder), b.endpoint(latency)) for name, each in _SLOW.items()}
        series = interleaved(tasks, scale.rounds, lambda name: on_run(f"15 ms: {name}"), once=list(_SLOW))
    found = {series[name].runs[0].agreed for name in ("ten times", *_SLOW)}
    assert len(found) == 1, "the competitors found different lines at ten times the work"
    times, least, most = ratio(series, "ten times", "once")
    section.must(
        "ten times the work takes ≤ 11 × the time",
        f"{times:.1f} × (rounds {least:.1f} to {most:.1f})",
        holds=times <= 11,
    )
    memory = series["ten times"].memory_mb
    section.must(
        f"memory at ten times the work < {_MEMORY_LIMIT_MB} MB above imports",
        f"{memory:.0f} MB ({series['once'].memory_mb:.0f} MB at once)",
        holds=memory < _MEMORY_LIMIT_MB,
    )
    sizes = [workload.size_bytes() / 1e6 for workload in (once, large)]
    more = series["once, larger objects"].memory_mb - series["once"].memory_mb
    section.must(
        "independent of the objects' total size",
        f"{more:+.0f} MB when the same assignments' objects hold {sizes[1]:.0f} MB instead of {sizes[0]:.0f} MB",
        holds=more < max(10.0, series["once"].memory_mb / 2),
    )
    rows: list[tuple[object, ...]] = [
        (name, seconds(of.wall), seconds(of.cpu), f"{of.memory_mb:.0f} MB", len(of.runs), of.runs[0].detail)
        for name, of in series.items()
    ]
    sizes_text = f"Ten times: {tenfold.size_bytes() / 1e6:.0f} MB of objects, 15 ms a request"
    section.parts.append(f"**{sizes_text}**\n\n{table(('', 'wall', 'CPU', 'memory', 'runs', ''), rows)}")
