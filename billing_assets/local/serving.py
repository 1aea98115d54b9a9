"""What both servers do inside their own process: take a port, say so, and never outlive their owner.

Lives here: the half of the handshake in the server's process. Lives elsewhere: the owner's half (`processes`), and
what is served (`aws_server`, `snowflake_server`).
"""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from billing_assets.local.pidlocks import PidLock

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
AWS_LOCK = "aws.lock"
SNOWFLAKE_LOCK = "snowflake.lock"
# What the servers hold from the start, and the owner's environment names.
AWS_REGION = "us-east-1"
SNOWFLAKE_DATABASE = "BILLING"
SNOWFLAKE_SCHEMA = "PUBLIC"
GRACE_SECONDS = 10.0


def parsed_arguments() -> tuple[Path, int]:
    """Read `<state_dir> <port>` from the command line; port 0 means any free one."""
    parser = argparse.ArgumentParser(description="One server of the embedded stack; started by billing_assets.local.")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    return arguments.state_dir, arguments.port


@contextmanager
def announced_socket(lock_path: Path, port: int) -> Iterator[socket.socket]:
    """Bind a loopback port, announce it in the server's lock file, and end with the owner.

    The port is bound before it is announced, so nobody ever talks to a stranger's server by mistake.
    """
    lock = PidLock.take(lock_path)
    if lock is None:
        sys.exit(f"{lock_path} is held: this server is running already")
    atexit.register(lock.release)  # not earlier: whoever waits for the lock wants every file of ours closed
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        lock.describe(port=listener.getsockname()[1])
        threading.Thread(target=_end_with_owner, daemon=True).start()
        yield listener


def _end_with_owner() -> None:
    """Wait for the end of standard input, which the owner holds open, then end gracefully, or else at once.

    A pipe notices every way for an owner to go, SIGKILL included, on every Unix.
    """
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)
