"""Where the seconds of resolving a period go: waiting for objects, listing families, or hashing lines.

The rules know no clock, so the source that they ask keeps it: between two answers they read and hash the first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from billing_assets.domain.resolution import ObjectFault, ObjectSource
    from billing_assets.domain.stage4 import ObjectFamily


class TimedObjects:
    """An `ObjectSource` that tells how long its answers took, and how long their reader took.

    Objects arrive while others are hashed, so `fetch_seconds` is what hashing still had to wait for.

    Args:
        source: The objects.
        clock: Seconds of any monotonic clock.
    """

    def __init__(self, source: ObjectSource, clock: Callable[[], float] = time.perf_counter) -> None:
        self.fetch_seconds = 0.0
        self.hash_seconds = 0.0
        self.list_seconds = 0.0
        self._source = source
        self._clock = clock

    def fetch(self, keys: Collection[str]) -> Iterator[tuple[str, bytes | ObjectFault]]:
        """What the source answers."""
        asked = self._clock()
        for answer in self._source.fetch(keys):
            answered = self._clock()
            self.fetch_seconds += answered - asked
            yield answer
            asked = self._clock()
            self.hash_seconds += asked - answered
        self.fetch_seconds += self._clock() - asked

    def siblings(self, families: Collection[ObjectFamily]) -> Iterator[tuple[ObjectFamily, list[str]]]:
        """What the source answers."""
        asked = self._clock()
        yield from self._source.siblings(families)
        self.list_seconds += self._clock() - asked
