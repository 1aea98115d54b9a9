"""A PostgreSQL of the test's own: Debian's binaries, a cluster in a folder, a free port of loopback.

PostgreSQL refuses to run as root, so root starts it as the user `postgres` of Debian's package.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from billing_assets_tests.operations.waiting import free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER, _DATABASE, _PASSWORD = "dagster", "dagster", "postgres-password-of-a-test"
_UNPRIVILEGED = "postgres"


def binaries() -> Path | None:
    """Where Debian keeps the newest installed server's binaries; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def why_not() -> str:
    """Why no server can be started here; `""` if one can."""
    if binaries() is None:
        return "needs PostgreSQL's server (Debian: postgresql), which .ci/run installs"
    if os.geteuid() == 0 and not (_has_user() and shutil.which("runuser")):
        return f"needs the user {_UNPRIVILEGED} and runuser, since PostgreSQL does not run as root"
    return ""


@contextlib.contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """A running server with an empty database; gives the variables of deploy/dagster.yaml."""
    found, port = binaries(), free_port()
    assert found is not None
    # Below /tmp, since the unprivileged user may not enter the test's own folders.
    folder = Path(tempfile.mkdtemp(prefix="billing-postgres-"))
    try:
        password = folder / "password"
        password.write_text(_PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, password):
                shutil.chown(path, _UNPRIVILEGED)
        cluster = folder / "cluster"
        _as_user(
            [
                *(str(found / "initdb"), "--pgdata", str(cluster), "--username", _USER, "--pwfile", str(password)),
                *("--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8", "--locale", "C"),
            ]
        )
        with _served(found, cluster, port):
            yield {
                "DAGSTER_POSTGRES_HOST": "127.0.0.1",
                "DAGSTER_POSTGRES_PORT": str(port),
                "DAGSTER_POSTGRES_DB": _DATABASE,
                "DAGSTER_POSTGRES_USER": _USER,
                "DAGSTER_POSTGRES_PASSWORD": _PASSWORD,
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _served(found: Path, cluster: Path, port: int) -> Iterator[None]:
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": "200",
    }
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    log = cluster.parent / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*_prefix(), str(found / "postgres"), "-D", str(cluster), "-p", str(port), *settings],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cluster.parent,
            start_new_session=True,
        ) as server,
    ):
        try:
            until(lambda: _created(port), seconds=30, what=lambda: f"PostgreSQL did not start:\n{log.read_text()}")
            yield
        finally:
            # SIGINT is PostgreSQL's fast shutdown; runuser hands it on to its own child only in the group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def _created(port: int) -> bool:
    """Whether the server answers; makes the database then."""
    import psycopg2  # noqa: PLC0415  # only where there is a server

    try:
        connection = psycopg2.connect(
            host="127.0.0.1", port=port, user=_USER, password=_PASSWORD, dbname="postgres", connect_timeout=5
        )
    except psycopg2.OperationalError:
        return False
    with contextlib.closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {_DATABASE}")
    return True


def _as_user(command: list[str]) -> None:
    done = subprocess.run([*_prefix(), *command], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


def _prefix() -> list[str]:
    return ["runuser", "-u", _UNPRIVILEGED, "--"] if os.geteuid() == 0 else []


def _has_user() -> bool:
    try:
        pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        return False
    return True
