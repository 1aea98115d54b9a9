"""A usual line's hashes in a quarter of the time of `line_hash`, without reading what is only copied.

Source: DESIGN.md decision 9. The app writes a line with Python's `json`, so the text of each of its values is mostly
what the hash is made of already: the values are joined as they stand, and only if no stored hash comes of that the line
is decoded by msgspec and written by a cached template. msgspec refuses some lines that `json` reads, and reads some
numbers otherwise: a hash that equals a stored one is right, and one that differs proves nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.line_hash import VOLATILE_V1, VOLATILE_V2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from billing_assets.domain.line_hash import HashVersion

Hashes = tuple[str, str]
"""A line's v1 and v2 hash."""

_Values = dict[str, msgspec.Raw]
_as_they_stand = msgspec.json.Decoder(_Values).decode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_dump = json.JSONEncoder(sort_keys=True).encode

_templates: dict[tuple[str, ...], _Template] = {}
_MAX_TEMPLATES = 4096
_MAX_BRACKETS = 200
"""A line with more of them may be nested too deeply for `json`, which then decides."""
_TRIES = 64
"""So often in a row joining values as they stand may fail before it is given up for lines with the same fields."""

# `json` refuses integers of more digits than this; msgspec copies them.
_MAX_DIGITS = 4300
_MANY_DIGITS = re.compile(rb"[0-9]{%d}" % _MAX_DIGITS)


@dataclass(slots=True)
class _Template:
    """How lines with certain fields, in a certain order, are written: made once, since a parser writes alike."""

    v1: _Writer
    v2: _Writer | None
    """None where both leave out the same fields of these."""
    tries_left: int = _TRIES


class _Writer:
    """Writes the values of some fields, in order of their names, as `json.dumps` does."""

    __slots__ = ("_around", "_openings", "values_of")

    def __init__(self, names: Sequence[str]) -> None:
        if len(names) < 2:
            # itemgetter of one name gives no tuple; such a line is left to the plain path.
            raise ValueError("too few fields for a template")
        self.values_of: Callable[[dict[str, Any]], tuple[Any, ...]] = itemgetter(*names)
        self._openings = tuple(f"{encode_basestring_ascii(name)}: " for name in names)
        self._around: list[Any] = [b""] * (2 * len(names) + 1)
        self._around[:-1:2] = [
            (", " if place else "{").encode() + each.encode() for place, each in enumerate(self._openings)
        ]
        self._around[-1] = b"}"

    def joined(self, values: _Values) -> str:
        """The hash of the values as they stand."""
        parts = self._around.copy()
        parts[1::2] = self.values_of(values)
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def written(self, line: dict[str, Any]) -> str:
        """The hash of the values as `json` writes them."""
        parts = [
            opening + (encode_basestring_ascii(value) if type(value) is str else _dump(value))
            for opening, value in zip(self._openings, self.values_of(line), strict=True)
        ]
        return hashlib.sha256(("{" + ", ".join(parts) + "}").encode()).hexdigest()


def matched(text: bytes, stored_hash: str) -> tuple[str, HashVersion] | None:
    """A line's v2 hash and the version of a stored one, if its values as they stand have that; else nothing is known.

    Of values that have a stored hash, each stands as `json` writes it: so the other version's hash is right as well.
    """
    if not _is_usual(text):
        return None
    try:
        values = _as_they_stand(text)
        template = _template_of(values)
    except (ValueError, RecursionError):
        return None
    if not template.tries_left:
        return None
    v2 = (template.v2 or template.v1).joined(values)
    version: HashVersion = "v2" if v2 == stored_hash and template.v2 is not None else "v1"
    if v2 != stored_hash and (template.v2 is None or template.v1.joined(values) != stored_hash):
        template.tries_left -= 1
        return None
    template.tries_left = _TRIES
    # The stored text itself, so that a period's rows hold one of them.
    return (stored_hash if v2 == stored_hash else v2), version


def joined(text: bytes) -> Hashes | None:
    """The hashes of a line's values as they stand: right if one of them is a stored one; None where that is no use."""
    if not _is_usual(text):
        return None
    try:
        values = _as_they_stand(text)
        template = _template_of(values)
    except (ValueError, RecursionError):
        return None
    if not template.tries_left:
        return None
    v1 = template.v1.joined(values)
    return v1, v1 if template.v2 is None else template.v2.joined(values)


def hashes(text: bytes) -> Hashes | None:
    """A line's hashes; None for a line that is to be hashed as the app does.

    The v2 hash is right if either of them is a stored one, since all its fields are in v1's as well.
    """
    if not _is_usual(text):
        return None
    try:
        line = _decode(text)
        template = _template_of(line)
        v1 = template.v1.written(line)
        return v1, v1 if template.v2 is None else template.v2.written(line)
    except (ValueError, RecursionError):
        return None


def _is_usual(text: bytes) -> bool:
    if text.count(b"[") + text.count(b"{") > _MAX_BRACKETS:
        return False
    return len(text) < _MAX_DIGITS or _MANY_DIGITS.search(text) is None


def _template_of(line: Iterable[str]) -> _Template:
    names = tuple(line)
    template = _templates.get(names)
    if template is None:
        if len(_templates) >= _MAX_TEMPLATES:
            _templates.clear()
        stable, kept = (sorted(set(names) - volatile) for volatile in (VOLATILE_V1, VOLATILE_V2))
        template = _Template(_Writer(stable), None if kept == stable else _Writer(kept))
        _templates[names] = template
    return template
