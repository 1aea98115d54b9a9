"""What was decided about a period, by whom and why: small JSON objects beside the period's own.

Source: SPEC.md section 7.2.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import msgspec

from billing_assets.domain.errors import ConfigurationError, UnreadableInputError

if TYPE_CHECKING:
    from billing_assets.stores.publication.conditional import StoredObject

_encode = msgspec.json.Encoder(decimal_format="number").encode


class ClosedPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """The record that closes a period: what was published then."""

    period: str
    bills: int
    amount_usd: Decimal
    content_sha256: str
    closed_by: str
    closed_utc: str


class ReopenedPeriod(ClosedPeriod, frozen=True, kw_only=True):
    """The same, put aside. In force once the period is no longer closed by it."""

    reopened_by: str
    reopened_utc: str
    reason: str


class RestatedBill(msgspec.Struct, frozen=True, kw_only=True):
    """One bill of a restatement."""

    master_bill_id: str
    change: str
    before_usd: Decimal | None
    after_usd: Decimal | None
    status_before: str
    content_before: str
    """Its content hash; `""` for a new bill, and for an entry of the app that was no whole bill."""


class Restatement(msgspec.Struct, frozen=True, kw_only=True):
    """Why, and how, guarded bills were changed. In force once the period's object names it."""

    period: str
    run_id: str
    reason: str
    restated_utc: str
    period_closed: bool
    content_sha256_before: str
    """`""` where nothing was published."""
    content_sha256_after: str
    bills: tuple[RestatedBill, ...]

    @property
    def superseded(self) -> frozenset[tuple[str, str]]:
        """Id and content of the bills that it put aside."""
        return frozenset((bill.master_bill_id, bill.content_before) for bill in self.bills)


Record = TypeVar("Record", ClosedPeriod, ReopenedPeriod, Restatement)


def record_json(record: ClosedPeriod | Restatement) -> bytes:
    """A record as it is stored."""
    return msgspec.json.format(_encode(record), indent=2) + b"\n"


def read_record(stored: StoredObject, kind: type[Record], *, where: str) -> Record:
    """A record that was stored.

    Raises:
        UnreadableInputError: It is no such record; what it decided is not guessed.
    """
    try:
        return msgspec.json.decode(stored.content, type=kind)
    except msgspec.DecodeError as error:
        raise UnreadableInputError(
            "the record of a decision can't be read",
            where=where,
            found=str(error),
            rule="a period whose record is there but unreadable counts as neither open nor closed",
            remedy="bring back its last readable version (the bucket's object versions); until then nothing goes out",
        ) from error


def given_reason(reason: str) -> str:
    """The reason of a decision, trimmed.

    Raises:
        ConfigurationError: It is blank.
    """
    trimmed = reason.strip()
    if not trimmed:
        raise ConfigurationError(
            "a reason is missing",
            rule="whoever reads the record later must learn why residents' bills were changed",
            remedy="give a reason in the run config",
        )
    return trimmed


def moment_text(moment: dt.datetime) -> str:
    """A moment in UTC, as it is stored.

    Raises:
        ValueError: It has no time zone, so nobody knows when it was.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_of(text: str) -> dt.datetime | None:
    """The moment that was stored; None for anything else."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(dt.UTC)
