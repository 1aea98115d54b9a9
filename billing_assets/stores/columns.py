"""What a column of an intermediate table is; the tables themselves live in `parquet` and `completion_columns`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column as people see it."""

    name: str
    kind: str
    """`text`, `whole`, `flag` or `cents` (a decimal with two places)."""
    meaning: str
