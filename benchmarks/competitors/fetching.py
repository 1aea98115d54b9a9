"""Fetching every object as fast as the clients here can; not measured itself, but used by the floor and the frames."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import obstore
from obstore.store import S3Store

from benchmarks.workload import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable


def new_store(endpoint: str) -> S3Store:
    """The bucket, through obstore."""
    return S3Store(
        BUCKET,
        region="us-east-1",
        endpoint=endpoint,
        access_key_id="bench",
        secret_access_key="bench",  # noqa: S106  # the server looks at none
        client_options={"allow_http": True},
    )


def by_threads(store: S3Store, keys: list[str], in_flight: int, use: Callable[[str, bytes], None]) -> None:
    """A thread for each request in flight."""

    def get(key: str) -> tuple[str, bytes]:
        return key, obstore.get(store, key).bytes().to_bytes()

    with ThreadPoolExecutor(in_flight) as pool:
        for key, body in pool.map(get, keys):
            use(key, body)


def by_event_loop(store: S3Store, keys: list[str], in_flight: int, use: Callable[[str, bytes], None]) -> None:
    """One thread, and a task for each request in flight."""

    async def work(waiting: deque[str]) -> None:
        while waiting:
            key = waiting.popleft()
            response = await obstore.get_async(store, key)
            use(key, (await response.bytes_async()).to_bytes())

    async def everything() -> None:
        waiting = deque(keys)
        await asyncio.gather(*(work(waiting) for _ in range(in_flight)))

    asyncio.run(everything())
