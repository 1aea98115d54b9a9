"""The AWS side of the embedded stack: ministack's S3, DynamoDB, STS and Secrets Manager on loopback.

Run by the owner as `python -m billing_assets.local.aws_server <state_dir> <port>`.
Objects are on disk as they are put; tables are written on a graceful stop only, so a killed server forgets
what was written to DynamoDB since it started.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from billing_assets.local.serving import AWS_LOCK, AWS_REGION, LOOPBACK, announced_socket, parsed_arguments

if TYPE_CHECKING:
    import socket
    from pathlib import Path


def _environment_of(state_dir: Path, port: int) -> dict[str, str]:
    """Return ministack's settings, all of which it reads when it is imported."""
    return {
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,dynamodb,sts,secretsmanager",
        "MINISTACK_REGION": AWS_REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state_dir / "aws" / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state_dir / "aws" / "s3"),
        "LOG_LEVEL": "WARNING",
        # These two would listen on every interface, whatever BIND_HOST says.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # It would look for containers of its own to clean up; there are none, and a busy daemon delays the start.
        "DOCKER_HOST": f"unix://{state_dir / 'run' / 'no-docker.sock'}",
    }


def _serve(listener: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415 - after ministack's settings are in place
    from ministack.app import app  # noqa: PLC0415

    config = uvicorn.Config(app, log_level="warning", timeout_keep_alive=75, timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


def main() -> None:
    """Serve until SIGTERM or the end of the owner."""
    state_dir, port = parsed_arguments()
    with announced_socket(state_dir / "run" / AWS_LOCK, port) as listener:
        os.environ.update(_environment_of(state_dir, listener.getsockname()[1]))
        _serve(listener)


if __name__ == "__main__":
    main()
