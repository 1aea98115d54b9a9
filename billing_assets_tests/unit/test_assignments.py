"""Assignment records: SPEC.md sections 1.1, 2, 4 and 5 (`invalid`), and 6 (records of no partition)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.assignments import Assignment, PartitionRange, TableReading
from billing_assets.domain.periods import Month, PeriodError, UbiPeriod
from billing_assets_tests.unit.making import KEY, a_record, n

HASH = "ab" * 32
RANGE = PartitionRange(Month(2024, 1), Month(2026, 12))


def _read(**attributes: Any) -> Assignment:
    return Assignment.from_record(a_record(HASH, **attributes))


def test_an_attribute_is_lost() -> None:
    """Every attribute of the record is kept as it was read."""
    record = a_record(
        HASH,
        assignment_id="id-1",
        bill_id="b-1",
        line_index=n(3),
        months=n(2),
        assigned_by="ann",
        assigned_date="2025-01-31T10:00:00Z",
        notes="split\nin two",
    )
    read = Assignment.from_record(record)
    assert (read.line_hash, read.s3_key, read.ubi_period) == (HASH, KEY, "01/2025")
    assert (read.assignment_id, read.bill_id, read.line_index) == ("id-1", "b-1", 3)
    assert (read.amount, read.amount_text, read.months, read.months_text) == (Decimal("10.00"), "10.00", 2, "2")
    assert (read.assigned_by, read.assigned_date, read.notes) == ("ann", "2025-01-31T10:00:00Z", "split\nin two")
    assert read.fault == ""
    assert read.period == UbiPeriod(Month(2025, 1), Month(2025, 1))


def test_a_record_without_optional_attributes_is_refused() -> None:
    """Only hash, key and period are needed."""
    read = Assignment.from_record({"line_hash": HASH, "s3_key": KEY, "ubi_period": "01/2025"})
    assert (read.fault, read.months, read.months_text, read.amount, read.amount_text) == ("", 1, "", None, "")
    assert (read.assignment_id, read.bill_id, read.line_index) == ("", "", None)
    assert (read.assigned_by, read.assigned_date, read.notes) == ("", "", "")


def test_an_empty_record_breaks_the_reading() -> None:
    """Not even an empty record is an error: it is unusable, for the first reason."""
    read = Assignment.from_record({})
    assert (read.fault, read.ubi_period, read.s3_key) == ("missing_field:line_hash", "", "")
    with pytest.raises(PeriodError):
        assert read.period


@pytest.mark.parametrize("blank", [None, "", "  ", "\t", n(7), True, ["x"], {"a": "b"}])
@pytest.mark.parametrize("name", ["line_hash", "s3_key"])
def test_a_record_without_hash_or_key_is_used(name: str, blank: Any) -> None:
    """A hash or key that is absent, blank or no text makes the record invalid, and names the field."""
    assert Assignment.from_record(a_record(HASH) | {name: blank}).fault == f"missing_field:{name}"


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ({"line_hash": " ", "s3_key": " ", "months": n(0), "amount": "x"}, "missing_field:line_hash"),
        ({"s3_key": " ", "months": n(0), "amount": "x"}, "missing_field:s3_key"),
        ({"months": n(0), "amount": "x"}, "bad_months"),
        ({"amount": "x"}, "bad_amount"),
    ],
)
def test_faults_are_named_in_another_order(attributes: dict[str, Any], fault: str) -> None:
    """Of several faults the first in the specification's order is named."""
    assert _read(**attributes).fault == fault


def test_blanks_around_a_hash_hide_the_line() -> None:
    """A hash is trimmed; a key is not, since blanks are part of it."""
    read = Assignment.from_record(a_record(f" {HASH}\n") | {"s3_key": f" {KEY} "})
    assert (read.line_hash, read.s3_key) == (HASH, f" {KEY} ")


@pytest.mark.parametrize(
    ("value", "months"),
    [
        *((n(1), 1), (n(2), 2), (n("2.0"), 2), (n("2.00"), 2), (n("12"), 12), (n("1E1"), 10), (n("24e0"), 24)),
        *(("2", 2), ("2.0", 2), ("02", 2), (" 3 ", 3), ("2.", 2), ("9223372036854775807", 2**63 - 1)),
        *((None, 1), ("", 1), ("  ", 1)),
    ],
)
@pytest.mark.parametrize("name", ["months", "months_total"])
def test_months_are_read_wrongly(name: str, value: Any, months: int) -> None:
    """Months are a number or digits, under either name; absent, NULL or blank is 1, and `2.0` is 2."""
    read = Assignment.from_record(a_record(HASH) | {name: value})
    assert (read.months, read.fault) == (months, "")
    assert read.months_text == ("" if value is None or not value.strip() else str(value))


@pytest.mark.parametrize(
    "value",
    [
        *(n(0), n("0.0"), n(-1), n("1.5"), n("2.01"), n("NaN"), n("1e400"), n("1e-3")),
        *(
            "0",
            "-1",
            "+2",
            "1.5",
            "2.01",
            "two",
            "1e1",
            "２",  # noqa: RUF001 - another digit
            "1 2",
            "2,0",
            ".",
            "9" * 20,
            "9223372036854775808",
            "1" * 5000,
        ),
        *(True, False, ["2"], {"a": "2"}, {"2"}, b"2"),
    ],
)
@pytest.mark.parametrize("name", ["months", "months_total"])
def test_a_record_is_split_into_no_whole_number_of_months(name: str, value: Any) -> None:
    """Anything but a whole number of 1 or more is `bad_months`, and its text is kept."""
    read = Assignment.from_record(a_record(HASH) | {name: value})
    assert (read.fault, read.months) == ("bad_months", 1)
    assert read.months_text == str(value)


@pytest.mark.parametrize(
    ("months", "months_total", "expected"),
    [(n(2), n(3), 2), (None, n(3), 3), ("", "3", 3), (n(2), "none", 2), (" ", n(4), 4)],
)
def test_months_total_overrules_months(months: Any, months_total: Any, expected: int) -> None:
    """`months_total` is read only where `months` says nothing."""
    read = Assignment.from_record(a_record(HASH) | {"months": months, "months_total": months_total})
    assert (read.months, read.fault) == (expected, "")


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        *((n("10.00"), "10.00"), (n("-3.3"), "-3.3"), (n("1E2"), "100"), (n("0"), "0"), (n("0.125"), "0.125")),
        *(("$1,234.56", "1234.56"), ("(12.00)", "-12.00"), (" 12.00 cr", "-12.00"), ("0.00", "0"), ("5", "5")),
    ],
)
def test_an_amount_is_read_wrongly(value: Any, amount: str) -> None:
    """An amount is a number, or a text of money; an explicit 0 is an amount."""
    read = _read(amount=value)
    assert (read.amount, read.amount_text, read.fault) == (Decimal(amount), str(value), "")


@pytest.mark.parametrize("value", [None, "", "   ", "\n"])
def test_an_absent_amount_is_taken_for_a_bad_one(value: Any) -> None:
    """NULL and blank are absent."""
    read = Assignment.from_record(a_record(HASH) | {"amount": value})
    assert (read.amount, read.amount_text, read.fault) == (None, "", "")


@pytest.mark.parametrize(
    "value",
    ["ten", "N/A", "1e3", "+1", "1,23", "٣", n("NaN"), n("Infinity"), n("1e30"), True, False, ["1"], {"a": "1"}, b"1"],
)
def test_an_amount_that_is_no_money_is_taken_for_an_absent_one(value: Any) -> None:
    """An amount that is there but no money is `bad_amount`, and its text is kept for a person."""
    read = _read(amount=value)
    assert (read.amount, read.amount_text, read.fault) == (None, str(value), "bad_amount")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        *((n(0), 0), (n(3), 3), (n("3.0"), 3), ("4", 4), (None, None), (n(-1), None), (n("1.5"), None), ("x", None)),
        *((True, None), (["1"], None), ("", None)),
    ],
)
def test_a_hint_makes_a_record_invalid(value: Any, hint: int | None) -> None:
    """A hint that says nothing is no hint, and no fault."""
    read = Assignment.from_record(a_record(HASH) | {"line_index": value})
    assert (read.line_index, read.fault) == (hint, "")


def test_a_number_in_the_audit_fields_is_lost() -> None:
    """A number where a text is usual is its text; other types say nothing."""
    read = _read(bill_id=n(17), assigned_by=n(4), assigned_date=n(20250131), notes=["x"], assignment_id="i")
    assert (read.bill_id, read.assigned_by, read.assigned_date, read.notes) == ("17", "4", "20250131", "")


@pytest.mark.parametrize(
    ("text", "partition"),
    [
        *(("01/2024", "2024-01"), ("12/2026", "2026-12"), ("1/2025", "2025-01"), ("12/2026 to 03/2027", "2026-12")),
        *(("12/2023", None), ("01/2027", None), ("12/2023 to 02/2024", None), ("13/2025", None), ("", None)),
        *(("Jan 2025", None), ("01/2025 ", None)),
    ],
)
def test_a_record_is_filed_under_a_partition_that_is_none(text: str, partition: str | None) -> None:
    """A period that can't be parsed, or begins outside the partitions, belongs to no partition."""
    assert RANGE.partition_of(text) == partition


def test_a_record_of_no_partition_is_not_seen() -> None:
    """Records of the partition, of the others and of none are counted, and the last are listed with their text."""
    periods: list[Any] = [
        "01/2025",
        "1/2025",
        "01/2025 to 02/2025",
        "02/2025",
        "01/2023",
        "soon",
        None,
        n("01"),
        ["x"],
        "",
    ]
    records = [a_record(HASH, line_index=n(at)) | {"ubi_period": period} for at, period in enumerate(periods)]
    reading = TableReading.of(records, RANGE, "2025-01")
    assert [record.ubi_period for record in reading.assignments] == ["01/2025", "1/2025", "01/2025 to 02/2025"]
    assert dict(reading.records_by_partition) == {"2025-01": 3, "2025-02": 1}
    listed = [record.ubi_period for record in reading.no_partition]
    assert listed == ["01/2023", "soon", "", "number 01", "", ""]
    assert (reading.records_scanned, reading.records_accounted_for, reading.all_accounted_for) == (10, 10, True)
    assert reading.whole_table
    assert not TableReading.of(records, RANGE, "2025-01", whole_table=False).whole_table


def test_a_lost_record_goes_unseen() -> None:
    """One record more or less than was scanned is told."""
    reading = TableReading.of([a_record(HASH)], RANGE, None)
    assert reading.assignments == []
    assert reading.all_accounted_for
    reading.records_scanned += 1
    assert not reading.all_accounted_for


def test_an_invalid_record_vanishes_from_its_partition() -> None:
    """An unusable record keeps its place in its partition."""
    reading = TableReading.of([{"ubi_period": "01/2025"}, {}], RANGE, "2025-01")
    assert [record.fault for record in reading.assignments] == ["missing_field:line_hash"]
    assert [record.fault for record in reading.no_partition] == ["missing_field:line_hash"]


_texts = st.sampled_from(["01/2025", "1/2025", "02/2025", "01/2023", "x", "", "01/2025 to 03/2025"])
_records = st.lists(
    st.builds(
        lambda period, hint, key, note: a_record(HASH, key, line_index=hint, notes=note) | {"ubi_period": period},
        _texts,
        st.none() | st.integers(0, 2).map(n),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["x", "y"]),
    ),
    max_size=8,
)


@given(_records, st.randoms(use_true_random=False))
def test_the_order_of_a_scan_changes_the_period(records: list[dict[str, Any]], random: Any) -> None:
    """A parallel scan answers in any order: the reading is the same, and no record is lost."""
    shuffled = random.sample(records, len(records))
    reading = TableReading.of(records, RANGE, "2025-01")
    assert TableReading.of(shuffled, RANGE, "2025-01") == reading
    assert reading.all_accounted_for
    assert len(reading.assignments) == reading.records_by_partition["2025-01"]


@given(
    st.dictionaries(
        st.sampled_from(
            ["line_hash", "s3_key", "ubi_period", "amount", "months", "months_total", "line_index", "notes"]
        ),
        st.none()
        | st.booleans()
        | st.text(max_size=5)
        | st.floats().map(n)
        | st.integers().map(n)
        | st.lists(st.text(), max_size=1),
    )
)
def test_a_record_breaks_the_reading(record: dict[str, Any]) -> None:
    """Whatever stands in a record, it is read, and an amount or a number of months is never invented."""
    read = Assignment.from_record(record)
    assert read.months >= 1
    assert (read.amount is None) or not read.amount.is_nan()
    if read.fault == "":
        assert read.line_hash
        assert read.s3_key
        assert (read.amount is None) == (read.amount_text == "")
