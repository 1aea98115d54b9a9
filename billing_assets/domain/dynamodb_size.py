"""How large an item is to DynamoDB, and how large it may be.

Source: AWS's "DynamoDB item sizes and formats". Names and texts count by their UTF-8 bytes, numbers by pairs of digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ITEM_BYTES = 409_600
"""400 KB for a whole item, names included; a larger one is refused."""

_OF_A_CONTAINER = 3
_OF_AN_ELEMENT = 1


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """The size of an item in DynamoDB's own form.

    Example:
        >>> item_bytes({"PK": {"S": "é"}, "ok": {"BOOL": True}, "n": {"N": "-12.30"}})
        12
    """
    return sum(_text_bytes(name) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return _text_bytes(content)
    if kind == "N":
        return _number_bytes(content)
    if kind == "B":
        return len(content)
    if kind in {"SS", "NS", "BS"}:
        return sum(_value_bytes({kind[0]: element}) for element in content)
    if kind == "M":
        return _OF_A_CONTAINER + item_bytes(content) + _OF_AN_ELEMENT * len(content)
    if kind == "L":
        return _OF_A_CONTAINER + sum(_OF_AN_ELEMENT + _value_bytes(element) for element in content)
    return 1


def _text_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _number_bytes(text: str) -> int:
    mantissa = text.lower().partition("e")[0]
    digits = mantissa.lstrip("+-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + mantissa.startswith("-")
