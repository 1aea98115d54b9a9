"""Single objects of S3 that are read whole, an answer that breaks off asked for again: configuration, not bills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.errors import ConfigurationError, UnreadableInputError
from billing_assets.stores.aws_errors import as_billing_error, error_code
from billing_assets.stores.retrying import Backoff, retried

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_RETRY_SECONDS = 30.0


def read_text(s3: S3Client, bucket: str, key: str) -> tuple[str, int]:
    """An object's text and its size in bytes.

    Raises:
        ConfigurationError: There is no such object.
        UnreadableInputError: It is not UTF-8.
    """
    where = f"s3://{bucket}/{key}"
    body = read_bytes(s3, bucket, key, where)
    if body is None:
        raise ConfigurationError(
            "there is no such object", where=where, found="NoSuchKey", remedy="correct the key in the settings"
        )
    try:
        return body.decode(), len(body)
    except UnicodeDecodeError as error:
        raise UnreadableInputError(
            "the object is not UTF-8 text", where=where, found=f"byte {error.start}", remedy="save it again in the app"
        ) from None


def read_bytes(s3: S3Client, bucket: str, key: str, where: str) -> bytes | None:
    """An object's content, or None if there is none; botocore itself doesn't retry a body that breaks off."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

    def get() -> bytes | None:
        with as_billing_error(where):
            try:
                return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise

    return retried(get, Backoff(_RETRY_SECONDS))


def etag_of(s3: S3Client, bucket: str, key: str, where: str) -> str:
    """An object's ETag, without reading it; `""` if there is none."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

    def head() -> str:
        with as_billing_error(where):
            try:
                return s3.head_object(Bucket=bucket, Key=key)["ETag"]
            except ClientError as error:
                if error_code(error) in {"NoSuchKey", "404", "NotFound"}:
                    return ""
                raise

    return retried(head, Backoff(_RETRY_SECONDS))


def list_keys(s3: S3Client, bucket: str, prefix: str, where: str) -> list[str]:
    """The keys under a prefix, in S3's order."""

    def keys() -> list[str]:
        with as_billing_error(where):
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [listed["Key"] for page in pages for listed in page.get("Contents", ())]

    return retried(keys, Backoff(_RETRY_SECONDS))
