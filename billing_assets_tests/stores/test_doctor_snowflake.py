"""What the doctor says of Snowflake: each thing that can be missing, in its own line, with the statement that mends it.

Rights and absent databases don't exist in the emulator: those errors are raised by a hook, as the driver raises them.
A refused login comes from a server on loopback that answers as Snowflake does.
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.errors import ProgrammingError

from billing_assets.commands.doctor import all_looks, examined
from billing_assets.defs import snowflake_resource
from billing_assets.domain.findings import Finding, Outcome
from billing_assets.settings import SNOWFLAKE_VARIABLES, Settings
from billing_assets.stores.examination import look_at_snowflake
from billing_assets.stores.examination.snowflake import SUBJECTS
from billing_assets_tests.stores.snowflake_exports import World, bill_of, period_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_assets_tests.stores.snowflake_exports import Hook


@pytest.fixture
def world(stack_environment: dict[str, str]) -> Iterator[World]:
    """A schema of the test's own."""
    world = World(stack_environment)
    yield world
    world.close()


def _looked(world: World, before: Hook | None = None) -> dict[str, Finding]:
    connect = world.connect(before=before) if before else world.connect()
    findings = look_at_snowflake(connect, world.target)
    assert [finding.check for finding in findings] == list(SUBJECTS)
    return {finding.check: finding for finding in findings}


def _refusing(beginning: str, errno: int, message: str) -> Hook:
    def before(statement: str) -> None:
        if statement.startswith(beginning):
            raise ProgrammingError(msg=message, errno=errno, sqlstate="42501")

    return before


def _failed(finding: Finding, found: str, remedy: str) -> None:
    assert finding.outcome is Outcome.FAILED, finding
    assert found in finding.found
    assert remedy in finding.remedy


def test_tables_to_come_are_missed_or_their_ddl_is_not_shown(world: World) -> None:
    """Before the first export all is well, and the DDL is there for whoever holds the right; nothing is created."""
    findings = _looked(world)
    outcomes = {finding.outcome for finding in findings.values()}
    assert outcomes == {Outcome.OK, Outcome.ABSENT}
    remedy = findings["snowflake.tables"].remedy
    assert remedy.count("CREATE TABLE IF NOT EXISTS") == 4
    assert world.target.qualified("MASTER_BILLS") in remedy
    found = world.read(f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{world.schema}'")  # noqa: S608
    assert found == [(0,)]


def test_an_export_is_not_seen(world: World) -> None:
    """Periods and bills of the tables are counted."""
    world.export(period_of(bill_of("A", "1.00"), bill_of("B", "2.00")))
    findings = _looked(world)
    assert findings["snowflake.tables"].outcome is Outcome.OK
    assert dict(findings["snowflake.periods"].figures) == {"periods": 1, "bills": 2}


def test_a_table_of_other_columns_passes(world: World) -> None:
    """Every difference, and the ALTER that mends it."""
    world.export(period_of(bill_of("A", "1.00")))
    world.read(f'ALTER TABLE {world.target.qualified("MASTER_BILLS")} DROP COLUMN "STATUS"')
    _failed(_looked(world)["snowflake.tables"], "MASTER_BILLS has no column STATUS", 'ADD COLUMN "STATUS" VARCHAR;')


@pytest.mark.parametrize(
    ("statement", "found", "remedy"),
    [
        ("USE DATABASE", "there is no such database, or the role may not use it", "CREATE DATABASE "),
        ("USE SCHEMA", "there is no such schema, or the role may not use it", "CREATE SCHEMA "),
    ],
)
def test_a_missing_place_is_told_as_a_missing_table(world: World, statement: str, found: str, remedy: str) -> None:
    """The DDL for its owner; what stands in it is not looked at."""
    findings = _looked(world, _refusing(statement, 2043, "Object does not exist, or operation cannot be performed."))
    _failed(findings["snowflake.schema"], found, remedy)
    assert findings["snowflake.login"].outcome is Outcome.OK
    assert findings["snowflake.tables"].outcome is Outcome.NOT_CHECKED


@pytest.mark.parametrize(("kind", "right"), [("TABLE", "CREATE TEMPORARY TABLE"), ("STAGE", "CREATE STAGE")])
def test_a_right_that_the_upload_needs_is_not_missed(world: World, kind: str, right: str) -> None:
    """The grant by its name; the other looks go on."""
    findings = _looked(world, _refusing(f"CREATE TEMPORARY {kind}", 3001, "Insufficient privileges"))
    _failed(findings["snowflake.staging"], "Insufficient privileges", f"GRANT {right} ON SCHEMA")
    assert findings["snowflake.tables"].outcome is Outcome.ABSENT


# Through the settings, as the command asks.


@pytest.fixture
def shell(stack_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The stack's variables in the environment."""
    for name, value in stack_environment.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def _commanded() -> list[Finding]:
    looks = all_looks(Settings.from_environment(), read_only=True, is_stack=True)
    return examined([look for look in looks if look.check == "snowflake.login"], lambda _done, _of: None)


def test_snowflake_that_nobody_configured_is_a_failure(shell: pytest.MonkeyPatch) -> None:
    """It is said with its remedy, and nothing is missing: the JSON is made without it."""
    for name in SNOWFLAKE_VARIABLES:
        shell.delenv(name, raising=False)
    [finding] = _commanded()
    assert finding.outcome is Outcome.ABSENT
    assert "not configured" in finding.found
    assert "SNOWFLAKE_" in finding.remedy


def test_half_a_configuration_passes(shell: pytest.MonkeyPatch) -> None:
    """Who set one variable means it: what is missing is named."""
    shell.delenv("SNOWFLAKE_DATABASE")
    shell.delenv("SNOWFLAKE_PASSWORD")
    [finding] = _commanded()
    _failed(finding, "not set: SNOWFLAKE_PRIVATE_KEY, SNOWFLAKE_DATABASE", "set the SNOWFLAKE_ variables")


def test_a_session_without_a_warehouse_passes(shell: pytest.MonkeyPatch) -> None:
    """Its variable is named."""
    shell.delenv("SNOWFLAKE_WAREHOUSE")
    findings = {finding.check: finding for finding in _commanded()}
    _failed(findings["snowflake.role"], "no warehouse", "set SNOWFLAKE_WAREHOUSE")


def test_a_refused_login_shows_what_was_given(shell: pytest.MonkeyPatch) -> None:
    """The login is the one red line, says which variables to check, and never the password."""
    shell.setenv("SNOWFLAKE_PASSWORD", "s3ntinel")
    answer = {"success": False, "code": "390100", "message": "Incorrect username or password: s3ntinel", "data": {}}
    with _server(answer) as port:
        shell.setenv("SNOWFLAKE_PORT", str(port))
        findings = _commanded()
    _failed(findings[0], "Snowflake refused the login", "check SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER")
    assert {finding.outcome for finding in findings[1:]} == {Outcome.NOT_CHECKED}
    assert "s3ntinel" not in repr(findings)


def test_a_server_that_is_not_there_is_waited_for(shell: pytest.MonkeyPatch) -> None:
    """It ends with the login's own deadline, and says where to look."""
    shell.setattr(snowflake_resource, "_LOGIN_SECONDS", 1)
    shell.setenv("SNOWFLAKE_PORT", "9")
    findings = _commanded()
    _failed(findings[0], "Snowflake can't be reached", "check SNOWFLAKE_ACCOUNT and the network")


@contextmanager
def _server(answer: dict[str, Any]) -> Iterator[int]:
    content = gzip.compress(json.dumps(answer).encode())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
