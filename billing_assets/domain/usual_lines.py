"""A usual line's fields, in a third of the time of `LineItem.from_line`, and equal to what that reads.

Usual is a line whose fields that we read are texts, flags or null: then no number has to be kept by its text, and one
typed decoding is enough. Any other line is left to `line_items`.
"""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.json_text import as_it_stands, text_of
from billing_assets.domain.line_hash import VOLATILE_V2
from billing_assets.domain.line_items import FLAGS, SPELLINGS, LineItem, is_true, money_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UsualLine = Any
"""What `usual_line` gives."""

_MAX_REMEMBERED = 16_384
_READ = tuple(dict.fromkeys(field for fields in (*SPELLINGS.values(), *FLAGS.values()) for field in fields))
# Decoded though nobody reads them: no hash vouches that they are JSON at all.
_UNREAD = tuple(sorted(VOLATILE_V2 - set(_READ)))
_ATTRIBUTES = {field: f"field_{place}" for place, field in enumerate((*_READ, *_UNREAD))}
_PLACES = {field: place for place, field in enumerate(_READ)}


def _decoder_of(order: Iterable[str]) -> Callable[[bytes], UsualLine]:
    """What decodes usual lines, fastest where fields stand in this order: msgspec looks for the next one first."""
    fields = dict.fromkeys((*(field for field in order if field in _ATTRIBUTES), *_ATTRIBUTES))
    kinds = {field: Any if field in _UNREAD else str | bool | None for field in fields}
    return msgspec.json.Decoder(
        msgspec.defstruct(
            "UsualLine",
            [(_ATTRIBUTES[field], kind, None) for field, kind in kinds.items()],
            rename={attribute: field for field, attribute in _ATTRIBUTES.items()},
            gc=False,
        )
    ).decode


class LearningDecoder:
    """Decodes usual lines, in the order of the first one: all come from one app, which writes them alike."""

    def __init__(self) -> None:
        self._decode: Callable[[bytes], UsualLine] | None = None

    def decode(self, text: bytes) -> UsualLine:
        """The line's fields.

        Raises:
            ValueError: It is no JSON object, or a field that is read is no text, flag or null.
            RecursionError: It is nested too deeply.
        """
        if self._decode is None:
            self._decode = _decoder_of(as_it_stands(text))
        return self._decode(text)


_decoder = LearningDecoder()
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
_money = _Remembered(money_of).__getitem__
_firsts = itemgetter(*(_PLACES[fields[0]] for fields in SPELLINGS.values()))
_others = tuple(
    (place, tuple(_PLACES[field] for field in fields[1:]))
    for place, fields in enumerate(SPELLINGS.values())
    if len(fields) > 1
)


def _flags_of(values: tuple[Any, ...]) -> tuple[bool, ...]:
    """The flags, of the values of all their fields."""
    left = iter(values)
    # A list, since `any` would leave some of a flag's values behind.
    return tuple(any([is_true(next(left)) for _ in fields]) for fields in FLAGS.values())  # noqa: C419


_flag_values = itemgetter(*(_PLACES[field] for fields in FLAGS.values() for field in fields))
_flags = _Remembered(_flags_of).__getitem__
_named = (*SPELLINGS, *FLAGS)
_line_item: Callable[..., LineItem] = LineItem
_as_declared = itemgetter(*(_named.index(field) for field in LineItem.__struct_fields__ if field in _named))
_overridden, _current, _charge = (_named.index(name) for name in ("amount_overridden", "current_amount", "line_charge"))


def usual_line(text: bytes) -> UsualLine | None:
    """The line, or None if it is none of the usual ones."""
    try:
        return _decoder.decode(text)
    except (ValueError, RecursionError):
        return None


def item_of(line: UsualLine) -> LineItem:
    """Its fields."""
    values = _values_of(line)
    texts = list(map(_text, values))
    fields: list[Any] = [*_firsts(texts)]
    for place, others in _others:
        if not fields[place]:
            for other in others:
                if texts[other]:
                    fields[place] = texts[other]
                    break
    fields += _flags(_flag_values(values))
    charge = _money(fields[_current if fields[_overridden] else _charge])
    return _line_item(*_as_declared(fields), charge)


def telling_fields(line: UsualLine) -> tuple[Any, Any]:
    """Fields that differ between most lines of a bill, and are equal in equal lines: no hash leaves them out."""
    charge_and_description: tuple[Any, Any] = _telling_of(line)
    return charge_and_description
