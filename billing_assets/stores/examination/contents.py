"""What stands in the app's few single objects: accounts to track, the combined list, and our own periods' objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.accounts import parse_accounts
from billing_assets.domain.dynamodb_size import MAX_ITEM_BYTES
from billing_assets.domain.errors import AccessDeniedError, BillingError, UnreadableInputError
from billing_assets.domain.findings import Finding, Outcome
from billing_assets.domain.listed_bills import entries_of
from billing_assets.stores.aws_errors import CredentialsError
from billing_assets.stores.examination.tables import POLICY
from billing_assets.stores.publication import MasterBillLocation, published_periods
from billing_assets.stores.publication.conditional import Patience
from billing_assets.stores.small_objects import list_keys, read_bytes

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from billing_assets.settings import Settings

_QUICK = Patience(seconds=3.0)


class ContentsExamination:
    """Reads them whole; writes nothing.

    Args:
        s3: The shared client.
        settings: Bucket and keys.
    """

    def __init__(self, s3: S3Client, settings: Settings) -> None:
        self._s3 = s3
        self._settings = settings

    def accounts(self, check: str) -> Finding:
        """The accounts to track: there, readable, and of what size against the cache's limit."""
        key = self._settings.accounts_key
        subject, where = "accounts to track in S3", f"s3://{self._settings.bucket}/{key}"
        try:
            body = read_bytes(self._s3, self._settings.bucket, key, where)
            if body is None:
                return Finding.failed(
                    check,
                    subject,
                    f"{where} is not there: completion can't be judged (billing is not concerned)",
                    "set BILLING_ACCOUNTS_KEY to the object that the app's CONFIG page saves",
                )
            read = parse_accounts(body.decode(), where=where)
        except UnicodeDecodeError:
            return Finding.failed(check, subject, f"{where} is not UTF-8 text", "save the list again in the app")
        except (UnreadableInputError, AccessDeniedError) as error:
            return self._refused(check, subject, error, f"s3:GetObject on {self._settings.bucket}/{key}")
        found = f"{len(read.accounts):,} accounts, {len(body):,} bytes"
        figures = {"accounts": len(read.accounts), "size_bytes": len(body)}
        if faults := read.unreadable:
            remedy = f"correct item {faults[0].index} ({faults[0].reason}) and the others on the app's CONFIG page"
            return Finding(
                check, subject, Outcome.WARNING, f"{found}, {len(faults)} can't be read", remedy, {**figures}
            )
        if len(body) > MAX_ITEM_BYTES:
            remedy = (
                f"nothing here; in the app, expect no cache in DynamoDB: one item holds {MAX_ITEM_BYTES:,} bytes, "
                "and an app that writes the cache first would lose accounts"
            )
            return Finding(
                check, subject, Outcome.WARNING, f"{found}: more than the cache can hold", remedy, {**figures}
            )
        return Finding.ok(check, subject, found, **figures)

    def combined(self, check: str) -> Finding:
        """The combined list: how many master bills, and that it is a JSON list at all."""
        key = self._settings.master_bills_key
        subject, where = "combined list of master bills", f"s3://{self._settings.bucket}/{key}"
        try:
            body = read_bytes(self._s3, self._settings.bucket, key, where)
            if body is None:
                return Finding(check, subject, Outcome.ABSENT, "not there yet: the first publication makes it")
            entries = list(entries_of(body, where=where))
        except (UnreadableInputError, AccessDeniedError) as error:
            return self._refused(check, subject, error, f"s3:GetObject on {self._settings.bucket}/{key}")
        periods = {entry.partition for entry in entries if entry.partition}
        foreign = sum(entry.master_bill_id is None for entry in entries)
        found = f"{len(entries):,} master bills of {len(periods)} periods, {len(body):,} bytes"
        if foreign:
            found += f"; {foreign:,} entries are not of our form, and are kept"
        return Finding.ok(check, subject, found, bills=len(entries), periods=len(periods), size_bytes=len(body))

    def periods(self, check: str) -> Finding:
        """Our own objects: what was published, and what is closed."""
        settings = self._settings
        location = MasterBillLocation(settings.bucket, settings.master_bills_key, settings.master_bills_prefix)
        subject, closed_prefix = f"periods under {settings.master_bills_prefix}", f"{location.periods_prefix}closed/"
        try:
            published = published_periods(self._s3, location, patience=_QUICK)
            where = f"s3://{settings.bucket}/{closed_prefix}"
            keys = list_keys(self._s3, settings.bucket, closed_prefix, where)
        except AccessDeniedError as error:
            return self._refused(check, subject, error, f"s3:ListBucket on {settings.bucket}")
        closed = [key for key in keys if "/" not in key.removeprefix(closed_prefix)]
        if not published:
            return Finding(check, subject, Outcome.ABSENT, "none published yet")
        found = f"{len(published)} published, {published[0]} to {published[-1]}; {len(closed)} closed"
        return Finding.ok(check, subject, found, published=len(published), closed=len(closed))

    @staticmethod
    def _refused(check: str, subject: str, error: BillingError, right: str) -> Finding:
        is_right = isinstance(error, AccessDeniedError) and not isinstance(error, CredentialsError)
        return Finding.of_error(check, subject, error, remedy=f"grant our role {right} ({POLICY})" if is_right else "")
