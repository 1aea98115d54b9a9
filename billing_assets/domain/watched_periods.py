"""Which periods are to be run again because their assignments changed: the rule behind the sensor, and its cursor.

A period is settled when what a run last read of it, or what a run was last asked for, is what the table holds now. The
law: whatever the table goes through, and however often the watcher is stopped, each period ends up read as the table
holds it, with at most one request under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from billing_assets.domain.fingerprints import EMPTY, VERSION, is_comparable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Reading:
    """The last time that a publishing run read a period's records."""

    event: int
    """Dagster's number of the event; later readings have larger ones."""
    fingerprint: str
    """`""` where the run did not say, or said so in another version."""


class Settled(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a period."""

    fingerprint: str
    """What a run read, or was asked to read, whichever came last."""
    requests: int = 0
    event: int = 0
    """The last reading that was taken into account."""


class Watch(msgspec.Struct, frozen=True, rename={"version": "v", "began": "b", "periods": "p", "turn": "t"}):
    """The cursor: some 40 bytes a period.

    Attributes:
        began: When the watch began: part of every run key, since Dagster remembers run keys for ever and requests are
            counted from 1 again after a cursor was lost.
        turn: Whose turn it is among the periods that are not looked at each time.
    """

    version: str
    began: str
    periods: dict[str, Settled] = {}
    turn: int = 0

    def text(self) -> str:
        """The cursor as Dagster stores it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str | None) -> Watch | None:
        """The cursor that was stored; None if there is none, or none that we understand."""
        if not text:
            return None
        try:
            watch = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            return None
        return watch if watch.version == VERSION else None


@dataclass(frozen=True, slots=True)
class PeriodRequest:
    """A period that is to be run again."""

    period: str
    run_key: str


@dataclass(slots=True)
class Look:
    """What one look at the table leads to."""

    watch: Watch
    requests: list[PeriodRequest] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Changed, and a run of theirs is under way: asked for when it has ended."""


def look(
    watch: Watch | None,
    seen: Mapping[str, str],
    *,
    began: str,
    readings: Mapping[str, Reading],
    in_flight: Collection[str],
) -> Look:
    """Compare what the table holds with what is settled.

    Without a cursor, a period is asked for only if a run has read it before and read something else: what was never
    run is a person's decision, or the daily schedule's.

    Args:
        watch: The cursor.
        seen: The fingerprint of every period that was looked at.
        began: What a new cursor is called.
        readings: What publishing runs read last, of those periods.
        in_flight: Periods that a run is under way for.
    """
    periods = dict(watch.periods) if watch else {}
    result = Look(watch or Watch(VERSION, began))
    for period in sorted(seen):
        known = _known(periods.get(period), readings.get(period), seen[period], is_new_watch=watch is None)
        if known.fingerprint == seen[period]:
            # While a run is under way it may still read something else; that shows when it has.
            periods[period] = known
        elif period in in_flight:
            result.waiting.append(period)
        else:
            known = _asked_for(known, seen[period])
            periods[period] = known
            key = f"{period}/{result.watch.began}/{known.requests}/{known.fingerprint}"
            result.requests.append(PeriodRequest(period, key))
    result.watch = msgspec.structs.replace(result.watch, periods=dict(sorted(periods.items())))
    return result


def _asked_for(known: Settled, asked: str) -> Settled:
    """The period after a run was asked to read this."""
    return Settled(asked, known.requests + 1, known.event)


def in_turn(watch: Watch | None, always: Collection[str], others: Collection[str], count: int) -> tuple[list[str], int]:
    """Which periods are looked at now, where looking at all would cost too much, and whose turn comes next.

    Example:
        >>> in_turn(None, ["2025-02"], ["2024-11", "2024-12", "2025-01"], 2)
        (['2024-11', '2024-12', '2025-02'], 2)
    """
    rest = sorted(set(others) - set(always))
    if not rest:
        return sorted(set(always)), 0
    start = (watch.turn if watch else 0) % len(rest)
    chosen = [rest[(start + step) % len(rest)] for step in range(min(count, len(rest)))]
    return sorted({*always, *chosen}), (start + len(chosen)) % len(rest)


def _known(settled: Settled | None, reading: Reading | None, seen: str, *, is_new_watch: bool) -> Settled:
    read = reading.fingerprint if reading and is_comparable(reading.fingerprint) else ""
    if settled is None:
        settled = Settled(seen if is_new_watch and not read else EMPTY)
    if reading is None or reading.event <= settled.event:
        return settled
    # A reading that doesn't say what it read changes nothing but its own number.
    return Settled(read or settled.fingerprint, settled.requests, reading.event)
