"""What a person is told of a line that isn't found: SPEC.md section 5, issue 3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.missing_line import MOST_EXPLAINED, differing_fields, field_gained
from billing_assets.domain.resolution import ObjectFault
from billing_assets.domain.resolved import resolve
from billing_assets_tests.unit.making import (
    KEY,
    NEWER,
    NEWEST,
    OLDER,
    InMemoryObjects,
    a_line,
    an_assignment,
    jsonl,
    n,
    outcome,
    row_of,
    rows_of,
    v1,
    v2,
)

LINE = a_line()
STANDS = "at the hinted position stands now: 'Water usage', charge '$10.00', account 'A-1', service 01/01/2025 to "
STANDS += "01/31/2025"


@pytest.mark.parametrize(
    ("gained", "told"),
    [({"Late Fee": 2.50}, "Late Fee"), ({"a": None}, "a"), ({"Status": "Posted"}, "Status"), ({"\ud800": 1}, "\ufffd")],
)
def test_a_field_that_a_line_has_gained_is_not_named(gained: dict[str, Any], told: str) -> None:
    """A line that has the stored hash without one of its fields has gained that field."""
    # A field that only v2 leaves out counts as well: the stored hash is v1's.
    assigned = {**LINE, "PostedBy": "ann"}
    row = row_of(an_assignment(v1(assigned), line_index=n(0)), {KEY: jsonl({**assigned, **gained})})
    assert outcome(row) == ("unresolved", "line_not_found")
    assert row.detail == f"{STANDS}; it is the assigned line with a field more: it has gained {told!r} since"


def test_a_changed_field_is_called_gained() -> None:
    """Neither a changed line, nor one that lost or gained two fields, is explained by one gained field."""
    for stands in (a_line({"Meter Number": "1", "Rate": "2"}), a_line(without=["Charge Code", "Utility Type"])):
        assert field_gained(json.dumps(stands).encode(), v2(LINE)) is None
        assert field_gained(json.dumps({**LINE, "Utility Type": "Gas"}).encode(), v2(LINE)) is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.text(max_size=3), _json, max_size=5), st.text(max_size=3), _json)
def test_a_gained_field_depends_on_the_value(line: dict[str, Any], name: str, value: Any) -> None:
    """Whatever a line holds, the one field that it has gained is found, by either version of the hash."""
    line.pop(name, None)
    for stored in (v1(line), v2(line)):
        assert field_gained(json.dumps({**line, name: value}).encode(), stored) == name


def test_a_line_of_thousands_of_fields_takes_minutes() -> None:
    """Beyond what a parser writes no field is left out in turn."""
    line = {f"f{number}": number for number in range(2000)}
    assert field_gained(json.dumps({**line, "x": 1}).encode(), v1(line)) is None


def test_an_older_object_is_not_compared_with() -> None:
    """Where an older timestamp still holds the line, the fields that have changed are shown, the least alike first."""
    stands = a_line({"Line Item Description": "Water usage, corrected", "Utility Type": "Gas", "Meter Number": "7"})
    objects = {OLDER: jsonl({"id": 1}, LINE), KEY: jsonl(stands)}
    row = row_of(an_assignment(LINE, line_index=n(0)), objects)
    assert outcome(row) == ("unresolved", "line_not_found")
    assert row.detail.partition("; ")[2] == (
        f"as assigned it still stands in {OLDER}, line 1; it differs in 'Meter Number' (was absent, is \"7\"), "
        '\'Utility Type\' (was "Water", is "Gas"), '
        '\'Line Item Description\' (was "Water usage", is "Water usage, corrected")'
    )


def test_who_lives_somewhere_is_shown() -> None:
    """Of a name or an address only the field is told; long texts are cut, and many changes are counted."""
    former = a_line({"Bill To Name First Line": "Jo Doe", "Rate": "1"})
    texts = {f"Field {at}": "x" * 99 for at in range(6)}
    objects = {OLDER: jsonl(former), KEY: jsonl({**former, "Bill To Name First Line": "Al Roe", "Rate": "2"})}
    detail = row_of(an_assignment(former, line_index=n(0)), objects).detail
    assert "Doe" not in detail
    assert "Roe" not in detail
    assert "'Bill To Name First Line'" in detail
    objects[KEY] = jsonl({**former, **texts})
    detail = row_of(an_assignment(former, line_index=n(0)), objects).detail
    assert detail.endswith(" and 1 more")
    assert f'is "{"x" * 59}…)' in detail


def test_fields_outside_the_hash_are_called_a_change() -> None:
    """Only what the stored version covers can have changed the hash."""
    before, now = ({**LINE, "Charge Code": code, "Status": code} for code in "ab")
    former, stands = json.dumps(before).encode(), json.dumps(now).encode()
    assert [field[0] for field in differing_fields(former, stands, "v1")] == ["Status"]
    assert differing_fields(former, stands, "v2") == []


def test_an_older_object_is_read_for_a_line_that_is_found() -> None:
    """Older objects are read only where a line is missing, each once, and never billed from."""
    objects = {OLDER: jsonl(LINE), KEY: jsonl(LINE), NEWER: jsonl(LINE)}
    source = InMemoryObjects(objects)
    resolve([an_assignment(LINE), an_assignment(LINE, amount=n("1"))], source)
    assert OLDER not in source.fetched
    source = InMemoryObjects({**objects, KEY: jsonl({"id": 1}), NEWER: jsonl({"id": 2})})
    rows, _ = resolve([an_assignment(LINE, line_index=n(0)), an_assignment({"id": 5}, OLDER)], source)
    assert dict(source.fetched) == dict.fromkeys([OLDER, KEY, NEWER], 1)
    assert [outcome(row) for row in rows] == [("unresolved", "line_not_found")] * 2
    assert f"as assigned it still stands in {OLDER}, line 0" in rows[0].detail
    assert rows[0].found_key == ""


def test_an_older_object_that_is_gone_or_unreadable_ends_the_run() -> None:
    """It explains nothing, and the row says what it can."""
    for body in (b"\xff", ObjectFault("object_unreadable", "storage class"), jsonl({"id": 1})):
        row = row_of(an_assignment(LINE, line_index=n(0)), {OLDER: body, KEY: jsonl({"id": 2})})
        assert row.detail.startswith("at the hinted position stands now")
        assert ";" not in row.detail


def test_a_bucket_of_missing_lines_reads_every_older_object() -> None:
    """A period reads twenty older objects, and compares so many lines; the others are described."""
    count = MOST_EXPLAINED + 5
    keys = [(OLDER.replace("bill_", f"bill{at}_"), KEY.replace("bill_", f"bill{at}_")) for at in range(count)]
    objects = {older: jsonl(LINE) for older, _ in keys}
    objects |= {key: jsonl({**LINE, "Late Fee": 1}) for _, key in keys}
    source = InMemoryObjects(objects)
    rows, _ = resolve([an_assignment(LINE, key, line_index=n(0)) for _, key in keys], source)
    assert source.fetched.total() == count + 20
    assert sum("as assigned it still stands in" in row.detail for row in rows) == 20
    assert sum("Late Fee" in row.detail for row in rows) == MOST_EXPLAINED
    assert all(row.detail.startswith("at the hinted position stands now") for row in rows)


@given(st.permutations([OLDER, KEY, NEWER]), st.booleans())
def test_the_order_of_answers_changes_an_explanation(order: list[str], backwards: bool) -> None:
    """The newest of the objects that still hold the line is named, whichever was read first."""
    objects = {key: jsonl(LINE) for key in order} | {NEWEST: jsonl(a_line({"Rate": "1"}))}
    records = [an_assignment(LINE, NEWEST, line_index=n(0)), *(an_assignment({"id": 1}, key) for key in order)]
    row, *_ = rows_of(records, objects, backwards=backwards)
    assert f"as assigned it still stands in {NEWER}, line 0; it differs in 'Rate' (was absent" in row.detail


def test_a_record_without_a_hint_is_shown_a_line() -> None:
    """Without a hint nothing can be compared; where the line still stands is told all the same."""
    row = row_of(an_assignment(LINE), {OLDER: jsonl(LINE), KEY: jsonl({"id": 1})})
    assert row.detail == f"no line stands at the hinted position; as assigned it still stands in {OLDER}, line 0"


def test_an_older_object_that_was_read_already_is_fetched_again() -> None:
    """Looking back for a missing line reads no object twice, be it one that others asked for or one that is gone."""
    here, there = a_line({"Line Item Description": "here"}), a_line({"Line Item Description": "there"})
    records = [
        an_assignment(there, OLDER),
        an_assignment("0" * 64, KEY, line_index=n(0)),
        an_assignment("1" * 64, NEWER, line_index=n(0)),
    ]
    source = InMemoryObjects({OLDER: jsonl(there), KEY: jsonl(here), NEWER: jsonl(here)}, ghosts=[OLDER + ".gz"])
    rows, _ = resolve(records, source)
    assert [row.reason for row in rows] == ["", "line_not_found", "line_not_found"]
    assert max(source.fetched.values()) == 1
