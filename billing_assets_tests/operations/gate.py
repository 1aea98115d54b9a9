"""A gate in front of an AWS emulator: while it is shut, requests wait in it, and so does the step that sent them.

A worker can then be killed at a known place, in the middle of a step, without any wait for luck.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_assets_tests.faults.proxy import Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST_SECONDS = 100.0
"""A client that loses its patience before asks again, and waits again."""


@dataclass
class Gate(FaultProxy):
    """A proxy that answers while it is open; it is, at first."""

    waiting: int = 0
    """Requests that it holds."""
    opened: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.opened.set()

    def shut(self) -> None:
        """Hold whatever comes from now on."""
        self.opened.clear()

    def open(self) -> None:
        """Let everything through."""
        self.opened.set()

    @contextlib.contextmanager
    def request(self, method: str, target: str, headers: Iterable[tuple[str, str]]) -> Iterator[Fault | None]:
        """Wait until it opens, then do as a proxy does."""
        with self._lock:
            self.waiting += 1
        self.opened.wait(_LONGEST_SECONDS)
        with self._lock:
            self.waiting -= 1
        with super().request(method, target, headers) as fault:
            yield fault
