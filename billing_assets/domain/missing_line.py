"""What a person is told of a line that isn't found: what stands in its place, and in what it differs.

Source: SPEC.md section 5 (`line_not_found`). Nothing here decides what is billed, and all of it is bounded: a bucket
where every line is missing must not take hours to say so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from billing_assets.domain.json_text import storable
from billing_assets.domain.line_hash import VOLATILE, HashVersion
from billing_assets.domain.stage4 import ObjectFamily

if TYPE_CHECKING:
    from billing_assets.domain.line_items import LineItem
    from billing_assets.domain.stage4 import NamedLine, StageFourObject

MOST_EXPLAINED = 200
"""So many lines of a period are compared field by field; the others are only described."""

_MOST_FIELDS = 200
_MOST_SHOWN = 5
_LONGEST_SHOWN = 60
_LONGEST_COMPARED = 400
_PERSONAL = frozenset({"Bill To Name First Line", "Service Address"})
"""Fields that may tell who lives where: only their names are shown."""


@dataclass(frozen=True, slots=True)
class HintedLine:
    """The line that stands where the missing one is said to stand."""

    item: LineItem
    text: bytes
    """As it stands in the object."""

    @classmethod
    def at(cls, hint: int | None, lines: StageFourObject) -> HintedLine | None:
        """The line at a position, if there is one and it is a JSON object."""
        item = lines.item_at(hint)
        return None if item is None or hint is None else cls(item, lines.text_at(hint))


@dataclass(frozen=True, slots=True)
class FormerLine:
    """The missing line as an older object of the family still holds it; never billed from there."""

    key: str
    position: int
    version: HashVersion
    text: bytes

    @classmethod
    def of(cls, key: str, line: NamedLine, lines: StageFourObject) -> FormerLine:
        """The line of an object."""
        return cls(key, line.position, line.version, lines.text_at(line.position))

    @property
    def age(self) -> tuple[str, str]:
        """Later for a newer object, whatever the order in which they were read."""
        return ObjectFamily.of(self.key).timestamp or "", self.key


@dataclass(slots=True)
class Explainer:
    """Explains the missing lines of one period, up to a number of them."""

    left: int = MOST_EXPLAINED

    def explain(self, stored_hash: str, hinted: HintedLine | None, former: FormerLine | None) -> str:
        """For a person: what stands at the hint, and what is known of the difference."""
        texts = [_described(hinted)]
        if former is not None:
            texts.append(f"as assigned it still stands in {former.key}, line {former.position}")
        if hinted is not None and self.left > 0:
            self.left -= 1
            if former is not None:
                texts.append(_compared(former, hinted))
            elif (gained := field_gained(hinted.text, stored_hash)) is not None:
                texts.append(f"it is the assigned line with a field more: it has gained {gained!r} since")
        return "; ".join(texts)


def field_gained(text: bytes, stored_hash: str) -> str | None:
    """The one field without which a line has the stored hash, by either version; None if there is none.

    Args:
        text: A JSON object.
        stored_hash: The hash that the line as it is doesn't have.

    Example:
        >>> from billing_assets.domain.line_hash import line_hash
        >>> field_gained(b'{"a": 1, "Late Fee": 2}', line_hash({"a": 1}, "v1"))
        'Late Fee'
    """
    line = _read(text)
    if len(line) > _MOST_FIELDS:
        return None
    for volatile in VOLATILE.values():
        parts = {name: f"{json.dumps(name)}: {_canonical(line[name])}" for name in sorted(line) if name not in volatile}
        for left_out in parts:
            kept = (part for name, part in parts.items() if name != left_out)
            if hashlib.sha256(("{" + ", ".join(kept) + "}").encode()).hexdigest() == stored_hash:
                return storable(left_out)
    return None


def differing_fields(former: bytes, now: bytes, version: HashVersion) -> list[tuple[str, str, str]]:
    """The fields of the hash that two lines write differently: name, before, now; the least alike first.

    A field that a line doesn't have is shown as blank.
    """
    before, after = _read(former), _read(now)
    names = sorted((before.keys() | after.keys()) - VOLATILE[version])[:_MOST_FIELDS]
    pairs = [(name, _shown(before, name), _shown(after, name)) for name in names]
    return sorted((pair for pair in pairs if pair[1] != pair[2]), key=_likeness)


def _compared(former: FormerLine, hinted: HintedLine) -> str:
    fields = differing_fields(former.text, hinted.text, former.version)
    shown = [_change(*field) for field in fields[:_MOST_SHOWN]]
    more = len(fields) - len(shown)
    return f"it differs in {', '.join(shown)}" + (f" and {more} more" if more else "")


def _change(name: str, before: str, now: str) -> str:
    if name in _PERSONAL:
        return f"{name!r}"
    return f"{storable(name)!r} (was {_cut(before)}, is {_cut(now)})"


def _cut(text: str) -> str:
    shown = text or "absent"
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"


def _likeness(field: tuple[str, str, str]) -> tuple[float, str]:
    name, before, now = field
    return SequenceMatcher(None, before[:_LONGEST_COMPARED], now[:_LONGEST_COMPARED], autojunk=False).ratio(), name


def _described(hinted: HintedLine | None) -> str:
    if hinted is None:
        return "no line stands at the hinted position"
    item = hinted.item
    return (
        f"at the hinted position stands now: {item.description!r}, charge {item.line_charge!r}, "
        f"account {item.account_number!r}, service {item.service_start} to {item.service_end}"
    )


def _read(text: bytes) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(text.decode())
    return line


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(line: dict[str, Any], name: str) -> str:
    if name not in line:
        return ""
    return storable(json.dumps(line[name], sort_keys=True, ensure_ascii=False))
