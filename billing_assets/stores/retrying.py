"""Trying again while it can help, with full jitter and under one deadline; and asking for less when told to."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from billing_assets.domain.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 8.0


@dataclass(slots=True)
class Backoff:
    """The pauses between the tries of one request; its time runs from the moment when it is made.

    Args:
        seconds: After which the last failure stands: no try begins later.
        clock: Seconds of any monotonic clock.
        sleep: Waits for so many seconds.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _tries: int = field(default=0, init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def pause(self) -> bool:
        """Wait before the next try; False, without waiting, if the deadline forbids another."""
        now = self.clock()
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._tries)
        # Full jitter: clients that failed together come back apart.
        pause = random.uniform(0, longest)  # noqa: S311  # not a secret
        if now + pause - self._began > self.seconds:
            return False
        self._tries += 1
        self.sleep(pause)
        return True


def retried(call: Callable[[], T], backoff: Backoff, on_retry: Callable[[], None] | None = None) -> T:
    """What a call gives in the end; only a store that is unavailable is asked again.

    Raises:
        StoreUnavailableError: It still was when the deadline forbade another try.
    """
    while True:
        try:
            return call()
        except StoreUnavailableError:
            if not backoff.pause():
                raise
        if on_retry is not None:
            on_retry()


class Pace:
    """How many requests may be in flight.

    At first a few, and twice as many each time that all of them keep their reader waiting; halved when the store says
    to slow down, one more after many good answers.

    Args:
        most: In flight at once.
        first: In flight at first, or as many as the most.
    """

    def __init__(self, most: int, first: int) -> None:
        self._most = most
        self._wanted = min(first, most)
        self._limit = float(most)
        self._slowed_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """Requests in flight now allowed, at least one."""
        return max(1, min(self._wanted, int(self._limit)))

    @property
    def may_grow(self) -> bool:
        """Whether more would be allowed if they were wanted."""
        return self._wanted < int(self._limit)

    def grow(self) -> None:
        """More are wanted: twice as many."""
        self._wanted = min(2 * self._wanted, self._most)

    def slow_down(self, asked_at: float) -> None:
        """The store has asked for fewer requests.

        Requests that were in flight together halve the limit once, else a single bad moment would take it all away.

        Args:
            asked_at: When the request was sent, by `time.monotonic`.
        """
        with self._lock:
            if asked_at >= self._slowed_at:
                self._limit = max(1.0, self._limit / 2)
                self._slowed_at = time.monotonic()

    def answered(self) -> None:
        """An answer came; the limit grows by one for each time that all requests in flight were answered."""
        if self._limit < self._most:
            with self._lock:
                self._limit = min(float(self._most), self._limit + 1 / self._limit)


class RatePace:
    """Keeps what all threads spend together under a rate: who has spent waits until it is earned.

    Args:
        units_per_second: 0 is no limit.
        clock: Seconds of any monotonic clock.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        units_per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._units_per_second = units_per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()
        self._lock = threading.Lock()

    def spend(self, units: float) -> None:
        """Wait for as long as the units spent so far are ahead of the rate."""
        if not self._units_per_second:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + units / self._units_per_second
            wait = self._free_at - now
        self._sleep(wait)
