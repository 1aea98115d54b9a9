"""UBI periods: SPEC.md section 2."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.periods import Month, PeriodError, UbiPeriod, months_between, spellings_of

if TYPE_CHECKING:
    from collections.abc import Callable

months = st.builds(Month, st.integers(1, 9999), st.integers(1, 12))
near_months = st.builds(Month, st.integers(2023, 2027), st.integers(1, 12))


@st.composite
def periods(draw: st.DrawFn) -> UbiPeriod:
    """Make a month, or a range of at most 24 months."""
    first = draw(st.builds(Month, st.integers(1, 9990), st.integers(1, 12)))
    return UbiPeriod(first, first.plus(draw(st.integers(0, 23))))


@given(periods())
def test_a_period_is_printed_as_another_period(period: UbiPeriod) -> None:
    """What is printed reads back as the same period."""
    assert UbiPeriod.parse(str(period)) == period


@given(months)
def test_a_month_is_printed_as_another_month(month: Month) -> None:
    """Both spellings of a month, the app's and the partition key, read back as the same month."""
    assert Month.from_app(month.app) == month
    assert Month.from_key(month.key) == month


@pytest.mark.parametrize(
    ("text", "printed", "partition"),
    [
        ("01/2025", "01/2025", "2025-01"),
        ("1/2025", "01/2025", "2025-01"),
        ("12/2024", "12/2024", "2024-12"),
        ("11/2024 to 02/2025", "11/2024 to 02/2025", "2024-11"),
        ("1/2025 to 3/2025", "01/2025 to 03/2025", "2025-01"),
        ("1/2025 to 03/2025", "01/2025 to 03/2025", "2025-01"),
        ("05/2025 to 05/2025", "05/2025", "2025-05"),
        ("01/2024 to 12/2025", "01/2024 to 12/2025", "2024-01"),
    ],
)
def test_a_spelling_of_the_app_is_refused_or_misfiled(text: str, printed: str, partition: str) -> None:
    """A month or a range belongs to the partition of its first month."""
    period = UbiPeriod.parse(text)
    assert (str(period), period.partition) == (printed, partition)


_NO_PERIODS = [
    *("", " ", "01/2025 ", " 01/2025", "01/2025\n", "\ufeff01/2025", "00/2025", "13/2025", "0/2025", "001/2025"),
    *("1/25", "01-2025", "2025-01", "2025/01", "01/02/2025", "01/20255", "01/0000", "-1/2025", "Jan 2025", "012025"),
    *("01/2025 to", " to 01/2025", "01/2025 to ", "01/2025to02/2025", "01/2025 - 02/2025", "01/2025  to 02/2025"),
    *(
        "01/2025 to  02/2025",
        "01/2025 TO 02/2025",
        "01/2025\tto\t02/2025",
        "01/2025 to 02/2025 ",
        "01/2025\u00a0to 02/2025",
    ),
    *("02/2025 to 01/2025", "01/2025 to 12/2024", "01/2024 to 01/2026", "01/2025 to 02/2025 to 03/2025"),
    *("٠١/٢٠٢٥", "０１/２０２５", "1²/2025", "01/２025", "01∕2025"),  # noqa: RUF001 - other digits and another slash
]


@pytest.mark.parametrize("text", _NO_PERIODS)
def test_a_text_that_is_no_period_is_filed_under_one(text: str) -> None:
    """Other digits, other blanks, backward and overlong ranges are refused."""
    with pytest.raises(PeriodError):
        UbiPeriod.parse(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("13/2025", "'13/2025' is not a month written MM/YYYY"),
        ("02/2025 to 01/2025", "'02/2025 to 01/2025' ends before it begins"),
        ("01/2024 to 01/2026", "'01/2024 to 01/2026' is longer than 24 months"),
    ],
)
def test_a_refused_period_does_not_say_why(text: str, error: str) -> None:
    """Each refusal names the rule that was broken."""
    with pytest.raises(PeriodError) as caught:
        UbiPeriod.parse(text)
    assert str(caught.value) == error


@pytest.mark.parametrize("key", ["2025-1", "2025-13", "2025-00", "0000-01", "01/2025", "2025-01 ", "２025-01", ""])  # noqa: RUF001
def test_a_text_that_is_no_partition_key_is_read_as_one(key: str) -> None:
    """Only `YYYY-MM` is a partition key."""
    with pytest.raises(PeriodError) as caught:
        Month.from_key(key)
    assert str(caught.value) == f"{key!r} is not a month written YYYY-MM"


@given(near_months)
def test_the_index_is_asked_for_a_text_that_belongs_to_another_month(month: Month) -> None:
    """Every spelling that we ask for is a period that begins in the month, and is asked for once."""
    spellings = spellings_of(month)
    assert {UbiPeriod.parse(text).first for text in spellings} == {month}
    assert len(spellings) == len(set(spellings))


def _printed_by_hand(year: int, month: int) -> set[str]:
    return {f"{month:02d}/{year}", f"{month}/{year}"}


@given(near_months)
def test_the_index_is_not_asked_for_a_spelling_of_the_month(month: Month) -> None:
    """Every month and range of up to 24 months, with and without leading zeros on either side, is asked for."""
    expected = _printed_by_hand(month.year, month.month)
    year, number = month.year, month.month
    for _ in range(24):
        expected |= {
            f"{first} to {last}"
            for first in _printed_by_hand(month.year, month.month)
            for last in _printed_by_hand(year, number)
        }
        year, number = (year, number + 1) if number < 12 else (year + 1, 1)
    assert set(spellings_of(month)) == expected


_near_texts = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", " ", "0", "1", "1/2025 to "]),
    st.sampled_from(["1/2025", "01/2025", "12/2024", "01/2025 to 03/2025", "1/2025 to 1/2027", "01/2025 to 1/2024"]),
    st.sampled_from(["", " ", "\n", "0", " to 02/2025", " to 12/2026"]),
)


@given(_near_texts, near_months)
def test_a_text_is_asked_for_that_does_not_parse(text: str, month: Month) -> None:
    """A text is asked for exactly if it parses to a period that begins in the month."""
    try:
        parsed: Month | None = UbiPeriod.parse(text).first
    except PeriodError:
        parsed = None
    assert (text in spellings_of(month)) == (parsed == month)
    if parsed is not None:
        assert text in spellings_of(parsed)


def test_the_usual_spelling_is_not_asked_for_first() -> None:
    """The order of spellings is fixed: months, then ranges, from the nearest end."""
    assert spellings_of(Month(2025, 1))[:5] == [
        *("01/2025", "1/2025", "01/2025 to 01/2025", "01/2025 to 1/2025", "01/2025 to 02/2025"),
    ]
    assert spellings_of(Month(2025, 10))[:3] == ["10/2025", "10/2025 to 10/2025", "10/2025 to 11/2025"]
    assert spellings_of(Month(9999, 12)) == ["12/9999", "12/9999 to 12/9999"]
    assert spellings_of(Month(9998, 2))[-1] == "2/9998 to 12/9999"


@given(months.filter(lambda month: 3 < month.year < 9996), st.integers(-30, 30))
def test_months_are_counted_wrongly_across_a_year(month: Month, distance: int) -> None:
    """Going there and back ends where it began, and the ordinal counts the steps."""
    there = month.plus(distance)
    assert there.plus(-distance) == month
    assert there.ordinal - month.ordinal == distance
    assert (there > month) == (distance > 0)


@pytest.mark.parametrize(
    ("start", "distance", "end"),
    [((2024, 12), 1, (2025, 1)), ((2025, 1), -1, (2024, 12)), ((2025, 1), 23, (2026, 12)), ((2025, 6), 0, (2025, 6))],
)
def test_december_is_followed_by_the_wrong_month(start: tuple[int, int], distance: int, end: tuple[int, int]) -> None:
    """A year ends after its twelfth month."""
    assert Month(*start).plus(distance) == Month(*end)


@given(near_months, st.integers(-2, 30))
def test_a_range_skips_a_month(month: Month, length: int) -> None:
    """A range holds both its ends and all between; none if it ends before it begins."""
    between = list(months_between(month, month.plus(length)))
    assert between == [month.plus(distance) for distance in range(length + 1)]


@given(months)
def test_a_month_ends_on_another_day(month: Month) -> None:
    """The last day is the day before the first of the next month."""
    assert month.first_day == dt.date(month.year, month.month, 1)
    assert (month.last_day.year, month.last_day.month) == (month.year, month.month)
    if month < Month(9999, 12):
        assert month.last_day + dt.timedelta(days=1) == month.plus(1).first_day


@pytest.mark.parametrize("read", [Month.from_app, UbiPeriod.parse])
def test_a_wrong_period_can_not_be_caught_as_a_wrong_value(read: Callable[[str], object]) -> None:
    """A `PeriodError` is a `ValueError`."""
    with pytest.raises(ValueError, match="not a month"):
        read("soon")
