"""One server of the stack, seen from its owner: start, readiness, the whole process tree's end.

Lives here: the owner's half of the handshake; the server's half is `serving`. Lives elsewhere: which servers
there are and what they mean (`stack`).
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from billing_assets.local.errors import server_start_failed
from billing_assets.local.pidlocks import holder_of
from billing_assets.local.serving import GRACE_SECONDS, LOOPBACK

SCRATCH = "tmp"
_LOOK_AGAIN_SECONDS = 0.01
_READY_WITHIN_SECONDS = 60.0  # 2 s here; a cold disk on a busy machine takes its time
_PROBE_SECONDS = 5.0
# The package is importable in the servers as well, wherever the owner was started.
_IMPORT_ROOT = str(Path(__file__).parents[2])


@dataclass
class Server:
    """A running server process, leader of its own session, so that Ctrl-C in a terminal reaches only the owner."""

    name: str
    lock_path: Path
    log_path: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def launch(cls, name: str, module: str, state_dir: Path, lock_name: str, port: int | None) -> Self:
        """Start the process and return at once; its output goes to a log of its own, begun anew."""
        log_path = state_dir / "logs" / f"{name.lower()}.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        scratch = state_dir / "run" / SCRATCH
        scratch.mkdir(parents=True, exist_ok=True)
        search_path = os.pathsep.join(filter(None, [_IMPORT_ROOT, os.environ.get("PYTHONPATH")]))
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(state_dir), str(port or 0)],
                stdin=subprocess.PIPE,  # held open as a sign of life: its end is the server's end
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=scratch,
                env={**os.environ, "PYTHONPATH": search_path, "PYTHONUNBUFFERED": "1", "TMPDIR": str(scratch)},
                start_new_session=True,
            )
        return cls(name, state_dir / "run" / lock_name, log_path, process)

    def wait_until_ready(self) -> int:
        """Return the port once the server answers on it."""
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if (status := self.process.poll()) is not None:
                raise server_start_failed(self.name, f"it ended with status {status}", self.log_path)
            holder = holder_of(self.lock_path)
            if holder and holder.pid == self.process.pid and holder.port and _answers(holder.port):
                return holder.port
            time.sleep(_LOOK_AGAIN_SECONDS)
        raise server_start_failed(self.name, f"no answer within {_READY_WITHIN_SECONDS:.0f} s", self.log_path)

    def ask_to_stop(self) -> None:
        """Ask for a graceful end, in which the server writes its state; doesn't wait."""
        if self.process.stdin:
            with suppress(OSError):
                self.process.stdin.close()
        _signal_group(self.process.pid, signal.SIGTERM, self.process)

    def wait_until_stopped(self) -> None:
        """Wait for the end of the server; kill its whole group if that takes too long."""
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal_group(self.process.pid, signal.SIGKILL, self.process)
            self.process.wait()


def end_orphan(lock_path: Path) -> None:
    """End a server whose owner died, and wait for it: it is most likely writing its state just now.

    Only the holder of the server's lock is touched, so never a stranger that got the pid later.
    """
    for sign, patience in ((None, 1.0), (signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        deadline = time.monotonic() + patience
        holder = holder_of(lock_path)
        if sign and holder and holder.pid:
            with suppress(ProcessLookupError):
                os.killpg(holder.pid, sign)
        while (holder := holder_of(lock_path)) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_SECONDS)
        if not holder:
            return


def _signal_group(group: int, sign: signal.Signals, leader: subprocess.Popen[bytes]) -> None:
    """Signal the server and whatever it started; a leader that was waited for has no group of ours any more."""
    if leader.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(group, sign)


def _answers(port: int) -> bool:
    """Tell whether HTTP is spoken there; any answer will do."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/health")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
