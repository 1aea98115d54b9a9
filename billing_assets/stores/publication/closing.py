"""Closing a period, so that its bills change by decision only, and reopening it.

Source: SPEC.md section 7.2. A period is closed exactly while its record stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from billing_assets.domain.errors import PublicationRefusedError
from billing_assets.domain.money import total
from billing_assets.stores.publication.conditional import LostRaceError, Patience
from billing_assets.stores.publication.objects import CLOSED_FOLDER, MasterBillLocation, Publications
from billing_assets.stores.publication.records import (
    ClosedPeriod,
    ReopenedPeriod,
    given_reason,
    moment_text,
    record_json,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from types_boto3_s3 import S3Client


def close_period(  # noqa: PLR0913  # who and when are facts of the record, not options
    s3: S3Client,
    location: MasterBillLocation,
    period: str,
    *,
    closed_by: str,
    now: dt.datetime,
    patience: Patience | None = None,
) -> ClosedPeriod:
    """Close a period as it is published now.

    Returns:
        The record that closes it; the earlier one, by whomever, where it is closed already.

    Raises:
        PublicationRefusedError: The period was never published.
        UnreadableInputError: The period's object or its record can't be read.
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away, or other writers were faster, until the deadline.
    """
    opened = Publications(s3, location)

    def attempt() -> ClosedPeriod:
        found = opened.closed(period)
        if found is None:
            record = _record_of(opened, period, closed_by=closed_by, closed_utc=moment_text(now))
            opened.bucket.write(location.closed_key(period), record_json(record), over=None)
            found = opened.closed(period)
        if found is None:
            raise LostRaceError(f"{period} was reopened at once")
        record, stored = found
        # A run that had found the period open may have published while the record was written.
        if (record.closed_by, record.closed_utc) == (closed_by, moment_text(now)):
            published = opened.published(period)
            if published is None or published.content_sha256 != record.content_sha256:
                opened.bucket.remove(stored)
                raise LostRaceError(f"{period} was published while it was closed")
        return record

    return (patience or Patience()).persist(attempt, where=opened.bucket.address(location.closed_key(period)))


def reopen_period(  # noqa: PLR0913  # who, when and why are facts of the record, not options
    s3: S3Client,
    location: MasterBillLocation,
    period: str,
    *,
    reason: str,
    reopened_by: str,
    now: dt.datetime,
    patience: Patience | None = None,
) -> ReopenedPeriod:
    """Put the record that closes a period aside, with a reason.

    The copy is written first: a death in between leaves the period closed, and the next try overwrites the copy.

    Raises:
        ConfigurationError: The reason is blank.
        PublicationRefusedError: The period is not closed.
        UnreadableInputError: The record can't be read.
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away, or other writers were faster, until the deadline.
    """
    opened = Publications(s3, location)
    reopening = _reopening(
        opened, period, reason=given_reason(reason), reopened_by=reopened_by, reopened_utc=moment_text(now)
    )
    return (patience or Patience()).persist(reopening, where=opened.bucket.address(location.closed_key(period)))


def closed_periods(s3: S3Client, location: MasterBillLocation, *, patience: Patience | None = None) -> list[str]:
    """Every period that is closed, in order, as `YYYY-MM`; their records are not read.

    Raises:
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away until the deadline.
    """
    opened = Publications(s3, location)
    return (patience or Patience()).persist(
        opened.closed_periods, where=opened.bucket.address(f"{location.periods_prefix}{CLOSED_FOLDER}")
    )


def _record_of(opened: Publications, period: str, *, closed_by: str, closed_utc: str) -> ClosedPeriod:
    published = opened.published(period)
    if published is None:
        raise PublicationRefusedError(
            f"{period} was never published",
            where=opened.address_of(period),
            rule="a closed period says what its residents were billed",
            remedy="materialize master_bills_json for the period, then close it",
        )
    return ClosedPeriod(
        period=period,
        bills=len(published.bills),
        amount_usd=total(bill.utility_amount for bill in published.bills),
        content_sha256=published.content_sha256,
        closed_by=closed_by,
        closed_utc=closed_utc,
    )


def _reopening(
    opened: Publications, period: str, *, reason: str, reopened_by: str, reopened_utc: str
) -> Callable[[], ReopenedPeriod]:
    tried: list[ReopenedPeriod] = []

    def attempt() -> ReopenedPeriod:
        found = opened.closed(period)
        if found is None and tried:
            return tried[-1]
        if found is None:
            raise PublicationRefusedError(
                f"{period} is not closed",
                where=opened.bucket.address(opened.location.closed_key(period)),
                remedy="nothing is to be done: the period can be published",
            )
        record, stored = found
        aside = ReopenedPeriod(
            **msgspec.structs.asdict(record), reason=reason, reopened_by=reopened_by, reopened_utc=reopened_utc
        )
        key = opened.location.reopened_key(record)
        opened.bucket.write(key, record_json(aside), over=opened.bucket.read(key))
        tried.append(aside)
        opened.bucket.remove(stored)
        return aside

    return attempt
