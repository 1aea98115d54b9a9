"""The Snowflake emulator, spoken to by the real connector, behaves as Snowflake does where exports depend on it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import snowflake.connector
from snowflake.connector.errors import IntegrityError, ProgrammingError
from snowflake.connector.pandas_tools import write_pandas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snowflake.connector import SnowflakeConnection


@contextmanager
def _session(environment: dict[str, str], **session_parameters: object) -> Iterator[SnowflakeConnection]:
    names = ("account", "user", "password", "database", "schema", "host", "port", "protocol")
    with snowflake.connector.connect(
        **{name: environment[f"SNOWFLAKE_{name.upper()}"] for name in names},
        session_parameters=session_parameters,
        network_timeout=20,
    ) as connection:
        yield connection


def _rows(session: SnowflakeConnection, *statements: str) -> list[Any]:
    """Run statements and return the last one's rows."""
    cursor = session.cursor()
    for statement in statements:
        cursor.execute(statement)
    return cursor.fetchall()


def test_write_pandas_into_a_temporary_table_keeps_every_value(stack_environment: dict[str, str]) -> None:
    """Money, dates, truth, times, texts and NULLs come back as they were staged."""
    columns = {
        "TEXT": ["a'\"%\\ ü 🙂", None, "x\ny"],
        "AMOUNT": [Decimal("10.10"), None, Decimal("-9999999999999999.99")],
        "DAY": [date(2025, 1, 1), None, date(1999, 12, 31)],
        "IS_SO": [True, None, False],
        "AT_UTC": [datetime(2025, 1, 1, 10, 0, 0, 123456), None, datetime(2025, 6, 1)],  # noqa: DTZ001 - TIMESTAMP_NTZ
    }
    with _session(stack_environment) as session:
        _rows(
            session,
            'CREATE TEMPORARY TABLE "Staged" ("TEXT" VARCHAR, "AMOUNT" NUMBER(18,2), "DAY" DATE, "IS_SO" BOOLEAN, '
            '"AT_UTC" TIMESTAMP_NTZ)',
        )
        written = write_pandas(session, pd.DataFrame(columns), "Staged", quote_identifiers=True, use_logical_type=True)
        assert written[:3] == (True, 1, 3)
        assert _rows(session, 'SELECT * FROM "Staged"') == list(zip(*columns.values(), strict=True))
        assert _rows(session, 'SELECT SUM("AMOUNT")::NUMBER(38,2), SUM("AMOUNT") FROM "Staged"') == [
            (Decimal("-9999999999999989.89"), Decimal("-9999999999999989.89"))
        ]


def test_nothing_of_a_transaction_is_seen_before_its_commit(stack_environment: dict[str, str]) -> None:
    """Another session sees the rows of before, then those of after, and never those of a rollback."""
    with _session(stack_environment) as ours, _session(stack_environment) as theirs:
        _rows(ours, "CREATE TABLE ISOLATED (ID NUMBER, N NUMBER)", "INSERT INTO ISOLATED VALUES (1, 1), (2, 2)")
        _rows(ours, "CREATE TEMPORARY TABLE STAGED AS SELECT 3 AS ID, 3 AS N")
        change = (
            "BEGIN",
            "UPDATE ISOLATED SET N = 9 WHERE ID = 1",
            "DELETE FROM ISOLATED WHERE ID = 2",
            "INSERT INTO ISOLATED SELECT * FROM STAGED",
        )
        seen = "SELECT * FROM ISOLATED ORDER BY ID"
        _rows(ours, *change)
        assert _rows(ours, seen) == [(1, 9), (3, 3)]
        assert _rows(theirs, seen) == [(1, 1), (2, 2)]
        _rows(ours, "ROLLBACK")
        assert _rows(ours, seen) == [(1, 1), (2, 2)]
        _rows(ours, *change, "COMMIT")
        assert _rows(theirs, seen) == [(1, 9), (3, 3)]


def test_a_second_writer_of_a_table_waits_and_then_sees_what_the_first_committed(
    stack_environment: dict[str, str],
) -> None:
    """Two transactions that begin with an UPDATE of one table run one after the other, as in Snowflake."""
    add_one = "UPDATE COUNTED SET N = N + 1"
    with _session(stack_environment) as first, _session(stack_environment) as second:
        _rows(first, "CREATE TABLE COUNTED (N NUMBER)", "INSERT INTO COUNTED VALUES (0)", "BEGIN", add_one)
        waiting = threading.Thread(target=_rows, args=(second, "BEGIN", add_one, "COMMIT"))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        _rows(first, "COMMIT")
        waiting.join(10)
        assert _rows(first, "SELECT N FROM COUNTED") == [(2,)]


def test_a_writer_waits_no_longer_than_its_lock_timeout(stack_environment: dict[str, str]) -> None:
    """A table that stays locked is an error with Snowflake's number, not a hang and not a retried HTTP 500."""
    with _session(stack_environment) as first, _session(stack_environment, LOCK_TIMEOUT=1) as second:
        _rows(first, "CREATE TABLE LOCKED (N NUMBER)", "BEGIN", "DELETE FROM LOCKED")
        began = time.monotonic()
        with pytest.raises(ProgrammingError, match="another transaction has locked table 'LOCKED'") as refusal:
            _rows(second, "DELETE FROM LOCKED")
        assert refusal.value.errno == 625
        assert time.monotonic() - began < 5


def test_a_closed_session_gives_its_locks_back_and_leaves_nothing(stack_environment: dict[str, str]) -> None:
    """Closing a connection in the middle of a transaction undoes it."""
    with _session(stack_environment) as session:
        _rows(session, "CREATE TABLE DROPPED_BY (N NUMBER)", "INSERT INTO DROPPED_BY VALUES (0)")
    with _session(stack_environment) as session:
        _rows(session, "BEGIN", "UPDATE DROPPED_BY SET N = 1")
    with _session(stack_environment, LOCK_TIMEOUT=1) as session:
        assert _rows(session, "UPDATE DROPPED_BY SET N = N + 2", "SELECT N FROM DROPPED_BY") == [(2,)]


def test_a_failed_statement_is_an_error_at_once_and_its_transaction_keeps_nothing(
    stack_environment: dict[str, str],
) -> None:
    """The connector is told, instead of retrying; and a COMMIT after it doesn't pretend to have kept the rest."""
    with _session(stack_environment) as session:
        _rows(session, "CREATE TABLE STRICT_ONE (N NUMBER NOT NULL)", "BEGIN", "INSERT INTO STRICT_ONE VALUES (1)")
        with pytest.raises(IntegrityError, match="NOT NULL"):
            _rows(session, "INSERT INTO STRICT_ONE VALUES (NULL)")
        with pytest.raises(ProgrammingError, match="had failed"):
            _rows(session, "COMMIT")
        assert _rows(session, "SELECT COUNT(*) FROM STRICT_ONE") == [(0,)]


def test_keys_are_accepted_and_not_enforced(stack_environment: dict[str, str]) -> None:
    """A double row is not stopped by a PRIMARY KEY in Snowflake, so a test must be able to see it."""
    with _session(stack_environment) as session:
        _rows(session, "CREATE TABLE KEYED (ID NUMBER PRIMARY KEY, CODE VARCHAR UNIQUE, PRIMARY KEY (ID))")
        assert _rows(session, "INSERT INTO KEYED VALUES (1, 'a'), (1, 'a')") == [(2,)]


def test_ddl_commits_the_open_transaction(stack_environment: dict[str, str]) -> None:
    """What must not happen between BEGIN and COMMIT shows here as it would in Snowflake."""
    with _session(stack_environment) as session:
        _rows(session, "CREATE TABLE COMMITTED (N NUMBER)", "BEGIN", "INSERT INTO COMMITTED VALUES (1)")
        _rows(session, "CREATE TEMPORARY TABLE TOO_LATE (N NUMBER)", "ROLLBACK")
        assert _rows(session, "SELECT N FROM COMMITTED") == [(1,)]


def test_sessions_may_create_and_drop_at_the_same_time(stack_environment: dict[str, str]) -> None:
    """Eight exports that each set up their tables don't stumble over one another."""
    faults: list[BaseException] = []

    def set_up(number: int) -> None:
        try:
            with _session(stack_environment) as session:
                _rows(session, "CREATE TABLE IF NOT EXISTS SHARED (N NUMBER)", f"CREATE TABLE OWN_{number} (N NUMBER)")
                _rows(session, f"ALTER TABLE OWN_{number} ADD COLUMN M NUMBER", f"DROP TABLE OWN_{number}")
        except Exception as fault:  # noqa: BLE001 - reported below
            faults.append(fault)

    sessions = [threading.Thread(target=set_up, args=(number,)) for number in range(8)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert faults == []
