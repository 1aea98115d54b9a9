"""What a run asks to publish, and the report of what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence
    from decimal import Decimal

    from billing_assets.domain.master_bills import MasterBill
    from billing_assets.domain.restatement import Difference, Verdict
    from billing_assets.stores.publication.combined import Derivation


@dataclass(frozen=True, slots=True)
class PublicationRequest:
    """What a run wants to publish, and under which rules."""

    period: str
    """`YYYY-MM`."""
    bills: Sequence[MasterBill]
    """All of the period, new, in any order."""
    run_id: str
    read_at: dt.datetime
    """When the run read the assignments; older than the published run's, nothing is published."""
    now: dt.datetime
    max_shrink: Decimal
    """The share of a published open period that a run may take away (0.10 is ten per cent)."""
    restate_reason: str | None = None
    """Why guarded bills are changed all the same; None: they are not."""
    publish: bool = True
    """False computes the difference and writes nothing."""


@dataclass(frozen=True, slots=True)
class PublicationReport:
    """What a run published, or why it published nothing."""

    period: str
    verdict: Verdict
    """What became of the bills; with `publish: false`, what would."""
    difference: Difference
    archived: Collection[str]
    """Those of the lines gone that are in the archive; looked up only where nothing was published."""
    closed: bool
    bills: tuple[MasterBill, ...]
    """As published, or as they would be: with what they carry over."""
    content_sha256: str
    read_at: dt.datetime
    published_read_at: dt.datetime | None
    """Of the run that had published before."""
    period_written: bool
    """False also where the object had these very bytes."""
    restatement_key: str
    """The record of the reason, `""` if none was needed."""
    combined: Derivation | None
    """None where nothing was published."""
