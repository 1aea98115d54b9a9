"""What is told of a row, a rival and a subject: every rule has its sentence, and every contest its true reason."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.assignments import Assignment
from billing_assets.domain.duplicates import duplicates_of
from billing_assets.domain.evidence import Evidence
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.period_tables import ResolvedPeriod
from billing_assets.domain.resolved import ResolvedLineItem, Status, resolve
from billing_assets.domain.rivals import rivals_of, why_first
from billing_assets.domain.row_story import row_stories
from billing_assets.domain.status_rules import amount_rule_of, rule_of
from billing_assets.domain.subjects import (
    AccountSubject,
    BillSubject,
    LineSubject,
    SubjectError,
    nearest,
    parse_subject,
)
from billing_assets.local.sample import Sample, generate
from billing_assets_tests.unit.making import InMemoryObjects

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONS = {
    "duplicate_latest_wins": "it was assigned later",
    "duplicate_right_hint_wins": "where the line stands, the other's isn't",
    "duplicate_own_amount_wins": "it has an amount of its own",
    "duplicate_smallest_id_wins": "its `assignment_id` is the smaller one",
    "duplicate_both_hash_versions": "it was assigned later",
    "duplicate_under_both_keys": "it was assigned later",
    "equal_lines_v1_comes_too_late": "it was assigned later",
    "equal_lines_third_is_left_over": "where the line stands, the other's isn't",
    "equal_lines_same_hint": "it was assigned later",
}
"""By which criterion each scene of the sample is decided, as its author wrote it down."""


@cache
def _world() -> tuple[Sample, dict[str, ResolvedPeriod]]:
    """The sample, resolved in memory period by period."""
    sample = generate(last_period="2026-06", scale=0.15, seed=5)
    partitions = {fate.assignment_id: fate.partition for fate in sample.expected}
    by_period: dict[str, list[Assignment]] = {}
    for record in sample.assignments:
        if period := partitions[record["assignment_id"]]:
            by_period.setdefault(period, []).append(Assignment.from_record(_as_sent(record)))
    source = InMemoryObjects(sample.objects)
    now = dt.datetime(2026, 6, 30, tzinfo=dt.UTC)
    tables = {
        period: ResolvedPeriod(period, now, resolve(sorted(records, key=lambda record: record.order), source)[0])
        for period, records in by_period.items()
    }
    return sample, tables


def _as_sent(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: NumberText(str(value)) if isinstance(value, Decimal | int) else value for name, value in record.items()
    }


def _rows() -> list[ResolvedLineItem]:
    return [row for table in _world()[1].values() for row in table.rows]


def test_a_status_has_no_sentence() -> None:
    """Every row of the sample has a rule that names no code, a remedy, and an amount rule where it has an amount."""
    seen = set()
    for row in _rows():
        seen.add((row.status, row.reason if row.status is not Status.EXCLUDED else ""))
        assert re.fullmatch(r"[A-Z].{30,}\.", rule_of(row)), row
        assert bool(amount_rule_of(row)) == (row.billed_usd is not None)
    assert {status for status, _ in seen} == set(Status)
    assert len(seen) >= 12


def test_a_duplicate_is_told_a_wrong_reason() -> None:
    """In each scene of the sample the winner is named with the criterion that decides it."""
    sample, tables = _world()
    kinds = {fate.assignment_id: fate.kinds for fate in sample.expected}
    told: dict[str, set[str]] = {}
    for table in tables.values():
        for pair in duplicates_of(table.rows):
            (scene,) = [kind for kind in kinds[pair.row.assignment.assignment_id] if kind in REASONS]
            told.setdefault(scene, set()).add(why_first(pair.winner, pair.row))
    assert set(told) == set(REASONS)
    for scene, reasons in told.items():
        assert all(REASONS[scene] in reason for reason in reasons), (scene, reasons)


def test_a_duplicate_has_no_winner() -> None:
    """Each duplicate has a rival that was given the line, with the reason why; a winner names whom it beat."""
    for table in _world()[1].values():
        for row in table.rows:
            if row.status is Status.DUPLICATE:
                winners = [rival for rival in rivals_of(row, table.rows) if rival.why.startswith("won: ")]
                assert any(rival.same_line for rival in winners)
                for rival in winners:
                    back = [other for other in rivals_of(rival.row, table.rows) if other.row is row]
                    assert [other.why[:6] for other in back] == ["lost: "]


def test_a_row_is_told_otherwise_than_it_was_stored() -> None:
    """Status, reason, amounts, place and relocation of every row are the stored ones, and the oracle's."""
    sample, tables = _world()
    evidence = Evidence(tables=tables)
    fates = {fate.assignment_id: fate for fate in sample.expected}
    told = 0
    for period, table in tables.items():
        for story in row_stories(evidence, period, {row.assignment.line_hash for row in table.rows}):
            assert story.assignment is not None
            fate = fates[story.assignment.assignment_id]
            assert (story.status, story.reason or None) == (fate.status, fate.reason)
            if story.status == "billable":
                assert story.place is not None
                assert story.billed_usd == fate.billed_amount
                assert story.master_bill_id == fate.master_bill_id
                assert (story.place.s3_key, story.place.position) == (fate.found_key, fate.found_index)
                assert story.place.relocated == fate.relocated
            told += 1
    assert told == sum(len(table.rows) for table in tables.values())


def test_shares_of_a_split_line_are_told_apart() -> None:
    """A line billed in several periods tells of the others, whichever hash version their records hold."""
    sample, tables = _world()
    split = {fate.assignment_id for fate in sample.expected if "split" in fate.kinds}
    evidence = Evidence(tables=tables)
    lines: dict[str, set[str]] = {}
    for period, table in tables.items():
        hashes = {row.assignment.line_hash for row in table.rows if row.assignment.assignment_id in split}
        for story in row_stories(evidence, period, hashes):
            if story.place is not None and story.assignment and story.assignment.assignment_id in split:
                others = {share.period for share in story.other_shares}
                lines.setdefault(story.place.line_identity, {period} | others)
                assert lines[story.place.line_identity] == {period} | others
    assert any(len(periods) > 2 for periods in lines.values())


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        (("P1|WTR|Water|1/2025|01/2025",), BillSubject("P1|WTR|Water|01/2025|01/2025", "2025-01")),
        (("P1|WTR||12/2024|03/2025",), BillSubject("P1|WTR||12/2024|03/2025", "2024-12")),
        ((" ABCDEF01 ",), LineSubject("abcdef01")),
        (("a" * 64,), LineSubject("a" * 64)),
        (("2025-01", "A-1"), AccountSubject("2025-01", "A-1")),
        (("1/2025", "A-1"), AccountSubject("2025-01", "A-1")),
    ],
)
def test_a_subject_is_taken_for_another(words: tuple[str, ...], subject: object) -> None:
    """Bills, hashes and accounts are told apart by their form alone."""
    assert parse_subject(*words) == subject


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("abcdef0",), "8 to 64 of 0-9 and a-f"),
        (("a" * 65,), "no line hash"),
        (("P1|WTR|Water",), "property|charge code|utility|MM/YYYY|MM/YYYY"),
        (("P1|WTR|Water|13/2025|13/2025",), "'13/2025' is not a month"),
        (("2025-01",), "name an account too"),
        (("abcdef01", "A-1"), "an account belongs to a period"),
        (("",), "is no master_bill_id"),
    ],
)
def test_a_subject_that_is_none_is_looked_for(words: tuple[str, ...], said: str) -> None:
    """What names nothing is refused with what could be named."""
    with pytest.raises(SubjectError, match=re.escape(said)):
        parse_subject(*words)


@given(st.text(max_size=40), st.text(max_size=10))
def test_any_text_is_a_subject_or_says_why_not(text: str, account: str) -> None:
    """No text breaks the reading of a subject."""
    with contextlib.suppress(SubjectError):
        assert parse_subject(text, account)


def test_the_nearest_ids_are_not_the_nearest() -> None:
    """Ids of the same property come first, then those that look alike; none for what looks like nothing."""
    known = ["P1|WTR|Water|01/2025|01/2025", "P1|GAS|Gas|01/2025|01/2025", "P2|WTR|Water|01/2025|01/2025"]
    assert nearest("P1|WTR|Wate|01/2025|01/2025", known)[0] == known[0]
    assert set(nearest("P1|WTR|Wate|01/2025|01/2025", known)) == set(known)
    assert nearest("zzzz", known) == []
