"""Whatever fails, and wherever: each period is wholly old or wholly new, for every reader, and the next run heals."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.errors import OperationalError, ProgrammingError

from billing_assets.domain.errors import ExportError, StoreUnavailableError
from billing_assets.stores.snowflake import PeriodExport, PeriodExportFailure
from billing_assets_tests.stores.snowflake_exports import (
    FEBRUARY,
    JANUARY,
    MARCH,
    NOON,
    WatchedConnection,
    World,
    bill_of,
    period_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from snowflake.connector import SnowflakeConnection

    from billing_assets.stores.snowflake import PeriodToExport


class InjectedError(Exception):
    """Raised by a hook itself, where the driver must not see it."""


@pytest.fixture
def world(stack_environment: dict[str, str]) -> Iterator[World]:
    """A schema of the test's own."""
    world = World(stack_environment)
    yield world
    world.close()


def _published(serial: int) -> PeriodToExport:
    """Published January, each time with a bill gone, one changed and one new."""
    return period_of(
        bill_of("STAYS", "1.00", "2.00"), bill_of("CHANGES", f"{serial}.00"), bill_of(f"NEW-{serial}", "5.00", "6.00")
    )


def _failing_at(world: World, place: int, kind: str) -> Callable[[], AbstractContextManager[SnowflakeConnection]]:
    """Connect so that the statement at a place, counted from 0, fails in one of three ways."""
    counter = itertools.count()
    reached: list[int] = []
    opened: list[WatchedConnection] = []

    def before(_: str) -> None:
        if next(counter) != place:
            return
        reached.append(place)
        if kind == "refused":
            raise ProgrammingError(msg="injected", errno=100038, sqlstate="22018")
        if kind == "connection closed":
            opened[-1].close()

    def after(_: str) -> None:
        if reached and kind == "answer lost":
            reached.clear()
            raise OperationalError(msg="injected", errno=250003)

    def connect() -> AbstractContextManager[SnowflakeConnection]:
        connecting = world.connect(before=before, after=after)()
        enter = connecting.__enter__

        class Remembering:
            def __enter__(self) -> SnowflakeConnection:
                connection = enter()
                assert isinstance(connection, WatchedConnection)
                opened.append(connection)
                return connection

            def __exit__(self, *exc: Any) -> None:
                connecting.__exit__(None, None, None)

        return Remembering()

    return connect


def _statements_of_an_export(world: World, published: PeriodToExport, **run: Any) -> list[str]:
    statements: list[str] = []
    [result] = world.export(published, connect=world.connect(before=statements.append), **run)
    assert isinstance(result, PeriodExport), result
    return statements


@pytest.mark.parametrize("kind", ["refused", "answer lost", "connection closed"])
def test_a_failure_at_any_statement_leaves_the_period_wholly_old_or_wholly_new(world: World, kind: str) -> None:
    """Refused, answer lost, connection closed: after each the four tables are as before, or as after a success."""
    world.export(_published(1))
    statements = _statements_of_an_export(world, _published(2), run_id="run-2")
    begin = statements.index("BEGIN TRANSACTION")
    first = 0 if kind == "refused" else begin
    new = world.state()
    for place in range(first, len(statements)):
        run = {"run_id": f"run-{place}", "exported_at_utc": NOON + dt.timedelta(minutes=place + 1)}
        old, published = new, _published(place + 3)
        try:
            results = world.export(published, connect=_failing_at(world, place, kind), **run)
        except (ExportError, StoreUnavailableError):
            assert place < begin - 1, "once staged, a failure is told of its period"
            results = []
        new = world.state()
        outcome = f"{kind} at {place}, {statements[place][:40]}: {results}"
        if any(isinstance(result, PeriodExport) for result in results):
            expected = {bill.master_bill_id: bill.utility_amount for bill in published.bills}
            assert {row[0]: row[8] for row in new["MASTER_BILLS"]} == expected, outcome
            assert new["MASTER_BILL_PERIODS"][0][4:6] == (published.content_sha256, run["run_id"]), outcome
            assert len(new["MASTER_BILL_CHANGES"]) == len(old["MASTER_BILL_CHANGES"]) + 3, outcome
        else:
            assert new == old, outcome
    [healed] = world.export(_published(99), run_id="run-99")
    assert isinstance(healed, PeriodExport)


def test_a_lost_answer_to_commit_is_not_told_as_a_failure(world: World) -> None:
    """Where COMMIT arrived and only its answer was lost, the period is reported as what it is: exported."""
    commit = _statements_of_an_export(world, _published(1)).index("COMMIT")
    # The first export makes four tables, the second finds them.
    [result] = world.export(_published(2), connect=_failing_at(world, commit - 4, "answer lost"), run_id="run-2")
    assert isinstance(result, PeriodExport)
    assert {row[13] for row in world.table("MASTER_BILLS")} == {"run-1", "run-2"}


def test_a_reader_on_another_connection_sees_old_or_new_at_every_statement(world: World) -> None:
    """Between any two statements of an export, another session reads the old period, then, at once, the new one."""
    world.export(_published(1))
    old, seen = world.state(), []
    world.export(_published(2), connect=world.connect(before=lambda _: seen.append(world.state())), run_id="run-2")
    new = world.state()
    assert len(seen) > 20
    assert all(state in (old, new) for state in seen)
    assert [state for state, _ in itertools.groupby([*seen, new])] == [old, new]


def test_one_failing_period_of_three_leaves_the_others_exported(world: World) -> None:
    """The period whose transaction fails is rolled back and named with its remedy; its neighbours are committed."""
    months = [period_of(bill_of("P1", "1.00", period=month), period=month) for month in (JANUARY, FEBRUARY, MARCH)]
    begun: list[int] = []

    def before(statement: str) -> None:
        begun.extend([1] if statement.startswith("BEGIN") else [])
        if len(begun) == 2 and "MASTER_BILL_LINE_ITEMS" in statement and statement.startswith("INSERT"):
            raise ProgrammingError(msg="injected", errno=100038, sqlstate="22018")

    results = world.export(*months, connect=world.connect(before=before))
    assert [(result.period, isinstance(result, PeriodExport)) for result in results] == [
        (JANUARY, True),
        (FEBRUARY, False),
        (MARCH, True),
    ]
    failed = results[1]
    assert isinstance(failed, PeriodExportFailure)
    assert str(failed.error).splitlines()[0] == "2025-02 was not exported: Snowflake failed while inserting line items"
    assert {row[1].month for row in world.table("MASTER_BILLS")} == {1, 3}
    assert [isinstance(result, PeriodExport) for result in world.export(*months)] == [True] * 3
    assert {row[1].month for row in world.table("MASTER_BILLS")} == {1, 2, 3}


def test_a_lost_session_fails_the_rest_unattempted(world: World) -> None:
    """When even ROLLBACK can't be sent, periods after the failing one are named as not attempted, each retryable."""
    months = [period_of(bill_of("P1", "1.00", period=month), period=month) for month in (JANUARY, FEBRUARY, MARCH)]
    sent: list[str] = []

    def before(statement: str) -> None:
        sent.append(statement)
        if sum(each.startswith("BEGIN") for each in sent) == 2:
            raise OperationalError(msg="injected", errno=250003)

    first, second, third = world.export(*months, connect=world.connect(before=before))
    assert isinstance(first, PeriodExport)
    assert isinstance(second, PeriodExportFailure)
    assert isinstance(third, PeriodExportFailure)
    assert (second.error.retryable, third.error.retryable) == (True, True)
    assert third.error.summary == "2025-03 was not exported: the session was lost before its turn"
    assert {row[1].month for row in world.table("MASTER_BILLS")} == {1}


def test_an_interruption_that_is_no_error_of_ours_rolls_back_and_closes(world: World) -> None:
    """Ctrl-C or a run's cancellation passes through unchanged, leaves nothing half written, and closes the session."""
    world.export(_published(1))
    old = world.state()
    connections: list[SnowflakeConnection] = []

    def before(statement: str) -> None:
        if statement.startswith("DELETE"):
            raise KeyboardInterrupt

    def connect() -> AbstractContextManager[SnowflakeConnection]:
        connecting = world.connect(before=before)()
        connections.append(connecting.__enter__())

        class Opened:
            def __enter__(self) -> SnowflakeConnection:
                return connections[-1]

            def __exit__(self, *exc: Any) -> None:
                raise InjectedError

        return Opened()

    with pytest.raises(KeyboardInterrupt):
        world.export(_published(2), connect=connect)
    assert connections[0].is_closed()
    assert world.state() == old


_KILLED = """
import json, os, signal, sys
from billing_assets_tests.stores.snowflake_exports import World, bill_of, period_of

def before(statement):
    if statement == "COMMIT":
        os.kill(os.getpid(), signal.SIGKILL)

world = World.__new__(World)
world.environment, schema = json.loads(sys.stdin.read())
from billing_assets.stores.snowflake import SnowflakeTarget
world.target = SnowflakeTarget("BILLING", schema)
world.export(period_of(bill_of("P1", "9.00")), connect=world.connect(before=before))
"""


def test_a_killed_export_leaves_the_period_as_it_was_and_the_next_run_heals(world: World) -> None:
    """SIGKILL with everything written but COMMIT: readers see the old period, and a new export gets the lock."""
    world.export(period_of(bill_of("P1", "1.00")))
    old = world.state()
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED], input=json.dumps([world.environment, world.schema]), text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert world.state() == old
    [result] = world.export(period_of(bill_of("P1", "9.00")), run_id="run-2")
    assert isinstance(result, PeriodExport), result
    assert [row[8] for row in world.table("MASTER_BILLS")] == [9]
