"""JSON as it was written: numbers keep their text, so that no digit passes through a binary float.

Source: SPEC.md section 1.2. Hashing needs Python's own reading of numbers and lives in `line_hash`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_MAX_BRACKETS = 200
"""A line with more of them may be nested too deeply for `json`."""
_MAX_DIGITS = 4300
"""`json` refuses integers of more digits."""
_MANY_DIGITS = re.compile(rb"[0-9]{%d}" % _MAX_DIGITS)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class NumberText(str):
    """A number by the text that stood in the source, `12.10` or `1e3`."""

    __slots__ = ()


_DECODER = json.JSONDecoder(parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText)


def decode_exactly(text: str) -> Any:
    """Decode JSON with every number as `NumberText`.

    Raises:
        ValueError: The text is not JSON.
        RecursionError: It is nested too deeply to be read.
    """
    return _DECODER.decode(text)


as_it_stands = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""The fields of a JSON object's bytes, each value as the bytes that stand there; raises as `decode_exactly` does."""


def is_moderate(line: bytes) -> bool:
    """Whether nothing in a line is so deep or so long that `json`, unlike msgspec, may refuse it."""
    if line.count(b"[") + line.count(b"{") > _MAX_BRACKETS:
        return False
    return len(line) < _MAX_DIGITS or _MANY_DIGITS.search(line) is None


def storable(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD, since they can't be written as UTF-8.

    Example:
        >>> storable(chr(0xD800)) == chr(0xFFFD)
        True
    """
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def text_of(value: Any) -> str:
    """A value as trimmed text: blank for null, lists, objects and `N/A` in any case; a number's JSON text.

    Example:
        >>> text_of("  N/a "), text_of(NumberText("1.50")), text_of(["no"]), text_of(True)
        ('', '1.50', '', 'true')
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) == 3 and text.upper() == "N/A":
            return ""
        return text if text.isascii() else storable(text)
    if isinstance(value, bool):
        return "true" if value else "false"
    return ""
