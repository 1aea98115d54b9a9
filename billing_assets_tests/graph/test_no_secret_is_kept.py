"""A password, a key and its passphrase reach Snowflake's driver and nothing else: no event, no log, no terminal."""

from __future__ import annotations

import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from billing_assets_tests.graph.exporting import texts_below

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from billing_assets_tests.graph.exporting import ExportWorld

PASSWORD, PASSPHRASE, WRONG = "s3ntinelPassword", "s3ntinelPassphrase", "s3ntinelWrong"
KEY = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PASSPHRASE.encode()),
    )
    .decode()
)
SECRETS = [PASSWORD, PASSPHRASE, WRONG, *(line for line in KEY.splitlines() if not line.startswith("-----"))]
PERIOD = "2025-01"


class _Refusal(BaseHTTPRequestHandler):
    """A Snowflake that refuses every login and, at its worst, repeats all that it was sent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        said = f"Incorrect username or password was specified: {body.decode()}"
        answer = json.dumps({"success": False, "code": "390100", "message": said, "data": {}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _refusing_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusal) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield str(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def _assert_nothing_is_kept(world: ExportWorld, done: subprocess.CompletedProcess[str]) -> None:
    texts = list(texts_below(world.home))
    assert {".db", ".err", ".out"} <= {path.suffix for path, _ in texts}
    # The snapshots are among them: they say by which variable the password is given.
    assert [path for path, content in texts if b"SNOWFLAKE_PASSWORD" in content and b"PipelineSnapshot" in content]
    for secret in SECRETS:
        assert secret not in done.stdout + done.stderr
        assert not [path for path, content in texts if secret.encode() in content]


def test_a_successful_run_keeps_no_secret(exporting: ExportWorld) -> None:
    """With an encrypted key, its passphrase and a password set, all of it stays out of storage, logs and terminal."""
    exporting.publish(PERIOD)
    done = exporting.cli(
        *("--partition", PERIOD),
        SNOWFLAKE_PRIVATE_KEY=KEY,
        SNOWFLAKE_PRIVATE_KEY_PASSPHRASE=PASSPHRASE,
        SNOWFLAKE_PASSWORD=PASSWORD,
    )
    assert done.returncode == 0, done.stderr
    assert list(exporting.exported()) == [PERIOD]
    _assert_nothing_is_kept(exporting, done)


def test_a_key_that_does_not_open_is_told_without_it(exporting: ExportWorld) -> None:
    """The letter says that the passphrase is wrong, and holds neither it nor the key."""
    exporting.publish(PERIOD)
    done = exporting.cli(
        *("--partition", PERIOD),
        SNOWFLAKE_PRIVATE_KEY=KEY,
        SNOWFLAKE_PRIVATE_KEY_PASSPHRASE=WRONG,
        SNOWFLAKE_PASSWORD=PASSWORD,
    )
    assert done.returncode != 0
    assert "its passphrase does not open it" in done.stderr
    assert exporting.exported() == {}
    _assert_nothing_is_kept(exporting, done)


def test_a_refused_login_is_told_without_the_password(exporting: ExportWorld) -> None:
    """Also where the server's own answer quotes the password."""
    exporting.publish(PERIOD)
    with _refusing_server() as port:
        done = exporting.cli(*("--partition", PERIOD), SNOWFLAKE_PORT=port, SNOWFLAKE_PASSWORD=PASSWORD)
    assert done.returncode != 0
    assert "Snowflake refused the login" in done.stderr
    assert exporting.exported() == {}
    _assert_nothing_is_kept(exporting, done)
