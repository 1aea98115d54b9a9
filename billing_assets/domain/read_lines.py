"""The lines of one object, read as they stand and no further than is asked.

Source: SPEC.md section 1.2. How one line is read is in `line_reader`; what is found here is judged in `stage4`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from billing_assets.domain.line_hash import HashVersion
    from billing_assets.domain.line_items import LineItem
    from billing_assets.domain.line_reader import Reader, Reading

    Hinted = tuple[str, HashVersion, LineItem, bool]
    """A line's v2 hash, the version of the stored one, its fields, and whether a line in front may be equal to it."""


class Readers(Protocol):
    """Reads lines of every kind."""

    @property
    def latest(self) -> list[Reader]:
        """Those of the kinds met last, to be tried first."""

    def read(self, line: bytes) -> Reading | None:
        """The line as it stands; None for one that is to be read in the plain way."""


class ReadLines(Protocol):
    """The lines that are not blank; positions count them from 0."""

    def __len__(self) -> int: ...

    def text_at(self, position: int) -> bytes:
        """The line, as it stands in the object."""

    def reading_at(self, position: int) -> Reading | None:
        """The line as it stands; those in front are read too, since it is asked whether they are equal."""

    def hinted(self, stored_hash: str, position: int) -> Hinted | None:
        """The line there, if there is one that as it stands has the hash; else nothing is known."""

    def perhaps_equal(self, position: int) -> list[int]:
        """The lines in front that may have a hash of this one."""


class PlainReadLines:
    """`ReadLines` where nothing could be compiled.

    Args:
        content: The object's, unpacked.
        readers: Of its lines.
    """

    def __init__(self, content: bytes, readers: Readers) -> None:
        self._lines = list(filter(bytes.strip, content.split(b"\n")))
        self._read = readers.read
        # The first lines, so many as have been looked at.
        self._readings: list[Reading | None] = []
        # Where the first of them stands that tells the same; a line that can't be read stands for itself.
        self._first_alike: list[int] = []
        self._first_telling: dict[tuple[str, str], int] = {}
        self._unusual: list[int] = []

    def __len__(self) -> int:
        return len(self._lines)

    def text_at(self, position: int) -> bytes:
        """The line, as it stands in the object."""
        return self._lines[position]

    def reading_at(self, position: int) -> Reading | None:
        """The line as it stands; those in front are read too, since it is asked whether they are equal."""
        for other in range(len(self._readings), position + 1):
            reading = self._read(self._lines[other])
            if reading is None:
                self._unusual.append(other)
                self._first_alike.append(other)
            else:
                self._first_alike.append(self._first_telling.setdefault(reading.tells, other))
            self._readings.append(reading)
        return self._readings[position]

    def hinted(self, stored_hash: str, position: int) -> Hinted | None:
        """The line there, if there is one that as it stands has the hash; else nothing is known."""
        reading = self.reading_at(position) if 0 <= position < len(self._lines) else None
        if reading is None or (match := reading.matched(stored_hash)) is None or (item := reading.item()) is None:
            return None
        return *match, item, bool(self._unusual) or self._first_alike[position] != position

    def perhaps_equal(self, position: int) -> list[int]:
        """The lines in front that may have a hash of this one."""
        if self.reading_at(position) is None:
            return list(range(position))
        first = self._first_alike[position]
        if first == position and not self._unusual:
            return []
        alike = (other for other in range(first, position) if self._first_alike[other] == first)
        return [*alike, *(other for other in self._unusual if other < position)]
