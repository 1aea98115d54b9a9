"""What S3 holds about some bills and lines beside the period's own list: decisions, and the app's combined list.

Source: SPEC.md sections 7.1 and 7.2. Only looks; everything is told as `billing_assets.domain.evidence`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from billing_assets.domain.evidence import DecisionEvidence, PublishedEvidence, RestatedEvidence
from billing_assets.domain.listed_bills import entries_of, standing_bill_of
from billing_assets.domain.money import plain
from billing_assets.stores.publication.objects import MasterBillLocation, Publications
from billing_assets.stores.publication.records import ClosedPeriod, ReopenedPeriod, Restatement, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from types_boto3_s3 import S3Client

    from billing_assets.domain.listed_bills import StandingBill
    from billing_assets.stores.publication.conditional import Patience, StoredObject

T = TypeVar("T")

_THREADS = 8


class PublicationHistory:
    """Published master bills and what was decided about them, read for a person who waits.

    Args:
        s3: The client of the caller.
        location: Where published master bills live.
        patience: For how long S3 is asked while it fails.
    """

    def __init__(self, s3: S3Client, location: MasterBillLocation, patience: Patience) -> None:
        self._opened = Publications(s3, location)
        self._patience = patience

    def periods(self) -> list[str]:
        """Every published period, in order."""
        return self._persist(self._opened.periods, self._opened.location.periods_prefix)

    def published(self, periods: Iterable[str]) -> dict[str, PublishedEvidence]:
        """The objects of some periods; one that was never published is left out.

        Raises:
            UnreadableInputError: An object is no list of master bills of its period.
        """
        wanted = sorted(set(periods))
        with ThreadPoolExecutor(_THREADS) as pool:
            found = pool.map(self._published, wanted)
            return {evidence.period: evidence for evidence in found if evidence is not None}

    def periods_holding(self, text: str) -> list[str]:
        """The published periods whose object holds a text such as a line hash: found in the bytes, not decoded."""
        periods = self.periods()
        with ThreadPoolExecutor(_THREADS) as pool:
            held = list(pool.map(lambda period: self._holds(period, text.encode()), periods))
        return [period for period, holds in zip(periods, held, strict=True) if holds]

    def decisions(self, period: str) -> tuple[DecisionEvidence, ...]:
        """What was decided about a period, in order of time: closing, reopening, restating.

        A restatement that never came into force, since its run was overtaken, is left out where its record was taken
        back; such a record's run published nothing.
        """
        return tuple(sorted(self._decisions(period), key=lambda decision: decision.at_utc))

    def listed(self, master_bill_ids: Collection[str]) -> dict[str, tuple[StandingBill, ...]]:
        """What stands in the combined list under some ids; an id without an entry is left out.

        Raises:
            UnreadableInputError: The list is no JSON list.
        """
        combined = self._persist(self._opened.combined, self._opened.location.combined_key)
        if combined is None:
            return {}
        found: dict[str, list[StandingBill]] = {}
        for entry in entries_of(combined.content, where=self._opened.combined_address):
            if entry.master_bill_id in master_bill_ids and (bill := standing_bill_of(entry)) is not None:
                found.setdefault(bill.master_bill_id, []).append(bill)
        return {name: tuple(bills) for name, bills in found.items()}

    def _published(self, period: str) -> PublishedEvidence | None:
        found = self._persist(lambda: self._opened.published(period), self._opened.location.period_key(period))
        if found is None:
            return None
        return PublishedEvidence(
            period=period,
            uri=self._opened.address_of(period),
            bills=found.bills,
            run_id=found.run_id,
            read_at_utc=found.read_at,
            restatement_key=found.restatement_key,
        )

    def _holds(self, period: str, text: bytes) -> bool:
        stored = self._read(self._opened.location.period_key(period))
        return stored is not None and text in stored.content

    def _decisions(self, period: str) -> Iterator[DecisionEvidence]:
        location = self._opened.location
        folders = (f"{location.periods_prefix}closed/reopened/", f"{location.periods_prefix}restatements/")
        with ThreadPoolExecutor(_THREADS) as pool:
            closed = pool.submit(self._read, location.closed_key(period))
            listings = list(pool.map(self._keys, folders))
            keys = [[key for key in keys if _is_of(key, period)] for keys in listings]
            reopened, restated = (list(pool.map(self._read, of_kind)) for of_kind in keys)
        if (stored := closed.result()) is not None:
            record = read_record(stored, ClosedPeriod, where=self._opened.bucket.address(stored.key))
            yield _closing(record)
        for stored in filter(None, reopened):
            aside = read_record(stored, ReopenedPeriod, where=self._opened.bucket.address(stored.key))
            yield _closing(aside, "was closed")
            yield DecisionEvidence(
                decision="reopened", at_utc=aside.reopened_utc, by=aside.reopened_by, reason=aside.reason
            )
        for stored in filter(None, restated):
            yield _restating(read_record(stored, Restatement, where=stored.key), stored.key)

    def _read(self, key: str) -> StoredObject | None:
        return self._persist(lambda: self._opened.bucket.read(key), key)

    def _keys(self, prefix: str) -> list[str]:
        return self._persist(lambda: self._opened.bucket.keys(prefix), prefix)

    def _persist(self, attempt: Callable[[], T], key: str) -> T:
        return self._patience.persist(attempt, where=self._opened.bucket.address(key))


def _closing(record: ClosedPeriod, decision: str = "closed") -> DecisionEvidence:
    reason = f"{record.bills:,} bills, ${plain(record.amount_usd)}"
    return DecisionEvidence(decision=decision, at_utc=record.closed_utc, by=record.closed_by, reason=reason)


def _restating(record: Restatement, key: str) -> DecisionEvidence:
    return DecisionEvidence(
        decision="restated",
        at_utc=record.restated_utc,
        by=f"run {record.run_id}",
        reason=record.reason,
        run_id=record.run_id,
        key=key,
        bills=tuple(
            RestatedEvidence(
                master_bill_id=bill.master_bill_id,
                change=bill.change,
                before_usd=bill.before_usd,
                after_usd=bill.after_usd,
                status_before=bill.status_before,
            )
            for bill in record.bills
        ),
    )


def _is_of(key: str, period: str) -> bool:
    return key.rpartition("/")[2].startswith(f"{period}-") and key.endswith(".json")
