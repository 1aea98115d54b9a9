"""Single objects of S3 that are read whole: configuration lists, not bills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.errors import ConfigurationError, UnreadableInputError
from billing_assets.stores.aws_errors import as_billing_error, error_code

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def read_text(s3: S3Client, bucket: str, key: str) -> tuple[str, int]:
    """An object's text and its size in bytes.

    Raises:
        ConfigurationError: There is no such object.
        UnreadableInputError: It is not UTF-8.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

    where = f"s3://{bucket}/{key}"
    with as_billing_error(where):
        try:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error_code(error) != "NoSuchKey":
                raise
            raise ConfigurationError(
                "there is no such object", where=where, found="NoSuchKey", remedy="correct the key in the settings"
            ) from None
    try:
        return body.decode(), len(body)
    except UnicodeDecodeError as error:
        raise UnreadableInputError(
            "the object is not UTF-8 text", where=where, found=f"byte {error.start}", remedy="save it again in the app"
        ) from None
