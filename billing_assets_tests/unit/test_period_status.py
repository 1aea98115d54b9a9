"""Laws of the page of all periods: each known period once, and what can't be read says so and harms no other."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.period_status import (
    COLUMNS,
    Billed,
    Closed,
    Completed,
    Exported,
    LastRun,
    Published,
    StatusSources,
    Tone,
    Unknown,
    status_rows,
)

NOON = dt.datetime(2025, 2, 1, 12, tzinfo=dt.UTC)
SOURCES = {
    "published": st.builds(
        Published, st.integers(0, 9), st.just(Decimal("1.00")), st.sampled_from("ab"), st.booleans()
    ),
    "closed": st.builds(Closed, st.just("ann"), st.just("2025-02-01T12:00:00Z")),
    "exported": st.builds(Exported, st.sampled_from("ab"), st.just(NOON)),
    "completed": st.integers(0, 50).flatmap(lambda n: st.builds(Completed, st.integers(0, n), st.just(n))),
    "billed": st.builds(Billed, st.booleans(), st.booleans()),
    "runs": st.builds(LastRun, st.sampled_from(["SUCCESS", "FAILURE", "CANCELED", "STARTED"]), st.just(NOON)),
}
COLUMNS_OF = {
    "published": {"generated", "exported"},
    "closed": {"closed"},
    "exported": {"exported"},
    "completed": {"complete"},
    "billed": {"restate", "stale"},
    "runs": {"last run"},
}
PERIODS = st.sampled_from(["2024-12", "2025-01", "2025-02"])


@st.composite
def _sources(draw: st.DrawFn) -> StatusSources:
    drawn: dict[str, Any] = {name: draw(st.dictionaries(PERIODS, values)) for name, values in SOURCES.items()}
    return StatusSources(**drawn)


@given(_sources())
def test_a_known_period_is_missing_or_there_twice(sources: StatusSources) -> None:
    """Whatever knows a period, but a run alone, gives it one row with a cell for every column; the newest first."""
    rows = status_rows(sources)
    known: set[str] = set()
    for name in set(SOURCES) - {"runs"}:
        known |= set(getattr(sources, name))
    assert [row.period for row in rows] == sorted(known, reverse=True)
    assert {len(row.cells) for row in rows} <= {len(COLUMNS)}
    assert all(len(cell.short) <= 8 for row in rows for cell in row.cells)


@given(_sources(), st.sampled_from(sorted(SOURCES)))
def test_one_unreadable_source_changes_other_cells(sources: StatusSources, broken: str) -> None:
    """Its own cells say why; all others stay, for every period that another source knows."""
    before = {row.period: dict(zip(COLUMNS, row.cells, strict=True)) for row in status_rows(sources)}
    rows = status_rows(dataclasses.replace(sources, **{broken: Unknown("down")}))
    for row in rows:
        for column, cell in zip(COLUMNS, row.cells, strict=True):
            if column not in COLUMNS_OF[broken]:
                assert cell == before[row.period][column]
            elif column != "exported" or broken == "exported":
                assert cell.text == "not known: down"


@pytest.mark.parametrize(
    ("published", "exported", "tone", "text"),
    [
        ("a", "a", Tone.GOOD, "as published"),
        ("a", "b", Tone.BAD, "older bills"),
        ("a", None, Tone.ATTENTION, "not exported"),
        (None, "a", Tone.BAD, "not published any more"),
    ],
)
def test_older_bills_look_exported(published: str | None, exported: str | None, tone: Tone, text: str) -> None:
    """Only what Snowflake holds of the very content that is published is well."""
    sources = StatusSources(
        published={"2025-01": Published(1, Decimal(1), published, edited=False)} if published else {},
        exported={"2025-01": Exported(exported, NOON)} if exported else {},
    )
    (row,) = status_rows(sources)
    cell = row.cells[COLUMNS.index("exported")]
    assert cell.tone is tone
    assert text in cell.text


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_incomplete_period_is_a_hundred_percent(share: tuple[int, int]) -> None:
    """Only a whole period is 100 %."""
    assigned, expected = share
    assert (Completed(assigned, expected).percent == 100) == (assigned == expected)
