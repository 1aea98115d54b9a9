"""What passes from asset to asset: a partition's assignments, its resolved line items, the accounts, and completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

    from billing_assets.domain.accounts import AccountToTrack
    from billing_assets.domain.assignments import Assignment
    from billing_assets.domain.completion import Completion
    from billing_assets.domain.completion_grid import CompletionGrid
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


@dataclass(frozen=True, slots=True)
class CompletionOfPeriod:
    """What is expected of a partition, and what it has."""

    read_at_utc: dt.datetime
    completion: Completion


@dataclass(frozen=True, slots=True)
class GridOfPeriods:
    """Every expected account in every stored period."""

    read_at_utc: dt.datetime
    grid: CompletionGrid
