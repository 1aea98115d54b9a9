"""Whatever fails, and wherever: each period is wholly old or wholly new, for every reader, and the next run heals.

Refusals, lost answers and lost connections are here; killed processes are in `faults/test_export_under_fire.py`.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.errors import OperationalError, ProgrammingError
from snowflake.connector.pandas_tools import write_pandas

from billing_assets.domain.errors import ExportError, StoreUnavailableError
from billing_assets.stores.snowflake import (
    PeriodExport,
    PeriodExportFailure,
    SessionSettings,
    ensure_tables,
    open_session,
)
from billing_assets.stores.snowflake.period_transaction import export_period
from billing_assets.stores.snowflake.staging import prepare, stage
from billing_assets_tests.stores.snowflake_exports import (
    FEBRUARY,
    JANUARY,
    MARCH,
    World,
    bill_of,
    period_of,
    run_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from snowflake.connector import SnowflakeConnection

    from billing_assets.stores.snowflake import PeriodToExport


class InjectedError(Exception):
    """Raised by a hook itself, where the driver must not see it."""


@pytest.fixture
def world(snowflake_environment: dict[str, str]) -> Iterator[World]:
    """A schema of the test's own."""
    world = World(snowflake_environment)
    yield world
    world.close()


def _published(serial: int) -> PeriodToExport:
    """Published January, each time with a bill gone, one changed and one new."""
    return period_of(
        bill_of("STAYS", "1.00", "2.00"), bill_of("CHANGES", f"{serial}.00"), bill_of(f"NEW-{serial}", "5.00", "6.00")
    )


class Fault:
    """Makes the statement at a place, counted from when it was armed, fail once, in one of three ways."""

    def __init__(self, world: World, kind: str) -> None:
        self.world, self.kind = world, kind
        self.place: int | None = None
        self.sent: list[str] = []
        self.opened: list[SnowflakeConnection] = []

    def arm(self, place: int | None) -> None:
        """Count anew, and fail at a place, or nowhere."""
        self.place, self.sent = place, []

    def before(self, statement: str) -> None:
        """Fail before the statement is sent."""
        self.sent.append(statement)
        if len(self.sent) - 1 == self.place:
            if self.kind == "refused":
                self.place = None
                raise ProgrammingError(msg="injected", errno=100038, sqlstate="22018")
            if self.kind == "connection closed":
                self.opened[-1].close()

    def after(self, _: str) -> None:
        """Fail when the statement was carried out."""
        if len(self.sent) - 1 == self.place and self.kind == "answer lost":
            self.place = None
            raise OperationalError(msg="injected", errno=250003)

    @contextmanager
    def connect(self) -> Iterator[SnowflakeConnection]:
        """Open a connection that this fault watches."""
        with self.world.connect(before=self.before, after=self.after)() as connection:
            self.opened.append(connection)
            yield connection


def _statements_of_an_export(world: World, published: PeriodToExport, **run: Any) -> list[str]:
    statements: list[str] = []
    [result] = world.export(published, connect=world.connect(before=statements.append), **run)
    assert isinstance(result, PeriodExport), result
    return statements


@pytest.mark.parametrize("kind", ["refused", "answer lost"])
def test_a_failure_at_any_statement_of_a_transaction_leaves_it_wholly_old_or_wholly_new(
    world: World, kind: str
) -> None:
    """Whichever statement is refused, or carried out without an answer, all four tables are as before, or as after."""
    fault = Fault(world, kind)
    versions = [prepare(_published(serial)) for serial in (1, 2)]
    with open_session(fault.connect, world.target, SessionSettings()) as session:
        ensure_tables(session)
        staged = [stage(session, [version]) for version in versions]
        for statements, version in zip(staged, versions, strict=True):
            fault.arm(None)
            export_period(session, statements, version, run_of())
        sent, shown, state = fault.sent, 1, world.state()
        assert (sent[1], sent[-1], len(sent)) == ("BEGIN TRANSACTION", "COMMIT", 10)
        # Its first statement is the period's lock.
        assert sent[2].startswith(f"UPDATE {world.target.qualified('MASTER_BILL_PERIODS')} ")
        for place in range(len(sent)):
            fault.arm(place)
            run, other = run_of(run_id=f"run-{place}"), 1 - shown
            try:
                export_period(session, staged[other], versions[other], run)
            except (ExportError, StoreUnavailableError):
                assert world.state() == state, f"{kind} at {place}: {sent[place][:60]}"
                continue
            # The answer to COMMIT was lost, not the COMMIT: the period's row told so.
            assert (kind, sent[place]) == ("answer lost", "COMMIT")
            new = world.state()
            hashes = versions[other].bills["CONTENT_HASH"].to_pylist()
            assert sorted(row[12] for row in new["MASTER_BILLS"]) == sorted(hashes)
            assert new["MASTER_BILL_PERIODS"][0][4:6] == (versions[other].content_sha256, run.run_id)
            assert len(new["MASTER_BILL_CHANGES"]) == len(state["MASTER_BILL_CHANGES"]) + 3
    [healed] = world.export(_published(9), run_id="run-9")
    assert isinstance(healed, PeriodExport)


@pytest.mark.parametrize("kind", ["refused", "answer lost", "connection closed"])
def test_a_failure_before_any_transaction_changes_nothing(world: World, kind: str) -> None:
    """What fails before BEGIN stops the run with every table as it was, unless it can be done without."""
    world.export(_published(1))
    statements = _statements_of_an_export(world, _published(2))
    old = world.state()
    # A session setting only tunes; and for its stage the driver has a second way of its own.
    optional = () if kind == "connection closed" else ("ALTER SESSION SET LOCK_TIMEOUT", "CREATE TEMP STAGE")
    for place in range(statements.index("BEGIN TRANSACTION")):
        if statements[place].startswith(optional):
            continue
        fault = Fault(world, kind)
        fault.arm(place)
        try:
            [result] = world.export(_published(3), connect=fault.connect, run_id="run-3")
        except (ExportError, StoreUnavailableError):
            pass
        else:
            assert isinstance(result, PeriodExportFailure), statements[place]
        assert world.state() == old, statements[place]
    [healed] = world.export(_published(3), run_id="run-3")
    assert isinstance(healed, PeriodExport)


def test_a_staging_that_loses_rows_is_told_before_any_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer rows loaded than sent stop the run, with both numbers, and nothing is changed."""
    world.export(_published(1))
    old = world.state()

    def losing(*arguments: Any, **options: Any) -> tuple[Any, ...]:
        done, chunks, loaded, output = write_pandas(*arguments, **options)
        return done, chunks, loaded - 1, output

    # No server loses rows when it is asked to.
    monkeypatch.setattr("snowflake.connector.pandas_tools.write_pandas", losing)
    with pytest.raises(ExportError, match="staging lost rows") as caught:
        world.export(_published(2), run_id="run-2")
    assert caught.value.found == "7 of 8 rows were loaded"
    assert world.state() == old


def test_a_session_that_takes_no_settings_still_exports(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A server that knows a setting not is told so in the log, by its name, and nothing else is lost."""

    def before(statement: str) -> None:
        if statement.startswith("ALTER SESSION SET") and "QUERY_TAG" in statement:
            raise ProgrammingError(msg="invalid parameter", errno=1006, sqlstate="22023")

    [result] = world.export(_published(1), connect=world.connect(before=before))
    assert isinstance(result, PeriodExport)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("billing_assets")]
    assert len(ours) == 1
    assert ours[0].startswith("Snowflake refused QUERY_TAG for this session: ProgrammingError 1006 (22023)")


def test_a_connection_closed_at_any_statement_of_a_transaction_changes_nothing(world: World) -> None:
    """When the session itself is gone, Snowflake undoes its transaction, and the next run heals."""
    world.export(_published(1))
    statements = _statements_of_an_export(world, _published(2))
    old = world.state()
    for place in range(statements.index("BEGIN TRANSACTION"), len(statements)):
        fault = Fault(world, "connection closed")
        fault.arm(place)
        [failed] = world.export(_published(3), connect=fault.connect, run_id=f"run-{place}")
        assert isinstance(failed, PeriodExportFailure)
        assert failed.error.retryable
        assert world.state() == old, statements[place]
    [healed] = world.export(_published(3), run_id="run-99")
    assert isinstance(healed, PeriodExport)


def test_a_reader_on_another_connection_sees_old_or_new_at_every_statement(world: World) -> None:
    """Between any two statements of an export, another session reads the old period, then, at once, the new one."""
    world.export(_published(1))
    old, seen = world.state(), []
    world.export(_published(2), connect=world.connect(before=lambda _: seen.append(world.state())), run_id="run-2")
    new = world.state()
    assert len(seen) > 15
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

            def __exit__(self, *exc: object) -> None:
                raise InjectedError

        return Opened()

    with pytest.raises(KeyboardInterrupt):
        world.export(_published(2), connect=connect)
    assert connections[0].is_closed()
    assert world.state() == old
