"""`resolve` against SPEC.md written out naively, on small and nasty worlds; and the laws of resolution."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from billing_assets.domain.assignments import Assignment
from billing_assets.domain.control_totals import ControlTotals
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.resolution import OBJECT_MISSING, OBJECT_UNREADABLE, ObjectFault
from billing_assets.domain.resolved import ResolvedLineItem, resolve
from billing_assets_tests.unit.making import InMemoryObjects, gz, place, v1, v2
from billing_assets_tests.unit.oracle import (
    AMOUNTS,
    BAD_AMOUNTS,
    BAD_MONTHS,
    CHARGES,
    MONTHS,
    Verdict,
    amount_in_cents,
    verdicts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_STAMPS = ("20250101T000000Z", "20250202T000000Z", "20250202T000001Z")
_FAMILIES = ("p/a", "p/a_b", "q/a")
_KEYS = [f"{family}_{stamp}.jsonl{end}" for family in _FAMILIES for stamp in _STAMPS for end in ("", ".gz")]
# Keys without a timestamp: one of them is spelled like the name of a family, another is in its listing.
_KEYS += ["p/x.jsonl", "p/a", "p/a_2025.jsonl"]

_STABLE: list[dict[str, Any]] = [
    {"Line Item Charge": "$10.00", "EnrichedPropertyID": "P1"},
    {"Line Item Charge": "$10.00", "EnrichedPropertyID": "P1", "note": "\ud800", "score": 1e16},
    {"Line Item Charge": "(0.05)", "EnrichedPropertyID": "P1", "score": float("nan")},
    {"Line Item Charge": "about 5", "EnrichedPropertyID": "P1", "ids": [10**20, -0.0, {"é": None}]},
    {"Line Item Charge": "n/a", "EnrichedPropertyID": ""},
    {"EnrichedPropertyID": "P1"},
]
_VOLATILE_V1: list[dict[str, Any]] = [
    {"Charge Code": "WATER"},
    {"Charge Code": "SEWER", "Charge Code Source": "\udfff"},
    {"Charge Code": "N/A"},
    {"Charge Code": "WATER", "Amount Overridden": "true", "Current Amount": "100"},
    {"Charge Code": "WATER", "Amount Overridden": " YES ", "Current Amount": ""},
    {"Charge Code": "WATER", "Mapped Utility Name": float("nan")},
    {"Charge Code": "WATER", "Is Excluded From UBI": True, "Exclusion Reason": "house"},
]
_VOLATILE_V2: list[dict[str, Any]] = [{}, {}, {"Status": "Posted"}, {"__row_idx__": 3}, {"Status": float("inf")}]
_BROKEN = [b"{", b"[1]", b"null", b'{"a": 1} x', b"\xe2\x80\xa8"]
_BLANK = [b"", b"  ", b"\t"]
_LINES = [
    [stable | charge_code | status for charge_code in _VOLATILE_V1 for status in _VOLATILE_V2] for stable in _STABLE
]
_STATES = ("whole",) * 12 + ("gone", "unreadable", "no text", "no gzip")


@dataclass
class World:
    """One period's records, and everything that stands in the bucket."""

    records: list[dict[str, Any]]
    objects: dict[str, bytes | ObjectFault]
    ghosts: list[str]
    backwards: bool

    def assignments(self) -> list[Assignment]:
        """Read the records as the store hands them over: numbers by their text."""
        return [
            Assignment.from_record(
                {name: NumberText(value) if name == "line_index" else value for name, value in record.items()}
            )
            for record in self.records
        ]

    def rows(self) -> list[ResolvedLineItem]:
        """Resolve the world."""
        return resolve(self.assignments(), self.source())[0]

    def source(self) -> InMemoryObjects:
        """Bring the objects."""
        return InMemoryObjects(self.objects, ghosts=self.ghosts, backwards=self.backwards)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Few contents, few families and few texts, so that lines, keys and claims collide."""
    lines = st.sampled_from(draw(st.sampled_from(_LINES)) + draw(st.sampled_from(_LINES)))
    keys = draw(st.lists(st.sampled_from(_KEYS), min_size=1, max_size=4, unique=True))
    contents: list[dict[str, Any]] = []
    objects: dict[str, bytes | ObjectFault] = {}
    for key in keys:
        of_object = draw(st.lists(lines, min_size=1, max_size=4))
        contents += of_object
        objects[key] = draw(_bodies(key, of_object))
    records = draw(st.lists(_records(keys, contents), min_size=1, max_size=6))
    ghosts = draw(st.lists(st.sampled_from(_KEYS), max_size=1))
    return World(records, objects, ghosts, backwards=draw(st.booleans()))


@st.composite
def _bodies(draw: st.DrawFn, key: str, lines: list[dict[str, Any]]) -> bytes | ObjectFault:
    state = draw(st.sampled_from(_STATES))
    if state == "gone":
        return ObjectFault(OBJECT_MISSING)
    if state == "unreadable":
        return ObjectFault(OBJECT_UNREADABLE, "archived storage class")
    if state == "no gzip" and key.endswith(".gz"):
        return b"no gzip"
    encoded = [json.dumps(line).encode() for line in lines]
    for spoilers in (_BROKEN, _BLANK):
        spoiler = draw(st.sampled_from((None, None, *spoilers)))
        if spoiler is not None:
            encoded.insert(draw(st.integers(0, len(encoded))), spoiler)
    body = draw(st.sampled_from((b"\n", b"\r\n"))).join(encoded)
    body = draw(st.sampled_from((b"", b"\xef\xbb\xbf"))) + body + (b"\xff" if state == "no text" else b"")
    return gz(body) if key.endswith(".gz") else body


@st.composite
def _records(draw: st.DrawFn, keys: list[str], contents: list[dict[str, Any]]) -> dict[str, Any]:
    line = draw(st.sampled_from(contents))
    hashes = draw(st.sampled_from((v2(line),) * 12 + (v1(line),) * 6 + ("0" * 64, " ")))
    record = {
        "line_hash": hashes,
        "s3_key": draw(st.sampled_from((*(keys * 6), "p/a_20250101T000000Z.jsonl", "p/a_20250101T000000Z.jsonl", ""))),
        "ubi_period": "01/2025",
        "line_index": draw(st.sampled_from((None, None, "0", "1", "2", "3", "7"))),
        "amount": draw(st.sampled_from((*(tuple(AMOUNTS) * 3), None, None, *BAD_AMOUNTS[:1]))),
        "months": draw(st.sampled_from((*(tuple(MONTHS) * 4), *BAD_MONTHS[:1]))),
        "assigned_date": draw(st.sampled_from((None, "2025-01-01", "2025-01-02T00:00:00Z"))),
        "assignment_id": draw(st.sampled_from((None, "a", "b", "c"))),
    }
    return {name: value for name, value in record.items() if value is not None}


def _verdict_of(row: ResolvedLineItem) -> Verdict:
    duplicate = row.status == "duplicate"
    return Verdict(
        status=row.status.value,
        reason=row.reason,
        place=place(row),
        relocated=row.relocated and not duplicate,
        # What a duplicate without an amount would have cost is for people to read; SPEC.md says nothing of it.
        billed_cents=None if duplicate and row.assignment.amount is None else amount_in_cents(row.billed_usd),
    )


@settings(max_examples=400)
@given(worlds())
def test_a_record_is_judged_otherwise_than_the_specification_says(world: World) -> None:
    """Status, reason, line, relocation and cents of every record are those of the naive reading of SPEC.md."""
    assert [_verdict_of(row) for row in world.rows()] == verdicts(world.records, world.objects, world.ghosts)


@settings(max_examples=60)
@given(worlds())
def test_a_record_leaves_no_row_or_two(world: World) -> None:
    """Rows stand for the records one by one, and their own amounts add up to what was read."""
    assignments = world.assignments()
    rows = resolve(assignments, world.source())[0]
    assert [id(row.assignment) for row in rows] == [id(record) for record in assignments]
    assert ControlTotals.of(assignments, rows).agree


@settings(max_examples=60)
@given(worlds())
def test_one_line_is_billed_to_two_records(world: World) -> None:
    """A line of an object is given to one record only."""
    places = Counter(where for row in world.rows() if (where := place(row)) is not None)
    assert set(places.values()) <= {1}


@settings(max_examples=80)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_records_or_objects_changes_a_bill(world: World, random: Any) -> None:
    """Shuffled records, and objects and listings that arrive the other way round, give the same rows."""
    shuffled = World(random.sample(world.records, len(world.records)), world.objects, world.ghosts, not world.backwards)
    assert _counted(shuffled.rows()) == _counted(world.rows())


def _counted(rows: list[ResolvedLineItem]) -> Counter[tuple[Any, ...]]:
    return Counter((row.assignment.order, _verdict_of(row), row.detail, row.item, row.assigned_usd) for row in rows)


@settings(max_examples=40)
@given(worlds())
def test_resolving_twice_gives_two_answers(world: World) -> None:
    """A second run reads and answers the same."""
    first, second = (resolve(world.assignments(), world.source()) for _ in range(2))
    assert first == second


@settings(max_examples=60)
@given(worlds())
def test_an_object_is_fetched_twice(world: World) -> None:
    """Each object is asked for once at most, however many records name it."""
    source = world.source()
    resolve(world.assignments(), source)
    assert set(source.fetched.values()) <= {1}


def _all_charges_are_known(texts: Mapping[str, Any]) -> bool:
    return texts.get("Line Item Charge", "") in CHARGES


def test_a_world_uses_a_charge_that_the_oracle_does_not_know() -> None:
    """The tables of the oracle cover every text that a world uses."""
    assert all(_all_charges_are_known(texts) for texts in _STABLE)
