"""Sentences of SPEC.md section 1.2 about bill lines: their fields, flags, dates, and that they are JSON objects."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from billing_assets.domain.json_text import NumberText, text_of
from billing_assets.domain.line_hash import VOLATILE_V2
from billing_assets.domain.line_items import FLAGS, SPELLINGS
from billing_assets.domain.probe.misfits import Misfit, Probed, misfit, shape, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OTHER_USUAL_FIELDS = frozenset(
    {
        *("Bill To Name First Line", "Service Address", "Service City", "Service Zipcode", "Service State"),
        *("Meter Number", "Meter Size", "House Or Vacant", "Consumption Amount", "Unit of Measure"),
        *("Previous Reading", "Current Reading", "Rate", "Number of Days", "Due Date", "Special Instructions"),
        *("Inferred Fields", "EnrichedProperty", "EnrichedGLAccountID", "GL_LINE_DESC", "parsed_at_utc", "Title"),
    }
)
"""SPEC.md section 1.2, the last paragraph; the rest of it is in the volatile fields."""

KNOWN_FIELDS = (
    {field for fields in (*SPELLINGS.values(), *FLAGS.values()) for field in fields} | VOLATILE_V2 | OTHER_USUAL_FIELDS
)

_NEEDED = {
    "property_id": ("property", "prop"),
    "account_number": ("account", "acct"),
    "charge_code": ("charge code", "chargecode", "code"),
    "utility_name": ("utility", "service type"),
    "line_charge": ("charge", "amount", "amt", "total"),
    "vendor_name": ("vendor", "provider"),
    "description": ("desc",),
    "service_start": ("start", "from"),
    "service_end": ("end", "to date", "through"),
}
"""Fields without which a line is not billed, or not understood, and parts of the names that they may hide under."""

_DATES = ("service_start", "service_end", "bill_date")
_DATE = re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4}")
_KNOWN_FLAGS = frozenset({"", "0", "1", "true", "false", "yes", "no"})
_MOST_ABSENT = 0.1
_MOST_DATES = 0.1
_MOST_BROKEN_LINES = 0.05


def unknown_fields(probed: Sequence[Probed]) -> Counter[str]:
    """Fields of lines that SPEC.md does not name; their values are not shown."""
    return Counter(shown(name) for one in probed if one.line for name in one.line if name not in KNOWN_FIELDS)


def line_misfits(probed: Sequence[Probed]) -> list[Misfit]:
    """Every sentence about lines that these break."""
    found = [one for one in probed if one.line is not None]
    return [*_fields(found), *_dates(found), *_flags(found)]


def object_misfits(objects: Mapping[str, tuple[int, int]]) -> list[Misfit]:
    """Whether objects consist of lines of JSON.

    Args:
        objects: By shown key: how many lines, and how many of them are no JSON object.
    """
    broken = [f"{key}: {bad} of {lines} lines" for key, (lines, bad) in objects.items() if bad and bad * 2 >= lines]
    sentence = "an object holds one JSON object per line"
    found = "objects most of whose lines are something else"
    remedy = "say how the parser writes them; a line that is no JSON object is passed over"
    return misfit("1.2", sentence, found, broken, len(objects), remedy=remedy, share=_MOST_BROKEN_LINES)


def _fields(found: Sequence[Probed]) -> list[Misfit]:
    """A field that is there and blank is the line's own affair; one that is nowhere may have another name."""
    misfits = []
    for name, parts in _NEEDED.items():
        spellings = SPELLINGS[name]
        without = [one for one in found if one.line is not None and not any(field in one.line for field in spellings)]
        others = sorted(
            {
                shown(field)
                for one in without
                for field in one.line or ()
                if field not in KNOWN_FIELDS and _is_like(field, parts)
            }
        )
        words = f"none of them; fields like it: {', '.join(others)}" if others else "none of them"
        examples = [f"{one.name}{_value_of(name, others, one)}" for one in without]
        sentence = f"`{name}` is read from {', '.join(spellings)}"
        remedy = "say under which name the parser writes it" + ("" if others else ", if it does")
        misfits += misfit("1.2", sentence, words, examples, len(found), remedy=remedy, share=_MOST_ABSENT)
    return misfits


def _is_like(field: str, parts: Sequence[str]) -> bool:
    return any(part in field.lower().replace("_", " ") for part in parts)


def _value_of(name: str, others: Sequence[str], one: Probed) -> str:
    """Amounts are shown, account numbers by their last four digits; every other value might name somebody."""
    for other in others:
        text = text_of((one.line or {}).get(other))
        if text and name == "line_charge":
            return f": {other} is {shown(text)!r}"
        if text and name == "account_number":
            return f": {other} is …{text[-4:]}"
        if text:
            return f" has {other}"
    return ""


def _dates(found: Sequence[Probed]) -> list[Misfit]:
    misfits = []
    for name in _DATES:
        texts = [(one, getattr(one.row.item, name)) for one in found if one.row.item and getattr(one.row.item, name)]
        broken = [f"{one.name}: {shape(text)}" for one, text in texts if not _DATE.fullmatch(text)]
        sentence = f"`{SPELLINGS[name][0]}` is written MM/DD/YYYY"
        remedy = "nothing is billed wrongly: another form is kept as text"
        misfits += misfit("1.2", sentence, "another form", broken, len(texts), remedy=remedy, share=_MOST_DATES)
    return misfits


def _flags(found: Sequence[Probed]) -> list[Misfit]:
    misfits = []
    for fields in FLAGS.values():
        given = [
            (one, field, (one.line or {})[field]) for one in found for field in fields if field in (one.line or {})
        ]
        broken = [
            f"{one.name}: `{field}` is {shown(value)!r}" for one, field, value in given if not _is_known_flag(value)
        ]
        sentence = f"`{fields[0]}` is true for true, 1 and yes, and false for all else"
        remedy = "say what it means: as it is read, it is false"
        misfits += misfit("1.2", sentence, "another value", broken, len(given), remedy=remedy)
    return misfits


def _is_known_flag(value: Any) -> bool:
    if isinstance(value, NumberText):
        return value in {"0", "1"}
    return (
        value is None or isinstance(value, bool) or (isinstance(value, str) and text_of(value).lower() in _KNOWN_FLAGS)
    )
