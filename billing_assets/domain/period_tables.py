"""What passes from asset to asset: a partition's assignments, and its resolved line items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

    from billing_assets.domain.accounts import AccountToTrack
    from billing_assets.domain.assignments import Assignment
    from billing_assets.domain.resolved import ResolvedLineItem


@dataclass(frozen=True, slots=True)
class AssignmentsOfPeriod:
    """The records of one partition, in their own order."""

    partition: str
    read_at_utc: dt.datetime
    """When the read began: nothing older than it may overwrite what is made of it."""
    assignments: list[Assignment]


@dataclass(frozen=True, slots=True)
class ResolvedPeriod:
    """One row for every assignment of a partition, in the assignments' order."""

    partition: str
    read_at_utc: dt.datetime
    rows: list[ResolvedLineItem]


@dataclass(frozen=True, slots=True)
class AccountsToTrack:
    """The readable accounts of the list, in its order."""

    read_at_utc: dt.datetime
    accounts: list[AccountToTrack]
