"""Equal lines are several charges, and records compete for them: SPEC.md section 3, in the order of section 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from billing_assets_tests.unit.making import (
    KEY,
    NEWER,
    a_line,
    an_assignment,
    gz,
    jsonl,
    n,
    outcome,
    place,
    rows_of,
    v1,
    v2,
)

if TYPE_CHECKING:
    from billing_assets.domain.assignments import Assignment

LINE, FRONT = a_line(), a_line({"Line Item Description": "a line put in front"})
BEFORE, AFTER = jsonl(LINE, LINE), jsonl(FRONT, LINE, LINE)


def _statuses(records: list[Assignment], objects: dict[str, Any]) -> list[str]:
    """Resolve in every direction, and give the one answer."""
    answers = [
        [outcome(row)[0] for row in rows_of(records, objects, backwards=backwards)] for backwards in (False, True)
    ]
    answers.append([outcome(row)[0] for row in rows_of(records[::-1], objects)][::-1])
    assert answers[0] == answers[1] == answers[2]
    return answers[0]


@pytest.mark.parametrize("hints", [(0, 1), (1, 0), (0, 0), (1, None), (None, None), (5, 6), (None, 2)])
@pytest.mark.parametrize(
    ("keys", "objects"),
    [
        ((KEY, KEY), {KEY: BEFORE}),
        *(
            (keys, objects)
            for keys in ((KEY, KEY), (KEY, NEWER), (NEWER, KEY), (NEWER, NEWER))
            for objects in ({NEWER: AFTER}, {KEY: BEFORE, NEWER: AFTER}, {f"{NEWER}.gz": gz(AFTER)})
        ),
    ],
)
def test_one_of_two_equal_charges_is_not_billed_after_a_rewrite(
    keys: tuple[str, str], objects: dict[str, bytes], hints: tuple[int | None, int | None]
) -> None:
    """Two equal charges are billed to two records, before, during and after a rewrite, with and without hints."""
    records = [
        an_assignment(LINE, key, assignment_id=str(at), line_index=None if hint is None else n(hint))
        for at, (key, hint) in enumerate(zip(keys, hints, strict=True))
    ]
    assert _statuses(records, objects) == ["billable", "billable"]
    places = [place(row) for row in rows_of(records, objects)]
    assert len(set(places)) == 2
    if all(key in objects for key in keys):
        assert tuple(where[0] for where in places if where) == keys


@pytest.mark.parametrize("hint", [0, 1, 2])
def test_the_hint_of_a_lone_record_is_ignored(hint: int) -> None:
    """Of equal lines a record with which nobody competes gets the one that it was assigned to."""
    (row,) = rows_of([an_assignment(LINE, line_index=n(hint))], {KEY: jsonl(LINE, LINE, LINE)})
    assert place(row) == (KEY, hint)


@pytest.mark.parametrize("hints", [(0, 1, 1), (None, None, None), (0, 0, 0), (1, 2, 9)])
@pytest.mark.parametrize("keys", [(KEY, KEY, KEY), (KEY, NEWER, KEY), (NEWER, KEY, NEWER)])
@pytest.mark.parametrize("objects", [{NEWER: AFTER}, {KEY: BEFORE, NEWER: AFTER}], ids=["rewritten", "both"])
def test_a_third_record_is_billed_for_two_equal_charges(
    objects: dict[str, bytes], keys: tuple[str, ...], hints: tuple[int | None, ...]
) -> None:
    """For two charges two records are billed, and the third is a duplicate."""
    records = [
        an_assignment(LINE, key, assignment_id=str(at), line_index=None if hint is None else n(hint))
        for at, (key, hint) in enumerate(zip(keys, hints, strict=True))
    ]
    assert sorted(_statuses(records, objects)) == ["billable", "billable", "duplicate"]


def test_one_charge_is_billed_twice_because_both_timestamps_are_present() -> None:
    """The n-th of equal lines is one charge in every object of the family: each record is found in its own object."""
    records = [an_assignment(LINE, KEY), an_assignment(LINE, NEWER)]
    assert _statuses(records, {KEY: jsonl(LINE), NEWER: jsonl(FRONT, LINE)}) == ["billable", "duplicate"]


def test_equal_lines_of_two_families_compete() -> None:
    """Only records of one family compete: equal lines of other folders and bases are other charges."""
    keys = [KEY, KEY.replace("/bill_", "/bill_2_"), KEY.replace("dd=21", "dd=22"), "alone.jsonl"]
    records = [an_assignment(LINE, key) for key in keys]
    assert _statuses(records, dict.fromkeys(keys, jsonl(LINE))) == ["billable"] * 4


def test_a_hash_of_the_other_version_gets_the_line_once_more() -> None:
    """A v1 and a v2 hash that name one line compete for it."""
    line = a_line({"Status": "Posted"})
    records = [an_assignment(v1(line)), an_assignment(v2(line))]
    assert sorted(_statuses(records, {KEY: jsonl(line)})) == ["billable", "duplicate"]


DRAFT, POSTED = a_line(), a_line({"Status": "Posted", "Charge Code": "SEWER"})


def test_a_v1_hash_gets_a_line_that_it_does_not_name() -> None:
    """A v1 hash names only the equal lines whose v1 hash it is; a v2 hash takes what is left."""
    records = [an_assignment(v1(POSTED), assignment_id="b"), an_assignment(v2(DRAFT), assignment_id="c")]
    rows = rows_of(records, {KEY: jsonl(DRAFT, POSTED)})
    assert [place(row) for row in rows] == [(KEY, 1), (KEY, 0)]
    records = [an_assignment(v1(POSTED), assignment_id=name) for name in "ab"]
    assert _statuses(records, {KEY: jsonl(DRAFT, POSTED)}) == ["billable", "duplicate"]


def test_equal_lines_are_billed_with_each_others_charge_code() -> None:
    """A record is billed with the line that it was given: its charge code, exclusion and override."""
    lines = [
        a_line({"Charge Code": "WATER"}),
        a_line({"Charge Code": "SEWER", "Amount Overridden": True, "Current Amount": "4"}),
        a_line({"Is Excluded From UBI": True, "Exclusion Reason": "vacant"}),
    ]
    records = [an_assignment(LINE, line_index=n(hint), amount=None) for hint in (1, 2, 0)]
    rows = rows_of(records, {KEY: jsonl(*lines)})
    assert [place(row) for row in rows] == [(KEY, 1), (KEY, 2), (KEY, 0)]
    assert [outcome(row) for row in rows] == [("billable", ""), ("excluded", "vacant"), ("billable", "")]
    assert [row.item.charge_code for row in rows if row.item] == ["SEWER", "WATER", "WATER"]
    assert [str(row.billed_usd) for row in rows] == ["4.00", "10.00", "10.00"]


def test_a_record_without_a_hint_takes_the_line_of_one_with_a_hint() -> None:
    """Right hints are served first, also to records that come later in the order."""
    records = [
        an_assignment(LINE, assigned_date="2025-12-31", assignment_id="a"),
        an_assignment(LINE, assigned_date="2025-01-01", assignment_id="b", line_index=n(0)),
    ]
    assert [place(row) for row in rows_of(records, {KEY: BEFORE})] == [(KEY, 1), (KEY, 0)]


def test_a_record_whose_hinted_line_is_taken_goes_without() -> None:
    """A hint that is taken counts as none: the first free line is given."""
    records = [an_assignment(LINE, assignment_id=name, line_index=n(1)) for name in "ab"]
    assert [place(row) for row in rows_of(records, {KEY: jsonl(LINE, LINE, LINE)})] == [(KEY, 1), (KEY, 0)]


def test_a_hint_at_a_line_that_the_hash_does_not_name_is_followed() -> None:
    """A hint counts only where the hash names the line that stands there."""
    records = [
        an_assignment(LINE, assignment_id="a", line_index=n(0)),
        an_assignment(LINE, assignment_id="b", line_index=n(2)),
    ]
    assert [place(row) for row in rows_of(records, {KEY: jsonl(FRONT, LINE, LINE)})] == [(KEY, 1), (KEY, 2)]


WINNER_FIRST: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # An amount first, whatever else; an explicit 0 is one.
    ({"amount": n(1), "assigned_date": "2024"}, {"amount": None, "assigned_date": "2025", "assignment_id": "0"}),
    ({"amount": n(0)}, {"amount": None}),
    ({"amount": "$1"}, {"amount": " "}),
    # The latest date, as text; absent is oldest.
    ({"assigned_date": "2025-01-02", "assignment_id": "z"}, {"assigned_date": "2025-01-01", "assignment_id": "a"}),
    ({"assigned_date": "9"}, {"assigned_date": "2025-01-01"}),
    ({"assigned_date": "0", "assignment_id": "z"}, {"assignment_id": "a"}),
    ({"assigned_date": "2025-01-01T00:00:00Z"}, {"assigned_date": "2025-01-01"}),
    # The smallest assignment_id, s3_key, line_index.
    ({"assignment_id": "a", "key": NEWER}, {"assignment_id": "b", "key": KEY}),
    ({"assignment_id": "10"}, {"assignment_id": "9"}),
    ({"key": KEY, "line_index": n(9)}, {"key": NEWER, "line_index": n(8)}),
    ({"line_index": n(8)}, {"line_index": n(9)}),
    ({"line_index": n(9)}, {"line_index": n(10)}),
    ({"line_index": n(9), "amount": n(7)}, {"amount": n(5)}),
]


@pytest.mark.parametrize(("winner", "loser"), WINNER_FIRST)
def test_the_wrong_one_of_two_claims_is_billed(winner: dict[str, Any], loser: dict[str, Any]) -> None:
    """An amount first, then the latest date, then the smallest id, key and hint."""
    records = [an_assignment(LINE, claim.pop("key", KEY), **claim) for claim in (dict(loser), dict(winner))]
    objects = {KEY: jsonl(LINE), NEWER: jsonl(LINE)}
    assert _statuses(records, objects) == ["duplicate", "billable"]


def test_the_amount_counts_less_than_the_hint() -> None:
    """The order holds among those with a right hint, and then among the others."""
    records = [an_assignment(LINE, amount=n(1)), an_assignment(LINE, amount=None, line_index=n(0))]
    assert _statuses(records, {KEY: jsonl(LINE)}) == ["duplicate", "billable"]


def test_a_duplicate_says_nothing_of_what_it_would_have_cost() -> None:
    """A duplicate keeps its own amount, and shows the line that it names."""
    records = [an_assignment(LINE, assignment_id="a"), an_assignment(LINE, assignment_id="b", amount=n("12.345"))]
    row = rows_of(records, {KEY: jsonl(LINE)})[1]
    assert (outcome(row), row.detail) == (("duplicate", ""), "another record of the period has this line")
    assert (str(row.assigned_usd), str(row.billed_usd), row.found_key) == ("12.345", "12.34", KEY)
    assert row.item is not None


def test_many_records_of_one_object_are_mixed_up() -> None:
    """Thirty lines, thirty records: each gets its own, with and without hints."""
    lines = [a_line({"id": at}) for at in range(30)]
    records = [an_assignment(line, line_index=None if at % 3 else n(at)) for at, line in enumerate(lines)]
    assert [place(row) for row in rows_of(records, {KEY: jsonl(*lines)})] == [(KEY, at) for at in range(30)]
