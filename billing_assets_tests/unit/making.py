"""Builders of lines, Stage 4 objects and assignments, and objects that stand in memory.

The hashes here are SPEC.md section 3 written out once more, so that a test never asks the code what is right.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from billing_assets.domain.assignments import Assignment
from billing_assets.domain.json_text import NumberText, decode_exactly
from billing_assets.domain.line_items import LineItem
from billing_assets.domain.resolution import OBJECT_MISSING, ObjectFault
from billing_assets.domain.resolved import ResolvedLineItem, resolve

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from billing_assets.domain.stage4 import ObjectFamily

KEY = "Bill_Parser_4_Enriched_Outputs/yyyy=2025/mm=10/dd=21/bill_20251021T101010Z.jsonl"
NEWER = KEY.replace("101010", "111111")
NEWEST = KEY.replace("101010", "121212")
OLDER = KEY.replace("101010", "091010")

V1_VOLATILE = (
    *("Charge Code", "Charge Code Source", "Charge Code Overridden", "Charge Code Override Reason"),
    *("Mapped Utility Name", "Current Amount", "Amount Overridden", "Amount Override Reason"),
    *("Is Excluded From UBI", "Exclusion Reason", "is_excluded_from_ubi", "exclusion_reason"),
)
V2_VOLATILE = (
    *V1_VOLATILE,
    *("ubi_period", "ubi_amount", "ubi_months_total", "ubi_assigned_by", "ubi_assigned_date", "ubi_assignments"),
    *("ubi_period_count", "ubi_notes", "__stage8_key__", "__s3_key__", "__row_idx__", "__id__", "__manual__"),
    *("ubi_auto_suggested", "PostedBy", "PostedAt", "Status"),
)

USUAL: dict[str, Any] = {
    "EnrichedPropertyID": "P1",
    "EnrichedPropertyName": "The Elms",
    "EnrichedVendorName": "City Water",
    "Account Number": "A-1",
    "Charge Code": "WATER",
    "Utility Type": "Water",
    "Line Item Description": "Water usage",
    "Line Item Charge": "$10.00",
    "Bill Period Start": "01/01/2025",
    "Bill Period End": "01/31/2025",
}


def a_line(fields: Mapping[str, Any] | None = None, /, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """Make a line that is billable unless the fields say otherwise."""
    merged = {**USUAL, **(fields or {})}
    return {name: value for name, value in merged.items() if name not in set(without)}


def item_of(line: Mapping[str, Any] | str) -> LineItem:
    """Read a line's fields from its JSON text, as the code reads them from an object."""
    return LineItem.from_line(decode_exactly(line if isinstance(line, str) else json.dumps(line)))


def v1(line: Mapping[str, Any]) -> str:
    """Hash a line without the v1 volatile fields, by SPEC.md's own expression."""
    return _hash_without(line, V1_VOLATILE)


def v2(line: Mapping[str, Any]) -> str:
    """Hash a line without the v2 volatile fields, by SPEC.md's own expression."""
    return _hash_without(line, V2_VOLATILE)


def _hash_without(line: Mapping[str, Any], volatile: Collection[str]) -> str:
    stable = {name: value for name, value in line.items() if name not in volatile}
    return hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()


def jsonl(*lines: Mapping[str, Any] | str | bytes, newline: bytes = b"\n") -> bytes:
    """Write lines as one object; texts and bytes stand as they are."""
    return b"".join(_encoded(line) + newline for line in lines)


def _encoded(line: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(line, bytes):
        return line
    return line.encode() if isinstance(line, str) else json.dumps(line).encode()


def gz(body: bytes) -> bytes:
    """Pack a body, equal bytes each time."""
    return gzip.compress(body, mtime=0)


def n(text: object) -> NumberText:
    """Make a DynamoDB number."""
    return NumberText(str(text))


def a_record(line: Mapping[str, Any] | str, key: str = KEY, /, **attributes: Any) -> dict[str, Any]:
    """Make a record of the table that names a line (or a hash); an attribute of None is absent."""
    stored_hash = line if isinstance(line, str) else v2(line)
    usual = {"line_hash": stored_hash, "s3_key": key, "ubi_period": "01/2025", "amount": n("10.00")}
    return {name: value for name, value in (usual | attributes).items() if value is not None}


def an_assignment(line: Mapping[str, Any] | str, key: str = KEY, /, **attributes: Any) -> Assignment:
    """Read the record that `a_record` makes."""
    return Assignment.from_record(a_record(line, key, **attributes))


class InMemoryObjects:
    """An `ObjectSource` of dictionaries: listed by prefix as S3 lists, answering in whichever order a test wants."""

    def __init__(
        self, objects: Mapping[str, bytes | ObjectFault], *, ghosts: Iterable[str] = (), backwards: bool = False
    ) -> None:
        """Take the objects, the keys that are listed though they are gone, and whether answers come in reverse."""
        self.objects = dict(objects)
        self.ghosts = set(ghosts)
        self.backwards = backwards
        self.fetched: Counter[str] = Counter()

    def fetch(self, keys: Collection[str]) -> Iterator[tuple[str, bytes | ObjectFault]]:
        """Answer each key once."""
        for key in sorted(keys, reverse=self.backwards):
            self.fetched[key] += 1
            yield key, self.objects.get(key, ObjectFault(OBJECT_MISSING))

    def siblings(self, families: Collection[ObjectFamily]) -> Iterator[tuple[ObjectFamily, list[str]]]:
        """List by prefix, which also brings families with a longer name."""
        standing = {key for key, body in self.objects.items() if not _is_gone(body)} | self.ghosts
        for family in sorted(families, key=lambda family: family.name, reverse=self.backwards):
            prefix = f"{family.name}_"
            yield family, sorted((key for key in standing if key.startswith(prefix)), reverse=self.backwards)


def _is_gone(body: bytes | ObjectFault) -> bool:
    return isinstance(body, ObjectFault) and body.reason == OBJECT_MISSING


def rows_of(
    records: Iterable[Assignment], objects: Mapping[str, bytes | ObjectFault], **source: Any
) -> list[ResolvedLineItem]:
    """Resolve records against objects in memory."""
    return resolve(list(records), InMemoryObjects(objects, **source))[0]


def row_of(record: Assignment, objects: Mapping[str, bytes | ObjectFault]) -> ResolvedLineItem:
    """Resolve one record."""
    (row,) = rows_of([record], objects)
    return row


def outcome(row: ResolvedLineItem) -> tuple[str, str]:
    """Give a row's status and reason as texts."""
    return row.status.value, row.reason


def place(row: ResolvedLineItem) -> tuple[str, int] | None:
    """Say which line a row is billed with; None for a row without one, and for a duplicate."""
    if row.line is None or row.status == "duplicate":
        return None
    return row.found_key, row.line.position
