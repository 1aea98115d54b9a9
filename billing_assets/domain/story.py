"""The whole story of a dollar: what is told of a bill line, a bill or an account, as plain values for people and JSON.

Lives here: the words of a story. Lives elsewhere: what the stores hold (`evidence`), and making the one of the other
(`story_of_line`, `story_of_bill`, `telling`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from decimal import Decimal

    from billing_assets.domain.evidence import DecisionEvidence, ExportedBill, LoggedChange
    from billing_assets.domain.line_items import LineItem


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentTold:
    """An assignment record, as it was read."""

    assignment_id: str
    line_hash: str
    ubi_period: str
    s3_key: str
    line_index: int | None
    bill_id: str
    amount_text: str
    """As stored, `""` if absent."""
    months: int
    assigned_by: str
    assigned_date: str
    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTold:
    """Where a line was found."""

    s3_key: str
    position: int
    hash_version: str
    line_identity: str
    relocated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalTold:
    """Another record of the period that competes for the line, or for one equal to it."""

    assignment_id: str
    assigned_by: str
    assigned_date: str
    line_hash: str
    status: str
    position: int
    same_line: bool
    billed_usd: Decimal | None
    why: str
    """Which of the two came first, and why; `""` where both were given a charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareTold:
    """What another stored period makes of the same line."""

    period: str
    status: str
    months: int
    billed_usd: Decimal | None
    line_hash: str
    assignment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStory:
    """One assignment of a period, the line it was given, and what became of it."""

    period: str
    read_at_utc: dt.datetime | None
    """None for a line that is published and was in no later read."""
    status: str
    """Of the stored row; `published only` for a line without one."""
    reason: str
    detail: str
    rule: str
    amount_rule: str
    remedy: str
    assignment: AssignmentTold | None
    assigned_usd: Decimal | None
    billed_usd: Decimal | None
    place: PlaceTold | None
    line: LineItem | None
    rivals: tuple[RivalTold, ...]
    other_shares: tuple[ShareTold, ...]
    master_bill_id: str
    """The published bill that holds the line, else the one it would go to; `""` without one."""
    ordinal: int | None
    """Its place in the published bill, from 0."""
    standing: str
    """Whether what is published holds it, in a sentence."""
    archived_since: bool
    """Whether a record of its line and period stands in the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLineTold:
    """One line of a published bill, and what the stored rows say of it."""

    ordinal: int
    line_hash: str
    account_number: str
    vendor_name: str
    description: str
    amount_usd: Decimal
    s3_key: str
    line_index: int
    now: str
    """`billable`, another status, or `gone` for a line without a row."""
    archived_since: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTold:
    """What stands in the combined list under the bill's id."""

    times: int
    amount_usd: Decimal | None
    status: str
    same_content: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BillStory:
    """A master bill: as published, listed, decided on and exported."""

    master_bill_id: str
    period: str
    uri: str
    """The period's object, `""` where it was never published."""
    published: bool
    """Whether the period's object holds the bill."""
    property_name: str
    amount_usd: Decimal | None
    status: str
    created_utc: str
    created_by: str
    published_by_run: str
    read_at_utc: dt.datetime | None
    content_hash: str
    line_count: int
    lines: tuple[BillLineTold, ...]
    left_out: tuple[tuple[str, int], ...]
    """Rows of the same property, charge code, utility and months that aren't billed: status and how many."""
    rows_usd: Decimal
    """What the stored rows would bill."""
    standing: str
    is_closed: bool
    decisions: tuple[DecisionEvidence, ...]
    """About the period; a restatement only if it touched the bill."""
    listed: ListedTold | None
    exported: ExportedBill | None
    exported_standing: str
    changes: tuple[LoggedChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, when and by whom."""

    at_utc: str
    what: str
    by: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTold:
    """A Dagster run that had to do with it."""

    run_id: str
    period: str
    at_utc: dt.datetime | None
    status: str
    assets: tuple[str, ...]
    verdict: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is known about a line, a bill or an account."""

    kind: str
    """`line`, `bill` or `account`."""
    subject: str
    rows: tuple[RowStory, ...]
    bills: tuple[BillStory, ...]
    archived: tuple[AssignmentTold, ...]
    timeline: tuple[Event, ...]
    runs: tuple[RunTold, ...]
    absent: dict[str, str]
    """Stores that said nothing, and why."""
