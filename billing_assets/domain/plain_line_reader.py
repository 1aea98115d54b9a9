"""Reading lines as they stand where nothing could be compiled: the same as `_line_reader.pyx`, by msgspec."""

from __future__ import annotations

import hashlib
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from billing_assets.domain.json_text import is_moderate
from billing_assets.domain.line_items import LineItem
from billing_assets.domain.line_reader import TOLD, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets.domain.line_hash import HashVersion
    from billing_assets.domain.line_reader import FieldRead, LinePlan, Order

_line_item: Callable[..., LineItem] = LineItem


class LineReader:
    """A `line_reader.Reader` by msgspec, which finds where each value stands."""

    def __init__(self, plan: LinePlan) -> None:
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
        self.plan = plan
        self.v1_text = _joining(plan.v1)
        self.v2_text = None if plan.v2 is None else _joining(plan.v2)

    def read(self, line: bytes) -> PlainReading | None:
        """The line, if it has these fields and may be read as it stands."""
        if not is_moderate(line):
            return None
        try:
            values = astuple(self._decode(line))
            charge, description = ("" if place is None else TOLD[bytes(values[place])] for place in self.plan.told)
        except (ValueError, RecursionError):
            return None
        return PlainReading((charge, description), self, values)


class PlainReading(msgspec.Struct, frozen=True, gc=False):
    """A `line_reader.Reading`: the values as they stand, of which is made what is asked for."""

    tells: tuple[str, str]
    _reader: LineReader
    _values: tuple[msgspec.Raw, ...]

    @property
    def v1_text(self) -> bytes:
        """What the v1 hash is made of."""
        return self._reader.v1_text(self._values)

    @property
    def v2_text(self) -> bytes:
        """What the v2 hash is made of."""
        return (self._reader.v2_text or self._reader.v1_text)(self._values)

    def v1_hash(self) -> str:
        """The v1 hash."""
        return hashlib.sha256(self.v1_text).hexdigest()

    def v2_hash(self) -> str:
        """The v2 hash."""
        return hashlib.sha256(self.v2_text).hexdigest()

    def matched(self, stored_hash: str) -> tuple[str, HashVersion] | None:
        """The v2 hash and the version of the stored one, if this has it."""
        is_one = self._reader.v2_text is None
        v2 = self.v2_hash()
        if v2 == stored_hash:
            return stored_hash, "v1" if is_one else "v2"
        if is_one or self.v1_hash() != stored_hash:
            return None
        return v2, "v1"

    def item(self) -> LineItem | None:
        """Its fields; None if one of them is no JSON."""
        plan, values = self._reader.plan, self._values
        try:
            for place in plan.unvouched:
                value_of(bytes(values[place]))
            fields = [_said(field, values) for field in plan.read]
            charge = None
            for place in plan.override if fields[plan.overridden] else plan.charge:
                charge = plan.charges[bytes(values[place])]
        except (ValueError, RecursionError):
            return None
        return _line_item(*fields, charge)


def _said(field: FieldRead, values: tuple[msgspec.Raw, ...]) -> Any:
    remembered, said, places = field
    for place in places:
        said = remembered[bytes(values[place])]
        if said:
            break
    return said


def _joining(order: Order) -> Callable[[tuple[msgspec.Raw, ...]], bytes]:
    in_order = itemgetter(*order.places)
    around: list[Any] = [b""] * (2 * len(order.places)) + [b"}"]
    around[:-1:2] = order.openings

    def joined(values: tuple[msgspec.Raw, ...]) -> bytes:
        parts = around.copy()
        parts[1::2] = in_order(values)
        return b"".join(parts)

    return joined
