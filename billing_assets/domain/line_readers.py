"""Which reader reads a line: one for each kind of line, made once a few lines of that kind have come.

Readers are compiled where there was a compiler when the package was installed; else they are Python's, which give the
same readings in more than twice the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.json_text import as_it_stands
from billing_assets.domain.line_reader import LinePlan
from billing_assets.domain.plain_line_reader import LineReader as PlainReader
from billing_assets.domain.read_lines import PlainReadLines

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets.domain.line_reader import Reader, Reading
    from billing_assets.domain.read_lines import Readers, ReadLines

try:
    from billing_assets.domain import _line_reader
except ImportError:
    # Installed without a compiler.
    IS_COMPILED = False
    FastestReader: Callable[[LinePlan], Reader] = PlainReader
    FastestLines: Callable[[bytes, Readers], ReadLines] = PlainReadLines
else:
    IS_COMPILED = True
    FastestReader = _line_reader.LineReader
    FastestLines = _line_reader.Lines

_WORTH_A_READER = 4
"""So many lines with the same fields are worth the making of a reader."""
_TRIED = 4
"""So many kinds are tried before a line's fields are asked for, which takes longer."""
_MAX_KINDS = 256


class LineReaders:
    """Those made so far, of which the ones met last are tried first: most lines are of a few kinds.

    Args:
        make: Makes a reader of a plan.
    """

    def __init__(self, make: Callable[[LinePlan], Reader]) -> None:
        self._make = make
        self._by_names: dict[tuple[str, ...], Reader | None] = {}
        self._seen: dict[tuple[str, ...], int] = {}
        self.latest: list[Reader] = []
        """Of the kinds met last."""

    def read(self, line: bytes) -> Reading | None:
        """The line as it stands; None for one that is to be read in the plain way."""
        for reader in self.latest:
            if (reading := reader.read(line)) is not None:
                return reading
        try:
            names = tuple(as_it_stands(line))
        except (ValueError, RecursionError):
            return None
        made = self._reader_of(names)
        if made is None or made in self.latest:
            return None
        # A list of its own, since other threads may be reading by the one so far.
        self.latest = [made, *self.latest[: _TRIED - 1]]
        return made.read(line)

    def _reader_of(self, names: tuple[str, ...]) -> Reader | None:
        if names in self._by_names:
            return self._by_names[names]
        if len(self._seen) >= _MAX_KINDS:
            self._seen.clear()
            self._by_names.clear()
        seen = self._seen[names] = self._seen.get(names, 0) + 1
        if seen < _WORTH_A_READER:
            return None
        try:
            self._by_names[names] = self._make(LinePlan(names))
        except ValueError:
            self._by_names[names] = None
        return self._by_names[names]


readers = LineReaders(FastestReader)
"""The process's."""


def lines_of(content: bytes) -> ReadLines:
    """The lines of an object's content."""
    return FastestLines(content, readers)
