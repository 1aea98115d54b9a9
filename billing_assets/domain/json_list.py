"""A JSON list taken apart into raw texts, and put together again.

What its elements mean lives elsewhere: master bills in `listed_bills`.

The list is read element by element, so that only one is held decoded at a time. Python's own scanner does it: unlike
msgspec's it passes NaN and lone surrogates, which other people's `json.dumps` writes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.json_text import NumberText

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER = json.JSONDecoder(parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText)
_BLANKS = re.compile(r"[ \t\n\r]*")


def elements_of(content: bytes, *, where: str, remedy: str) -> Iterator[tuple[str, Any]]:
    """Take a JSON list apart, one element at a time.

    A BOM, NaN, infinities, numbers of any length, lone surrogates, repeated keys and elements of any kind pass.

    Args:
        content: The whole list, UTF-8.
        where: Its address, for the error.
        remedy: What to do when it can't be read.

    Returns:
        The JSON of each as written, and the same decoded, every number as `NumberText`.

    Raises:
        UnreadableInputError: It is no UTF-8, no JSON, no list, or nested too deeply.
    """
    try:
        yield from _split(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UnreadableInputError(
            "a JSON list can't be read, and is left as it is",
            where=where,
            found=_described(error),
            rule="entries that other people wrote would be lost if it were overwritten",
            remedy=remedy,
        ) from error


def rendered(texts: list[bytes]) -> bytes:
    r"""A list of elements as it is published: one after the other, each on a new line.

    Example:
        >>> rendered([b"1", b"2"])
        b'[\n1,\n2\n]\n'
    """
    return b"".join((b"[\n", b",\n".join(texts), b"\n]\n")) if texts else b"[]\n"


def _split(text: str) -> Iterator[tuple[str, Any]]:
    position = _after_blanks(text, 0)
    if text[position : position + 1] != "[":
        raise ValueError("it is not a JSON list" if text.strip() else "it is blank")
    position = _after_blanks(text, position + 1)
    more = text[position : position + 1] != "]"
    while more:
        value, end = _DECODER.raw_decode(text, position)
        yield text[position:end], value
        position = _after_blanks(text, end)
        more = text[position : position + 1] == ","
        if more:
            position = _after_blanks(text, position + 1)
        elif text[position : position + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' delimiter or ']'", text, position)
    end = _after_blanks(text, position + 1)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)


def _after_blanks(text: str, position: int) -> int:
    return cast("re.Match[str]", _BLANKS.match(text, position)).end()


def _described(error: ValueError | RecursionError) -> str:
    """What is wrong, without quoting the list: it names residents' properties."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, character {error.pos} of {len(error.doc)}"
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 at byte {error.start}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
