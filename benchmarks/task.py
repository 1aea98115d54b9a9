"""What a competitor is asked to do, as it is handed to the process that does it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from benchmarks.workload import Workload


@dataclass(frozen=True, slots=True)
class Task:
    """One run of one competitor.

    Args:
        competitor: The module of `benchmarks.competitors`.
        folder: The workload's.
        endpoint: Of the server.
        most_objects: Only so many objects, and their assignments; all if None.
        option: What the competitor makes of it.
    """

    competitor: str
    folder: str
    endpoint: str = ""
    most_objects: int | None = None
    option: str = ""

    @property
    def workload(self) -> Workload:
        """The folder's."""
        return Workload(Path(self.folder))

    def to_text(self) -> str:
        """For a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `to_text` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took."""

    wall_seconds: float
    cpu_seconds: float
    memory_mb: float
    """The peak above the same process when it had only imported."""
    agreed: str
    """The fingerprint of what was found; blank where nothing is found."""
    count: int
    """How much was done: assignments found, objects fetched, lines hashed."""
    detail: str = ""
