"""Sections 3, 4 and 5 of SPEC.md once more: slow, naive and plain, to be compared with the real thing.

It reads whole worlds (every object, every listing) and knows no shortcut. What texts of money and months mean is a
table of the few texts that the worlds use, so that no parser is shared with the code under test.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from billing_assets.domain.resolution import ObjectFault
from billing_assets_tests.unit.making import v1, v2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

AMOUNTS: dict[str | None, Fraction | None] = {
    "10.00": Fraction(10),
    "0": Fraction(0),
    "0.125": Fraction(1, 8),
    "$1,234.565": Fraction("1234.565"),
    "3.33-": Fraction("-3.33"),
    " ": None,
    None: None,
}
BAD_AMOUNTS = ("ten", "1e3", "+1")
MONTHS: dict[str | None, int] = {"1": 1, "2.0": 2, "3": 3, "": 1, None: 1}
BAD_MONTHS = ("0", "1.5", "-1", "x")
CHARGES: dict[str, Fraction | None] = {
    "$10.00": Fraction(10),
    "(0.05)": Fraction("-0.05"),
    "100": Fraction(100),
    "": None,
    "n/a": None,
    "about 5": None,
}


@dataclass(frozen=True)
class Verdict:
    """What SPEC.md says becomes of one record."""

    status: str
    reason: str
    place: tuple[str, int] | None
    """Key and position of the line that it is given."""
    relocated: bool
    billed_cents: int | None
    """None where nothing can be said, and for a duplicate without an amount of its own."""


@dataclass(frozen=True)
class Named:
    """A line that a record names."""

    key: str
    position: int
    charge: tuple[str, str, int]
    """Family, v2 hash, and which of the equal lines: one real charge."""
    fields: Mapping[str, Any]


def verdicts(
    records: Sequence[Mapping[str, Any]], objects: Mapping[str, bytes | ObjectFault], ghosts: Sequence[str] = ()
) -> list[Verdict]:
    """Judge every record of one period, in their order."""
    listed = sorted({key for key, body in objects.items() if not _missing(body)} | set(ghosts))
    faults = [_fault(record) for record in records]
    found = [None if fault else _look(record, objects, listed) for fault, record in zip(faults, records, strict=True)]
    given: dict[int, Named] = {}
    taken: set[tuple[str, str, int]] = set()
    order = _by_precedence(records)
    for by_hint in (True, False):
        for index in order:
            lines = found[index]
            if index in given or lines is None or isinstance(lines, str):
                continue
            for line in lines:
                at_hint = str(line.position) == records[index].get("line_index")
                if line.charge not in taken and (at_hint or not by_hint):
                    given[index] = line
                    taken.add(line.charge)
                    break
    return [
        _verdict(record, faults[index], found[index], given.get(index), _cents(record, given.get(index)))
        for index, record in enumerate(records)
    ]


def _fault(record: Mapping[str, Any]) -> str:
    if not record.get("line_hash", "").strip():
        return "missing_field:line_hash"
    if not record.get("s3_key", "").strip():
        return "missing_field:s3_key"
    if record.get("months") in BAD_MONTHS:
        return "bad_months"
    return "bad_amount" if record.get("amount") in BAD_AMOUNTS else ""


def _missing(body: bytes | ObjectFault) -> bool:
    return isinstance(body, ObjectFault) and body.reason == "object_missing"


def family_of(key: str) -> tuple[str, str]:
    """Split a key into its family and its timestamp, `""` for a key that is a family of its own."""
    stem = key.removesuffix(".gz").removesuffix(".jsonl")
    base, stamp = stem[:-17], stem[-17:]
    timestamped = (
        key.removesuffix(".gz").endswith(".jsonl")
        and base.rpartition("/")[2] != ""
        and (stamp[:1], stamp[9:10], stamp[16:]) == ("_", "T", "Z")
        and all(letter in "0123456789" for letter in stamp[1:9] + stamp[10:16])
    )
    return (f"timestamped {base}", stamp) if timestamped else (f"alone {key}", "")


def _look(
    record: Mapping[str, Any], objects: Mapping[str, bytes | ObjectFault], listed: Sequence[str]
) -> list[Named] | str:
    """Look under the record's key, then under its newer siblings: the lines that it names, or why there are none."""
    own = record["s3_key"]
    family, stamp = family_of(own)
    newer = [key for key in listed if key != own and stamp and family_of(key)[0] == family]
    newer = [key for key in newer if family_of(key)[1] >= stamp]
    # Two keys of one timestamp (`.jsonl` and `.jsonl.gz`): SPEC.md leaves the order open, the smaller key comes first.
    newest_first = sorted(sorted(newer), key=lambda key: family_of(key)[1], reverse=True)
    for key in [own, *newest_first]:
        lines = lines_of(key, objects)
        if isinstance(lines, str):
            continue
        named = [line for line in lines if record["line_hash"].strip() in (v1(line.fields), v2(line.fields))]
        if named:
            return named
    lines = lines_of(own, objects)
    return lines if isinstance(lines, str) else "line_not_found"


def lines_of(key: str, objects: Mapping[str, bytes | ObjectFault]) -> list[Named] | str:
    """Read every line of an object, or say why it can't be read."""
    body = objects.get(key)
    if body is None:
        return "object_missing"
    if isinstance(body, ObjectFault):
        return body.reason
    try:
        text = (gzip.decompress(body) if key.endswith(".gz") else body).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return "object_unreadable"
    lines: list[Named] = []
    position = -1
    for line in text.removeprefix("\ufeff").split("\n"):
        if not line.strip(" \t\r"):
            continue
        position += 1
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if isinstance(fields, dict):
            charge = v2(fields)
            equal_before = sum(charge == other.charge[1] for other in lines)
            lines.append(Named(key, position, (family_of(key)[0], charge, equal_before), fields))
    return lines


def _by_precedence(records: Sequence[Mapping[str, Any]]) -> list[int]:
    """Sort by section 5: an amount first, the latest date, the smallest id, key and hint (without a hint: last).

    Records that are alike in all of these are told apart by their other texts, which SPEC.md leaves open.
    """

    def smallest(index: int) -> tuple[Any, ...]:
        record = records[index]
        hint = record.get("line_index")
        identity = record.get("assignment_id", ""), record.get("s3_key", ""), hint is None, int(hint or 0)
        others = (record.get(name, "") for name in ("line_hash", "ubi_period"))
        return (*identity, *others, str(record.get("amount") or "").strip(), record.get("months") or "")

    by_identity = sorted(range(len(records)), key=smallest)
    by_date = sorted(by_identity, key=lambda index: records[index].get("assigned_date", ""), reverse=True)
    return sorted(by_date, key=lambda index: AMOUNTS.get(records[index].get("amount")) is None)


def _cents(record: Mapping[str, Any], given: Named | None) -> int | None:
    if record.get("amount") in BAD_AMOUNTS:
        return None
    own = AMOUNTS[record.get("amount")]
    if own is not None:
        return round(own * 100)
    if given is None or record.get("months") in BAD_MONTHS:
        return None
    overridden = given.fields.get("Amount Overridden") in (True, 1, "true", " YES ")
    charge = CHARGES[given.fields.get("Current Amount" if overridden else "Line Item Charge", "")]
    return None if charge is None else round(charge * 100 / MONTHS[record.get("months")])


def _verdict(
    record: Mapping[str, Any], fault: str, found: list[Named] | str | None, given: Named | None, cents: int | None
) -> Verdict:
    if fault:
        return Verdict("invalid", fault, None, relocated=False, billed_cents=cents)
    if isinstance(found, str):
        return Verdict("unresolved", found, None, relocated=False, billed_cents=cents)
    if given is None:
        return Verdict("duplicate", "", None, relocated=False, billed_cents=cents)
    status, reason = _judged(given.fields, cents)
    where = given.key, given.position
    return Verdict(status, reason, where, relocated=given.key != record["s3_key"], billed_cents=cents)


def _judged(fields: Mapping[str, Any], cents: int | None) -> tuple[str, str]:
    if "Is Excluded From UBI" in fields or "is_excluded_from_ubi" in fields:
        return "excluded", fields.get("Exclusion Reason", "")
    if not fields.get("EnrichedPropertyID"):
        return "unbillable", "missing_property_id"
    if fields.get("Charge Code", "N/A") == "N/A":
        return "unbillable", "missing_charge_code"
    return ("unbillable", "bad_amount") if cents is None else ("billable", "")


def amount_in_cents(amount: Decimal | None) -> int | None:
    """Turn exact dollars into cents; None stays None."""
    return None if amount is None else int(Fraction(amount) * 100)
