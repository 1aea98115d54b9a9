"""GETs through a client that waits for each answer, on a few threads: for what `signed_gets` can't get."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_assets.domain.errors import StoreUnavailableError
    from billing_assets.domain.resolution import ObjectFault

    _Get = Callable[[str, StoreUnavailableError | None, threading.Event], bytes | ObjectFault]

_SURE_THREADS = 32
"""So many objects are asked for at once."""


class StoppedError(Exception):
    """Nobody waits for the object any more."""


class SureGets:
    """Objects asked for by a few threads, which end when it is closed.

    Args:
        get: Gives an object, from any thread; it is handed how asking for it has failed before, and what is set when
            nobody waits any more.
    """

    def __init__(self, get: _Get) -> None:
        self.in_flight = 0
        self._get = get
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._asked: SimpleQueue[tuple[str, StoreUnavailableError | None] | None] = SimpleQueue()
        self._arrived: SimpleQueue[tuple[str, bytes | ObjectFault | BaseException]] = SimpleQueue()

    def ask(self, key: str, failure: StoreUnavailableError | None = None) -> None:
        """Begin to ask for an object that could not be had otherwise, or has failed before."""
        self.in_flight += 1
        self._asked.put((key, failure))
        if len(self._threads) < min(self.in_flight, _SURE_THREADS):
            name = f"stage4-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()

    def answers(self, *, wait: bool) -> Iterator[tuple[str, bytes | ObjectFault]]:
        """What has come; waits for one if asked to. Raises what stopped one."""
        while self.in_flight:
            try:
                key, answer = self._arrived.get(block=wait)
            except Empty:
                return
            self.in_flight -= 1
            if isinstance(answer, BaseException):
                raise answer
            yield key, answer
            wait = False

    def close(self) -> None:
        """Nobody waits any more."""
        self._stopped.set()
        for _ in self._threads:
            self._asked.put(None)

    def _work(self) -> None:
        """Answer keys, one after the other, until None is asked for."""
        while (asked := self._asked.get()) is not None:
            key, failure = asked
            if self._stopped.is_set():
                continue
            try:
                self._arrived.put((key, self._get(key, failure, self._stopped)))
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits for it
                self._arrived.put((key, error))
