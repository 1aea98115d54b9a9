"""A usual line, read once as it stands: what its hashes are made of, and its fields.

Source: DESIGN.md decision 9. The app writes a line with Python's `json`, so the text of each of its values is mostly
what the hash is made of already: joined in the right order, the values are hashed without being decoded. If that gives
a stored hash it is right, since canonical text that stands in a line reads as what it says; if not, it proves nothing.

This is the plain form of the reader; `_line_reader.pyx` is the same, compiled. Which of them is used, and for which
lines, is decided in `line_readers`.
"""

from __future__ import annotations

import hashlib
import re
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import astuple

from billing_assets.domain.json_text import decode_exactly, is_moderate, text_of
from billing_assets.domain.line_hash import VOLATILE_V1, VOLATILE_V2, HashVersion
from billing_assets.domain.line_items import FLAGS, SPELLINGS, LineItem, is_true, money_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_REMEMBERED = 16_384
"""So many values are held at once by each `Remembered`."""
# msgspec takes no field with such a character, or of a lone surrogate.
_UNNAMABLE = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')


class Reading(msgspec.Struct, gc=False):
    """What a line says as it stands: right if it is a line at all, of which a hash that fits is the proof."""

    v1_text: bytes
    """What the v1 hash is made of, if each value stands as `json` writes it."""
    v2_text: bytes
    """The same object where both versions leave out the same fields of these."""
    item: LineItem

    def hashes(self) -> tuple[str, str]:
        """The v1 and the v2 hash: both are right if one of them is a stored one."""
        v1 = hashlib.sha256(self.v1_text).hexdigest()
        return v1, v1 if self.v2_text is self.v1_text else hashlib.sha256(self.v2_text).hexdigest()

    def matched(self, stored_hash: str) -> tuple[str, HashVersion] | None:
        """The v2 hash and the version of the stored one, if this has it; else nothing is known."""
        is_one = self.v2_text is self.v1_text
        v2 = hashlib.sha256(self.v2_text).hexdigest()
        if v2 == stored_hash:
            # The stored text itself, so that a period's rows hold one of them.
            return stored_hash, "v1" if is_one else "v2"
        if is_one or hashlib.sha256(self.v1_text).hexdigest() != stored_hash:
            return None
        return v2, "v1"


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
_line_item: Callable[..., LineItem] = LineItem
TEXTS, _FLAGS, _CHARGES = Remembered(text_of), Remembered(is_true), Remembered(money_of)


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
        self.v1 = _Order(places, VOLATILE_V1)
        self.v2 = None if places.keys() & VOLATILE_V1 == places.keys() & VOLATILE_V2 else _Order(places, VOLATILE_V2)
        if len((self.v2 or self.v1).places) < 2 or any(map(_UNNAMABLE.search, names)):
            raise ValueError("such a line is left to others")
        spelled = {**dict.fromkeys(SPELLINGS, (TEXTS, "")), **dict.fromkeys(FLAGS, (_FLAGS, False))}
        fields = {**SPELLINGS, **FLAGS}
        declared = [name for name in LineItem.__struct_fields__ if name in fields]
        self.read = tuple((*spelled[name], _present(fields[name], places)) for name in declared)
        """For each field of a `LineItem` but the charge: how its text is read, what stands for nothing, and the places
        where it may stand: the first that says something wins."""
        self.overridden = declared.index("amount_overridden")
        self.charges = _CHARGES
        self.charge, self.override = (_present((name,), places) for name in ("Line Item Charge", "Current Amount"))
        always_read = {of[0] for *_, of in self.read if of}
        self.unvouched = tuple(
            places[name] for name in sorted(places.keys() & VOLATILE_V2) if places[name] not in always_read
        )
        """Fields that nobody reads or hashes: whether they are JSON at all has to be looked at."""


class _Order:
    """In which order values are hashed, and what stands in front of each."""

    def __init__(self, places: dict[str, int], volatile: frozenset[str]) -> None:
        names = sorted(places.keys() - volatile)
        self.places = tuple(places[name] for name in names)
        self.openings = tuple(map(_opening, range(len(names)), names))


def _opening(place: int, name: str) -> bytes:
    return f"{', ' if place else '{'}{encode_basestring_ascii(name)}: ".encode()


def _present(fields: Iterable[str], places: dict[str, int]) -> tuple[int, ...]:
    return tuple(places[field] for field in fields if field in places)


class LineReader:
    """A `Reader` by msgspec, which finds where each value stands."""

    def __init__(self, plan: LinePlan) -> None:
        self._plan = plan
        attributes = [f"value_{place}" for place in range(len(plan.names))]
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(
            msgspec.defstruct(
                "Line",
                [(attribute, msgspec.Raw) for attribute in attributes],
                rename=dict(zip(attributes, plan.names, strict=True)),
                forbid_unknown_fields=True,
                gc=False,
            )
        ).decode
        self._v1 = _joining(plan.v1)
        self._v2 = None if plan.v2 is None else _joining(plan.v2)

    def read(self, line: bytes) -> Reading | None:
        """The line, if it has these fields and can be read as it stands."""
        if not is_moderate(line):
            return None
        try:
            values = astuple(self._decode(line))
            item = self._item(values)
            for place in self._plan.unvouched:
                value_of(bytes(values[place]))
        except (ValueError, RecursionError):
            return None
        v1 = self._v1(values)
        return Reading(v1, v1 if self._v2 is None else self._v2(values), item)

    def _item(self, values: tuple[msgspec.Raw, ...]) -> LineItem:
        plan = self._plan
        fields: list[Any] = []
        for remembered, nothing, places in plan.read:
            said = nothing
            for place in places:
                said = remembered[bytes(values[place])]
                if said:
                    break
            fields.append(said)
        charge = None
        for place in plan.override if fields[plan.overridden] else plan.charge:
            charge = plan.charges[bytes(values[place])]
        return _line_item(*fields, charge)


def _joining(order: _Order) -> Callable[[tuple[msgspec.Raw, ...]], bytes]:
    in_order = itemgetter(*order.places)
    around: list[Any] = [b""] * (2 * len(order.places)) + [b"}"]
    around[:-1:2] = order.openings

    def joined(values: tuple[msgspec.Raw, ...]) -> bytes:
        parts = around.copy()
        parts[1::2] = in_order(values)
        return b"".join(parts)

    return joined
