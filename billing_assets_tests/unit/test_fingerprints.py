"""A period's fingerprint: blind to order, and to nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing_assets.domain.assignments import Assignment, PartitionRange
from billing_assets.domain.fingerprints import EMPTY, fingerprint, fingerprints, is_comparable
from billing_assets.domain.json_text import NumberText
from billing_assets.domain.periods import Month

RANGE = PartitionRange(Month(2024, 1), Month(2026, 12))
TEXTS = st.text("ab1-", max_size=3)
RECORDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"line_hash": TEXTS, "ubi_period": st.sampled_from(["01/2025", "1/2025", "02/2025", "never"]), "s3_key": TEXTS},
    optional={
        "assignment_id": TEXTS,
        "amount": st.sampled_from([NumberText("1.10"), NumberText("2"), "1.10", None]),
        "months": st.sampled_from([NumberText("1"), NumberText("3"), "2"]),
        "line_index": st.sampled_from([NumberText("0"), NumberText("7")]),
        "assigned_date": TEXTS,
        "assigned_by": TEXTS,
        "notes": TEXTS,
        "bill_id": TEXTS,
    },
)


def _rows(records: list[dict[str, Any]]) -> list[Assignment]:
    return [Assignment.from_record(record) for record in records]


@given(st.lists(RECORDS, max_size=8).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_records_does_not_matter(both: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """A parallel Scan gives them in another order each time."""
    one, other = both
    assert fingerprint(_rows(one)) == fingerprint(_rows(other))


@given(st.lists(RECORDS, max_size=6), RECORDS)
def test_a_record_more_or_less_is_another_fingerprint_and_restored_it_is_the_first(
    records: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    """Also where an equal record stands there already."""
    before = fingerprint(_rows(records))
    assert fingerprint(_rows([*records, more])) != before
    assert fingerprint(_rows([*records, more])[:-1]) == before


@given(st.lists(RECORDS, min_size=1, max_size=5), st.data())
def test_any_field_that_is_edited_in_place_shows(records: list[dict[str, Any]], data: st.DataObject) -> None:
    """An amount under an old date is such an edit; what is derived from a record has no say of its own."""
    rows = _rows(records)
    index = data.draw(st.integers(0, len(rows) - 1))
    derived = {"amount", "months", "fault"}
    name = data.draw(st.sampled_from([name for name in Assignment.__struct_fields__ if name not in derived]))
    value: object = data.draw(st.integers(0, 9) if name == "line_index" else TEXTS)
    assume(value != getattr(rows[index], name))
    changes: dict[str, Any] = {name: value}
    edited = [*rows[:index], replace(rows[index], **changes), *rows[index + 1 :]]
    assert fingerprint(edited) != fingerprint(rows)


@given(st.lists(RECORDS, max_size=8))
def test_a_scan_gives_each_partition_the_fingerprint_of_its_own_records(records: list[dict[str, Any]]) -> None:
    """Both spellings of a month are one partition; records of no partition are in none."""
    found = fingerprints(records, RANGE)
    of_january = [record for record in records if record["ubi_period"] in {"01/2025", "1/2025"}]
    assert found.get("2025-01", EMPTY) == fingerprint(_rows(of_january))
    assert set(found) <= {"2025-01", "2025-02"}


def test_fingerprints_stay_what_they_are() -> None:
    """A release that hashes otherwise without a new version would run every period again."""
    assert fingerprint([]) == EMPTY
    record = {
        "assignment_id": "a1",
        "line_hash": "h",
        "ubi_period": "01/2025",
        "s3_key": "k",
        "bill_id": "b",
        "line_index": NumberText("3"),
        "amount": NumberText("79.40"),
        "months": NumberText("2"),
        "assigned_by": "someone",
        "assigned_date": "2025-01-31",
        "notes": "n",
    }
    assert fingerprint(_rows([record])) == "1-33b0e8d2036f81b3"
    assert is_comparable(EMPTY)
    assert not is_comparable("0-e3b0c44298fc1c14")
