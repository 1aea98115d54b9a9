"""Which periods a moment asks for: months in the business's zone, and month ends that nobody forgets or repeats."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.open_periods import (
    MonthEndTries,
    last_ended,
    month_ends_due,
    month_of,
    open_periods,
)
from billing_assets.domain.periods import Month

FIRST = Month(2024, 1)
LOS_ANGELES, BERLIN = ZoneInfo("America/Los_Angeles"), ZoneInfo("Europe/Berlin")
ordinals = st.integers(FIRST.ordinal, FIRST.ordinal + 80)


def _month(ordinal: int) -> Month:
    return FIRST.plus(ordinal - FIRST.ordinal)


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        ("2025-01-01T07:59:00+00:00", LOS_ANGELES, ["2024-11", "2024-12"]),
        ("2025-01-01T08:00:00+00:00", LOS_ANGELES, ["2024-12", "2025-01"]),
        ("2024-12-31T23:00:00+00:00", BERLIN, ["2024-12", "2025-01"]),
        ("2024-12-31T22:59:00+00:00", BERLIN, ["2024-11", "2024-12"]),
    ],
)
def test_the_month_is_the_one_that_the_business_is_in(moment: str, zone: ZoneInfo, expected: list[str]) -> None:
    """On the last evening of a year it is next year elsewhere."""
    assert open_periods(dt.datetime.fromisoformat(moment), zone, first=FIRST) == expected


def test_no_period_before_the_first_is_asked_for() -> None:
    """In the first month there is no previous one, and before it none at all."""
    in_first = dt.datetime(2024, 1, 15, tzinfo=dt.UTC)
    assert open_periods(in_first, BERLIN, first=FIRST) == ["2024-01"]
    assert open_periods(in_first - dt.timedelta(days=40), BERLIN, first=FIRST) == []


@given(st.datetimes(dt.datetime.fromisoformat("2024-03-01"), timezones=st.just(BERLIN)), st.integers(1, 28))
def test_a_month_end_is_due_from_its_day_on_and_not_before(moment: dt.datetime, day: int) -> None:
    """Due is the month before, and until that day the month before it."""
    behind = month_of(moment, BERLIN).ordinal - last_ended(moment, BERLIN, day=day).ordinal
    assert behind == (1 if moment.day >= day else 2)


def test_without_history_only_the_period_that_is_due_is_asked_for() -> None:
    """A new deployment doesn't export two years at its first tick."""
    (request,) = month_ends_due(Month(2025, 1), {}, first=FIRST)
    assert (request.period, request.runs_before) == ("2025-01", 0)


@given(
    due=ordinals.map(_month),
    tries=st.dictionaries(
        ordinals.map(lambda ordinal: _month(ordinal).key),
        st.builds(MonthEndTries, st.integers(1, 9), settled=st.booleans()),
    ),
)
def test_no_month_end_is_forgotten_and_none_is_repeated(due: Month, tries: dict[str, MonthEndTries]) -> None:
    """Asked for is what failed so far and what was never tried since the last one, and nothing that is settled."""
    asked = {request.period: request.runs_before for request in month_ends_due(due, tries, first=FIRST)}
    assert not {period for period in asked if period in tries and tries[period].settled}
    assert all(period <= due.key for period in asked)
    assert {period for period, tried in tries.items() if not tried.settled and period <= due.key} <= set(asked)
    last = max(tries, default=None)
    for ordinal in range(FIRST.ordinal, due.ordinal + 1):
        if last is not None and _month(ordinal).key > last:
            assert _month(ordinal).key in asked
    # Each try has a run key of its own, since Dagster remembers run keys for ever.
    assert all(before == (tries[period].runs if period in tries else 0) for period, before in asked.items())
