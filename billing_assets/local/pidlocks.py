"""Locked files that say which process is alive and what it serves.

A pid alone proves nothing: it may have been given to a stranger since. A file lock does, because the kernel takes it
away with the process. So owner and servers each hold a lock for as long as they live, with their pid and port inside.

Lives here: taking such a lock and reading another's. Lives elsewhere: what is done about it (`stack`, `processes`).
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """The live process behind a lock, as it described itself; both are None while it is still writing."""

    pid: int | None
    port: int | None


class PidLock:
    """A lock on a file, held from `take` until `release` or the end of the process."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path = path
        self._file = file

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the lock, or return None if a live process holds it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        lock = cls(path, file)
        lock.describe(port=None)
        return lock

    def describe(self, *, port: int | None) -> None:
        """Write who holds the lock, for those who look."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps({"pid": os.getpid(), "port": port}))
        self._file.flush()

    def release(self) -> None:
        """Give the lock up; the file stays, since removing it would let two hold "the" lock. Twice is fine."""
        if not self._file.closed:
            self._file.truncate(0)
            self._file.close()


def holder_of(path: Path) -> Holder | None:
    """Return the live process that holds the lock, or None if there is none."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _described(file.read())
    except FileNotFoundError:
        return None
    return None


def _described(text: str) -> Holder:
    try:
        said = json.loads(text)
    except ValueError:
        return Holder(None, None)
    return Holder(said["pid"], said["port"])
