"""Where a bucket is and who asks for its objects, as boto3 decides it, for clients that are not boto3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.stores.aws_errors import as_billing_error

if TYPE_CHECKING:
    import boto3
    from types_boto3_s3 import S3Client

    from billing_assets.stores.aws import AwsClients

_NO_OBJECT = "billing-assets-asks-where-objects-are"


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """What has to be known to ask a bucket for objects, but for who asks."""

    address: str
    """Of the bucket; an object's is its key behind it."""
    region: str
    certificates: str
    """The file of authorities that boto3 trusts."""
    seconds: float
    """For how long one request may take."""

    @classmethod
    def of(cls, clients: AwsClients, bucket: str, *, seconds: float) -> BucketAccess:
        """As the session's clients have it: endpoint, region, style of address and certificates."""
        s3 = clients.s3_single_try
        return cls(address_of(s3, bucket), s3.meta.region_name, _certificates(clients.session), seconds)


class Credentials(msgspec.Struct, frozen=True):
    """Who asks."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        return "Credentials(...)"

    @classmethod
    def current(cls, session: boto3.session.Session) -> Credentials:
        """As the session has them now; it renews them itself.

        Raises:
            CredentialsError: There are none, or they can't be renewed.
        """
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415  # vendor, imported when used

        with as_billing_error("the AWS credentials"):
            credentials = session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            found = credentials.get_frozen_credentials()
        return cls(found.access_key or "", found.secret_key or "", found.token)


def address_of(s3: S3Client, bucket: str) -> str:
    """Where boto3 asks for the bucket's objects, whatever endpoint, region and style of address decide; ends with `/`.

    It is taken from a request that boto3 has made up and not yet signed. (A pre-signed URL has another host.)
    """
    s3.meta.events.register_first("before-call.s3.GetObject", _stop_before_asking, unique_id="billing-assets-address")
    try:
        s3.get_object(Bucket=bucket, Key=_NO_OBJECT)
    except _AddressFoundError as found:
        return str(found).removesuffix(_NO_OBJECT)
    raise AssertionError("boto3 has asked for an object that nobody wants")


def _stop_before_asking(params: dict[str, Any], **_: Any) -> None:
    """Break off that one request; all others of the client are none of our business."""
    if params["url"].endswith(f"/{_NO_OBJECT}"):
        raise _AddressFoundError(params["url"])


class _AddressFoundError(Exception):
    """The text is the address of an object that nobody wants."""


def _certificates(session: boto3.session.Session) -> str:
    from botocore.httpsession import get_cert_path  # noqa: PLC0415  # vendor, imported when used

    own = session._session.get_config_variable("ca_bundle")  # noqa: SLF001  # boto3 shows it nowhere else
    return str(get_cert_path(own or True))
