"""The objects that published master bills consist of, and reading them.

Source: SPEC.md sections 7.1 and 7.2. Under `periods_prefix` stand `<YYYY-MM>.json`, the truth of a period;
`closed/<YYYY-MM>.json` while it is closed; `closed/reopened/…` and `restatements/…`, what was decided and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import msgspec

from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.json_list import elements_of
from billing_assets.domain.master_bills import decode_bill, period_sha256
from billing_assets.domain.periods import Month, PeriodError
from billing_assets.stores.publication.conditional import Bucket, Patience
from billing_assets.stores.publication.records import ClosedPeriod, Restatement, moment_of, read_record

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from types_boto3_s3 import S3Client

    from billing_assets.domain.master_bills import MasterBill
    from billing_assets.stores.publication.conditional import StoredObject

RUN_ID = "run-id"
READ_AT = "read-at"
CONTENT_SHA256 = "content-sha256"
RESTATEMENT = "restatement"
"""Metadata of a period's object: the key of its last restatement; later runs pass it on."""

CLOSED_FOLDER = "closed/"

_PERIOD_REMEDY = (
    "bring back its last readable version (the bucket's object versions), or move it away and materialize the period "
    "again"
)


@dataclass(frozen=True, slots=True)
class MasterBillLocation:
    """Where published master bills live in S3; its methods raise `PeriodError` for a text that is no `YYYY-MM`."""

    bucket: str
    combined_key: str
    """The list of all periods' bills, which the app reads and edits."""
    periods_prefix: str
    """Ends with `/`."""

    def period_key(self, period: str) -> str:
        """The period's own list."""
        return f"{self.periods_prefix}{Month.from_key(period).key}.json"

    def closed_key(self, period: str) -> str:
        """The record that closes the period."""
        return f"{self.periods_prefix}{CLOSED_FOLDER}{Month.from_key(period).key}.json"

    def reopened_key(self, record: ClosedPeriod) -> str:
        """Where that record goes; named by when the period was closed, so that a second try finds the first."""
        stamp = "".join(character for character in record.closed_utc if character.isalnum())
        return f"{self.periods_prefix}closed/reopened/{Month.from_key(record.period).key}-{stamp}.json"

    def restatement_key(self, period: str, run_id: str) -> str:
        """The record of a restatement."""
        return f"{self.periods_prefix}restatements/{Month.from_key(period).key}-{ascii_text(run_id)}.json"


@dataclass(frozen=True, slots=True)
class PublishedPeriod:
    """A period's object, read exactly."""

    period: str
    bills: tuple[MasterBill, ...]
    content_sha256: str
    """Of the bills as read."""
    recorded_sha256: str
    """As the run recorded it; another one, or `""`, means that somebody else wrote the object."""
    run_id: str
    """`""` where somebody else wrote the object."""
    read_at: dt.datetime | None
    """When the run read the assignments, UTC; None where that isn't recorded."""
    restatement_key: str
    """The record of the last restatement, `""` if there was none."""
    stored: StoredObject

    @property
    def etag(self) -> str:
        """S3's tag of the object."""
        return self.stored.etag


class Publications:
    """The location, opened with a client: what one attempt reads."""

    def __init__(self, s3: S3Client, location: MasterBillLocation) -> None:
        self.bucket = Bucket(s3, location.bucket)
        self.location = location

    @property
    def combined_address(self) -> str:
        """Where the combined list lives, for people."""
        return self.bucket.address(self.location.combined_key)

    def address_of(self, period: str) -> str:
        """Where the period's object lives, for people."""
        return self.bucket.address(self.location.period_key(period))

    def combined(self) -> StoredObject | None:
        """The combined list as it is."""
        return self.bucket.read(self.location.combined_key)

    def published(self, period: str) -> PublishedPeriod | None:
        """The period's object; None if it was never published."""
        stored = self.bucket.read(self.location.period_key(period))
        if stored is None:
            return None
        bills = _bills_in(stored.content, period, where=self.address_of(period))
        return PublishedPeriod(
            period=period,
            bills=bills,
            content_sha256=period_sha256(bills),
            recorded_sha256=stored.metadata.get(CONTENT_SHA256, ""),
            run_id=unquote(stored.metadata.get(RUN_ID, "")),
            read_at=moment_of(stored.metadata.get(READ_AT, "")),
            restatement_key=unquote(stored.metadata.get(RESTATEMENT, "")),
            stored=stored,
        )

    def content_sha256(self, period: str) -> str:
        """What the run that published the period recorded of its content; else that of the bills as read."""
        recorded = self.bucket.metadata(self.location.period_key(period)).get(CONTENT_SHA256, "")
        if recorded:
            return recorded
        published = self.published(period)
        return "" if published is None else published.content_sha256

    def closed(self, period: str) -> tuple[ClosedPeriod, StoredObject] | None:
        """The record that closes the period; None while it is open."""
        stored = self.bucket.read(self.location.closed_key(period))
        if stored is None:
            return None
        return read_record(stored, ClosedPeriod, where=self.bucket.address(stored.key)), stored

    def superseded(self, published: PublishedPeriod | None) -> frozenset[tuple[str, str]]:
        """Id and content of the bills that the period's last restatement put aside."""
        if published is None or not published.restatement_key:
            return frozenset()
        stored = self.bucket.read(published.restatement_key)
        if stored is None:
            return frozenset()
        return read_record(stored, Restatement, where=self.bucket.address(stored.key)).superseded

    def periods(self) -> list[str]:
        """Every period that has an object, in order."""
        return self._periods_in(self.location.periods_prefix)

    def closed_periods(self) -> list[str]:
        """Every period that a record closes, in order."""
        return self._periods_in(f"{self.location.periods_prefix}{CLOSED_FOLDER}")

    def _periods_in(self, prefix: str) -> list[str]:
        names = (key.removeprefix(prefix) for key in self.bucket.keys(prefix))
        stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return sorted(stem for stem in stems if _is_period(stem))


def read_published(
    s3: S3Client, location: MasterBillLocation, period: str, *, patience: Patience | None = None
) -> PublishedPeriod | None:
    """A period's published bills, exactly as published; None if the period never was.

    Raises:
        UnreadableInputError: The object is no list of master bills of that period.
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away until the deadline.
    """
    opened = Publications(s3, location)
    return (patience or Patience()).persist(lambda: opened.published(period), where=opened.address_of(period))


def read_closed(
    s3: S3Client, location: MasterBillLocation, period: str, *, patience: Patience | None = None
) -> ClosedPeriod | None:
    """The record that closes a period; None while it is open.

    Raises:
        UnreadableInputError: The record is there but can't be read.
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away until the deadline.
    """
    opened = Publications(s3, location)
    found = (patience or Patience()).persist(lambda: opened.closed(period), where=opened.address_of(period))
    return None if found is None else found[0]


def published_periods(s3: S3Client, location: MasterBillLocation, *, patience: Patience | None = None) -> list[str]:
    """Every period that was published, in order, as `YYYY-MM`.

    Raises:
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away until the deadline.
    """
    opened = Publications(s3, location)
    return (patience or Patience()).persist(opened.periods, where=opened.bucket.address(location.periods_prefix))


def published_contents(
    s3: S3Client, location: MasterBillLocation, *, patience: Patience | None = None
) -> dict[str, str]:
    """The content SHA-256 of every published period, in order, without reading what a run of ours wrote.

    A run records it with the object; an object that somebody else wrote has no record, and is read.

    Raises:
        UnreadableInputError: Such an object is no list of master bills.
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away until the deadline.
    """
    opened, patience = Publications(s3, location), patience or Patience()
    contents = {}
    for period in published_periods(s3, location, patience=patience):
        sha256 = patience.persist(partial(opened.content_sha256, period), where=opened.address_of(period))
        if sha256:
            contents[period] = sha256
    return contents


def fault_of(bills: Sequence[MasterBill], period: str) -> str:
    """Why these can't be the bills of a period; `""` if they can."""
    for bill in bills:
        try:
            partition = bill.partition
        except ValueError:
            return f"a bill begins on {bill.billback_month_start!r}, which is no day"
        if partition != period:
            return f"there is a bill of {partition}"
    return "" if len({bill.master_bill_id for bill in bills}) == len(bills) else "a bill is there twice"


def ascii_text(text: str) -> str:
    """A text as S3 metadata and keys can hold it."""
    return quote(text, safe="")


def _bills_in(content: bytes, period: str, *, where: str) -> tuple[MasterBill, ...]:
    try:
        bills = tuple(decode_bill(text) for text, _ in elements_of(content, where=where, remedy=_PERIOD_REMEDY))
        fault = fault_of(bills, period)
    except msgspec.DecodeError as error:
        fault = str(error)
    if fault:
        raise UnreadableInputError(
            f"the published bills of {period} can't be read",
            where=where,
            found=fault,
            rule="what residents are billed is not guessed from a damaged object",
            remedy=_PERIOD_REMEDY,
        )
    return bills


def _is_period(text: str) -> bool:
    try:
        Month.from_key(text)
    except PeriodError:
        return False
    return True
