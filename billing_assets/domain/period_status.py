"""How every UBI period stands, from what each store says of it: one row a period, and a cell that says why it is blank.

Lives here: which periods there are, and what each cell says. Reading the stores lives in `billing_assets.stores`, the
page in `billing_assets.defs`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from billing_assets.domain.money import plain

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from decimal import Decimal

COLUMNS = ("generated", "exported", "complete", "closed", "restate", "stale", "last run")


class Tone(StrEnum):
    """What a cell asks of whoever looks."""

    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A store, or one thing in it, could not be read; the others were."""

    reason: str


@dataclass(frozen=True, slots=True)
class Published:
    """A period's object."""

    bills: int
    amount_usd: Decimal
    content_sha256: str
    edited: bool
    """Whether somebody else wrote it since."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The record that closes a period."""

    by: str
    utc: str


@dataclass(frozen=True, slots=True)
class Exported:
    """A period's row in Snowflake."""

    content_sha256: str
    at_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class Completed:
    """Expected accounts with a bill, and how many are expected."""

    assigned: int
    expected: int

    @property
    def percent(self) -> int:
        """Rounded down, so that only a whole period is 100.

        Example:
            >>> Completed(999, 1000).percent, Completed(0, 0).percent
            (99, 100)
        """
        return self.assigned * 100 // self.expected if self.expected else 100


@dataclass(frozen=True, slots=True)
class Billed:
    """The last materialization of a period's master bills."""

    pending: bool
    """Whether a restatement waits for a decision."""
    stale: bool
    """Whether its rows have been resolved to other content since, or its other bills were computed only."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run that was to bill or export a period."""

    status: str
    at_utc: dt.datetime


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing about one period."""

    text: str
    short: str = ""
    """At most eight characters, for the picture."""
    tone: Tone = Tone.NONE


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A period, with a cell for each of `COLUMNS`."""

    period: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSources:
    """What each store says, by partition key; a store that can't be read is `Unknown` as a whole."""

    published: Mapping[str, Published | Unknown] | Unknown = field(default_factory=dict)
    closed: Mapping[str, Closed | Unknown] | Unknown = field(default_factory=dict)
    exported: Mapping[str, Exported | Unknown] | Unknown = field(default_factory=dict)
    completed: Mapping[str, Completed | Unknown] | Unknown = field(default_factory=dict)
    billed: Mapping[str, Billed | Unknown] | Unknown = field(default_factory=dict)
    runs: Mapping[str, LastRun | Unknown] | Unknown = field(default_factory=dict)

    @property
    def periods(self) -> list[str]:
        """Every period that any of them knows, the newest first. Runs alone make no period: they may have failed."""
        known = (self.published, self.closed, self.exported, self.completed, self.billed)
        return sorted(
            {period for source in known if not isinstance(source, Unknown) for period in source}, reverse=True
        )


def status_rows(sources: StatusSources) -> list[StatusRow]:
    """A row for every known period, the newest first.

    A source that can't be read changes no other cell.
    """
    return [StatusRow(period, _cells(sources, period)) for period in sources.periods]


def _cells(sources: StatusSources, period: str) -> tuple[Cell, ...]:
    published = _of(sources.published, period)
    return (
        _generated(published),
        _exported(_of(sources.exported, period), published),
        _complete(_of(sources.completed, period)),
        _closed(_of(sources.closed, period)),
        *_billed(_of(sources.billed, period)),
        _last_run(_of(sources.runs, period)),
    )


def _of(source: Mapping[str, T | Unknown] | Unknown, period: str) -> T | Unknown | None:
    return source if isinstance(source, Unknown) else source.get(period)


def _unknown(unknown: Unknown) -> Cell:
    return Cell(f"not known: {unknown.reason}", "?")


def _generated(found: Published | Unknown | None) -> Cell:
    if isinstance(found, Unknown):
        return _unknown(found)
    if found is None:
        return Cell("never published", "NO")
    text = f"{found.bills:,} bills, ${plain(found.amount_usd)}"
    if found.edited:
        return Cell(f"{text}, but the object was written by somebody else", f"{found.bills}", Tone.ATTENTION)
    return Cell(text, f"{found.bills}", Tone.GOOD)


def _exported(found: Exported | Unknown | None, published: Published | Unknown | None) -> Cell:
    if isinstance(found, Unknown):
        return _unknown(found)
    if found is None:
        waits = isinstance(published, Published)
        return Cell("not exported", "NO", Tone.ATTENTION) if waits else Cell("nothing to export")
    when = f"{found.at_utc:%Y-%m-%d %H:%M}"
    if isinstance(published, Unknown):
        return Cell(f"exported {when}; whether it is what is published is not known", "?")
    if published is None:
        return Cell(f"exported {when}, and not published any more", "ORPHAN", Tone.BAD)
    if found.content_sha256 != published.content_sha256:
        return Cell(f"older bills, exported {when}", "OLD", Tone.BAD)
    return Cell(f"as published, {when}", "YES", Tone.GOOD)


def _complete(found: Completed | Unknown | None) -> Cell:
    if isinstance(found, Unknown):
        return _unknown(found)
    if found is None:
        return Cell("not computed")
    text = f"{found.percent} % ({found.assigned:,} of {found.expected:,} accounts)"
    return Cell(text, f"{found.percent}%", Tone.GOOD if found.assigned >= found.expected else Tone.ATTENTION)


def _closed(found: Closed | Unknown | None) -> Cell:
    if isinstance(found, Unknown):
        return _unknown(found)
    return (
        Cell("open", "OPEN") if found is None else Cell(f"closed {found.utc[:10]} by {found.by}", "CLOSED", Tone.GOOD)
    )


def _billed(found: Billed | Unknown | None) -> tuple[Cell, Cell]:
    if isinstance(found, Unknown):
        return _unknown(found), _unknown(found)
    if found is None:
        return Cell("no run is recorded"), Cell("no run is recorded")
    pending = Cell("a restatement is pending: a person decides", "PENDING", Tone.ATTENTION)
    stale = Cell("its rows are other ones than the published: run master_bills_json", "STALE", Tone.ATTENTION)
    return (
        pending if found.pending else Cell("none", "NONE", Tone.GOOD),
        stale if found.stale else Cell("no", "NO", Tone.GOOD),
    )


def _last_run(found: LastRun | Unknown | None) -> Cell:
    if isinstance(found, Unknown):
        return _unknown(found)
    if found is None:
        return Cell("no run is recorded")
    text = f"{found.status.lower()}, {found.at_utc:%Y-%m-%d %H:%M} UTC"
    tones = {"SUCCESS": (Tone.GOOD, "OK"), "FAILURE": (Tone.BAD, "FAILED"), "CANCELED": (Tone.ATTENTION, "CANCELED")}
    tone, short = tones.get(found.status, (Tone.NONE, "GOING"))
    return Cell(text, short, tone)
