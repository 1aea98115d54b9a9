"""The embedded stack starts, keeps its state, refuses clearly, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pytest
import snowflake.connector

from billing_assets.local.errors import PortBusyError, ServerStartError, StackInUseError
from billing_assets.local.pidlocks import PidLock, holder_of
from billing_assets.local.stack import EmbeddedStack

if TYPE_CHECKING:
    from pathlib import Path

    from snowflake.connector import SnowflakeConnection
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

_SERVER_LOCKS = ("aws.lock", "snowflake.lock")
_START_AND_WAIT = """
import signal, sys
from pathlib import Path
from billing_assets.local.stack import EmbeddedStack
# Whoever runs the tests may ignore or block signals, and children inherit that.
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
stack = EmbeddedStack.start(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
"""


def _aws(environment: dict[str, str]) -> dict[str, Any]:
    return {
        "endpoint_url": environment["AWS_ENDPOINT_URL"],
        "region_name": environment["AWS_REGION"],
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }


def _s3(environment: dict[str, str]) -> S3Client:
    return boto3.client("s3", **_aws(environment))


def _dynamodb(environment: dict[str, str]) -> DynamoDBClient:
    return boto3.client("dynamodb", **_aws(environment))


def _snowflake(environment: dict[str, str]) -> SnowflakeConnection:
    names = ("account", "user", "password", "database", "schema", "host", "port", "protocol")
    return snowflake.connector.connect(
        **{name: environment[f"SNOWFLAKE_{name.upper()}"] for name in names},
        session_parameters={},
        network_timeout=20,
    )


def _leave_something(environment: dict[str, str]) -> None:
    s3, dynamodb = _s3(environment), _dynamodb(environment)
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="a/b.json", Body=b"[1]", Metadata={"run-id": "7"})
    dynamodb.create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="kept", Item={"id": {"S": "x"}, "amount": {"N": "12.10"}})
    with _snowflake(environment) as connection:
        connection.cursor().execute("CREATE TABLE KEPT (A NUMBER(18,2))")
        connection.cursor().execute("INSERT INTO KEPT VALUES (12.10)")


def _assert_it_is_there(environment: dict[str, str]) -> None:
    found = _s3(environment).get_object(Bucket="kept", Key="a/b.json")
    assert (found["Body"].read(), found["Metadata"]) == (b"[1]", {"run-id": "7"})
    assert _dynamodb(environment).get_item(TableName="kept", Key={"id": {"S": "x"}})["Item"]["amount"] == {"N": "12.1"}
    with _snowflake(environment) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT A FROM KEPT")
        assert cursor.fetchall() == [(Decimal("12.10"),)]


def _server_pids(state_dir: Path) -> list[int]:
    holders = [holder_of(state_dir / "run" / name) for name in _SERVER_LOCKS]
    return [holder.pid for holder in holders if holder and holder.pid]


def _is_running(pid: int) -> bool:
    """Tell a live process from one that has ended and waits to be collected by an init that takes its time."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait_for_the_end_of(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while alive := [pid for pid in pids if _is_running(pid)]:
        assert time.monotonic() < deadline, f"still running: {alive}"
        time.sleep(0.02)


def _owner_in_another_process(state_dir: Path) -> subprocess.Popen[str]:
    owner = subprocess.Popen(
        [sys.executable, "-c", _START_AND_WAIT, str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout
    assert owner.stdout.readline() == "ready\n"
    return owner


def test_objects_items_and_rows_are_there_again_after_a_restart(tmp_path: Path) -> None:
    """A graceful stop keeps all state, and ends both servers."""
    with EmbeddedStack.start(tmp_path) as stack:
        pids = _server_pids(tmp_path)
        _leave_something(stack.environment())
    assert len(pids) == 2
    _wait_for_the_end_of(pids)
    with EmbeddedStack.start(tmp_path) as stack:
        _assert_it_is_there(stack.environment())


def test_a_killed_owner_leaves_no_process_and_loses_nothing(tmp_path: Path) -> None:
    """The servers of an owner that had no chance to stop them write their state and end; the folder is free at once."""
    with _owner_in_another_process(tmp_path) as owner:
        pids = _server_pids(tmp_path)
        environment = EmbeddedStack.attach(tmp_path)
        assert environment
        _leave_something(environment)
        owner.kill()
        owner.wait(20)
    assert EmbeddedStack.attach(tmp_path) is None
    with EmbeddedStack.start(tmp_path) as stack:
        _wait_for_the_end_of(pids)
        _assert_it_is_there(stack.environment())


def test_a_terminated_owner_leaves_no_process(tmp_path: Path) -> None:
    """The same for SIGTERM, which Python answers by ending at once."""
    with _owner_in_another_process(tmp_path) as owner:
        pids = _server_pids(tmp_path)
        owner.terminate()
        owner.wait(20)
    _wait_for_the_end_of(pids)


def test_killed_servers_trouble_neither_the_stop_nor_the_next_start(tmp_path: Path) -> None:
    """A stop of what is dead already is no error, and rows that were committed survive even so."""
    with EmbeddedStack.start(tmp_path) as stack:
        with _snowflake(stack.environment()) as connection:
            connection.cursor().execute("CREATE TABLE KEPT AS SELECT 1 AS A")
        for pid in _server_pids(tmp_path):
            os.kill(pid, signal.SIGKILL)
    assert _server_pids(tmp_path) == []
    with EmbeddedStack.start(tmp_path) as stack, _snowflake(stack.environment()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT COUNT(*) FROM KEPT")
        assert cursor.fetchall() == [(1,)]


def test_a_live_stack_is_recognised_and_shared(stack: EmbeddedStack) -> None:
    """A second owner is refused with the way out, and attaching gives the same environment."""
    assert EmbeddedStack.attach(stack.state_dir) == stack.environment()
    with pytest.raises(StackInUseError) as refusal:
        EmbeddedStack.start(stack.state_dir)
    assert f"owner: process {os.getpid()}; AWS {stack.environment()['AWS_ENDPOINT_URL']}" in str(refusal.value)
    assert "remedy: work with the running one (EmbeddedStack.attach)" in str(refusal.value)


def test_a_busy_port_is_named_with_its_remedy(tmp_path: Path) -> None:
    """A port that was asked for and is taken stops the start before anything runs, and frees the folder."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusyError) as refusal:
            EmbeddedStack.start(tmp_path, snowflake_port=port)
    assert str(refusal.value) == (
        f"the embedded Snowflake server can't have port {port}\n"
        f"  where:  127.0.0.1:{port}\n"
        "  found:  another program is using it\n"
        "  remedy: stop that program, or leave the port out and a free one is taken"
    )
    lock = PidLock.take(tmp_path / "run" / "owner.lock")
    assert lock
    lock.release()


def test_a_server_that_does_not_come_up_shows_its_log_and_takes_the_other_with_it(tmp_path: Path) -> None:
    """A start that fails says why, and leaves nothing running."""
    (tmp_path / "snowflake").mkdir()
    (tmp_path / "snowflake" / "BILLING.db").write_bytes(b"no database" * 1000)
    with pytest.raises(ServerStartError, match=r"(?s)Snowflake server did not come up.*BILLING\.db.*remedy: "):
        EmbeddedStack.start(tmp_path)
    assert _server_pids(tmp_path) == []


def test_both_servers_listen_on_loopback_only(stack: EmbeddedStack) -> None:
    """No other machine can reach an emulator."""
    listening = [
        connection.laddr.ip
        for pid in _server_pids(stack.state_dir)
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_an_object_is_replaced_only_if_it_is_still_the_one_that_was_read(stack_environment: dict[str, str]) -> None:
    """Conditional puts answer as S3's do, since publishing relies on them."""
    s3 = _s3(stack_environment)
    s3.create_bucket(Bucket="conditional")
    first = s3.put_object(Bucket="conditional", Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="conditional", Key="k", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket="conditional", Key="k", Body=b"2", IfMatch=first)
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="conditional", Key="k", Body=b"3", IfMatch=first)
