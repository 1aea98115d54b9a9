"""Ending in good order: one signal stops what runs, and while it stops, more of them are let pass."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequestedError(Exception):
    """Somebody asked us to stop: Ctrl-C, SIGTERM, or the terminal is gone."""


@contextlib.contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Raise `StopRequestedError` in the block where a signal would end the process at once."""

    def stop(_number: int, _frame: object) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise StopRequestedError

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
