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
from msgspec.structs import astuple

from billing_assets.domain.json_text import as_it_stands
from billing_assets.domain.line_hash import VOLATILE_V1, VOLATILE_V2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_assets.domain.line_hash import HashVersion

Hashes = tuple[str, str]
"""A line's v1 and v2 hash."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_dump = json.JSONEncoder(sort_keys=True).encode

_templates: dict[tuple[str, ...], _Template] = {}
_MAX_TEMPLATES = 4096
_MAX_SHAPES = 64
_WORTH_A_SHAPE = 16
"""So many lines with the same fields are worth the making of a type for their values."""
_MAX_BRACKETS = 200
"""A line with more of them may be nested too deeply for `json`, which then decides."""
_TRIES = 64
"""So often in a row joining values as they stand may fail before it is given up for lines with the same fields."""

# `json` refuses integers of more digits than this; msgspec copies them.
_MAX_DIGITS = 4300
# msgspec takes no field with such a character, or of a lone surrogate.
_UNNAMABLE = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')
_MANY_DIGITS = re.compile(rb"[0-9]{%d}" % _MAX_DIGITS)


@dataclass(slots=True)
class _Template:
    """How lines with certain fields, in a certain order, are written: made once, since a parser writes alike."""

    names: tuple[str, ...]
    v1: _Writer
    v2: _Writer | None
    """None where both leave out the same fields of these."""
    tries_left: int = _TRIES
    lines_seen: int = 0


class _Shape:
    """A template with a type of its own, which is decoded in two thirds of the time of a dictionary."""

    __slots__ = ("decode", "template")

    def __init__(self, template: _Template) -> None:
        self.template = template
        attributes = [f"value_{place}" for place in range(len(template.names))]
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(
            msgspec.defstruct(
                "Line",
                [(attribute, msgspec.Raw) for attribute in attributes],
                rename=dict(zip(attributes, template.names, strict=True)),
                forbid_unknown_fields=True,
                gc=False,
            )
        ).decode


class _Shapes:
    """Those made so far, of which the one met last is tried first: the lines of an object are mostly of one."""

    def __init__(self) -> None:
        self._by_names: dict[tuple[str, ...], _Shape] = {}
        self._latest: _Shape | None = None

    def values_of(self, text: bytes) -> tuple[_Template, tuple[msgspec.Raw, ...]]:
        """A line's template, and its values as they stand, in the order of its fields.

        Raises:
            ValueError: It is no JSON object, or one that a template can't write.
            RecursionError: It is nested too deeply.
        """
        latest = self._latest
        if latest is not None:
            try:
                return latest.template, astuple(latest.decode(text))
            except msgspec.ValidationError:
                # Other fields than these.
                pass
        values = as_it_stands(text)
        template = _template_of(tuple(values))
        self._latest = self._shape_of(template) or latest
        return template, tuple(values.values())

    def _shape_of(self, template: _Template) -> _Shape | None:
        shape = self._by_names.get(template.names)
        template.lines_seen += 1
        if shape is None and template.lines_seen >= _WORTH_A_SHAPE and not any(map(_UNNAMABLE.search, template.names)):
            if len(self._by_names) >= _MAX_SHAPES:
                self._by_names.clear()
            shape = self._by_names[template.names] = _Shape(template)
        return shape


_shapes = _Shapes()


class _Writer:
    """Writes the values of some fields, in order of their names, as `json.dumps` does.

    Args:
        names: Of all fields, in the order in which they stand.
        written: Of those to write, sorted.
    """

    __slots__ = ("_around", "_openings", "values_of")

    def __init__(self, names: Sequence[str], written: Sequence[str]) -> None:
        if len(written) < 2:
            # itemgetter of one name gives no tuple; such a line is left to the plain path.
            raise ValueError("too few fields for a template")
        self.values_of: Callable[[tuple[Any, ...]], tuple[Any, ...]] = itemgetter(*map(names.index, written))
        self._openings = tuple(f"{encode_basestring_ascii(name)}: " for name in written)
        self._around: list[Any] = [b""] * (2 * len(written) + 1)
        self._around[:-1:2] = [
            (", " if place else "{").encode() + each.encode() for place, each in enumerate(self._openings)
        ]
        self._around[-1] = b"}"

    def joined(self, values: tuple[msgspec.Raw, ...]) -> str:
        """The hash of the values as they stand."""
        parts = self._around.copy()
        parts[1::2] = self.values_of(values)
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def written(self, values: tuple[Any, ...]) -> str:
        """The hash of the values as `json` writes them."""
        parts = [
            opening + (encode_basestring_ascii(value) if type(value) is str else _dump(value))
            for opening, value in zip(self._openings, self.values_of(values), strict=True)
        ]
        return hashlib.sha256(("{" + ", ".join(parts) + "}").encode()).hexdigest()


def matched(text: bytes, stored_hash: str) -> tuple[str, HashVersion] | None:
    """A line's v2 hash and the version of a stored one, if its values as they stand have that; else nothing is known.

    Of values that have a stored hash, each stands as `json` writes it: so the other version's hash is right as well.
    """
    read = _as_it_stands(text)
    if read is None:
        return None
    template, values = read
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
    read = _as_it_stands(text)
    if read is None:
        return None
    template, values = read
    v1 = template.v1.joined(values)
    return v1, v1 if template.v2 is None else template.v2.joined(values)


def _as_it_stands(text: bytes) -> tuple[_Template, tuple[msgspec.Raw, ...]] | None:
    """A line's template and values, if joining them may give its hash."""
    if not _is_usual(text):
        return None
    try:
        read = _shapes.values_of(text)
    except (ValueError, RecursionError):
        return None
    return read if read[0].tries_left else None


def hashes(text: bytes) -> Hashes | None:
    """A line's hashes; None for a line that is to be hashed as the app does.

    The v2 hash is right if either of them is a stored one, since all its fields are in v1's as well.
    """
    if not _is_usual(text):
        return None
    try:
        line = _decode(text)
        template, values = _template_of(tuple(line)), tuple(line.values())
        v1 = template.v1.written(values)
        return v1, v1 if template.v2 is None else template.v2.written(values)
    except (ValueError, RecursionError):
        return None


def _is_usual(text: bytes) -> bool:
    if text.count(b"[") + text.count(b"{") > _MAX_BRACKETS:
        return False
    return len(text) < _MAX_DIGITS or _MANY_DIGITS.search(text) is None


def _template_of(names: tuple[str, ...]) -> _Template:
    template = _templates.get(names)
    if template is None:
        if len(_templates) >= _MAX_TEMPLATES:
            _templates.clear()
        stable, kept = (sorted(set(names) - volatile) for volatile in (VOLATILE_V1, VOLATILE_V2))
        template = _Template(names, _Writer(names, stable), None if kept == stable else _Writer(names, kept))
        _templates[names] = template
    return template
