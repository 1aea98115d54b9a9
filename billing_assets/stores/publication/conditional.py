"""S3 objects that several writers replace: read with their ETag, replaced only if they are still as they were read.

Lives here: the conditions, and repeating an attempt that lost against another writer.
Lives elsewhere: what the objects mean.

Every public function of this package is one or more `Patience.persist` around an attempt that begins with reading.
Whatever leaves the outcome of a write open (409, 412, 404, a 5xx, a broken connection) ends the attempt, so that the
next one reads first and sees whether the write arrived.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from billing_assets.domain.errors import StoreUnavailableError
from billing_assets.stores.aws_errors import as_billing_error, error_code, http_status
from billing_assets.stores.retrying import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import PutObjectRequestTypeDef

T = TypeVar("T")

_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_LOST = frozenset({409, 412})
_SHORTEST_PART_SECONDS = 0.05


class LostRaceError(Exception):
    """The object is no longer what was read; the next attempt reads again. The text says which."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, and by which clock, an attempt is repeated."""

    seconds: float = 300.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def persist(self, attempt: Callable[[], T], *, where: str) -> T:
        """Repeat an attempt until it has an outcome, with pauses that differ between writers.

        Raises:
            StoreUnavailableError: It had none before the deadline.
        """
        backoff = Backoff(self.seconds, self.clock, self.sleep)
        first = self.clock()
        while True:
            began = self.clock()
            try:
                return attempt()
            except StoreUnavailableError:
                if not backoff.pause():
                    raise
            except LostRaceError as lost:
                now = self.clock()
                if now - first > self.seconds:
                    raise StoreUnavailableError(
                        f"other writers were faster for {self.seconds:g} seconds",
                        where=where,
                        found=str(lost),
                        rule="nobody's entries may be lost, so an object is replaced only as it was read",
                        remedy="run it again; if it stays, look for what else writes there all the time",
                    ) from lost
                # Every lost race is another writer's success, so pauses don't grow: they only part the writers.
                self.sleep(random.uniform(0, max(_SHORTEST_PART_SECONDS, now - began)))  # noqa: S311  # not a secret


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was read."""

    key: str
    content: bytes
    etag: str
    metadata: Mapping[str, str]


class Bucket:
    """One bucket, through a client that the caller owns; errors come as letters.

    Changes raise `LostRaceError` where the object is no longer what was read.
    """

    def __init__(self, s3: S3Client, name: str) -> None:
        self._s3 = s3
        self._name = name

    def address(self, key: str) -> str:
        """The address of an object, for people."""
        return f"s3://{self._name}/{key}"

    def read(self, key: str) -> StoredObject | None:
        """The object; None where there is none."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        with as_billing_error(self.address(key)):
            try:
                response = self._s3.get_object(Bucket=self._name, Key=key)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return None
                raise
            return StoredObject(key, response["Body"].read(), response["ETag"], response["Metadata"])

    def metadata(self, key: str) -> Mapping[str, str]:
        """The object's metadata; none where there is no object."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        with as_billing_error(self.address(key)):
            try:
                return self._s3.head_object(Bucket=self._name, Key=key)["Metadata"]
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return {}
                raise

    def write(
        self, key: str, content: bytes, *, over: StoredObject | None, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Put the object in the place of the one that was read; None means that there was none."""
        request: PutObjectRequestTypeDef = {
            "Bucket": self._name,
            "Key": key,
            "Body": content,
            "ContentType": "application/json",
            "Metadata": dict(metadata or {}),
        }
        if over is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = over.etag
        self._change(lambda: self._s3.put_object(**request), key)

    def remove(self, read: StoredObject) -> None:
        """Delete the object if it is still the one that was read."""
        self._change(
            lambda: self._s3.delete_object(Bucket=self._name, Key=read.key, IfMatch=read.etag),
            read.key,
        )

    def keys(self, prefix: str) -> list[str]:
        """The keys directly under a prefix that ends with `/`, in order."""

        def listed() -> Iterator[str]:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix, Delimiter="/")
            for page in pages:
                yield from (entry["Key"] for entry in page.get("Contents", ()))

        with as_billing_error(self.address(prefix)):
            return list(listed())

    def _change(self, request: Callable[[], object], key: str) -> None:
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        with as_billing_error(self.address(key)):
            try:
                request()
            except ClientError as error:
                code, status = error_code(error), http_status(error)
                if code in _MISSING or status in _LOST:
                    raise LostRaceError(f"{self.address(key)}: {code} (HTTP {status})") from error
                raise
