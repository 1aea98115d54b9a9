"""What the stores hold about a bill line, a bill or an account: brought together by readers, told in `story`.

Everything here was stored by a run, a person or the app; nothing is computed anew. Reading lives in
`billing_assets.stores` and `billing_assets.defs.run_history`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from decimal import Decimal

    from billing_assets.domain.assignments import Assignment
    from billing_assets.domain.listed_bills import StandingBill
    from billing_assets.domain.master_bills import MasterBill
    from billing_assets.domain.period_tables import ResolvedPeriod

ASSETS = ("ubi_assignments", "resolved_line_items", "master_bills_json", "snowflake_master_bills")
"""The chain, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEvidence:
    """A period's object in S3."""

    period: str
    uri: str
    bills: tuple[MasterBill, ...]
    run_id: str
    """`""` where somebody else wrote the object."""
    read_at_utc: dt.datetime | None
    restatement_key: str
    """The record of the restatement in force, `""` if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestatedEvidence:
    """What a restatement did to one bill."""

    master_bill_id: str
    change: str
    before_usd: Decimal | None
    after_usd: Decimal | None
    status_before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEvidence:
    """What a person decided about a period."""

    decision: str
    """`closed`, `reopened` or `restated`."""
    at_utc: str
    by: str
    """Who, as they gave it; for a restatement the run."""
    reason: str
    run_id: str = ""
    key: str = ""
    bills: tuple[RestatedEvidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedBill:
    """A bill's row in Snowflake."""

    master_bill_id: str
    amount_usd: Decimal
    line_items: int
    status: str
    content_hash: str
    run_id: str
    exported_at_utc: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedLine:
    """A line item's row in Snowflake."""

    master_bill_id: str
    ordinal: int
    line_hash: str
    amount_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedChange:
    """A row of the change log in Snowflake."""

    master_bill_id: str
    exported_at_utc: dt.datetime
    run_id: str
    change: str
    before_usd: Decimal | None
    after_usd: Decimal | None
    status_before: str | None
    status_after: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEvidence:
    """What Snowflake holds of some bills."""

    bills: tuple[ExportedBill, ...] = ()
    lines: tuple[ExportedLine, ...] = ()
    changes: tuple[LoggedChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """A Dagster run that materialized an asset of a period, or tried to."""

    period: str
    run_id: str
    at_utc: dt.datetime
    status: str
    """As Dagster says it: `SUCCESS`, `FAILURE`, ...; `""` where the run itself is no longer kept."""
    assets: tuple[str, ...]
    """What it materialized of the period."""
    verdict: str = ""
    """What became of the period's bills, where it published or tried to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was found; a store that did not answer is named in `absent`, with the reason."""

    tables: Mapping[str, ResolvedPeriod] = field(default_factory=dict)
    """Resolved line items by period, of the periods that matter."""
    published: Mapping[str, PublishedEvidence] = field(default_factory=dict)
    decisions: Mapping[str, tuple[DecisionEvidence, ...]] = field(default_factory=dict)
    listed: Mapping[str, tuple[StandingBill, ...]] = field(default_factory=dict)
    """What stands in the combined list under each id that was asked for."""
    archived: tuple[Assignment, ...] = ()
    exported: ExportedEvidence = field(default_factory=ExportedEvidence)
    runs: tuple[RunSeen, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    """By store: why it says nothing."""
