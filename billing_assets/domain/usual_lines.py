"""A usual line's fields, in a third of the time of `LineItem.from_line`, and equal to what that reads.

Usual is a line whose fields that we read are texts, flags or null: then no number has to be kept by its text, and one
typed decoding is enough. Any other line is left to `line_items`.
"""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.json_text import text_of
from billing_assets.domain.line_hash import VOLATILE_V2
from billing_assets.domain.line_items import FLAGS, SPELLINGS, LineItem, is_true, money_of

if TYPE_CHECKING:
    from collections.abc import Callable

UsualLine = Any
"""What `usual_line` gives."""

_MAX_REMEMBERED = 8192
_READ = tuple(dict.fromkeys(field for fields in (*SPELLINGS.values(), *FLAGS.values()) for field in fields))
# Decoded though nobody reads them: no hash vouches that they are JSON at all.
_UNREAD = tuple(sorted(VOLATILE_V2 - set(_READ)))
_ATTRIBUTES = {field: f"field_{place}" for place, field in enumerate((*_READ, *_UNREAD))}
_PLACES = {field: place for place, field in enumerate(_READ)}

_decode = msgspec.json.Decoder(
    msgspec.defstruct(
        "UsualLine",
        [
            *((_ATTRIBUTES[field], str | bool | None, None) for field in _READ),
            *((_ATTRIBUTES[field], Any, None) for field in _UNREAD),
        ],
        rename={attribute: field for field, attribute in _ATTRIBUTES.items()},
        gc=False,
    )
).decode
_values_of = attrgetter(*(_ATTRIBUTES[field] for field in _READ))
_telling_of = attrgetter(_ATTRIBUTES["Line Item Charge"], _ATTRIBUTES["Line Item Description"])


class _Remembered(dict[Any, Any]):
    """What a function makes of values, for those met lately: most texts of a period stand on many lines.

    So equal texts are read once, and held once by all rows.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __missing__(self, value: Any) -> Any:
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        result = self[value] = self._function(value)
        return result


_text = _Remembered(text_of).__getitem__
_flag = _Remembered(is_true).__getitem__
_firsts = itemgetter(*(_PLACES[fields[0]] for fields in SPELLINGS.values()))
_others = tuple(
    (name, tuple(_PLACES[field] for field in fields[1:])) for name, fields in SPELLINGS.items() if len(fields) > 1
)
_flags = tuple((name, tuple(_PLACES[field] for field in fields)) for name, fields in FLAGS.items())


def usual_line(text: bytes) -> UsualLine | None:
    """The line, or None if it is none of the usual ones."""
    try:
        return _decode(text)
    except (ValueError, RecursionError):
        return None


def item_of(line: UsualLine) -> LineItem:
    """Its fields."""
    values = _values_of(line)
    texts = list(map(_text, values))
    fields: dict[str, Any] = dict(zip(SPELLINGS, _firsts(texts), strict=True))
    for name, places in _others:
        if not fields[name]:
            fields[name] = next((texts[place] for place in places if texts[place]), "")
    for name, places in _flags:
        fields[name] = any(_flag(values[place]) for place in places)
    fields["charge_usd"] = money_of(fields["current_amount" if fields["amount_overridden"] else "line_charge"])
    return LineItem(**fields)


def telling_fields(line: UsualLine) -> tuple[Any, Any]:
    """Fields that differ between most lines of a bill, and are equal in equal lines: no hash leaves them out."""
    charge_and_description: tuple[Any, Any] = _telling_of(line)
    return charge_and_description
