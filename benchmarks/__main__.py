"""`python -m benchmarks [--small] [--only SECTION …] [--output FILE]`: measure, print, and write the results.

A small run takes seconds and only shows that everything works and agrees; its figures say nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import resolve, snowflake_load
from benchmarks.growth import growth_section
from benchmarks.period_run import period_run_section
from benchmarks.report import Section, machine, table
from benchmarks.tables import dynamodb_section

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 5


def main() -> None:
    """Run the sections that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="little of everything, once")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="this section (may be repeated)")
    parser.add_argument("--output", type=Path, help="write the results there too")
    given = parser.parse_args()
    sections = []
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        shown = progress.add_task("starting", total=None)
        for name in given.only or SECTIONS:
            began = time.monotonic()

            def on_run(what: str, name: str = name) -> None:
                progress.update(shown, description=f"{name}: {what}")

            with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
                section = SECTIONS[name](Path(folder), given.small, on_run)
            section.seconds = time.monotonic() - began
            sections.append(section)
            if given.output:
                # After each, so that a section that fails takes none with it.
                given.output.write_text(results(sections, small=given.small))
    print(results(sections, small=given.small))


def results(sections: list[Section], *, small: bool) -> str:
    """All sections as one page, what must show first."""
    title = "# Benchmarks" + (" (a small run: its figures say nothing)" if small else "")
    rows = [(*verdict[:2], "yes" if verdict[2] else "**no**") for section in sections for verdict in section.verdicts]
    took = ", ".join(f"{section.title.lower()} {section.seconds:.0f} s" for section in sections)
    parts = [
        title,
        "Made by `make bench`. Ratios come first: seconds belong to the machine, ratios to the code.",
        table(("must show", "measured", "holds"), rows) if rows else "",
        machine(),
        f"Measuring took: {took}.",
        *(section.text() for section in sections),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _resolving(folder: Path, small: bool, on_run: Callable[[str], None]) -> Section:  # of a table
    return resolve.resolve_section(folder, resolve.SMALL if small else resolve.FULL, on_run)


def _running(folder: Path, small: bool, on_run: Callable[[str], None]) -> Section:
    return period_run_section(folder, scale=0.05 if small else 1.0, rounds=1 if small else _ROUNDS, on_run=on_run)


def _reading(folder: Path, small: bool, on_run: Callable[[str], None]) -> Section:
    sizes = (500,) if small else (10_000, 100_000)
    return dynamodb_section(folder, sizes, 1 if small else _ROUNDS, on_run)


def _growing(folder: Path, small: bool, on_run: Callable[[str], None]) -> Section:
    sizes = (500, 5_000) if small else (10_275, 102_750, 1_027_500)
    return growth_section(folder, 0.01 if small else 1.0, sizes, 1 if small else _ROUNDS, on_run)


def _loading(_: Path, small: bool, on_run: Callable[[str], None]) -> Section:
    return snowflake_load.section(small=small, on_progress=on_run)


SECTIONS: dict[str, Callable[[Path, bool, Callable[[str], None]], Section]] = {
    "resolve": _resolving,
    "run": _running,
    "dynamodb": _reading,
    "growth": _growing,
    "snowflake": _loading,
}

if __name__ == "__main__":
    main()
