"""For the tests of publication: a place in the emulator, an app that writes there, and clients that fail."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from billing_assets.stores.publication import (
    MasterBillLocation,
    Patience,
    PublicationReport,
    PublicationRequest,
    publish,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from types_boto3_s3 import S3Client

    from billing_assets.domain.master_bills import MasterBill

JANUARY = "2025-01"
NOON = dt.datetime(2025, 2, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
QUICK = Patience(seconds=30.0)
_OBJECT_CALLS = frozenset({"get_object", "put_object", "delete_object"})


class KilledError(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


@contextmanager
def s3_client(environment: Mapping[str, str]) -> Iterator[S3Client]:
    """A client that retries nothing by itself, so that tests see each call."""
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"mode": "standard", "max_attempts": 1}, max_pool_connections=32),
    )
    try:
        yield client
    finally:
        client.close()


@dataclass(frozen=True)
class Place:
    """A bucket, and a folder in it that nobody else uses."""

    s3: S3Client
    location: MasterBillLocation
    counter: list[int] = field(default_factory=lambda: [0])

    def run(  # noqa: PLR0913  # each test names the one thing that it is about
        self,
        *bills: MasterBill,
        s3: S3Client | None = None,
        period: str = JANUARY,
        minutes: int | None = None,
        reason: str | None = None,
        publishing: bool = True,
        archived: Callable[[Collection[str]], Collection[str]] = lambda _: frozenset(),
    ) -> PublicationReport:
        """Publish as a run of its own would; each run reads a minute after the one before, if not told otherwise."""
        self.counter[0] += 1
        request = PublicationRequest(
            period=period,
            bills=bills,
            run_id=f"run {self.counter[0]}",
            read_at=NOON + MINUTE * (self.counter[0] if minutes is None else minutes),
            now=NOON + dt.timedelta(days=1),
            max_shrink=Decimal("0.10"),
            restate_reason=reason,
            publish=publishing,
        )
        return publish(s3 or self.s3, self.location, request, archived=archived, patience=QUICK)

    def content(self, key: str) -> bytes:
        """An object's bytes."""
        return self.s3.get_object(Bucket=self.location.bucket, Key=key)["Body"].read()

    def put(self, key: str, content: bytes | str) -> None:
        """Overwrite an object, as a careless writer does."""
        self.s3.put_object(Bucket=self.location.bucket, Key=key, Body=content)

    def listed(self) -> list[Any]:
        """The combined list, as the app reads it."""
        return cast("list[Any]", json.loads(self.content(self.location.combined_key)))

    def everything(self) -> dict[str, str]:
        """All objects of the place by key, with their ETags."""
        folder = self.location.combined_key.partition("/")[0] + "/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.location.bucket, Prefix=folder)
        return {
            entry["Key"].removeprefix(folder): entry["ETag"] for page in pages for entry in page.get("Contents", ())
        }

    def edit(self, change: Callable[[list[Any]], object]) -> None:
        """Change the combined list as the app does, with floats and its own layout, losing nobody's write."""
        while True:
            response = self.s3.get_object(Bucket=self.location.bucket, Key=self.location.combined_key)
            entries = json.loads(response["Body"].read())
            change(entries)
            try:
                self.s3.put_object(
                    Bucket=self.location.bucket,
                    Key=self.location.combined_key,
                    Body=json.dumps(entries, indent=2),
                    IfMatch=response["ETag"],
                )
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
                    raise
            else:
                return

    def set_status(self, status: str, *, of: str = "P1") -> None:
        """Decide on a property's bills in the app."""

        def decide(entries: list[Any]) -> None:
            for entry in entries:
                if entry.get("property_id") == of:
                    entry["status"] = status

        self.edit(decide)


class FaultyClient:
    """An S3 client whose n-th object call (from 1) goes wrong; all others are real."""

    def __init__(  # noqa: PLR0913  # where, what and which
        self,
        s3: S3Client,
        *,
        fault: Callable[[], BaseException] = KilledError,
        before: int = 0,
        after: int = 0,
        always: bool = False,
        only: Collection[str] = _OBJECT_CALLS,
    ) -> None:
        self._s3 = s3
        self._fault = fault
        self._before = before
        self._after = after
        self._always = always
        self._only = only
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        """The real method, with the fault around it."""
        method = getattr(self._s3, name)
        if name not in self._only:
            return method

        def call(**arguments: Any) -> Any:
            self.calls += 1
            number = self.calls
            if self._always or number == self._before:
                raise self._fault()
            try:
                return method(**arguments)
            finally:
                # Whatever S3 answered, nobody heard it.
                if number == self._after:
                    raise self._fault()

        return call

    @property
    def client(self) -> S3Client:
        """Itself, for functions that take a client."""
        return cast("S3Client", self)


class IntrudingClient(FaultyClient):
    """A client that lets somebody else act right before its n-th object call."""

    def __init__(self, s3: S3Client, act: Callable[[], object], *, before: int, only: Collection[str]) -> None:
        super().__init__(s3, only=only)
        self._act = act
        self._at = before

    def __getattr__(self, name: str) -> Any:
        """The real method, with the intrusion before it."""
        method = super().__getattr__(name)
        if name not in self._only:
            return method

        def call(**arguments: Any) -> Any:
            if self.calls + 1 == self._at:
                self._at = 0
                self._act()
            return method(**arguments)

        return call


def refusal(code: str, status: int) -> Callable[[], ClientError]:
    """An answer of S3 that is an error."""
    return lambda: ClientError(
        {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutObject",
    )
