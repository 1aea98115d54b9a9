"""The one boto3 session that feeds every AWS client: profiles, SSO, assumed roles and endpoints work alike everywhere.

What AWS answers when it says no is put into words in `aws_errors`; how the session finds credentials is in
`aws_session`.
"""

from __future__ import annotations

import functools
import gc
import threading
from typing import TYPE_CHECKING, Any, Literal

from billing_assets.stores.aws_errors import as_billing_error

if TYPE_CHECKING:
    import boto3
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_ATTEMPTS = 5
_ATTEMPTS_DYNAMODB = 3
_CONNECTIONS = 128


class AwsClients:
    """Clients of one session, each made when it is first asked for and shared by all threads."""

    def __init__(self) -> None:
        # Neither boto3's session nor `cached_property` can be asked by several threads at once.
        self._lock = threading.RLock()
        self._session: boto3.session.Session | None = None
        self._clients: dict[tuple[str, int], Any] = {}

    @property
    def session(self) -> boto3.session.Session:
        """The session; its credentials renew themselves where the SDK can."""
        from billing_assets.stores.aws_session import new_session  # noqa: PLC0415  # costs a tenth of a second

        with self._lock:
            if self._session is None:
                with as_billing_error("the AWS configuration"):
                    self._session = new_session()
            return self._session

    @property
    def s3(self) -> S3Client:
        """S3, for everything but the reading of many objects."""
        client: S3Client = self._client("s3", _ATTEMPTS)
        return client

    @property
    def s3_single_try(self) -> S3Client:
        """S3 without retries of its own, for a caller that slows down and keeps a deadline itself."""
        client: S3Client = self._client("s3", 1)
        return client

    @property
    def dynamodb(self) -> DynamoDBClient:
        """DynamoDB, its low-level interface; reads are retried under a deadline by their callers."""
        client: DynamoDBClient = self._client("dynamodb", _ATTEMPTS_DYNAMODB)
        return client

    def _client(self, service: Literal["s3", "dynamodb"], attempts: int) -> Any:
        from botocore.config import Config  # noqa: PLC0415  # with boto3

        with self._lock:
            if (service, attempts) not in self._clients:
                config = Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": attempts},
                    max_pool_connections=_CONNECTIONS,
                )
                with as_billing_error("the AWS configuration"):
                    self._clients[service, attempts] = self.session.client(service, config=config)
                # Tens of thousands of objects describe a service for as long as the process lives: no collection looks
                # at them again.
                gc.freeze()
            return self._clients[service, attempts]


@functools.lru_cache(maxsize=1)
def shared_clients(sdk_variables: frozenset[tuple[str, str]]) -> AwsClients:  # noqa: ARG001  # the cache's key
    """The clients of this process, made anew only when the SDK's own variables have changed."""
    return AwsClients()
