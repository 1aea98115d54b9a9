"""`make dev`: the Dagster UI and its daemon over the embedded stack, until Ctrl-C.

Everything it starts ends with it: `dagster dev` runs in a process group of its own, which is told to stop, waited for,
and ended if it does not go.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from billing_assets.domain.errors import ConfigurationError
from billing_assets.local.demo import CONSOLE, demo_stack, load_sample, progress_bars
from billing_assets.local.signals import StopRequestedError, signals_as_exceptions
from billing_assets.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

_HOST = "127.0.0.1"
_GRACE_SECONDS = 20


def run_dev(state: Path, *, scale: float | None, last_period: str | None, port: int) -> int:
    """Serve the UI until it ends or someone ends it; the exit code.

    Raises:
        BillingError: The port is busy, or the stack does not start.
    """
    _refuse_busy(port)
    with signals_as_exceptions(), contextlib.suppress(StopRequestedError), demo_stack(state):
        with progress_bars() as progress:
            load_sample(state, Settings.from_environment(), progress, scale=scale, last_period=last_period)
        CONSOLE.print(f"\nThe Dagster UI: http://{_HOST}:{port}   (Ctrl-C stops everything)\n")
        return _serve(port)
    CONSOLE.print("Stopped.")
    return 0


def _serve(port: int) -> int:
    command = [sys.executable, "-m", "dagster", "dev", "--host", _HOST, "--port", str(port)]
    with subprocess.Popen([*command, "--log-level", "warning"], start_new_session=True) as dagster:
        try:
            return dagster.wait()
        finally:
            _stop_group(dagster)


def _stop_group(leader: subprocess.Popen[bytes]) -> None:
    """Ask, wait, insist: the webserver, the daemon and their code servers are of one group."""
    if leader.poll() is None:
        leader.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            leader.wait(_GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)


def _refuse_busy(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ConfigurationError(
                "the port of the Dagster UI is busy",
                where=f"{_HOST}:{port}",
                found=error.strerror,
                remedy="stop what listens there, or choose another: billing-assets dev --port 3001",
            ) from error
