"""The embedded stack as its users see it: start it, get its environment, stop it.

Lives here: one owner per folder, both servers together, and the variables that lead to them.
Lives elsewhere: a server's process (`processes`), what it serves (`aws_server`, `snowflake_server`).

The servers end with their owner, however it ends: `stop`, an exception, Ctrl-C, SIGTERM or SIGKILL.
"""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from billing_assets.local.errors import port_busy, stack_in_use
from billing_assets.local.pidlocks import Holder, PidLock, holder_of
from billing_assets.local.processes import SCRATCH, Server, end_orphan
from billing_assets.local.serving import (
    AWS_LOCK,
    AWS_REGION,
    LOOPBACK,
    SNOWFLAKE_DATABASE,
    SNOWFLAKE_LOCK,
    SNOWFLAKE_SCHEMA,
)

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_OWNER_LOCK = "owner.lock"
_AWS = ("AWS", "billing_assets.local.aws_server", AWS_LOCK)
_SNOWFLAKE = ("Snowflake", "billing_assets.local.snowflake_server", SNOWFLAKE_LOCK)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")

# Whoever adds `environment()` to an environment must take these out of it: they would lead elsewhere, or clash.
FOREIGN_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "SNOWFLAKE_PRIVATE_KEY",
    "SNOWFLAKE_PRIVATE_KEY_PATH",
    "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
    "SNOWFLAKE_SECRET_ID",
    "SNOWFLAKE_AUTHENTICATOR",
)


class EmbeddedStack:
    """Both emulators, running; a context manager that stops them.

    Example:
        >>> with EmbeddedStack.start(Path(".billing/stack")) as stack:  # doctest: +SKIP
        ...     os.environ.update(stack.environment())
    """

    def __init__(self, state_dir: Path, owner: PidLock, servers: list[Server], environment: dict[str, str]) -> None:
        self.state_dir = state_dir
        self._owner = owner
        self._servers = servers
        self._environment = environment

    @classmethod
    def start(cls, state_dir: Path, *, aws_port: int | None = None, snowflake_port: int | None = None) -> Self:
        """Start both servers over the state in a folder, and return when both answer (about 2 s).

        What an owner that died left behind, servers included, is cleaned up first.

        Args:
            state_dir: Made if absent. Objects, tables and databases in it are there again after a restart.
            aws_port: None takes a free one.
            snowflake_port: None takes a free one.

        Raises:
            StackInUseError: Another live process owns the folder's stack.
            PortBusyError: A port that was asked for is taken.
            ServerStartError: A server did not come up; the text shows the end of its log.
        """
        state_dir = state_dir.resolve()
        owner = PidLock.take(state_dir / "run" / _OWNER_LOCK)
        if owner is None:
            holder = holder_of(state_dir / "run" / _OWNER_LOCK)
            raise stack_in_use(state_dir, holder.pid if holder else None, _endpoints(state_dir))
        with ExitStack() as undo:
            undo.callback(owner.release)
            ports = ((_AWS, aws_port), (_SNOWFLAKE, snowflake_port))
            for (_, _, lock_name), _ in ports:
                end_orphan(state_dir / "run" / lock_name)
            shutil.rmtree(state_dir / "run" / SCRATCH, ignore_errors=True)
            for (name, _, _), port in ports:
                _refuse_busy(name, port)
            servers: list[Server] = []
            undo.callback(_stop_all, servers)
            for (name, module, lock_name), port in ports:
                servers.append(Server.launch(name, module, state_dir, lock_name, port))
            environment = _environment_of(*(server.wait_until_ready() for server in servers))
            owner.describe(port=0)  # 0 marks the stack as ready: an owner listens nowhere itself
            undo.pop_all()
        return cls(state_dir, owner, servers, environment)

    @staticmethod
    def attach(state_dir: Path) -> dict[str, str] | None:
        """Return the environment of the stack that another process runs in a folder; None if there is no live one.

        None as well while it starts or stops.
        """
        run = state_dir.resolve() / "run"
        owner, aws, snowflake = (holder_of(run / name) for name in (_OWNER_LOCK, _AWS[2], _SNOWFLAKE[2]))
        if not (_is_ready(owner) and aws and aws.port and snowflake and snowflake.port):
            return None
        return _environment_of(aws.port, snowflake.port)

    def environment(self) -> dict[str, str]:
        """Return the variables that lead every client of this package to the stack; see `FOREIGN_VARIABLES`."""
        return dict(self._environment)

    def stop(self) -> None:
        """Stop both servers, which write their state first; twice is fine."""
        if self._servers:
            self._owner.describe(port=None)
        try:
            _stop_all(self._servers)
        finally:
            self._owner.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _stop_all(servers: list[Server]) -> None:
    """Stop all together, so that it takes as long as the slowest."""
    for server in servers:
        server.ask_to_stop()
    while servers:
        servers[-1].wait_until_stopped()
        servers.pop()


def _is_ready(owner: Holder | None) -> bool:
    return owner is not None and owner.port == 0


def _endpoints(state_dir: Path) -> list[str]:
    """Describe where a live stack listens, as far as it does yet."""
    holders = ((name, holder_of(state_dir / "run" / lock_name)) for name, _, lock_name in (_AWS, _SNOWFLAKE))
    return [f"{name} http://{LOOPBACK}:{holder.port}" for name, holder in holders if holder and holder.port]


def _refuse_busy(server: str, port: int | None) -> None:
    if port is None:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise port_busy(server, port) from error


def _environment_of(aws_port: int, snowflake_port: int) -> dict[str, str]:
    aws = f"http://{LOOPBACK}:{aws_port}"
    environment = {
        "AWS_ENDPOINT_URL": aws,
        # Each service's own variable would win over the general one, if the user has it set for something else.
        "AWS_ENDPOINT_URL_S3": aws,
        "AWS_ENDPOINT_URL_DYNAMODB": aws,
        "AWS_ENDPOINT_URL_STS": aws,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws,
        "AWS_REGION": AWS_REGION,
        "AWS_DEFAULT_REGION": AWS_REGION,
        "AWS_ACCESS_KEY_ID": "embedded",
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "SNOWFLAKE_ACCOUNT": "embedded",
        "SNOWFLAKE_USER": "embedded",
        "SNOWFLAKE_PASSWORD": "embedded",
        "SNOWFLAKE_ROLE": "SYSADMIN",
        "SNOWFLAKE_WAREHOUSE": "EMBEDDED",
        "SNOWFLAKE_DATABASE": SNOWFLAKE_DATABASE,
        "SNOWFLAKE_SCHEMA": SNOWFLAKE_SCHEMA,
        "SNOWFLAKE_HOST": LOOPBACK,
        "SNOWFLAKE_PORT": str(snowflake_port),
        "SNOWFLAKE_PROTOCOL": "http",
    }
    if any(os.environ.get(name) for name in _PROXIES):
        direct = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), LOOPBACK]))
        environment |= {"NO_PROXY": direct, "no_proxy": direct}
    return environment
