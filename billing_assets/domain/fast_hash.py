"""A usual line's hashes in half the time of `line_hash`: msgspec reads the line, and a cached template writes it.

Source: DESIGN.md decision 9. msgspec refuses some lines that `json` reads, and reads some numbers otherwise: a hash
that equals a stored one is right, and one that differs proves nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import Any

import msgspec

from billing_assets.domain.line_hash import VOLATILE_V1, VOLATILE_V2

Decoded = dict[str, Any]
"""A line as msgspec reads it."""

_decode = msgspec.json.Decoder(Decoded).decode
_dump = json.JSONEncoder(sort_keys=True).encode
_Chosen = Callable[[list[str]], Sequence[str]]
_Template = tuple["itemgetter[Any]", tuple[str, ...], _Chosen | None]
"""The values of v1's fields in order, what stands before each, and which of the parts v2 keeps (None is all)."""

_templates: dict[tuple[str, ...], _Template] = {}
_MAX_TEMPLATES = 4096
_TELLING = ("Line Item Charge", "Line Item Description")
"""Fields that differ between most lines of a bill; no version of the hash leaves them out."""


def decode(line: bytes) -> Decoded | None:
    """The line, or None if msgspec refuses it."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def hashes(line: Decoded) -> tuple[str, str] | None:
    """The line's v1 and v2 hash; None for a line that is to be hashed as the app does.

    The v2 hash is right if either of them is a stored one, since all its fields are in v1's as well.
    """
    try:
        return _hashes(line)
    except (ValueError, RecursionError):
        return None


def may_be_equal(line: Decoded, other: Decoded) -> bool:
    """Whether two lines may have one v2 hash: a cheap look at the fields that differ most often."""
    charge, description = _TELLING
    return line.get(charge) == other.get(charge) and line.get(description) == other.get(description)


def _hashes(line: Decoded) -> tuple[str, str]:
    names = tuple(line)
    values_of, openings, in_v2 = _templates.get(names) or _template_of(names)
    parts = [
        opening + (encode_basestring_ascii(value) if type(value) is str else _dump(value))
        for opening, value in zip(openings, values_of(line), strict=True)
    ]
    v1 = _sha256(parts)
    return v1, v1 if in_v2 is None else _sha256(in_v2(parts))


def _sha256(parts: Sequence[str]) -> str:
    return hashlib.sha256(("{" + ", ".join(parts) + "}").encode()).hexdigest()


def _template_of(names: tuple[str, ...]) -> _Template:
    """How a line with these fields, in this order, is written: made once, since a parser writes alike."""
    stable = sorted(set(names) - VOLATILE_V1)
    if len(stable) < 2:
        # itemgetter of one name gives no tuple; such a line is left to the plain path.
        raise ValueError("too few fields for a template")
    if len(_templates) >= _MAX_TEMPLATES:
        _templates.clear()
    kept = [index for index, name in enumerate(stable) if name not in VOLATILE_V2]
    template = (
        itemgetter(*stable),
        tuple(f"{encode_basestring_ascii(name)}: " for name in stable),
        None if len(kept) == len(stable) else _chooser(kept),
    )
    _templates[names] = template
    return template


def _chooser(kept: list[int]) -> _Chosen:
    if len(kept) > 1:
        return itemgetter(*kept)
    return lambda parts: [parts[index] for index in kept]
