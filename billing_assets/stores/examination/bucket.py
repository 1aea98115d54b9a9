"""The bucket: there, listed, read, and honest about keys that don't exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.errors import AccessDeniedError, BillingError, ConfigurationError
from billing_assets.domain.findings import Finding
from billing_assets.domain.probe.misfits import shown_key
from billing_assets.stores.aws_errors import CredentialsError, as_billing_error, error_code, http_status
from billing_assets.stores.examination.tables import POLICY

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from billing_assets.settings import Settings

_NEVER_THERE = "doctor/a-key-that-cannot-exist-7f3a9c"


class BucketExamination:
    """Looks at the bucket of the settings, read only.

    Args:
        s3: The shared client.
        settings: Names of bucket and prefixes.
    """

    def __init__(self, s3: S3Client, settings: Settings) -> None:
        self._s3 = s3
        self._settings = settings
        self._bucket = settings.bucket

    def bucket(self, check: str) -> Finding:
        """There at all. HEAD has no text, so its status is all that is known."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        subject = f"bucket {self._bucket}"
        with as_billing_error(f"s3://{self._bucket}"):
            try:
                self._s3.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                status = http_status(error)
                if status == 404:
                    remedy = "set BILLING_BUCKET to the bucket that the Bill Review app writes to"
                    return Finding.failed(check, subject, "there is no such bucket (404)", remedy)
                if status in {301, 307}:
                    remedy = "set AWS_REGION to the bucket's region"
                    return Finding.failed(check, subject, f"it is in another region ({status})", remedy)
                if status == 403 and error_code(error) in {"403", "AccessDenied"}:
                    return Finding.failed(
                        check,
                        subject,
                        "AWS denies it (403): not our bucket, or no right to list it",
                        f"check BILLING_BUCKET, and grant our role s3:ListBucket on {self._bucket} ({POLICY})",
                    )
                raise
        return Finding.ok(check, subject, "there")

    def listing(self, check: str) -> Finding:
        """The right to list, and Stage 4 objects under the prefix."""
        prefix = self._settings.stage4_prefix
        subject = f"objects under {prefix}"
        try:
            with as_billing_error(f"s3://{self._bucket}/{prefix}"):
                listed = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=1)
        except CredentialsError:
            raise
        except AccessDeniedError as error:
            remedy = f"grant our role s3:ListBucket on {self._bucket}: rewritten files are found by listing ({POLICY})"
            return Finding.of_error(check, subject, error, remedy=remedy)
        if not listed.get("Contents"):
            return Finding.failed(
                check, subject, "none at all", "set BILLING_STAGE4_PREFIX to where the parser's Stage 4 objects are"
            )
        first = shown_key(listed["Contents"][0]["Key"])
        return Finding.ok(check, subject, f"may be listed; the first is {first}")

    def missing_key(self, check: str) -> Finding:
        """A key that can't exist: 404, or the 403 that S3 gives where listing isn't allowed."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        subject = "answer to a key that can't exist"
        with as_billing_error(f"s3://{self._bucket}/{_NEVER_THERE}"):
            try:
                self._s3.get_object(Bucket=self._bucket, Key=_NEVER_THERE)
            except ClientError as error:
                if error_code(error) in {"NoSuchKey", "404"}:
                    return Finding.ok(check, subject, "404, as it must be")
                if http_status(error) == 403 and error_code(error) == "AccessDenied":
                    return Finding.failed(
                        check,
                        subject,
                        "403 instead of 404: an assignment whose object is gone would fail the run",
                        f"grant our role s3:ListBucket on {self._bucket}; S3 answers 404 then ({POLICY})",
                    )
                raise
        return Finding.failed(check, subject, f"{_NEVER_THERE} is there", "delete that object: nobody needs it")

    def reading(self, check: str) -> Finding:
        """One byte of the first Stage 4 object that is listed."""
        subject = "right s3:GetObject on Stage 4 objects"
        try:
            with as_billing_error(f"s3://{self._bucket}/{self._settings.stage4_prefix}"):
                listed = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=self._settings.stage4_prefix, MaxKeys=1)
                key = listed["Contents"][0]["Key"]
            with as_billing_error(f"s3://{self._bucket}/{key}"):
                self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].close()
        except CredentialsError:
            raise
        except AccessDeniedError as error:
            remedy = f"grant our role s3:GetObject on {self._bucket}/* (and kms:Decrypt on its key, if it has one)"
            return Finding.of_error(check, subject, error, remedy=f"{remedy} ({POLICY})")
        except ConfigurationError as error:
            return _not_readable(check, subject, error)
        return Finding.ok(check, subject, "allowed")


def _not_readable(check: str, subject: str, error: BillingError) -> Finding:
    if "InvalidObjectState" in (error.found or ""):
        return Finding.ok(check, subject, "allowed; that object is in an archived storage class")
    return Finding.of_error(check, subject, error)
