"""Stage 4 objects from S3: many at a time, each once, slower when S3 says so.

Source: SPEC.md sections 1.2 and 5. What an object holds is read in `billing_assets.domain.stage4`. The fast path is
obstore; a request that fails there is asked again through boto3, which knows every code and renews credentials.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from billing_assets.domain.errors import StoreUnavailableError
from billing_assets.domain.resolution import OBJECT_MISSING, OBJECT_UNREADABLE, ObjectFault
from billing_assets.stores.aws_errors import THROTTLING, as_billing_error, error_code, http_status
from billing_assets.stores.retrying import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from billing_assets.domain.stage4 import ObjectFamily
    from billing_assets.stores.aws import AwsClients

_LISTING_THREADS = 16
_CREDENTIALS_LIVE = dt.timedelta(minutes=5)
_FAST_KEY = re.compile(r"(?!/)(?!.*//)(?!.*(?:^|/)\.\.?(?:/|$))[^\x00-\x1f\x7f]+", re.DOTALL)
"""Keys that obstore asks for as they are; it drops a leading slash and refuses `//`, `..` and control characters."""

_ARCHIVED = frozenset({"InvalidObjectState"})


@dataclass(slots=True)
class FetchFigures:
    """What the requests took."""

    requests: int = 0
    retries: int = 0
    slow_downs: int = 0
    renewals: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, **by: int) -> None:
        """Add to the named figures, from any thread."""
        with self._lock:
            for name, more in by.items():
                setattr(self, name, getattr(self, name) + more)


class Pace:
    """How many requests may be in flight: halved when S3 says to slow down, one more after many good answers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """Requests in flight now allowed, at least one."""
        return max(1, int(self._limit))

    def slow_down(self) -> None:
        """S3 has asked for fewer requests."""
        with self._lock:
            self._limit = max(1.0, self._limit / 2)

    def answered(self) -> None:
        """An answer came; the limit grows by one for each time that all requests in flight were answered."""
        if self._limit < self._most:
            with self._lock:
                self._limit = min(float(self._most), self._limit + 1 / self._limit)


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
        arrived: SimpleQueue[tuple[str, bytes | ObjectFault | BaseException]] = SimpleQueue()
        in_flight = done = 0
        pool = ThreadPoolExecutor(self._requests, thread_name_prefix="stage4")

        def get(key: str) -> None:
            try:
                arrived.put((key, self._get(key)))
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits for it
                arrived.put((key, error))

        try:
            while waiting or in_flight:
                while waiting and in_flight < self._pace.limit:
                    pool.submit(get, waiting.popleft())
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
            pool.shutdown(wait=False, cancel_futures=True)

    def siblings(self, families: Collection[ObjectFamily]) -> Iterator[tuple[ObjectFamily, list[str]]]:
        """The keys now under each family's prefix, listed by boto3 since obstore lists whole path segments only."""
        with ThreadPoolExecutor(_LISTING_THREADS, thread_name_prefix="siblings") as pool:
            yield from pool.map(lambda family: (family, self._list(family.prefix)), families)

    def _list(self, prefix: str) -> list[str]:
        with as_billing_error(f"s3://{self._bucket}/{prefix}*"):
            pages = self._clients.s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def _get(self, key: str) -> bytes | ObjectFault:
        backoff = Backoff(self._retry_seconds)
        fast = _FAST_KEY.fullmatch(key) is not None
        while True:
            answer = self._get_fast(key) if fast else None
            if answer is None:
                try:
                    answer = self._get_surely(key)
                except StoreUnavailableError:
                    self.figures.count(retries=1)
                    if backoff.pause():
                        continue
                    raise
            self._pace.answered()
            return answer

    def _get_fast(self, key: str) -> bytes | ObjectFault | None:
        """Ask obstore; None if it can't say for certain what is wrong."""
        import obstore  # noqa: PLC0415  # vendor, imported when used
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError  # noqa: PLC0415

        self.figures.count(requests=1)
        store = self._fast_store()
        try:
            response = obstore.get(store, key)
            body = response.bytes().to_bytes()
            if len(body) == response.meta["size"]:
                return body
        except FileNotFoundError:
            # The bucket itself may be what is missing; boto3 tells them apart.
            return None
        except (PermissionDeniedError, UnauthenticatedError):
            # Perhaps a credential that expired in mid-run: take the renewed one for the objects to come.
            self._renew(store)
        except BaseError as error:
            if any(code in str(error) for code in ("SlowDown", "503")):
                self._slow_down()
        return None

    def _get_surely(self, key: str) -> bytes | ObjectFault:
        """Ask boto3, which retries by itself and names what is wrong."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

        self.figures.count(requests=1)
        with as_billing_error(f"s3://{self._bucket}/{key}"):
            try:
                return self._clients.s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as error:
                code = error_code(error)
                if code in {"NoSuchKey", "404"}:
                    return ObjectFault(OBJECT_MISSING)
                if code in _ARCHIVED:
                    return ObjectFault(OBJECT_UNREADABLE, "archived storage class: restore it to read it")
                if code == "KeyTooLongError":
                    return ObjectFault(OBJECT_MISSING, "longer than a key can be")
                if code in THROTTLING or http_status(error) == 503:
                    self._slow_down()
                raise

    def _slow_down(self) -> None:
        self.figures.count(slow_downs=1)
        self._pace.slow_down()

    def _renew(self, used: Any) -> None:
        with self._store_lock:
            if self._store is used:
                self._store = None
                self.figures.count(renewals=1)

    def _fast_store(self) -> Any:
        with self._store_lock:
            if self._store is None:
                self._store = self._new_store()
            return self._store

    def _new_store(self) -> Any:
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415  # vendor, imported when used
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415
        from obstore.store import S3Store  # noqa: PLC0415

        meta = self._clients.s3.meta
        host = urlsplit(meta.endpoint_url).hostname or ""
        # AWS's own endpoints are made by obstore from the region; any other (an emulator, a VPC endpoint) is given.
        endpoint: Any = {} if host.endswith(".amazonaws.com") else {"endpoint": meta.endpoint_url}
        with as_billing_error("the AWS credentials"):
            if self._clients.session.get_credentials() is None:
                raise NoCredentialsError
            return S3Store(
                self._bucket,
                region=meta.region_name,
                credential_provider=Boto3CredentialProvider(self._clients.session, ttl=_CREDENTIALS_LIVE),
                client_options={"allow_http": True, "timeout": dt.timedelta(seconds=60), "connect_timeout": "5s"},
                retry_config={"max_retries": 0},
                **endpoint,
            )
