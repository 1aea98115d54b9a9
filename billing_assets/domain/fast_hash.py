"""A line's hashes in half the time of `line_hash`, for lines whose values don't stand as `json` writes them.

Source: DESIGN.md decision 9. The line is decoded by msgspec and written by a cached template. msgspec refuses some
lines that `json` reads, and reads some numbers otherwise: a hash that equals a stored one is right, and one that
differs proves nothing. Lines whose values stand as `json` writes them are read in `line_reader`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.json_text import is_moderate
from billing_assets.domain.line_hash import VOLATILE_V1, VOLATILE_V2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Hashes = tuple[str, str]
"""A line's v1 and v2 hash."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_dump = json.JSONEncoder(sort_keys=True).encode

_templates: dict[tuple[str, ...], _Template] = {}
_MAX_TEMPLATES = 4096


@dataclass(slots=True)
class _Template:
    """How lines with certain fields, in a certain order, are written: made once, since a parser writes alike."""

    v1: _Writer
    v2: _Writer | None
    """None where both leave out the same fields of these."""


class _Writer:
    """Writes the values of some fields, in order of their names, as `json.dumps` does.

    Args:
        names: Of all fields, in the order in which they stand.
        written: Of those to write, sorted.
    """

    __slots__ = ("_openings", "_values_of")

    def __init__(self, names: Sequence[str], written: Sequence[str]) -> None:
        if len(written) < 2:
            # itemgetter of one name gives no tuple; such a line is left to the plain path.
            raise ValueError("too few fields for a template")
        self._values_of: Callable[[tuple[Any, ...]], tuple[Any, ...]] = itemgetter(*map(names.index, written))
        self._openings = tuple(f"{encode_basestring_ascii(name)}: " for name in written)

    def written(self, values: tuple[Any, ...]) -> str:
        """The hash of the values as `json` writes them."""
        parts = [
            opening + (encode_basestring_ascii(value) if type(value) is str else _dump(value))
            for opening, value in zip(self._openings, self._values_of(values), strict=True)
        ]
        return hashlib.sha256(("{" + ", ".join(parts) + "}").encode()).hexdigest()


def hashes(text: bytes) -> Hashes | None:
    """A line's hashes; None for a line that is to be hashed as the app does.

    The v2 hash is right if either of them is a stored one, since all its fields are in v1's as well.
    """
    if not is_moderate(text):
        return None
    try:
        line = _decode(text)
        template, values = _template_of(tuple(line)), tuple(line.values())
        v1 = template.v1.written(values)
        return v1, v1 if template.v2 is None else template.v2.written(values)
    except (ValueError, RecursionError):
        return None


def _template_of(names: tuple[str, ...]) -> _Template:
    template = _templates.get(names)
    if template is None:
        if len(_templates) >= _MAX_TEMPLATES:
            _templates.clear()
        stable, kept = (sorted(set(names) - volatile) for volatile in (VOLATILE_V1, VOLATILE_V2))
        template = _Template(_Writer(names, stable), None if kept == stable else _Writer(names, kept))
        _templates[names] = template
    return template
