"""`billing-assets dev` on a free port, for as long as a browser looks at it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_assets_tests.browser.conftest import Home

CHROMIUM = shutil.which("chromium")
CHROMIUM_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
]
_START_SECONDS = 180


def until(happens: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Look again and again until something has happened.

    Raises:
        AssertionError: It has not, and the deadline is over.
    """
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@contextmanager
def dev(home: Home) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The UI's address, and the process that serves it; it is stopped at the end, as by Ctrl-C."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5) as answer:  # noqa: S310  # our own
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    log = home.folder / "dev.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            home.command("dev", "--port", str(port)),
            cwd=home.folder,
            env=home.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            until(answers, seconds=_START_SECONDS, what=f"the UI did not come up:\n{log.read_text()}")
            yield url, process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
