"""The sections on DynamoDB: who reads a table fastest, and what a period costs while the table grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measuring import Series, Server, interleaved
from benchmarks.report import Section, seconds, table
from benchmarks.table import write_table
from benchmarks.task import Task
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_WAYS = {
    "ours": "ours: botocore asks, msgspec reads, values decoded when asked for",
    "client": "boto3 client, botocore's parser",
    "resource": "boto3 resource, Decimals",
    "typed": "signed by hand, typed records",
}
_IN_PERIOD = 734


def dynamodb_section(folder: Path, sizes: tuple[int, ...], rounds: int, on_run: Callable[[str], None]) -> Section:
    """Measure reading one period out of tables of these many records.

    Raises:
        AssertionError: Two ways read different records.
    """
    section = Section(
        "DynamoDB",
        "One period's records out of the whole table, by a Scan in four segments, from a server in memory without "
        f"latency. Medians of {rounds}, interleaved, each in a fresh process.",
    )
    for size in sizes:
        at = folder / f"table-{size}"
        write_table(at, size)
        with Server(Workload(at), [0.0]) as server:
            tasks = {way: Task("dynamodb_scan", str(at), server.endpoint(0.0), option=way) for way in _WAYS}
            series = interleaved(tasks, rounds, lambda name, size=size: on_run(f"{size:,} records: {name}"))  # type: ignore[misc]
        assert len({run.agreed for each in series.values() for run in each.runs}) == 1, "two ways read other records"
        section.parts.append(_shown(size, series))
        section.must(
            f"{size:,} records are read faster than by botocore's parser",
            f"{series['client'].wall / series['ours'].wall:.1f} × as fast",
            holds=series["ours"].wall < series["client"].wall,
        )
    return section


def _shown(size: int, series: dict[str, Series]) -> str:
    ours = series["ours"].wall
    rows: list[tuple[object, ...]] = [
        (
            _WAYS[way],
            f"{of.wall / ours:.2f} ×",
            seconds(of.wall),
            f"{of.cpu / size * 1e6:.1f} ms",
            f"{of.memory_mb:.0f} MB",
        )
        for way, of in sorted(series.items(), key=lambda pair: pair[1].wall, reverse=True)
    ]
    return f"**{size:,} records**\n\n{table(('', 'to ours', 'wall', 'CPU for a thousand', 'memory'), rows)}"


def growing_table(folder: Path, sizes: tuple[int, ...], rounds: int, on_run: Callable[[str], None]) -> str:
    """What a period of always as many records costs while the table grows: a Scan up to the limit, then the index."""
    rows: list[tuple[object, ...]] = []
    for size in sizes:
        at = folder / f"growing-{size}"
        write_table(at, size, in_period=min(_IN_PERIOD, size))
        with Server(Workload(at), [0.0]) as server:
            tasks = {"ours": Task("dynamodb_scan", str(at), server.endpoint(0.0), option="ours")}
            series = interleaved(tasks, rounds, lambda _, size=size: on_run(f"a period out of {size:,} records"))[
                "ours"
            ]  # type: ignore[misc]
        size_mb = (at / "table.tsv").stat().st_size / 1e6
        memory = f"{series.memory_mb:.0f} MB"
        rows.append((f"{size:,}", f"{size_mb:.0f} MB", series.runs[0].detail, seconds(series.wall), memory))
    headings = ("records in the table", "its size", "read", "wall", "memory")
    return (
        "**One period while the table grows** (a Scan up to `BILLING_SCAN_LIMIT_MB`, 64 by default, then a Query of "
        f"the index)\n\n{table(headings, rows)}"
    )
