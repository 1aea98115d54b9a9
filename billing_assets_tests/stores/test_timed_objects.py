"""Where the seconds of resolving a period go."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from billing_assets.domain.stage4 import ObjectFamily
from billing_assets.stores.timed_objects import TimedObjects
from billing_assets_tests.unit.making import KEY, NEWER, InMemoryObjects

if TYPE_CHECKING:
    from collections.abc import Callable


def _clock(ticks: list[float]) -> Callable[[], float]:
    """A clock that is pushed on by hand."""
    return lambda: ticks[0]


def test_hashing_is_taken_for_waiting() -> None:
    """What passes between two answers is their reader's, the rest the source's; nothing is told twice or lost."""
    ticks = [0.0]
    timed = TimedObjects(InMemoryObjects({KEY: b"1", NEWER: b"2"}), _clock(ticks))
    seen = []
    for pause, (key, _) in zip(count(1), timed.fetch([KEY, NEWER]), strict=False):
        seen.append(key)
        ticks[0] += pause
    assert seen == [KEY, NEWER]
    assert (timed.hash_seconds, timed.fetch_seconds, timed.list_seconds) == (3.0, 0.0, 0.0)


def test_waiting_is_taken_for_hashing() -> None:
    """Waiting for objects and listing families are told apart."""
    ticks = [0.0]

    class Slow(InMemoryObjects):
        """Takes its time."""

        def fetch(self, keys):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            for answer in super().fetch(keys):
                ticks[0] += 5
                yield answer

        def siblings(self, families):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            ticks[0] += 7
            yield from super().siblings(families)

    timed = TimedObjects(Slow({KEY: b"1", NEWER: b"2"}), _clock(ticks))
    assert len(list(timed.fetch([KEY, NEWER]))) == 2
    ((family, keys),) = timed.siblings([ObjectFamily.of(KEY)])
    assert (family.name, keys) == (ObjectFamily.of(KEY).name, [KEY, NEWER])
    assert (timed.fetch_seconds, timed.hash_seconds, timed.list_seconds) == (10.0, 0.0, 7.0)
