"""Trying again while it can help: backoff with full jitter, under one deadline."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 8.0


@dataclass(slots=True)
class Backoff:
    """The pauses between the tries of one request.

    Args:
        seconds: After which the last failure stands.
        clock: Seconds of any monotonic clock.
        sleep: Waits for so many seconds.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _tries: int = field(default=0, init=False)
    _began: float | None = field(default=None, init=False)

    def pause(self) -> bool:
        """Wait before the next try; False, without waiting, if the deadline forbids another."""
        now = self.clock()
        self._began = now if self._began is None else self._began
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._tries)
        # Full jitter: clients that failed together come back apart.
        pause = random.uniform(0, longest)  # noqa: S311  # not a secret
        if now + pause - self._began > self.seconds:
            return False
        self._tries += 1
        self.sleep(pause)
        return True
