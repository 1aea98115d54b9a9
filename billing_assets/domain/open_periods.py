"""Which periods a moment asks for: the open ones, those whose month end is due, and those that were published before.

A moment is always given, with its time zone: on the last evening of a month it is the next one elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.periods import Month, months_between

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class MonthEndTries:
    """What became of the month end's runs of one period so far."""

    runs: int
    settled: bool
    """One of them succeeded, or has not ended."""


@dataclass(frozen=True, slots=True)
class MonthEndRequest:
    """A period whose month end is to be run now."""

    period: str
    runs_before: int


def month_of(moment: dt.datetime, zone: dt.tzinfo) -> Month:
    """The month that the business is in.

    Example:
        >>> import datetime as dt
        >>> month_of(dt.datetime(2025, 1, 1, 3, tzinfo=dt.UTC), dt.timezone(dt.timedelta(hours=-8))).key
        '2024-12'
    """
    local = moment.astimezone(zone)
    return Month(local.year, local.month)


def open_periods(moment: dt.datetime, zone: dt.tzinfo, *, first: Month) -> list[str]:
    """The previous and the current month, without what lies before the first period."""
    current = month_of(moment, zone)
    return [month.key for month in (current.plus(-1), current) if month >= first]


def last_ended(moment: dt.datetime, zone: dt.tzinfo, *, day: int) -> Month:
    """The last period whose month end is due: the previous month from that day on, before it the one before.

    Args:
        moment: Now, or a schedule's tick.
        zone: The business's.
        day: Of the month, 1 to 28.
    """
    local = moment.astimezone(zone)
    return Month(local.year, local.month).plus(-1 if local.day >= day else -2)


def month_ends_due(due: Month, tries: Mapping[str, MonthEndTries], *, first: Month) -> list[MonthEndRequest]:
    """The periods whose month end is to be run now, the oldest first.

    A period is asked for until a run of it succeeds; one that is under way is left alone. What was missed since the
    last one that was tried is made up for. Without any history only the period that is due is asked for.

    Args:
        due: The last period that is due.
        tries: The month end's runs so far, by period.
        first: The first period of all.
    """
    last_tried = max((Month.from_key(period) for period in tries), default=due.plus(-1))
    asked = {period for period, tried in tries.items() if not tried.settled}
    asked |= {month.key for month in months_between(last_tried.plus(1), due)}
    return [
        MonthEndRequest(period, tries[period].runs if period in tries else 0)
        for period in sorted(asked)
        if first <= Month.from_key(period) <= due
    ]
