"""Progress of long steps as log lines with counts and rates: one every few seconds, none for a short step."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_SECONDS_BETWEEN_LINES = 2.0


@dataclass
class LoggedProgress:
    """Calls `log` now and then.

    Args:
        log: Takes a line.
        what: The things counted, plural.
        clock: Seconds of any monotonic clock.
    """

    log: Callable[[str], None]
    what: str
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _logged: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._logged = self.clock()

    def __call__(self, done: int, total: int) -> None:
        """So many of so many are done."""
        now = self.clock()
        if now - self._logged >= _SECONDS_BETWEEN_LINES:
            self._logged = now
            self.log(f"{done:,} of {total:,} {self.what} ({self.rate(done):,.0f}/s)")

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return self.clock() - self._began

    def rate(self, done: int) -> float:
        """Things a second so far."""
        return done / max(self.seconds, 1e-9)
