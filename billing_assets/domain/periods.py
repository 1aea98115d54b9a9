"""UBI periods: months as the app spells them, and as partition keys.

Source: SPEC.md section 2. What a partition is to Dagster lives in `billing_assets.defs.partitions`.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MONTHS = 24
"""A range longer than this is no UBI period."""

_MONTH = re.compile(r"(0[1-9]|1[0-2]|[1-9])/([0-9]{4})")
_KEY = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_TO = " to "


class PeriodError(ValueError):
    """A text that is not a UBI period; `str(error)` says why."""


@dataclass(frozen=True, order=True, slots=True)
class Month:
    """A calendar month.

    Example:
        >>> Month.from_key("2025-01").plus(-1)
        Month(year=2024, month=12)
    """

    year: int
    month: int

    @classmethod
    def from_key(cls, key: str) -> Month:
        """Read a partition key, `YYYY-MM`.

        Raises:
            PeriodError: The text is no such key.
        """
        match = _KEY.fullmatch(key)
        if match is None or match[1] == "0000":
            raise PeriodError(f"{key!r} is not a month written YYYY-MM")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def from_app(cls, text: str) -> Month:
        """Read the app's spelling, `MM/YYYY` or `M/YYYY`.

        Raises:
            PeriodError: The text is no such month.
        """
        match = _MONTH.fullmatch(text)
        if match is None or match[2] == "0000":
            raise PeriodError(f"{text!r} is not a month written MM/YYYY")
        return cls(int(match[2]), int(match[1]))

    @property
    def key(self) -> str:
        """The partition key, `YYYY-MM`."""
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def app(self) -> str:
        """The app's spelling, `MM/YYYY`."""
        return f"{self.month:02d}/{self.year:04d}"

    @property
    def first_day(self) -> dt.date:
        """The first day of the month."""
        return dt.date(self.year, self.month, 1)

    @property
    def last_day(self) -> dt.date:
        """The last day of the month."""
        return dt.date(self.year, self.month, calendar.monthrange(self.year, self.month)[1])

    @property
    def ordinal(self) -> int:
        """Months since year 0, so that differences count months."""
        return self.year * 12 + self.month - 1

    def plus(self, months: int) -> Month:
        """The month so many months later (earlier, if negative)."""
        year, month = divmod(self.ordinal + months, 12)
        return Month(year, month + 1)


@dataclass(frozen=True, order=True, slots=True)
class UbiPeriod:
    """One month, or a legacy range of months; it belongs to the partition of its first month.

    Example:
        >>> str(UbiPeriod.parse("1/2025 to 03/2025")), UbiPeriod.parse("1/2025").partition
        ('01/2025 to 03/2025', '2025-01')
    """

    first: Month
    last: Month

    @classmethod
    def parse(cls, text: str) -> UbiPeriod:
        """Read `MM/YYYY` or `MM/YYYY to MM/YYYY`; nothing else may stand around them.

        Raises:
            PeriodError: The text is neither, its first month is after its last, or it spans more than 24 months.
        """
        first_text, to, last_text = text.partition(_TO)
        first = Month.from_app(first_text)
        last = Month.from_app(last_text) if to else first
        if last < first:
            raise PeriodError(f"{text!r} ends before it begins")
        if last.ordinal - first.ordinal >= MAX_MONTHS:
            raise PeriodError(f"{text!r} is longer than {MAX_MONTHS} months")
        return cls(first, last)

    def __str__(self) -> str:
        """The app's spelling."""
        return self.first.app if self.first == self.last else f"{self.first.app}{_TO}{self.last.app}"

    @property
    def partition(self) -> str:
        """The partition key of the first month."""
        return self.first.key


def months_between(first: Month, last: Month) -> Iterator[Month]:
    """Every month from `first` to `last`, both included; none if `last` is earlier."""
    for distance in range(last.ordinal - first.ordinal + 1):
        yield first.plus(distance)


def spellings_of(month: Month) -> list[str]:
    """Every text under which a record of this partition may stand in the index, the most usual first.

    The law: `UbiPeriod.parse(text).first == month` for exactly these texts.

    Example:
        >>> spellings_of(Month(2025, 12))[:3]
        ['12/2025', '12/2025 to 12/2025', '12/2025 to 01/2026']
    """
    months = _spellings_of_month(month)
    ranges = [
        f"{first}{_TO}{last}"
        for first in months
        for end in months_between(month, month.plus(MAX_MONTHS - 1))
        if end.year <= dt.MAXYEAR
        for last in _spellings_of_month(end)
    ]
    return months + ranges


def _spellings_of_month(month: Month) -> list[str]:
    return [month.app] if month.month >= 10 else [month.app, month.app.removeprefix("0")]
