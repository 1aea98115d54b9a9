"""Publishing a period's master bills: the period's object first, then the combined list.

Source: SPEC.md sections 7.1 and 7.2.

A death at any point leaves both objects whole, old or new; the next run, which compares with both, does what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.errors import PublicationRefusedError
from billing_assets.domain.master_bills import period_sha256
from billing_assets.domain.restatement import Verdict
from billing_assets.stores.publication.combined import Deriving
from billing_assets.stores.publication.conditional import Patience
from billing_assets.stores.publication.objects import MasterBillLocation, Publications
from billing_assets.stores.publication.period_object import Decision, PublishingPeriod
from billing_assets.stores.publication.request import PublicationReport, PublicationRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from types_boto3_s3 import S3Client


def nothing_archived(line_hashes: Collection[str]) -> Collection[str]:  # noqa: ARG001  # the shape of a look-up
    """The answer of an archive that nobody asks."""
    return frozenset()


def publish(
    s3: S3Client,
    location: MasterBillLocation,
    request: PublicationRequest,
    *,
    archived: Callable[[Collection[str]], Collection[str]] = nothing_archived,
    patience: Patience | None = None,
) -> PublicationReport:
    """Publish a period's bills whole, or leave it as it is and say why.

    Not an error: a pending restatement, a run that read earlier than the published one, nothing to change. Running
    again writes identical bytes, that is nothing.

    Args:
        s3: The client of the caller.
        location: Where published master bills live.
        request: What to publish.
        archived: Which of these line hashes are in the archive; asked only when lines are gone and guarded.
        patience: How long to stand up to other writers, and by which clock.

    Raises:
        PublicationRefusedError: The shrink guard; the text has the difference.
        UnreadableInputError: The combined list, the period's object or a record can't be read; nothing is written.
        ConfigurationError: A restatement without a reason, or a bucket that doesn't exist.
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away, or other writers were faster, until the deadline.
        ValueError: The bills are not those of one period, or a time has no time zone.
    """
    opened, patient = Publications(s3, location), patience or Patience()
    publishing = PublishingPeriod(opened, request)
    decision = patient.persist(publishing.attempt, where=opened.address_of(request.period))
    if not decision.period_written:
        publishing.forget_restatement()
    guarded = decision.verdict in {Verdict.PENDING, Verdict.REFUSED}
    gone = decision.difference.line_hashes_gone if guarded else frozenset[str]()
    found = archived(gone) if gone else frozenset[str]()
    combined = None
    if request.publish:
        if decision.verdict is Verdict.REFUSED:
            raise _refused(opened, request, decision, found)
        if decision.verdict in {Verdict.PUBLISH, Verdict.UNCHANGED}:
            combined = patient.persist(Deriving(opened, request.period).attempt, where=opened.combined_address)
    return PublicationReport(
        period=request.period,
        verdict=decision.verdict,
        difference=decision.difference,
        archived=found,
        closed=decision.closed,
        bills=decision.bills,
        content_sha256=period_sha256(decision.bills),
        read_at=request.read_at,
        published_read_at=None if decision.published is None else decision.published.read_at,
        period_written=decision.period_written,
        restatement_key=decision.restatement_key,
        combined=combined,
    )


def _refused(
    opened: Publications, request: PublicationRequest, decision: Decision, archived: Collection[str]
) -> PublicationRefusedError:
    return PublicationRefusedError(
        f"publishing {request.period} would take too much away; nothing was published",
        where=opened.address_of(request.period),
        found=decision.difference.text(archived),
        rule=f"a run may take away at most {request.max_shrink:%} of a published period's bills or of their absolute "
        "amount (BILLING_MAX_SHRINK), so that residents' bills don't vanish because assignments were archived",
        remedy="find out where the lines went; if it is right so, run again with `restate: true` and a `reason`",
    )
