"""Invented Stage 4 objects and the assignments of their lines, in one folder: the same for every competitor.

Every line stands where its assignment says (what goes wrong is the business of the tests), most hints are right, and
the lines of one bill share its invoice and its PDF. Nothing here comes from a real bill.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Self

from billing_assets.domain.assignments import Assignment
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.period_tables import AssignmentsOfPeriod
from billing_assets.local.sample.lines import LineMaker
from billing_assets.local.sample.model import Deck, line_hash
from billing_assets.local.sample.names import accounts
from billing_assets.stores import parquet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BUCKET = "jrk-analytics-billing"
PERIOD = "2026-01"
ASSIGNMENTS, OBJECTS = 10_275, 3_000
_MOST_LINES = 30
_LINES_LEFT = (0, 0, 0, 0, 0, 1, 1, 2, 3, 5)
_HINTS = {"stale": 3, "absent": 2, "far": 1}
_BODIES, _INDEX, _LIGHT, _PARQUET = "objects.bin", "objects.json", "assignments.json", "assignments.parquet"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An assignment as the competitors need it."""

    assignment_id: str
    s3_key: str
    line_hash: str
    line_index: int | None


@dataclass(frozen=True, slots=True)
class Size:
    """How much work: so many assignments of lines in so many objects, with so many lines more in each."""

    assignments: int = ASSIGNMENTS
    objects: int = OBJECTS
    more_lines: int = 0

    @classmethod
    def times(cls, factor: float, *, more_lines: int = 0) -> Self:
        """A multiple of the source document's size."""
        return cls(round(ASSIGNMENTS * factor), round(OBJECTS * factor), more_lines)

    def text(self) -> str:
        """For people."""
        return f"{self.assignments:,} assignments over {self.objects:,} objects"


class Workload:
    """A folder that holds one; made by `write`, read by the server and by the competitors.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def write(cls, folder: Path, size: Size, seed: int = 7) -> Self:
        """Invent it; equal arguments give equal bytes."""
        folder.mkdir(parents=True)
        records: list[dict[str, Any]] = []
        places: list[tuple[str, int, int]] = []
        offset = 0
        with (folder / _BODIES).open("wb") as bodies:
            for key, body, assigned in _objects(size, Random(seed)):  # noqa: S311  # invented, the same again
                bodies.write(body)
                places.append((key, offset, len(body)))
                offset += len(body)
                records.extend(assigned)
        (folder / _INDEX).write_text(json.dumps(places))
        assignments = [Assignment.from_record(record) for record in records]
        assignments.sort(key=lambda assignment: assignment.order)
        table = AssignmentsOfPeriod(PERIOD, dt.datetime(2026, 2, 1, tzinfo=dt.UTC), assignments)
        (folder / _PARQUET).write_bytes(parquet.encode(table))
        light = [Wanted(each.assignment_id, each.s3_key, each.line_hash, each.line_index) for each in assignments]
        (folder / _LIGHT).write_text(json.dumps([list(asdict(each).values()) for each in light]))
        return cls(folder)

    def objects(self) -> dict[str, bytes]:
        """Every object's body by its key."""
        content = (self.folder / _BODIES).read_bytes()
        places = json.loads((self.folder / _INDEX).read_text())
        return {key: content[offset : offset + length] for key, offset, length in places}

    def keys(self) -> list[str]:
        """The objects' keys, in order."""
        return sorted(key for key, _, _ in json.loads((self.folder / _INDEX).read_text()))

    def size_bytes(self) -> int:
        """Of all objects."""
        return (self.folder / _BODIES).stat().st_size

    def wanted(self, most_objects: int | None = None) -> list[Wanted]:
        """The assignments in the light form, those of the first objects only if a number of them is given."""
        listed = [Wanted(*each) for each in json.loads((self.folder / _LIGHT).read_text())]
        if most_objects is None:
            return listed
        kept = set(sorted({each.s3_key for each in listed})[:most_objects])
        return [each for each in listed if each.s3_key in kept]

    def table(self) -> AssignmentsOfPeriod:
        """The assignments as the asset is handed them."""
        return parquet.decode_assignments((self.folder / _PARQUET).read_bytes())


def agreed(answers: list[tuple[object, ...]]) -> str:
    """A fingerprint of what a competitor found; equal findings have equal ones, in whatever order they came."""
    return hashlib.sha256(json.dumps(sorted(answers, key=str)).encode()).hexdigest()[:16]


def answer(wanted: Wanted | Assignment, position: int, line: Mapping[str, Any]) -> tuple[object, ...]:
    """What a competitor has to say of one assignment: where its line stands, and what master bills need of it."""
    fields = ("EnrichedPropertyID", "Charge Code", "Utility Type", "Line Item Charge", "Line Item Description")
    return wanted.assignment_id, position, *(line[field] for field in fields)


def _objects(size: Size, rng: Random) -> Iterator[tuple[str, bytes, list[dict[str, Any]]]]:
    known, maker = accounts(rng, 1378), LineMaker(rng)
    hints, versions = Deck(rng, _HINTS, plain="right"), Deck(rng, {"v1": 2}, plain="v2")
    number = 0
    for bill, assigned in enumerate(_lines_assigned(size, rng)):
        account = known[bill % len(known)]
        base = f"{account.vendor_id}-{account.number}-{bill:06d}"
        key = f"Bill_Parser_4_Enriched_Outputs/yyyy=2026/mm=01/dd={bill % 28 + 1:02d}/{base}_20260131T101500Z.jsonl"
        count = assigned + rng.choice(_LINES_LEFT) + size.more_lines
        lines = [maker.plain(account, PERIOD, row=row, key=key) for row in range(count)]
        for line in lines:
            line.fields["Invoice Number"] = f"INV-{bill:06d}"
            line.fields["source_input_key"] = f"Bill_Parser_1_Pending_Bills/{account.vendor_id}/{base}.pdf"
        records = []
        for position in sorted(rng.sample(range(count), assigned)):
            number += 1
            shown = {"right": position, "stale": position + 1, "far": 999}.get(hints.draw())
            records.append(_record(number, key, line_hash(lines[position].fields, versions.draw()), shown))
            records[-1]["amount"] = NumberText(lines[position].value_usd)
        body = "".join(json.dumps(line.fields) + "\n" for line in lines).encode()
        yield key, body, records


def _lines_assigned(size: Size, rng: Random) -> list[int]:
    """How many lines of each object are assigned: one at least, few mostly, and in all as many as asked."""
    counts = [1] * size.objects
    left = size.assignments - size.objects
    weights = [rng.paretovariate(1.5) for _ in counts]
    while left:
        for place in rng.choices(range(size.objects), weights, k=left):
            if counts[place] < _MOST_LINES:
                counts[place] += 1
                left -= 1
    return counts


def _record(number: int, key: str, stored_hash: str, hint: int | None) -> dict[str, Any]:
    record = {
        "assignment_id": f"ua-{number:07d}",
        "line_hash": stored_hash,
        "ubi_period": "01/2026",
        "s3_key": key,
        "bill_id": key.rsplit("/", 1)[-1],
        "months": NumberText("1"),
        "assigned_by": f"reviewer-{number % 9}",
        "assigned_date": f"2026-02-{number % 28 + 1:02d}T09:{number % 60:02d}:00Z",
    }
    return record if hint is None else {**record, "line_index": NumberText(hint)}
