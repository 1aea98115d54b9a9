"""What can go wrong with the embedded stack, as letters that end with a remedy.

Lives here: the exceptions and their texts. Lives elsewhere: noticing the trouble (`stack`, `processes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LOG_TAIL_LINES = 12


class StackError(Exception):
    """The embedded stack can't do what was asked; the text says what to do about it."""


class StackInUseError(StackError):
    """Another live process owns the stack of this folder."""


class PortBusyError(StackError):
    """A port that was asked for by number belongs to another program."""


class ServerStartError(StackError):
    """A server of the stack ended, or did not answer, before it was ready."""


def stack_in_use(state_dir: Path, owner_pid: int | None, endpoints: list[str]) -> StackInUseError:
    """Say who owns the stack and how to share it or to end it."""
    where = ", ".join(endpoints) or "still starting"
    return StackInUseError(
        f"an embedded stack is already running in this folder\n"
        f"  where:  {state_dir} (owner: process {owner_pid or 'unknown'}; {where})\n"
        f"  rule:   one owner per folder, or two emulators would write over each other's state\n"
        f"  remedy: work with the running one (EmbeddedStack.attach), stop its owner, or choose another folder"
    )


def port_busy(server: str, port: int) -> PortBusyError:
    """Name the port and the two ways out."""
    return PortBusyError(
        f"the embedded {server} server can't have port {port}\n"
        f"  where:  127.0.0.1:{port}\n"
        f"  found:  another program is using it\n"
        f"  remedy: stop that program, or leave the port out and a free one is taken"
    )


def server_start_failed(server: str, found: str, log_path: Path) -> ServerStartError:
    """Show the end of the server's own log, since the reason stands there."""
    try:
        lines = log_path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    except OSError:
        lines = []
    tail = "\n".join(f"    {line}" for line in lines) or "    (empty)"
    return ServerStartError(
        f"the embedded {server} server did not come up\n"
        f"  where:  {log_path}\n"
        f"  found:  {found}; the log ends with\n{tail}\n"
        f"  remedy: install the emulators (`pip install 'billing-assets[local]'`); if they are installed, try an empty "
        f"folder: the state in this one may come from another version"
    )
