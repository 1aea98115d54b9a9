"""Stage 4 objects from S3: many at a time, each once, slower when S3 says so.

Source: SPEC.md sections 1.2 and 5. What an object holds is read in `billing_assets.domain.stage4`. The fast path is
obstore; a request that fails there without saying why is asked again through boto3, which knows every code.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from billing_assets.domain.resolution import OBJECT_MISSING, OBJECT_UNREADABLE, ObjectFault
from billing_assets.stores.aws_errors import THROTTLING, as_billing_error, error_code, http_status, unavailable
from billing_assets.stores.retrying import Backoff, Pace, retried

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from billing_assets.domain.stage4 import ObjectFamily
    from billing_assets.stores.aws import AwsClients

_LISTING_THREADS = 16
_REQUEST_SECONDS = 30.0
"""For how long one request may take: an object is a few kilobytes."""

_CREDENTIALS_LIVE = dt.timedelta(minutes=1)
"""For how long obstore keeps credentials without asking the session, which renews them, again."""

_FAST_KEY = re.compile(r"(?!/)(?!.*//)(?!.*/$)(?!.*(?:^|/)\.\.?(?:/|$))[^\x00-\x1f\x7f]+", re.DOTALL)
"""Keys that obstore asks for as they are: it drops a slash at either end and refuses `//`, `..` and control characters.
"""

_STATUS = re.compile(r"status code: ([0-9]{3})")
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


class _StoppedError(Exception):
    """Nobody waits for the object any more."""


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
        self._pace = Pace(requests)
        self._store: Any = None
        self._store_lock = threading.Lock()

    def fetch(self, keys: Collection[str]) -> Iterator[tuple[str, bytes | ObjectFault]]:
        """Each key's body, in the order of arrival; memory is bounded by the requests in flight.

        Raises:
            AccessDeniedError: S3 denies an object; it names the key.
            StoreUnavailableError: S3 failed for longer than the deadline.
        """
        waiting = deque(keys)
        asked: SimpleQueue[str | None] = SimpleQueue()
        arrived: SimpleQueue[tuple[str, bytes | ObjectFault | BaseException]] = SimpleQueue()
        in_flight = done = 0
        stopped = threading.Event()
        # Plain threads: an executor's futures would cost as much Python as asking does.
        threads = [
            threading.Thread(target=self._work, args=(asked, arrived, stopped), name=f"stage4-{number}", daemon=True)
            for number in range(min(self._requests, len(waiting)))
        ]
        for thread in threads:
            thread.start()
        try:
            while waiting or in_flight:
                while waiting and in_flight < self._pace.limit:
                    asked.put(waiting.popleft())
                    in_flight += 1
                key, answer = arrived.get()
                in_flight -= 1
                if isinstance(answer, BaseException):
                    raise answer
                done += 1
                if self._on_progress is not None:
                    self._on_progress(done, len(keys))
                yield key, answer
        finally:
            stopped.set()
            for _ in threads:
                asked.put(None)

    def _work(
        self,
        asked: SimpleQueue[str | None],
        arrived: SimpleQueue[tuple[str, bytes | ObjectFault | BaseException]],
        stopped: threading.Event,
    ) -> None:
        """Answer keys, one after the other, until None is asked for."""
        while (key := asked.get()) is not None:
            if stopped.is_set():
                continue
            try:
                arrived.put((key, self._get(key, stopped)))
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits for it
                arrived.put((key, error))

    def siblings(self, families: Collection[ObjectFamily]) -> Iterator[tuple[ObjectFamily, list[str]]]:
        """The keys now under each family's prefix, listed by boto3 since obstore lists whole path segments only."""
        with ThreadPoolExecutor(_LISTING_THREADS, thread_name_prefix="siblings") as pool:
            yield from pool.map(lambda family: (family, self._list(family.prefix)), families)

    def _list(self, prefix: str) -> list[str]:
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        def keys() -> list[str]:
            asked_at = time.monotonic()
            with as_billing_error(f"s3://{self._bucket}/{prefix}*"):
                try:
                    pages = self._clients.s3_single_try.get_paginator("list_objects_v2")
                    found = pages.paginate(Bucket=self._bucket, Prefix=prefix)
                    return [listed["Key"] for page in found for listed in page.get("Contents", ())]
                except ClientError as error:
                    self._heed(error, asked_at)
                    raise

        return retried(keys, Backoff(self._retry_seconds), self._count_retry)

    def _get(self, key: str, stopped: threading.Event) -> bytes | ObjectFault:
        def sleep(seconds: float) -> None:
            if stopped.wait(seconds):
                raise _StoppedError

        fast = _FAST_KEY.fullmatch(key) is not None

        def ask() -> bytes | ObjectFault:
            body = self._get_fast(key) if fast else None
            return self._get_surely(key) if body is None else body

        answer = retried(ask, Backoff(self._retry_seconds, sleep=sleep), self._count_retry)
        self._pace.answered()
        return answer

    def _count_retry(self) -> None:
        self.figures.count(retries=1)

    def _get_fast(self, key: str) -> bytes | None:
        """Ask obstore; None if it can't say for certain what is wrong."""
        import obstore  # noqa: PLC0415  # vendor, imported when used
        from obstore.exceptions import BaseError  # noqa: PLC0415

        self.figures.count(requests=1)
        asked_at = time.monotonic()
        try:
            response = obstore.get(self._fast_store(), key)
            body = response.bytes().to_bytes()
            # Its `meta` would say the same, and parse the date for it.
            return body if len(body) == response.range[1] else None
        except (FileNotFoundError, ValueError):
            # The bucket itself may be what is missing, or the key unknown to obstore; boto3 tells them apart.
            return None
        except BaseError as error:
            # The text repeats the key, which may hold any number; the status stands behind words of its own.
            match = _STATUS.search(str(error))
            status = int(match[1]) if match else 0
            if status in _BUSY:
                self._slow_down(asked_at)
            elif status < 500:
                return None
            raise unavailable(f"s3://{self._bucket}/{key}", f"HTTP {status}") from error

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

    def _fast_store(self) -> Any:
        with self._store_lock:
            if self._store is None:
                self._store = self._new_store()
            return self._store

    def _new_store(self) -> Any:
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415  # vendor, imported when used
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415
        from obstore.store import S3Store  # noqa: PLC0415

        meta = self._clients.s3_single_try.meta
        seconds = dt.timedelta(seconds=min(_REQUEST_SECONDS, self._retry_seconds))
        with as_billing_error("the AWS credentials"):
            if self._clients.session.get_credentials() is None:
                raise NoCredentialsError
            return S3Store(
                self._bucket,
                region=meta.region_name,
                endpoint=meta.endpoint_url,
                credential_provider=Boto3CredentialProvider(self._clients.session, ttl=_CREDENTIALS_LIVE),
                client_options={"allow_http": True, "timeout": seconds, "connect_timeout": "5s"},
                retry_config={"max_retries": 0},
            )
