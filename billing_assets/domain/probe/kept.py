"""The objects of a sample, kept: resolved from, then looked at line by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from billing_assets.domain.json_text import decode_exactly
from billing_assets.domain.probe.misfits import shown_key
from billing_assets.domain.stage4 import StageFourObject, UnreadableObjectError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from billing_assets.domain.probe.misfits import Probed
    from billing_assets.domain.resolution import ObjectFault, ObjectSource
    from billing_assets.domain.resolved import ResolvedLineItem
    from billing_assets.domain.stage4 import ObjectFamily


class KeptObjects:
    """An `ObjectSource` that reads each object once and keeps it, since a sample's are looked at again and again."""

    def __init__(self, source: ObjectSource) -> None:
        self._source = source
        self._bodies: dict[str, bytes | ObjectFault] = {}
        self._split: dict[str, StageFourObject | None] = {}

    def read(self, keys: Collection[str]) -> None:
        """Read these now, all together."""
        self._bodies.update(self._source.fetch(sorted(set(keys) - self._bodies.keys())))

    def fetch(self, keys: Collection[str]) -> Iterator[tuple[str, bytes | ObjectFault]]:
        """What was kept, else what the source answers now."""
        self.read(keys)
        return ((key, self._bodies[key]) for key in keys)

    def siblings(self, families: Collection[ObjectFamily]) -> Iterable[tuple[ObjectFamily, list[str]]]:
        """What the source answers."""
        return self._source.siblings(families)

    def text_of(self, one: Probed) -> bytes | None:
        """The text of the line that a record was given."""
        lines = self._lines(one.row.found_key) if one.row.line else None
        return None if lines is None or one.row.line is None else lines.text_at(one.row.line.position)

    def line_of(self, row: ResolvedLineItem) -> Mapping[str, Any] | None:
        """The same, decoded."""
        lines = self._lines(row.found_key) if row.line else None
        if lines is None or row.line is None:
            return None
        decoded: Mapping[str, Any] = decode_exactly(lines.text_at(row.line.position).decode())
        return decoded

    def lines_of(self, one: Probed) -> list[bytes]:
        """All lines of a record's own object, the hinted one first."""
        lines = self._lines(one.row.assignment.s3_key)
        if lines is None:
            return []
        hint = one.row.assignment.line_index
        order = sorted(range(len(lines)), key=lambda position: (position != hint, position))
        return [lines.text_at(position) for position in order]

    def broken_lines(self) -> dict[str, tuple[int, int]]:
        """By key: how many lines there are, and how many are no JSON object."""
        found = {}
        for key in self._bodies:
            lines = self._lines(key)
            if lines is not None and len(lines):
                bad = sum(not _is_object(lines.text_at(position)) for position in range(len(lines)))
                found[shown_key(key)] = (len(lines), bad)
        return found

    def _lines(self, key: str) -> StageFourObject | None:
        if key not in self._split:
            body = self._bodies.get(key)
            try:
                self._split[key] = StageFourObject(key, body) if isinstance(body, bytes) else None
            except UnreadableObjectError:
                self._split[key] = None
        return self._split[key]


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
