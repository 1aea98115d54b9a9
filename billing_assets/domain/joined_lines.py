"""An object's lines by the hashes of their values as they stand, hashed no further than a record asks.

Source: DESIGN.md decision 9. How one line is read is in `line_reader`; whether what is found here may be billed is
decided in `stage4`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_assets.domain.line_reader import Reading

    ReadingAt = Callable[[int], Reading | None]

_NEAR = (-1, 1, -2, 2)
"""How far from its hint a line is looked for first: one that is added or removed moves the others by a place."""


class JoinedLines:
    """Finds lines that have a hash; each line is hashed once at most by either version.

    Args:
        count: Of the lines of one object.
    """

    __slots__ = ("_v1", "_v2")

    def __init__(self, count: int) -> None:
        self._v1, self._v2 = _Hashed(count), _Hashed(count)

    def find(self, stored_hash: str, hint: int | None, reading_at: ReadingAt) -> int | None:
        """Where a line stands that has the hash, not always the first; None says nothing: values may stand otherwise.

        Args:
            stored_hash: Of either version; most are v2's.
            hint: Where the line may be.
            reading_at: Asked for lines as they stand; not kept, since it holds the object that holds these lines, and
                what holds itself is not freed at once.
        """

        def v2_at(position: int) -> str | None:
            reading = reading_at(position)
            return None if reading is None else reading.v2_hash()

        def v1_at(position: int) -> str | None:
            reading = reading_at(position)
            return None if reading is None else reading.v1_hash()

        found = self._v2.find(stored_hash, hint, v2_at)
        return self._v1.find(stored_hash, hint, v1_at) if found is None else found


class _Hashed:
    """The lines that have been hashed by one version."""

    __slots__ = ("_by_hash", "_count", "_looked_at", "_next")

    def __init__(self, count: int) -> None:
        self._count = count
        self._by_hash: dict[str, int] = {}
        self._looked_at: set[int] = set()
        self._next = 0

    def find(self, stored_hash: str, hint: int | None, hash_at: Callable[[int], str | None]) -> int | None:
        """Where a line with the hash stands, if there is one; the others are hashed until it is found."""
        if stored_hash in self._by_hash:
            return self._by_hash[stored_hash]
        for position in self._others(hint):
            self._looked_at.add(position)
            line_hash = hash_at(position)
            if line_hash is None:
                continue
            self._by_hash.setdefault(line_hash, position)
            if line_hash == stored_hash:
                return position
        return None

    def _others(self, hint: int | None) -> Iterator[int]:
        """Positions not looked at, those near the hint first."""
        count = self._count
        if hint is not None:
            near = (hint + distance for distance in _NEAR)
            yield from (position for position in near if 0 <= position < count and position not in self._looked_at)
        while self._next < count:
            position = self._next
            self._next += 1
            if position not in self._looked_at:
                yield position
