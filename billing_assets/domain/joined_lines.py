"""An object's lines by the hashes of their values as they stand, joined no further than a record asks.

Source: DESIGN.md decision 9. How one line is read is in `line_reader`; whether what is found here may be billed is
decided in `stage4`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_assets.domain.line_hash import HashVersion
    from billing_assets.domain.line_reader import Reading

    ReadingAt = Callable[[int], Reading | None]

JoinedLine = tuple[int, str, "HashVersion"]
"""A line's position, its v2 hash, and the version of the hash that it was found by."""

_NEAR = (-1, 1, -2, 2)
"""How far from its hint a line is looked for first: one that is added or removed moves the others by a place."""


class JoinedLines:
    """Finds lines that have a hash; each line is hashed once at most.

    Args:
        count: Of the lines of one object.
    """

    __slots__ = ("_by_hash", "_count", "_joined", "_next")

    def __init__(self, count: int) -> None:
        self._count = count
        self._by_hash: dict[str, JoinedLine] = {}
        self._joined: set[int] = set()
        self._next = 0

    def find(self, stored_hash: str, hint: int | None, reading_at: ReadingAt) -> JoinedLine | None:
        """A line that has the hash, not always the first; None says nothing, since values may stand otherwise.

        Args:
            stored_hash: Of either version.
            hint: Where the line may be.
            reading_at: Asked for lines as they stand; not kept, since it holds the object that holds these lines, and
                what holds itself is not freed at once.
        """
        return self._by_hash.get(stored_hash) or self._join_until(stored_hash, hint, reading_at)

    def _join_until(self, stored_hash: str, hint: int | None, reading_at: ReadingAt) -> JoinedLine | None:
        for position in self._not_joined(hint):
            self._joined.add(position)
            reading = reading_at(position)
            if reading is None:
                continue
            hashes = v1, v2 = reading.hashes()
            self._by_hash.setdefault(v1, (position, v2, "v1"))
            self._by_hash.setdefault(v2, (position, v2, "v2"))
            if stored_hash in hashes:
                return self._by_hash[stored_hash]
        return None

    def _not_joined(self, hint: int | None) -> Iterator[int]:
        """Positions, those near the hint first."""
        count = self._count
        if hint is not None:
            near = (hint + distance for distance in _NEAR)
            yield from (position for position in near if 0 <= position < count and position not in self._joined)
        while self._next < count:
            position = self._next
            self._next += 1
            if position not in self._joined:
                yield position
