"""Plain, sound assignments and bill lines for the tests of the probe, so that each break of SPEC.md stands alone."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing_assets.domain.line_hash import line_hash
from billing_assets.domain.probe import TableShape
from billing_assets.domain.probe.tables import TableIndex

if TYPE_CHECKING:
    from collections.abc import Callable

STAGE_4 = "Bill_Parser_4_Enriched_Outputs/"
TABLE = TableShape(
    "assignments",
    10_275,
    2_000_000,
    ("assignment_id",),
    (TableIndex("ubi-period-index", ("ubi_period",), "ALL"),),
)
Record = dict[str, Any]
KEY = STAGE_4 + "yyyy=2025/mm=10/dd=21/V-{0:03d}-{0:06d}_20251021T15{1:02d}00Z.jsonl"


def _line(number: int) -> Record:
    return {
        "EnrichedPropertyID": f"P{number % 7}",
        "EnrichedPropertyName": "Invented Court",
        "EnrichedVendorName": "Invented Water",
        "Account Number": f"77-10-{number:06d}",
        "Charge Code": "WTR",
        "Utility Type": "Water",
        "EnrichedGLAccountNumber": "6100",
        "Line Item Description": f"usage of meter {number}",
        "Line Item Charge": f"{number + 30}.60",
        "Bill Period Start": "10/01/2025",
        "Bill Period End": "10/31/2025",
        "Bill Date": "11/02/2025",
        "Is Excluded From UBI": "false",
        "parsed_at_utc": f"2025-11-02T00:{number % 60:02d}:00Z",
        "Status": "Enriched",
    }


def _record(number: int, line: Record, key: str, index: int) -> Record:
    months = (1, 1, 2, 3)[number % 4]
    charge = Decimal(str(line["Line Item Charge"]))
    return {
        "assignment_id": f"ua-{number:04d}",
        "line_hash": line_hash(line, "v2" if number % 2 else "v1"),
        "ubi_period": f"{number % 12 + 1:02d}/2025",
        "s3_key": key,
        "bill_id": f"b{number}",
        "line_index": index,
        "amount": (charge / months).quantize(Decimal("0.01")),
        "months": months,
        "assigned_by": "reviewer",
        "assigned_date": "2025-11-03T00:00:00Z",
    }


class Data:
    """A hundred records of fifty objects, which a test breaks."""

    def __init__(self) -> None:
        self.lines: dict[str, list[Record]] = {}
        self.records: list[Record] = []
        self.table = TABLE
        for number in range(100):
            key = KEY.format(number // 2, number // 2)
            lines = self.lines.setdefault(key, [])
            lines.append(_line(number))
            self.records.append(_record(number, lines[-1], key, len(lines) - 1))

    def objects(self) -> dict[str, bytes]:
        """As they are stored."""
        return {key: b"".join(json.dumps(line).encode() + b"\n" for line in lines) for key, lines in self.lines.items()}

    def each(self, change: Callable[[Record], None], *, share: int = 1) -> None:
        """Change every record, or one of so many."""
        for record in self.records[::share]:
            change(record)

    def line_of(self, record: Record) -> Record:
        """The line of a record, by its place."""
        return self.lines[record["s3_key"]][record["line_index"]]

    def rehash(self, recipe: Callable[[Record], str]) -> None:
        """Give every record the hash of its line by a recipe."""
        for record in self.records:
            record["line_hash"] = recipe(self.line_of(record))

    def rename_field(self, old: str, new: str) -> None:
        """Call a field of every line otherwise, as if it had always been so."""
        for lines in self.lines.values():
            for line in lines:
                line[new] = line.pop(old)
        self.rehash(lambda line: line_hash(line, "v1"))

    def set_field(self, name: str, value: Callable[[Record], Any]) -> None:
        """Write a field of every line otherwise."""
        for lines in self.lines.values():
            for line in lines:
                line[name] = value(line)
        self.rehash(lambda line: line_hash(line, "v1"))

    def rekey(self, change: Callable[[str], str]) -> None:
        """Store everything under other keys, which the records name."""
        self.lines = {change(key): lines for key, lines in self.lines.items()}
        self.each(lambda record: record.update(s3_key=change(record["s3_key"])))
