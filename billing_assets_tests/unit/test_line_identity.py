"""A line's identity in every period: SPEC.md section 3; the fast path must know it as the plain one does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing_assets.domain import fast_hash
from billing_assets.domain.line_hash import HashVersion, line_hash
from billing_assets.domain.line_reader import LinePlan
from billing_assets.domain.line_readers import FastestReader, LineReaders, readers
from billing_assets.domain.plain_line_reader import LineReader
from billing_assets.domain.stage4 import NamedLine, StageFourObject, newer_siblings, older_siblings
from billing_assets_tests.unit.making import (
    KEY,
    NEWER,
    NEWEST,
    OLDER,
    a_line,
    an_assignment,
    jsonl,
    place,
    row_of,
    v1,
    v2,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets.domain.line_reader import Reader

READERS: list[Callable[[LinePlan], Reader]] = list(dict.fromkeys((LineReader, FastestReader)))
_values = st.none() | st.integers(-3, 2**70) | st.floats() | st.sampled_from(["", "é", "\ud800", "$1.00"])
_lines = st.fixed_dictionaries(
    {"id": st.integers(1, 2), "Line Item Charge": st.sampled_from(["$1.00", "$2.00", 1, 1.0, True])},
    optional={"Status": _values, "Charge Code": _values, "x": st.none() | st.lists(_values, max_size=1)},
)
ODD = [{"id": 1, "k": "", "Status": float("nan")}, {"id": 1, "k": ""}]


@given(st.lists(_lines, min_size=1, max_size=6), st.data())
@example(ODD, None)
def test_the_fast_path_knows_another_line_than_the_plain_one(lines: list[dict[str, Any]], data: Any) -> None:
    """Whatever stands in front of a line, its slot is that of the plain reading, by either version of the hash."""
    position = len(lines) - 1 if data is None else data.draw(st.integers(0, len(lines) - 1))
    body = jsonl(*lines)
    for stored in (v1(lines[position]), v2(lines[position])):
        picked = StageFourObject(KEY, body).pick(stored, position)
        if picked is not None:
            plain = StageFourObject(KEY, body).named_by({stored})[stored]
            assert picked in plain


_charges = st.sampled_from(
    [
        "1.00",
        "1.0",
        "1",
        "1E0",
        "1e2",
        "100.0",
        "0",
        "-0",
        "0.0",
        "1e400",
        "Infinity",
        "true",
        "null",
        '"1.00"',
        '  "1.00"',
    ]
)
_descriptions = st.sampled_from(
    ['"water"', '"w\\u0061ter"', '"caf\\u00e9"', '"caf\u00e9"', "2.50", "2.5", "[]", "null"]
)
_raw_lines = st.builds(
    '{{"Line Item Charge": {}, "Line Item Description": {}, "Charge Code": "{}"}}{}'.format,
    _charges,
    _descriptions,
    st.integers(0, 9),
    st.sampled_from(["", "", "\r", " "]),
)


@given(st.lists(_raw_lines, min_size=1, max_size=6), st.none() | st.integers(0, 6), st.sampled_from(["v1", "v2"]))
@example(['{"Line Item Charge": 1.00, "Charge Code": "1"}', '{"Line Item Charge": 1.0, "Charge Code": "2"}'], 0, "v2")
def test_a_number_written_otherwise_makes_another_line(
    texts: list[str], hint: int | None, version: HashVersion
) -> None:
    """Of equal lines the hinted one is picked, else the first, however their numbers and texts are written."""
    body = "".join(f"{text}\n" for text in texts).encode()
    for text in texts * 4:
        # Whatever this process has read before.
        readers.read(text.encode())
    for text in texts:
        stored = line_hash(json.loads(text), version)
        named = StageFourObject(KEY, body).named_by({stored})[stored]
        picked = StageFourObject(KEY, body).pick(stored, hint)
        assert picked in {None, next((line for line in named if line.position == hint), named[0])}


def test_a_rewrite_makes_another_line() -> None:
    """A line in front, another hash version and other volatile fields change nothing; an equal line in front does."""
    line = a_line({"Status": "Draft"})
    posted = {**line, "Status": "Posted", "Charge Code": "X"}
    first = StageFourObject(KEY, jsonl(line)).pick(v1(line), 0)
    moved = StageFourObject(NEWER, jsonl({"id": 1}, posted, posted)).pick(v2(line), 1)
    second = StageFourObject(NEWER, jsonl({"id": 1}, posted, posted)).pick(v2(line), 2)
    assert first is not None
    assert moved is not None
    assert second is not None
    assert first.identity == moved.identity == f"{v2(line)}#0"
    assert second.identity == f"{v2(line)}#1"
    assert [NamedLine.slot_of(line.identity) for line in (first, second)] == [first.slot, second.slot]


def test_one_field_is_no_line_for_the_shortcut() -> None:
    """What the shortcut can't hash is left to the plain way."""
    for text in (b'{"a": 1, "b": NaN}', b'{"a": 1}', b"[1, 2]", b'{"a": 1, "b": ' + b"[" * 300 + b"]" * 300 + b"}"):
        assert fast_hash.hashes(text) is None
    digits = b'{"a": 1, "b": ' + b"9" * 4301 + b"}"
    assert fast_hash.hashes(digits) is None
    line = {"a": 1, "b": 2, "Status": 2}
    text = json.dumps(line).encode()
    assert fast_hash.hashes(text) == (v1(line), v2(line))


_names = st.sampled_from(
    ["a", "b", "", "Status", 'quo"te', "back\\slash", "new\nline", "é", "\ud800", "__s3_key__", "x" * 300]
)


@given(st.lists(_names, min_size=1, max_size=5, unique=True), st.lists(_names, max_size=5, unique=True), st.data())
def test_the_fields_of_earlier_lines_decide_how_a_line_is_hashed(
    names: list[str], others: list[str], data: st.DataObject
) -> None:
    """After some lines of the same fields the next are hashed another way, also where one of others comes between."""
    learning = LineReaders(data.draw(st.sampled_from(READERS)))
    for _ in range(24):
        line = {name: data.draw(_values) for name in (others if data.draw(st.integers(0, 5)) == 0 else names)}
        text = json.dumps(line).encode()
        reading = learning.read(text)
        if reading is not None:
            assert (reading.v1_hash(), reading.v2_hash()) == (v1(line), v2(line))
            assert reading.matched(v1(line)) == (v2(line), "v1")
            assert reading.matched(v2(line)) == (v2(line), "v1" if v1(line) == v2(line) else "v2")


@pytest.mark.parametrize("make", READERS)
def test_a_field_that_stands_twice_keeps_its_first_value(make: Callable[[LinePlan], Reader]) -> None:
    """The last one counts, as in `json`, or nothing is said; and a broken line is read by nobody."""
    line = {"a": 1, "b": 2}
    reader = make(LinePlan(tuple(line)))
    reading = reader.read(b'{"a": 1, "b": 2}')
    assert reading is not None
    assert (reading.v1_hash(), reading.v2_hash()) == (v1(line), v2(line))
    twice = reader.read(b'{"a": 1, "b": 2, "a": 3}')
    assert twice is None or (twice.v1_hash(), twice.v2_hash()) == (v1({"a": 3, "b": 2}), v2({"a": 3, "b": 2}))
    deep = b'{"a": 1, "b": ' + b"[" * 300 + b"]" * 300 + b"}"
    digits = b'{"a": 1, "b": ' + b"9" * 4301 + b"}"
    broken = (b'{"a": 1, "b": 2', b'{"a": 1, "b": 2} x', b'{"a": 1, "b": 2, "c"}', b'{"a": 1}', b"[1, 2]", b"")
    for text in (*broken, deep, digits, b'{"a": "1, "b": 2}', b'{"a": 1, "b": "2}', b'{"a": 1, "b": "2\\"}'):
        assert reader.read(text) is None


def test_a_line_that_the_shortcut_cannot_hash_is_overlooked_for_a_later_one() -> None:
    """A line of one lasting field comes first, so the record is not billed with its posted twin."""
    line = {"EnrichedPropertyID": "P1", "Charge Code": "WATER"}
    twin = {"EnrichedPropertyID": "P1", "Charge Code": "N/A", "Status": "Posted"}
    row = row_of(an_assignment(line), {KEY: jsonl(line, twin)})
    assert place(row) == (KEY, 0)


def test_an_older_object_is_taken_for_a_newer_one() -> None:
    """Siblings of one timestamp are newer, never older; strangers and keys without a timestamp are neither."""
    keys = [KEY, OLDER, f"{OLDER}.gz", NEWER, NEWEST, f"{KEY}.gz", "bill.jsonl", OLDER.replace("bill_", "bill_2_")]
    assert older_siblings(KEY, keys) == [f"{OLDER}.gz", OLDER]
    assert newer_siblings(KEY, keys) == [NEWEST, NEWER, f"{KEY}.gz"]
    assert older_siblings("bill.jsonl", keys) == newer_siblings("bill.jsonl", keys) == []
