"""Sentences of SPEC.md sections 1.1, 2 and 5 about the records themselves."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from billing_assets.domain.assignments import BAD_MONTHS
from billing_assets.domain.periods import PeriodError, UbiPeriod
from billing_assets.domain.probe.misfits import Misfit, Probed, is_rule, kind_of, misfit, shape, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT, _NUMBER, _EITHER = frozenset({"S"}), frozenset({"N"}), frozenset({"N", "S"})
KNOWN_ATTRIBUTES = {
    "assignment_id": _TEXT,
    "line_hash": _TEXT,
    "ubi_period": _TEXT,
    "s3_key": _TEXT,
    "bill_id": _TEXT,
    "line_index": _NUMBER,
    "amount": _EITHER,
    "months": _EITHER,
    "months_total": _EITHER,
    "assigned_by": _TEXT,
    "assigned_date": _TEXT,
    "notes": _TEXT,
}
"""The attributes of SPEC.md section 1.1 and their types; NULL and absence are for `_required` to judge."""

_ALIKE = {
    "line_hash": ("hash", "line", "id"),
    "ubi_period": ("period", "month", "ubi"),
    "s3_key": ("key", "path", "object", "file", "s3"),
    "amount": ("amount", "amt", "dollar", "charge", "share", "value"),
    "months": ("months", "split", "divis", "period_count"),
}
"""Parts of the name under which an attribute may hide."""

_REQUIRED = ("line_hash", "ubi_period", "s3_key")
_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_ABSENT = 0.5
_MOST_OUTSIDE = 0.05
_HINTS_ALIKE = 0.5


def record_misfits(probed: Sequence[Probed]) -> list[Misfit]:
    """Every sentence about records that these break."""
    return [
        *_required(probed),
        *_hidden(probed),
        *_types(probed),
        *_hash_form(probed),
        *_periods(probed),
        *_outside(probed),
        *_months(probed),
        *_amount_texts(probed),
        *_hints(probed),
        *_twins(probed),
    ]


def unknown_attributes(probed: Sequence[Probed]) -> Counter[str]:
    """Attributes that SPEC.md does not name, with their types; their values are not shown."""
    names = (
        f"{shown(name)} ({kind_of(record.record[name])})"
        for record in probed
        for name in record.record
        if name not in KNOWN_ATTRIBUTES
    )
    return Counter(names)


def period_spelling(text: str) -> str:
    """What kind of period text it is, for counting."""
    if not text:
        return "absent"
    if not _is_period(text):
        return f"no period: {shape(text)}"
    months = ("M/YYYY" if month.index("/") == 1 else "MM/YYYY" for month in text.split(" to "))
    return " to ".join(months)


def _required(probed: Sequence[Probed]) -> list[Misfit]:
    misfits = []
    for name in _REQUIRED:
        without = [one for one in probed if _is_blank(one.record.get(name))]
        others = _alike(name, without)
        found = f"no `{name}`" + (f"; attributes like it: {', '.join(others)}" if others else "")
        broken = [f"{one.name} has {', '.join(sorted(map(shown, one.record)))}" for one in without]
        remedy = f"say under which name the app writes `{name}`: records without it are not billed"
        misfits += misfit("1.1", f"every record has `{name}`", found, broken, len(probed), remedy=remedy)
    return misfits


def _hidden(probed: Sequence[Probed]) -> list[Misfit]:
    """An optional attribute that most records lack, while another one looks like it."""
    misfits = []
    for name, spellings in (("amount", ("amount",)), ("months", ("months", "months_total"))):
        without = [one for one in probed if not any(spelling in one.record for spelling in spellings)]
        others = _alike(name, without)
        if others and len(without) > _MOST_ABSENT * len(probed):
            broken = [f"{one.name} has {', '.join(others)}" for one in without if set(others) & set(one.record)]
            found = f"no `{name}` in most records, but {', '.join(others)}"
            remedy = f"say whether {others[0]} is `{name}`: as it is, it is not read"
            misfits += misfit("1.1", f"`{name}` is called so", found, broken, len(probed), remedy=remedy)
    return misfits


def _alike(name: str, records: Sequence[Probed]) -> list[str]:
    unknown = {other for one in records for other in one.record if other not in KNOWN_ATTRIBUTES}
    return sorted(shown(other) for other in unknown if any(part in other.lower() for part in _ALIKE[name]))


def _types(probed: Sequence[Probed]) -> list[Misfit]:
    misfits = []
    for name, types in KNOWN_ATTRIBUTES.items():
        having = [one for one in probed if one.record.get(name) is not None]
        broken = [
            f"{one.name} has `{name}` as {kind_of(one.record[name])}"
            for one in having
            if kind_of(one.record[name]) not in types
        ]
        wanted = " or ".join(sorted(types))
        misfits += misfit("1.1", f"`{name}` is of type {wanted}", "another type", broken, len(having))
    return misfits


def _hash_form(probed: Sequence[Probed]) -> list[Misfit]:
    hashes = [(one, one.row.assignment.line_hash) for one in probed if one.row.assignment.line_hash]
    broken = [f"{shown(text)} ({len(text)} characters)" for _, text in hashes if not _HASH.fullmatch(text)]
    sentence = "a line hash is SHA-256 in 64 small hexadecimal digits"
    return misfit("3", sentence, "a hash of another form", broken, len(hashes))


def _periods(probed: Sequence[Probed]) -> list[Misfit]:
    """Spellings are judged one by one: many ways of mistyping are slips, one way again and again is a rule."""
    by_shape: dict[str, list[str]] = defaultdict(list)
    for one in probed:
        text = one.row.assignment.ubi_period
        if text and not _is_period(text):
            by_shape[shape(text)].append(f"{one.name}: ubi_period {shown(text)!r}")
    sentence = "periods are written MM/YYYY, M/YYYY or MM/YYYY to MM/YYYY, and in no other way"
    remedy = "say which month it means; until then these records belong to no partition and are not billed"
    return [
        found
        for form, broken in sorted(by_shape.items())
        for found in misfit("2", sentence, f"periods like {form}", broken, len(probed), remedy=remedy)
    ]


def _outside(probed: Sequence[Probed]) -> list[Misfit]:
    outside = [one for one in probed if one.partition is None and _is_period(one.row.assignment.ubi_period)]
    return misfit(
        "2",
        "partitions run from BILLING_FIRST_PERIOD to 12 months after this one",
        "months outside of them",
        [f"{one.name}: ubi_period {one.row.assignment.ubi_period!r}" for one in outside],
        len(probed),
        remedy="set BILLING_FIRST_PERIOD to the first month that is to be billed; earlier ones are left alone",
        share=_MOST_OUTSIDE,
    )


def _is_period(text: str) -> bool:
    try:
        UbiPeriod.parse(text)
    except PeriodError:
        return False
    return True


def _months(probed: Sequence[Probed]) -> list[Misfit]:
    broken = [
        f"{one.name}: months {shown(one.row.assignment.months_text)!r}" for one in probed if one.fault == BAD_MONTHS
    ]
    sentence = "`months` is a whole number of 1 or more, as a number or in digits"
    remedy = "say how many periods it means; until then these records are `invalid` and not billed"
    return misfit("1.1", sentence, "something else", broken, len(probed), remedy=remedy)


def _amount_texts(probed: Sequence[Probed]) -> list[Misfit]:
    having = [one for one in probed if one.row.assignment.amount_text]
    broken = [
        f"{one.name}: amount {shown(one.row.assignment.amount_text)!r}"
        for one in having
        if one.row.assignment.amount is None
    ]
    sentence = "`amount` is a number, or money text such as $1,234.56, (12.00) or 12.00 CR"
    remedy = "say what the text means; until then these records are `invalid` and not billed"
    return misfit("4", sentence, "another notation", broken, len(having), remedy=remedy)


def _hints(probed: Sequence[Probed]) -> list[Misfit]:
    """Hints that are off by the same step again and again are counted otherwise."""
    steps: dict[int, list[str]] = defaultdict(list)
    hinted = 0
    for one in probed:
        hint, line = one.row.assignment.line_index, one.row.line
        if hint is None or line is None or one.row.relocated:
            continue
        hinted += 1
        if line.position != hint:
            steps[hint - line.position].append(f"{one.name}: line_index {hint}, found at {line.position}")
    sentence = "`line_index` counts non-blank lines from 0"
    return [
        found
        for step, broken in sorted(steps.items())
        if is_rule(len(broken), hinted, share=_HINTS_ALIKE)
        for found in misfit("1.1", sentence, f"most are {step:+d} beside it", broken, hinted, remedy=_HINTS_REMEDY)
    ]


_HINTS_REMEDY = "nothing is billed wrongly, since the hash decides; equal lines may be shared out otherwise than meant"


def _twins(probed: Sequence[Probed]) -> list[Misfit]:
    """Records of one line and period, at least one of them without an id to tell them apart by."""
    groups: dict[tuple[str, str], list[Probed]] = defaultdict(list)
    for one in probed:
        if one.row.assignment.line_hash:
            groups[one.row.assignment.line_hash, one.row.assignment.ubi_period].append(one)
    broken = [
        f"line_hash {group[0].row.assignment.line_hash[:12]}… stands {len(group)} times in {shown(period)}"
        for (_, period), group in groups.items()
        if len(group) > 1 and any(not one.row.assignment.assignment_id for one in group)
    ]
    sentence = "where a line has several records, each has an `assignment_id`; else `line_hash` is the key"
    remedy = "say by what the app tells them apart: of equal lines one record is billed, the others are `duplicate`"
    return misfit(
        "1.1", sentence, "several records of a line, without ids", broken, len(groups), remedy=remedy, share=0
    )


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
