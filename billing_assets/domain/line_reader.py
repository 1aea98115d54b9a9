"""A usual line, read once as it stands: what its hashes are made of, and its fields.

Source: DESIGN.md decision 9. The app writes a line with Python's `json`, so the text of each of its values is mostly
what the hash is made of already: joined in the right order, the values are hashed without being decoded. If that gives
a stored hash it is right, since canonical text that stands in a line reads as what it says; if not, it proves nothing.

Readers are in `plain_line_reader` and, compiled, in `_line_reader.pyx`. Which of them is used, and for which lines, is
decided in `line_readers`.
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from billing_assets.domain.json_text import NumberText, decode_exactly, text_of
from billing_assets.domain.line_hash import VOLATILE_V1, VOLATILE_V2, HashVersion
from billing_assets.domain.line_items import FLAGS, SPELLINGS, LineItem, is_true, money_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_REMEMBERED = 16_384
"""So many values are held at once by each `Remembered`."""
# msgspec takes no field with such a character, or of a lone surrogate.
_UNNAMABLE = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')


TELLING = ("Line Item Charge", "Line Item Description")
"""Fields that no hash leaves out, and most lines of an object differ in."""


class Reading(Protocol):
    """What a line says as it stands: right if it is a line at all, of which a hash that fits, and fields, are proof."""

    @property
    def tells(self) -> tuple[str, str]:
        """What the `TELLING` fields say, which is the same in equal lines: nothing for a number."""

    @property
    def v1_text(self) -> bytes:
        """What the v1 hash is made of, if each value stands as `json` writes it."""

    @property
    def v2_text(self) -> bytes:
        """What the v2 hash is made of, likewise."""

    def v1_hash(self) -> str:
        """The v1 hash: right if one of the two is a stored one."""

    def v2_hash(self) -> str:
        """The v2 hash, likewise."""

    def matched(self, stored_hash: str) -> tuple[str, HashVersion] | None:
        """The v2 hash and the version of the stored one, if this has it; else nothing is known.

        A stored hash is handed back itself, so that a period's rows hold one of them. It is called v1 where both
        versions leave out the same fields of these.
        """

    def item(self) -> LineItem | None:
        """Its fields; None if one of them is no JSON after all."""


class Reader(Protocol):
    """Reads lines of certain fields, in a certain order."""

    def read(self, line: bytes) -> Reading | None:
        """The line; None for one that has other fields, or that can't be read as it stands."""


class Remembered(dict[bytes, Any]):
    """What a function makes of a value's text, for those met lately: most values of a period stand on many lines.

    So equal texts are read once, and held once by all rows.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __missing__(self, text: bytes) -> Any:
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        result = self[text] = self._function(value_of(text))
        return result


_decode_text = msgspec.json.Decoder(str).decode


def _told(value: Any) -> str:
    """1.0 and 1.00 are equal, also where the text differs."""
    return "" if isinstance(value, NumberText) else text_of(value)


TEXTS, _FLAGS, CHARGES, TOLD = map(Remembered, (text_of, is_true, money_of, _told))


def value_of(text: bytes) -> Any:
    """The value that stands there, numbers as `NumberText`.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    try:
        return _decode_text(text)
    except ValueError:
        # No text, or one that msgspec doesn't take.
        return decode_exactly(text.decode())


FieldRead = tuple[Remembered, Any, tuple[int, ...]]
"""How a field's text is read, what stands for nothing, and the places where it may stand: the first that says something
wins."""


class LinePlan:
    """Where in a line of certain fields everything stands that is read or hashed; places count its fields from 0.

    Args:
        names: Of the fields, in the order in which they stand.

    Raises:
        ValueError: A line with these fields can't be read as it stands.
    """

    def __init__(self, names: Sequence[str]) -> None:
        places = {name: place for place, name in enumerate(names)}
        self.names = tuple(names)
        self.openings = tuple(map(_opening, range(len(names)), names))
        self.v1 = Order(places, VOLATILE_V1)
        self.v2 = None if places.keys() & VOLATILE_V1 == places.keys() & VOLATILE_V2 else Order(places, VOLATILE_V2)
        if len((self.v2 or self.v1).places) < 2 or any(map(_UNNAMABLE.search, names)):
            raise ValueError("such a line is left to others")
        spelled = {**dict.fromkeys(SPELLINGS, (TEXTS, "")), **dict.fromkeys(FLAGS, (_FLAGS, False))}
        fields = {**SPELLINGS, **FLAGS}
        declared = [name for name in LineItem.__struct_fields__ if name in fields]
        self.read: tuple[FieldRead, ...] = tuple((*spelled[name], _present(fields[name], places)) for name in declared)
        """For each field of a `LineItem` but the charge."""
        self.told = tuple(places.get(name) for name in TELLING)
        self.overridden = declared.index("amount_overridden")
        self.charges = CHARGES
        self.charge, self.override = (_present((name,), places) for name in ("Line Item Charge", "Current Amount"))
        always_read = {of[0] for *_, of in self.read if of}
        self.unvouched = tuple(
            places[name] for name in sorted(places.keys() & VOLATILE_V2) if places[name] not in always_read
        )
        """Fields that nobody reads or hashes: whether they are JSON at all has to be looked at."""


class Order:
    """In which order values are hashed, and what stands in front of each."""

    def __init__(self, places: dict[str, int], volatile: frozenset[str]) -> None:
        names = sorted(places.keys() - volatile)
        self.places = tuple(places[name] for name in names)
        self.openings = tuple(map(_opening, range(len(names)), names))


def _opening(place: int, name: str) -> bytes:
    return f"{', ' if place else '{'}{encode_basestring_ascii(name)}: ".encode()


def _present(fields: Iterable[str], places: dict[str, int]) -> tuple[int, ...]:
    return tuple(places[field] for field in fields if field in places)
