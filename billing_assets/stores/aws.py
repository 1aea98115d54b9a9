"""The one boto3 session that feeds every AWS client: profiles, SSO, assumed roles and endpoints work alike everywhere.

What AWS answers when it says no is put into words in `aws_errors`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from billing_assets.stores.aws_errors import as_billing_error

if TYPE_CHECKING:
    import boto3
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

_CONNECT_SECONDS = 5
_READ_SECONDS = 60
_ATTEMPTS = 5
_CONNECTIONS = 64


class AwsClients:
    """Clients of one session, each made when it is first asked for and shared by all threads."""

    @functools.cached_property
    def session(self) -> boto3.session.Session:
        """The session; its credentials renew themselves where the SDK can."""
        import boto3  # noqa: PLC0415  # costs a tenth of a second

        with as_billing_error("the AWS configuration"):
            return boto3.session.Session()

    @functools.cached_property
    def s3(self) -> S3Client:
        """S3, for everything but the reading of many objects."""
        with as_billing_error("the AWS configuration"):
            return self.session.client("s3", config=self._config())

    @functools.cached_property
    def dynamodb(self) -> DynamoDBClient:
        """DynamoDB, its low-level interface."""
        with as_billing_error("the AWS configuration"):
            return self.session.client("dynamodb", config=self._config())

    @staticmethod
    def _config() -> Any:
        from botocore.config import Config  # noqa: PLC0415  # with boto3

        return Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "max_attempts": _ATTEMPTS},
            max_pool_connections=_CONNECTIONS,
        )


@functools.lru_cache(maxsize=1)
def shared_clients(sdk_variables: frozenset[tuple[str, str]]) -> AwsClients:  # noqa: ARG001  # the cache's key
    """The clients of this process, made anew only when the SDK's own variables have changed."""
    return AwsClients()
