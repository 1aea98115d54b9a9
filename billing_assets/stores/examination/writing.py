"""The rights to write, tried for real: an object of our own with `doctor` in its name, deleted at once.

Tried under the master bills' prefix and in the place of intermediate data, never on an object of the app. Whether the
combined list itself may be replaced is therefore not tried: its right stands in the same policy.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from billing_assets.domain.errors import AccessDeniedError, BillingError, ConfigurationError
from billing_assets.domain.findings import Finding, Outcome
from billing_assets.stores.aws_errors import CredentialsError, as_billing_error
from billing_assets.stores.examination.tables import POLICY
from billing_assets.stores.intermediate import IntermediateStore
from billing_assets.stores.publication.conditional import Bucket, LostRaceError, StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

    from billing_assets.settings import Settings

PROBE_FOLDER = "doctor"
_CONTENT = b'"written by `billing-assets doctor`, which deletes it at once"'


def look_at_write_right(check: str, s3: S3Client, settings: Settings) -> Finding:
    """Put, refuse to put again, replace and delete one object under the master bills' prefix, each conditionally.

    The conditions are what keeps two runs from losing each other's bills, so a store that does not know them fails.
    """
    subject = f"right to write under {settings.master_bills_prefix}"
    key = f"{settings.master_bills_prefix}{PROBE_FOLDER}/{secrets.token_hex(8)}.json"
    bucket = Bucket(s3, settings.bucket)
    right = f"s3:PutObject and s3:DeleteObject on {settings.bucket}/{settings.master_bills_prefix}*"
    doing = "writing"
    try:
        bucket.write(key, _CONTENT, over=None)
        doing = "deleting"
        ignored = _ignored_conditions(bucket, key)
        stored = bucket.read(key)
        if stored is not None:
            bucket.remove(stored)
    except AccessDeniedError as error:
        remedy = error.remedy if isinstance(error, CredentialsError) else f"grant our role {right} ({POLICY})"
        left = f"; {bucket.address(key)} is left behind, delete it" if doing == "deleting" else ""
        denied = Finding.of_error(check, subject, error, remedy=remedy)
        return Finding.failed(check, subject, f"{doing}: {denied.found}{left}", remedy)
    if ignored:
        return Finding.failed(
            check,
            subject,
            f"the store ignores {' and '.join(ignored)}: of two runs at once one would lose its bills",
            "publish to Amazon S3, or to a store that honours conditional writes",
        )
    return Finding.ok(check, subject, "put, conditions honoured, deleted")


def _ignored_conditions(bucket: Bucket, key: str) -> list[str]:
    nobody = StoredObject(key, b"", '"00000000000000000000000000000000"', {})
    ignored = []
    for condition, over in (("If-None-Match", None), ("If-Match", nobody)):
        try:
            bucket.write(key, _CONTENT, over=over)
        except LostRaceError:
            continue
        ignored.append(condition)
    return ignored


def look_at_storage(check: str, uri: str, s3: Callable[[], S3Client]) -> Finding:
    """Write, read, list and delete one file where intermediate Parquet lives."""
    subject = f"intermediate data in {uri}"
    store, name = IntermediateStore(uri, s3), f"{PROBE_FOLDER}/{secrets.token_hex(8)}.txt"
    remedy = "set BILLING_STORAGE_URI to a folder or s3://bucket/prefix that may be written and read, with room on it"
    try:
        store.write(name, _CONTENT)
        if store.read(name) != _CONTENT or name not in store.names(PROBE_FOLDER):
            return Finding.failed(check, subject, "what was written is not what is read", remedy)
    except CredentialsError:
        raise
    except BillingError as error:
        if uri.startswith("s3://") and isinstance(error, AccessDeniedError):
            remedy = f"grant our role s3:PutObject, s3:GetObject and s3:ListBucket there ({POLICY})"
        return Finding.of_error(check, subject, error, remedy=remedy)
    try:
        _delete(uri, name, s3)
    except BillingError as error:
        left = f"may be written; the doctor's own {store.uri_of(name)} is left behind: {error.summary}"
        return Finding(check, subject, Outcome.WARNING, left, "delete it; the pipeline itself deletes nothing there")
    return Finding.ok(check, subject, "written, read, listed, deleted")


def _delete(uri: str, name: str, s3: Callable[[], S3Client]) -> None:
    if not uri.startswith("s3://"):
        path = Path(uri) / name
        try:
            path.unlink()
            path.parent.rmdir()
        except OSError as error:
            raise ConfigurationError(str(error), remedy="delete it") from None
        return
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    key = f"{prefix.strip('/')}/{name}" if prefix.strip("/") else name
    with as_billing_error(f"{uri}/{name}"):
        s3().delete_object(Bucket=bucket, Key=key)
