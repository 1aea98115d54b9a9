"""Stage 4 objects from S3: many at a time, each once, slower when S3 says so.

Source: SPEC.md sections 1.2 and 5. What an object holds is read in `billing_assets.domain.stage4`. Each object is asked
for once through libcurl (`signed_gets`); whatever does not come that way is asked for through boto3, which knows every
code, and again while that can help.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_assets.domain.resolution import OBJECT_MISSING, OBJECT_UNREADABLE, ObjectFault
from billing_assets.stores.aws_errors import THROTTLING, as_billing_error, error_code, http_status, unavailable
from billing_assets.stores.bucket_access import BucketAccess, Credentials
from billing_assets.stores.retrying import Backoff, Pace, retried
from billing_assets.stores.signed_gets import SignedGets, may_be_asked
from billing_assets.stores.sure_gets import StoppedError, SureGets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from types_boto3_s3.paginator import ListObjectsV2Paginator

    from billing_assets.domain.errors import StoreUnavailableError
    from billing_assets.domain.stage4 import ObjectFamily
    from billing_assets.stores.aws import AwsClients
    from billing_assets.stores.signed_gets import GotObject

_LISTING_THREADS = 16
_REQUEST_SECONDS = 30.0
"""For how long one request may take: an object is a few kilobytes."""

_READY_ENOUGH = 8
"""While so many bodies wait to be taken, nobody looks whether more have come."""

_FIRST_REQUESTS = 32
"""Each request in flight has a connection of its own, which costs as much as an answer from nearby."""

_PATIENCE_SECONDS = 0.003
"""After so long without an answer more requests are wanted in flight."""

_LONGEST_WAIT_SECONDS = 1.0
_GLANCE_SECONDS = 0.01
"""How long libcurl's answers are waited for while boto3's may come too."""

_BUSY = frozenset({429, 503})
_MISSING = frozenset({"NoSuchKey", "404"})
_ARCHIVED = frozenset({"InvalidObjectState"})


@dataclass(slots=True)
class FetchFigures:
    """What the requests took."""

    requests: int = 0
    retries: int = 0
    slow_downs: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, **by: int) -> None:
        """Add to the named figures, from any thread."""
        with self._lock:
            for name, more in by.items():
                setattr(self, name, getattr(self, name) + more)


class StageFourObjects:
    """The bucket's objects as an `ObjectSource`; every fault that isn't the object's own is an exception.

    Args:
        clients: The one session.
        bucket: Its name.
        requests: In flight at most.
        retry_seconds: For how long one object is asked for while S3 throttles, fails or breaks off.
        on_progress: Told how many of how many objects have come.
    """

    def __init__(
        self,
        clients: AwsClients,
        bucket: str,
        *,
        requests: int,
        retry_seconds: float,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.figures = FetchFigures()
        self._clients = clients
        self._bucket = bucket
        self._requests = requests
        self._retry_seconds = retry_seconds
        self._on_progress = on_progress
        self._pace = Pace(requests, _FIRST_REQUESTS)

    def fetch(self, keys: Collection[str]) -> Iterator[tuple[str, bytes | ObjectFault]]:
        """Each key's body, in the order of arrival; memory is bounded by the requests in flight.

        They are asked for in this thread, whenever the next one is taken: others are in flight while one is hashed.

        Raises:
            AccessDeniedError: S3 denies an object; it names the key.
            StoreUnavailableError: S3 failed for longer than the deadline.
        """
        if not keys:
            return
        waiting = deque(keys)
        ready: deque[tuple[str, bytes | ObjectFault]] = deque()
        done = 0
        idle_since = time.monotonic()
        access = BucketAccess.of(self._clients, self._bucket, seconds=min(_REQUEST_SECONDS, self._retry_seconds))
        with closing(SignedGets(access)) as gets, closing(SureGets(self._get_after)) as sure:
            while waiting or ready or gets.in_flight or sure.in_flight:
                if len(ready) <= _READY_ENOUGH:
                    free = min(self._pace.limit - gets.in_flight - sure.in_flight - len(ready), len(waiting))
                    if free > 0:
                        self._ask([waiting.popleft() for _ in range(free)], gets, sure)
                        idle_since = time.monotonic()
                    may_grow = bool(waiting) and self._pace.may_grow
                    longest_seconds = _PATIENCE_SECONDS if may_grow else _LONGEST_WAIT_SECONDS
                    ready.extend(self._come(gets, sure, 0.0 if ready else longest_seconds))
                    if not ready and may_grow and time.monotonic() - idle_since >= _PATIENCE_SECONDS:
                        self._pace.grow()
                if ready:
                    done += 1
                    if self._on_progress is not None:
                        self._on_progress(done, len(keys))
                    yield ready.popleft()
                    idle_since = time.monotonic()

    def _ask(self, keys: list[str], gets: SignedGets, sure: SureGets) -> None:
        credentials = Credentials.current(self._clients.session)
        asked = 0
        for key in keys:
            if may_be_asked(key):
                gets.ask(key, credentials)
                asked += 1
            else:
                sure.ask(key)
        self.figures.count(requests=asked)

    def _come(
        self, gets: SignedGets, sure: SureGets, longest_seconds: float
    ) -> Iterator[tuple[str, bytes | ObjectFault]]:
        """What has come, of either kind; waits for something, for so long at most if libcurl alone is asked."""
        wait = longest_seconds > 0
        if gets.in_flight:
            for got in gets.answers(min(longest_seconds, _GLANCE_SECONDS) if sure.in_flight else longest_seconds):
                if got.body is None:
                    sure.ask(got.key, self._failure_of(got))
                else:
                    self._pace.answered()
                    yield got.key, got.body
            wait = False
        yield from sure.answers(wait=wait)

    def _failure_of(self, got: GotObject) -> StoreUnavailableError | None:
        """What a later try may heal; None if boto3 has to say what is wrong."""
        if got.status in _BUSY:
            self._slow_down(got.asked_at)
        elif 0 < got.status < 500:
            return None
        return unavailable(f"s3://{self._bucket}/{got.key}", got.failure or f"HTTP {got.status}")

    def siblings(self, families: Collection[ObjectFamily]) -> Iterator[tuple[ObjectFamily, list[str]]]:
        """The keys now under each family's prefix, listed by boto3."""
        # Made once: each thread would read botocore's description of it anew, and wait for the others' reading.
        paginator = self._clients.s3_single_try.get_paginator("list_objects_v2")
        with ThreadPoolExecutor(_LISTING_THREADS, thread_name_prefix="siblings") as pool:
            yield from pool.map(lambda family: (family, self._list(paginator, family.prefix)), families)

    def _list(self, paginator: ListObjectsV2Paginator, prefix: str) -> list[str]:
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        def keys() -> list[str]:
            asked_at = time.monotonic()
            with as_billing_error(f"s3://{self._bucket}/{prefix}*"):
                try:
                    pages = paginator.paginate(Bucket=self._bucket, Prefix=prefix)
                    return [listed["Key"] for page in pages for listed in page.get("Contents", ())]
                except ClientError as error:
                    self._heed(error, asked_at)
                    raise

        return retried(keys, Backoff(self._retry_seconds), self._count_retry)

    def _get_after(
        self, key: str, failure: StoreUnavailableError | None, stopped: threading.Event
    ) -> bytes | ObjectFault:
        """An object through boto3, again and again while that can help.

        Args:
            key: Of the object.
            failure: How asking for it has failed before; None if it has not been asked for.
            stopped: Set when nobody waits for it any more.
        """

        def sleep(seconds: float) -> None:
            if stopped.wait(seconds):
                raise StoppedError

        failures = [failure] if failure else []

        def ask() -> bytes | ObjectFault:
            if failures:
                raise failures.pop()
            return self._get_surely(key)

        answer = retried(ask, Backoff(self._retry_seconds, sleep=sleep), self._count_retry)
        self._pace.answered()
        return answer

    def _count_retry(self) -> None:
        self.figures.count(retries=1)

    def _get_surely(self, key: str) -> bytes | ObjectFault:
        """Ask boto3, which names what is wrong and renews credentials."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        self.figures.count(requests=1)
        asked_at = time.monotonic()
        with as_billing_error(f"s3://{self._bucket}/{key}"):
            try:
                return self._clients.s3_single_try.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as error:
                code = error_code(error)
                if code in _MISSING:
                    return ObjectFault(OBJECT_MISSING)
                if code in _ARCHIVED:
                    return ObjectFault(OBJECT_UNREADABLE, "archived storage class: restore it to read it")
                if code == "KeyTooLongError":
                    return ObjectFault(OBJECT_MISSING, "longer than a key can be")
                self._heed(error, asked_at)
                raise

    def _heed(self, error: Exception, asked_at: float) -> None:
        if error_code(error) in THROTTLING or http_status(error) in _BUSY:
            self._slow_down(asked_at)

    def _slow_down(self, asked_at: float) -> None:
        self.figures.count(slow_downs=1)
        self._pace.slow_down(asked_at)
