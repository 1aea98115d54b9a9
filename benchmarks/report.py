"""What a section has to say, as markdown: verdicts first, then tables; and the machine it was measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    *(
        "dagster",
        "boto3",
        "pycurl",
        "obstore",
        "msgspec",
        "pyarrow",
        "polars",
        "duckdb",
        "uvloop",
        "ministack",
        "fakesnow",
    ),
)


@dataclass(slots=True)
class Section:
    """One heading of the results."""

    title: str
    intro: str
    verdicts: list[tuple[str, str, bool]] = field(default_factory=list)
    """What must show, what was measured, and whether it does."""
    parts: list[str] = field(default_factory=list)
    """Tables and paragraphs, in order."""
    seconds: float = 0.0

    def must(self, promise: str, shown: str, *, holds: bool) -> None:
        """Add a verdict."""
        self.verdicts.append((promise, shown, holds))

    def text(self) -> str:
        """The section as markdown."""
        promises = ""
        if self.verdicts:
            rows: list[tuple[object, ...]] = [
                (promise, shown, "yes" if holds else "**no**") for promise, shown, holds in self.verdicts
            ]
            promises = table(("must show", "measured", "holds"), rows)
        return "\n\n".join(filter(None, [f"## {self.title}", self.intro, promises, *self.parts]))


def table(headings: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A markdown table."""
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def seconds(value: float) -> str:
    """A duration as people read it."""
    return f"{value * 1000:.0f} ms" if value < 0.1 else f"{value:.2f} s" if value < 20 else f"{value:.0f} s"


def machine() -> str:
    """The machine and the versions."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{len(names) or os.cpu_count()} × {names[0] if names else platform.processor()}, "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}; {versions}. "
        f"Load average at the end: {load}."
    )


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []
