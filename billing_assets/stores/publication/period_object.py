"""Writing a period's object: read, decide, record the reason if one is needed, write.

Source: SPEC.md sections 7.1 and 7.2. What may be published is decided in `billing_assets.domain.restatement`; the
combined list, which follows, lives in `combined`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.errors import BillingError
from billing_assets.domain.json_list import rendered
from billing_assets.domain.listed_bills import listed_bills, order_of
from billing_assets.domain.master_bills import MasterBill, encode_bill, period_sha256
from billing_assets.domain.restatement import (
    Circumstances,
    Difference,
    Verdict,
    carry_over,
    difference_between,
    standing_bills,
    verdict_on,
)
from billing_assets.stores.publication.conditional import LostRaceError
from billing_assets.stores.publication.objects import (
    CONTENT_SHA256,
    READ_AT,
    RESTATEMENT,
    RUN_ID,
    Publications,
    PublishedPeriod,
    ascii_text,
    fault_of,
)
from billing_assets.stores.publication.records import (
    RestatedBill,
    Restatement,
    given_reason,
    moment_text,
    record_json,
)

if TYPE_CHECKING:
    from billing_assets.stores.publication.request import PublicationRequest


@dataclass(frozen=True, slots=True)
class Decision:
    """What an attempt decided, and whether it wrote."""

    verdict: Verdict
    difference: Difference
    closed: bool
    published: PublishedPeriod | None
    bills: tuple[MasterBill, ...]
    period_written: bool = False
    restatement_key: str = ""


class PublishingPeriod:
    """Attempts to write the period's object; each begins with reading."""

    def __init__(self, opened: Publications, request: PublicationRequest) -> None:
        if fault := fault_of(request.bills, request.period):
            raise ValueError(f"these are not the bills of {request.period}: {fault}")
        self._opened = opened
        self._request = request
        self._bills = sorted(request.bills, key=lambda bill: order_of(bill.master_bill_id))
        self._reason = None if request.restate_reason is None else given_reason(request.restate_reason)
        self._read_at = moment_text(request.read_at)
        self._now = moment_text(request.now)
        self._tried: tuple[bytes, Decision] | None = None
        self._restatement_key = ""

    def attempt(self) -> Decision:
        """Decide once, and write if that is the decision."""
        decision = self._decided()
        if self._tried is not None and self._is_ours(decision.published, self._tried[0]):
            return self._tried[1]
        if not self._request.publish or decision.verdict not in {Verdict.PUBLISH, Verdict.UNCHANGED}:
            return decision
        content = rendered([encode_bill(bill) for bill in decision.bills])
        closed_as_it_is = decision.closed and decision.verdict is Verdict.UNCHANGED
        if closed_as_it_is or (decision.published is not None and decision.published.stored.content == content):
            return decision
        return self._written(decision, content)

    def forget_restatement(self) -> None:
        """Take back a reason for what another run, faster than this one, left undone."""
        if not self._restatement_key:
            return
        # It is not in force, whether it stands there or not.
        with contextlib.suppress(BillingError, LostRaceError):
            stored = self._opened.bucket.read(self._restatement_key)
            if stored is not None:
                self._opened.bucket.remove(stored)

    def _decided(self) -> Decision:
        opened, request = self._opened, self._request
        combined = opened.combined()
        listed = listed_bills(
            None if combined is None else combined.content, request.period, where=opened.combined_address
        )
        published = opened.published(request.period)
        standing = standing_bills(None if published is None else published.bills, listed, opened.superseded(published))
        closed = opened.closed(request.period) is not None
        difference = difference_between(standing, self._bills)
        circumstances = Circumstances(
            published=published is not None,
            closed=closed,
            restated=self._reason is not None,
            max_shrink=request.max_shrink,
            read_at=request.read_at,
            published_read_at=None if published is None else published.read_at,
        )
        bills = tuple(carry_over(self._bills, standing))
        return Decision(verdict_on(difference, circumstances), difference, closed, published, bills)

    def _is_ours(self, published: PublishedPeriod | None, content: bytes) -> bool:
        """Whether an earlier try of this run succeeded, though no answer said so."""
        return (
            published is not None and published.stored.content == content and published.run_id == self._request.run_id
        )

    def _written(self, decision: Decision, content: bytes) -> Decision:
        period, published = self._request.period, decision.published
        restatement_key = self._recorded(decision) if self._reason and decision.difference.touched else ""
        metadata = {
            RUN_ID: ascii_text(self._request.run_id),
            READ_AT: self._read_at,
            CONTENT_SHA256: period_sha256(decision.bills),
        }
        last_restatement = restatement_key or ("" if published is None else published.restatement_key)
        if last_restatement:
            metadata[RESTATEMENT] = ascii_text(last_restatement)
        written = dataclasses.replace(decision, period_written=True, restatement_key=restatement_key)
        self._tried = content, written
        self._opened.bucket.write(
            self._opened.location.period_key(period),
            content,
            over=None if published is None else published.stored,
            metadata=metadata,
        )
        return written

    def _recorded(self, decision: Decision) -> str:
        """Write down the reason before what it explains, so that nothing guarded ever changes without one."""
        published = decision.published
        record = Restatement(
            period=self._request.period,
            run_id=self._request.run_id,
            reason=self._reason or "",
            restated_utc=self._now,
            period_closed=decision.closed,
            content_sha256_before="" if published is None else published.content_sha256,
            content_sha256_after=period_sha256(decision.bills),
            bills=tuple(
                RestatedBill(
                    master_bill_id=change.master_bill_id,
                    change=change.change,
                    before_usd=change.before_usd,
                    after_usd=change.after_usd,
                    status_before=change.status,
                    content_before=change.content_before,
                )
                for change in decision.difference.touched
            ),
        )
        key = self._opened.location.restatement_key(self._request.period, self._request.run_id)
        self._restatement_key = key
        self._opened.bucket.write(key, record_json(record), over=self._opened.bucket.read(key))
        return key
