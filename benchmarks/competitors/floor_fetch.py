"""(e) The floor, one half: all objects fetched, and nothing done with them. The fastest of several ways counts.

`option` names the way and the requests in flight, `libcurl 96`. The way `raw` is no S3 client at all: it asks over
plain connections, unsigned, in an event loop written in C, and so shows what the server could do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlsplit

import uvloop

from benchmarks.competitors.fetching import by_threads, new_store
from benchmarks.workload import BUCKET
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.bucket_access import BucketAccess, Credentials
from billing_assets.stores.signed_gets import SignedGets

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.task import Task

State = tuple["Callable[[], None]", list[int]]


def prepare(task: Task) -> State:
    """The client and the keys."""
    way, in_flight = task.option.split()
    keys = task.workload.keys()[: task.most_objects]
    sizes: list[int] = []

    def use(_: str, body: bytes) -> None:
        sizes.append(len(body))

    def fetch() -> None:
        if way == "raw":
            uvloop.run(_raw(task.endpoint, keys, int(in_flight), sizes))
        else:
            by_threads(new_store(task.endpoint), keys, int(in_flight), use)

    if way == "libcurl":
        clients = AwsClients()
        gets = SignedGets(BucketAccess.of(clients, BUCKET, seconds=30))
        credentials = Credentials.current(clients.session)
        return lambda: _by_libcurl(gets, credentials, keys, int(in_flight), sizes), sizes
    return fetch, sizes


def run(_: Task, state: State) -> list[int]:
    """Fetch them all."""
    fetch, sizes = state
    fetch()
    return sizes


def answers(_: Task, __: State, sizes: list[int]) -> tuple[str, int, str]:
    """How many, and how large."""
    return "", len(sizes), f"{sum(sizes):,} bytes"


def _by_libcurl(gets: SignedGets, credentials: Credentials, keys: list[str], in_flight: int, sizes: list[int]) -> None:
    """One thread."""
    waiting = deque(keys)
    while waiting or gets.in_flight:
        while waiting and gets.in_flight < in_flight:
            gets.ask(waiting.popleft(), credentials)
        sizes.extend(len(got.body or b"") for got in gets.answers(1.0))


class _Asking(asyncio.Protocol):
    """A connection that asks for one object after the other."""

    def __init__(self, waiting: deque[bytes], sizes: list[int], done: asyncio.Future[None]) -> None:
        self._waiting = waiting
        self._sizes = sizes
        self._done = done
        self._missing = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        if self._missing == 0:
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            self._sizes.append(length)
            self._missing = length - len(body)
        else:
            self._missing -= len(data)
        if self._missing == 0:
            self._ask()

    def _ask(self) -> None:
        if self._waiting:
            self._transport.write(self._waiting.popleft())
        elif not self._done.done():
            self._done.set_result(None)
            self._transport.close()


async def _raw(endpoint: str, keys: list[str], in_flight: int, sizes: list[int]) -> None:
    loop = asyncio.get_running_loop()
    at = urlsplit(endpoint)
    requests = deque(f"GET /{BUCKET}/{quote(key)} HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode() for key in keys)
    ends = []
    for _ in range(in_flight):
        done = loop.create_future()
        ends.append(done)
        await loop.create_connection(lambda done=done: _Asking(requests, sizes, done), at.hostname, at.port)  # type: ignore[misc]
    await asyncio.gather(*ends)
