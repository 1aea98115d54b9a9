"""The Snowflake side of the embedded stack: fakesnow's HTTP server on loopback, over DuckDB files.

Run by the owner as `python -m billing_assets.local.snowflake_server <state_dir> <port>`.
A launcher of our own, because fakesnow's ignores the path of the database when it serves.
What is committed is on disk, and survives a kill as well.
"""

from __future__ import annotations

import http
import json
import warnings
from typing import TYPE_CHECKING

import fakesnow.server as fakesnow_server
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from billing_assets.local.serving import (
    SNOWFLAKE_DATABASE,
    SNOWFLAKE_LOCK,
    SNOWFLAKE_SCHEMA,
    announced_socket,
    parsed_arguments,
)
from billing_assets.local.snowflake_mend import MendedConnection, MendedSnow, Sessions, mend_modules

if TYPE_CHECKING:
    from starlette.requests import Request


async def _login(request: Request) -> JSONResponse:
    """Log in as fakesnow does, then honour the session's LOCK_TIMEOUT, which fakesnow leaves out.

    A refused login is an answer here: fakesnow's HTTP 500 would be retried until the client's login time-out.
    """
    try:
        response = await fakesnow_server.login_request(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client must hear of it
        return _refusal("390201", str(error))
    answer = json.loads(bytes(response.body))
    session = fakesnow_server.sessions[answer["data"]["token"]]
    if isinstance(session, MendedConnection):
        session.read_parameters(await request.body(), request.headers.get("Content-Encoding"))
    # Without a master token the connector thinks itself closed already, and its close() never ends the session.
    answer["data"]["masterToken"] = answer["data"]["token"]
    # Snowflake says which role and warehouse the session has; fakesnow leaves both out.
    asked = request.query_params
    answer["data"]["sessionInfo"] |= {"roleName": asked.get("roleName"), "warehouseName": asked.get("warehouse")}
    return JSONResponse(answer)


async def _query(request: Request) -> JSONResponse:
    """Note which client a session belongs to, so that a dead client's transaction can be undone.

    What fakesnow can't do is an answer here as well: its HTTP 500 would be retried until the client's time-out.
    """
    token = request.headers.get("Authorization", "")[17:-1]
    session = fakesnow_server.sessions.get(token)
    if isinstance(session, MendedConnection) and request.client:
        session.transaction.client = (request.client.host, request.client.port)
    try:
        response = await fakesnow_server.query_request(request)
    except Exception as error:  # noqa: BLE001 - the conversion of a result, which fakesnow leaves unguarded
        return _refusal("009999", f"{type(error).__name__}: {error}")
    if response.status_code == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return _refusal("009999", json.loads(bytes(response.body))["message"])
    return response


def _refusal(code: str, message: str) -> JSONResponse:
    return JSONResponse({"success": False, "code": code, "message": message, "data": {"sqlState": "99999"}})


def _routes() -> list[Route]:
    ours = {"/session/v1/login-request": _login, "/queries/v1/query-request": _query}
    return [
        Route(route.path, ours.get(route.path, route.endpoint), methods=sorted(route.methods or []))
        for route in fakesnow_server.routes
    ]


def main() -> None:
    """Serve until SIGTERM or the end of the owner."""
    # fakesnow 0.12.1 with duckdb 2.0: advice to fakesnow's authors, once per statement.
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)
    state_dir, port = parsed_arguments()
    databases = state_dir / "snowflake"
    databases.mkdir(parents=True, exist_ok=True)
    with announced_socket(state_dir / "run" / SNOWFLAKE_LOCK, port) as listener:
        mend_modules()
        server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=_routes()),
                log_level="warning",
                timeout_keep_alive=24 * 3600,  # an idle client is not a dead one
                timeout_graceful_shutdown=1,
            )
        )
        snow = MendedSnow(
            databases, live_clients=lambda: {getattr(c, "client", None) for c in list(server.server_state.connections)}
        )
        snow.connect(SNOWFLAKE_DATABASE, SNOWFLAKE_SCHEMA).close()
        fakesnow_server.shared_fs = snow
        fakesnow_server.sessions = Sessions()
        server.run(sockets=[listener])
        snow.duck_conn.close()


if __name__ == "__main__":
    main()
