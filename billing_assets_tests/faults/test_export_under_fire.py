"""Exporting processes are killed at every statement while another session reads: real processes, by SIGKILL.

Small by default: a period that is exported again, killed at every second statement of its transaction.
`BILLING_ASSETS_FULL=1` kills at every statement from the login on, before and after it was carried out, first exports
as well, and at random moments. Counts are printed.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing as mp
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Self

import pytest

from billing_assets.stores.snowflake import PeriodExport, export_periods
from billing_assets_tests.stores.snowflake_exports import (
    JANUARY,
    World,
    bill_of,
    connect_to,
    connection_to,
    period_of,
    run_of,
    state_of,
    target_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from billing_assets.stores.snowflake import PeriodToExport
    from billing_assets_tests.stores.snowflake_exports import Row, State

FULL = os.environ.get("BILLING_ASSETS_FULL") == "1"
BEFORE, AFTER, IN_FLIGHT = "before", "after", "in flight"
RANDOM_DEATHS = 60
# About what a statement takes.
_FLIGHT_SECONDS = 0.1
SEED = 20250131
_LONGEST_WAIT_SECONDS = 60.0
# Without it the reader takes half of the emulator's time.
_REST_SECONDS = 0.1
_BEGIN, _COMMIT = "BEGIN TRANSACTION", "COMMIT"
# A server that forks children with everything imported: a child starts in milliseconds, and no thread is forked.
PROCESS = mp.get_context("forkserver")

pytestmark = pytest.mark.timeout(1800 if FULL else 300)


def _published(period: str, serial: int) -> PeriodToExport:
    """A period as published, each time with a bill gone, one changed, one new and one of another status only."""
    return period_of(
        bill_of("STAYS", "1.00", "2.00", period=period),
        bill_of("CHANGES", f"{serial}.00", period=period),
        bill_of(f"NEW-{serial}", "5.00", "6.01", period=period),
        bill_of("SENT", "7.00", period=period, status=f"status {serial}"),
        period=period,
    )


def _run_id(serial: int) -> str:
    return f"run {serial}"


def _export(  # noqa: PLR0913, PLR0917  # a process is given all that it knows
    environment: dict[str, str], schema: str, period: str, serial: int, death: tuple[int, str], tell: Connection
) -> None:
    """Export a period as a run does; die before, or after, the statement at a place, or say that it is being sent."""
    sent = itertools.count()
    now = [0]

    def before(_: str) -> None:
        now[0] = next(sent)
        _die_at(BEFORE)
        if (now[0], IN_FLIGHT) == death:
            tell.send(now[0])

    def after(_: str) -> None:
        _die_at(AFTER)

    def _die_at(moment: str) -> None:
        if (now[0], moment) == death:
            os.kill(os.getpid(), signal.SIGKILL)

    list(
        export_periods(
            connect_to(environment, before=before, after=after),
            target_of(environment, schema),
            [_published(period, serial)],
            run=run_of(run_id=_run_id(serial)),
        )
    )


def _fault_of(state: State, published: dict[str, PeriodToExport]) -> str | None:
    """What is not whole: each period must be one publication, with a row and a change log that say so."""
    rows: dict[str, dict[str, list[Row]]] = {}
    columns = {"MASTER_BILLS": 1, "MASTER_BILL_LINE_ITEMS": 2, "MASTER_BILL_PERIODS": 0, "MASTER_BILL_CHANGES": 2}
    for table, place in columns.items():
        for row in state[table]:
            rows.setdefault(f"{row[place]:%Y-%m}", {}).setdefault(table, []).append(row)
    for period, tables in rows.items():
        described = tables.get("MASTER_BILL_PERIODS", [])
        if len(described) != 1:
            return f"{period}: {len(described)} period rows beside {sorted(tables)}"
        if fault := _fault_of_period(tables, published[described[0][4]]):
            return f"{period}: {fault}"
    return None


def _fault_of_period(tables: dict[str, list[Row]], published: PeriodToExport) -> str | None:
    [row] = tables["MASTER_BILL_PERIODS"]
    bills = {bill.master_bill_id: bill for bill in published.bills}
    lines = sorted(
        (name, ordinal, line.amount, line.description)
        for name, bill in bills.items()
        for ordinal, line in enumerate(bill.source_line_items)
    )
    if [(each[0], each[11], each[12]) for each in tables["MASTER_BILLS"]] != sorted(
        (name, bill.status, bill.content_hash) for name, bill in bills.items()
    ):
        return "its bills are not those of the publication that its row names"
    if [(each[0], each[1], each[13], each[12]) for each in tables["MASTER_BILL_LINE_ITEMS"]] != lines:
        return "its line items are not those of its bills"
    if row[1:4] != (len(bills), len(lines), sum((line[2] for line in lines), start=Decimal(0))):
        return "its row tells other totals"
    replayed: dict[str, tuple[Decimal, str]] = {}
    # A run's entries are told apart by its number: all runs of these tests say the same time.
    for each in sorted(tables["MASTER_BILL_CHANGES"], key=lambda change: int(str(change[1]).split()[1])):
        name, before, after = each[3], (each[5], each[7]), (each[6], each[8])
        if replayed.pop(name, (None, None)) != before:
            return f"the log says that {name} was {before}"
        if after != (None, None):
            replayed[name] = after
    if replayed != {name: (bill.utility_amount, bill.status) for name, bill in bills.items()}:
        return "the log does not add up to its bills"
    if row[5] not in {each[1] for each in tables["MASTER_BILL_CHANGES"]}:
        return "its row names a run that the log does not"
    return None


@dataclass
class Reader:
    """Another session, which reads all tables over and over and keeps what it should not have seen."""

    environment: dict[str, str]
    world: World
    published: dict[str, PeriodToExport]
    faults: list[str] = field(default_factory=list)
    reads: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_LONGEST_WAIT_SECONDS)

    def _read(self) -> None:
        connection = connection_to(self.environment)
        try:
            while not self._stop.is_set():
                if fault := _fault_of(state_of(connection, self.world.target), self.published):
                    self.faults.append(fault)
                self.reads += 1
                self._stop.wait(_REST_SECONDS)
        except Exception as error:  # noqa: BLE001  # a thread's error would pass unseen
            self.faults.append(repr(error))
        finally:
            connection.close()


@dataclass
class Battlefield:
    """A schema, its publications by content SHA-256, and processes that export into it."""

    environment: dict[str, str]
    world: World
    published: dict[str, PeriodToExport] = field(default_factory=dict)
    serials: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def publish(self, period: str) -> int:
        """Make the next publication of a period known, and return its number."""
        serial = next(self.serials)
        version = _published(period, serial)
        self.published[version.content_sha256] = version
        return serial

    def export(self, period: str, serial: int, sent: Callable[[str], None] = lambda _: None) -> PeriodExport:
        """Export in this process."""
        connect = self.world.connect(before=sent)
        [result] = self.world.export(_published(period, serial), connect=connect, run_id=_run_id(serial))
        assert isinstance(result, PeriodExport), result
        return result

    def statements(self, period: str) -> list[str]:
        """The statements of an export of a period, in order."""
        sent: list[str] = []
        self.export(period, self.publish(period), sent.append)
        return sent

    def shown(self, period: str) -> str | None:
        """The run whose export the tables hold of a period, which are whole."""
        state = self.world.state()
        assert _fault_of(state, self.published) is None
        runs = [row[5] for row in state["MASTER_BILL_PERIODS"] if f"{row[0]:%Y-%m}" == period]
        return str(runs[0]) if runs else None

    def kill(self, period: str, serial: int, death: tuple[int, str], after_seconds: float = 0.0) -> bool:
        """Export in a process that dies at its place, or is killed so long after; whether it died of that."""
        hear, tell = PROCESS.Pipe(duplex=False)
        process = PROCESS.Process(
            target=_export, args=(self.environment, self.world.schema, period, serial, death, tell), daemon=True
        )
        process.start()
        try:
            if death[1] == IN_FLIGHT:
                assert hear.poll(_LONGEST_WAIT_SECONDS), "the process never came there"
                time.sleep(after_seconds)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid or 0, signal.SIGKILL)
            process.join(_LONGEST_WAIT_SECONDS)
        finally:
            process.kill()
            process.join()
        # 0: it was done before the signal came.
        assert process.exitcode in {0, -signal.SIGKILL}
        return process.exitcode == -signal.SIGKILL


@pytest.fixture
def field_of_fire(stack_environment: dict[str, str]) -> Iterator[Battlefield]:
    """A schema of the test's own, and the server that forks the exporting processes."""
    PROCESS.set_forkserver_preload([__name__, "pandas", "pyarrow", "snowflake.connector.pandas_tools"])
    world = World(stack_environment)
    yield Battlefield(stack_environment, world)
    world.close()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a count where people see it, also where the test passes."""

    def print_it(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}")  # noqa: T201  # the counts are the evidence

    return print_it


def _places(statements: list[str]) -> list[tuple[int, str]]:
    """Where to die: all places, or every second of the transaction."""
    if FULL:
        return [(place, moment) for place in range(len(statements)) for moment in (BEFORE, AFTER)]
    last = statements.index(_COMMIT)
    return [*((place, BEFORE) for place in range(statements.index(_BEGIN) + 1, last + 1, 2)), (last, AFTER)]


def _had_committed(statements: list[str], death: tuple[int, str]) -> bool:
    place, moment = death
    return place > statements.index(_COMMIT) or (statements[place] == _COMMIT and moment == AFTER)


def test_an_export_killed_at_a_statement_leaves_half_a_period(
    field_of_fire: Battlefield, say: Callable[[str], None]
) -> None:
    """Before COMMIT was carried out the period is the old one, then the new; readers see no other; a new run heals."""
    began, statements = time.monotonic(), []
    for _ in range(2):
        statements = field_of_fire.statements(JANUARY)
    places = _places(statements)
    with Reader(field_of_fire.environment, field_of_fire.world, field_of_fire.published) as reader:
        for death in places:
            old, serial = field_of_fire.shown(JANUARY), field_of_fire.publish(JANUARY)
            assert field_of_fire.kill(JANUARY, serial, death)
            is_new = _had_committed(statements, death)
            where = f"killed {death[1]} {statements[death[0]][:60]}"
            assert field_of_fire.shown(JANUARY) == (_run_id(serial) if is_new else old), where
            healed = field_of_fire.export(JANUARY, serial)
            assert healed.is_unchanged == is_new, where
            assert field_of_fire.shown(JANUARY) == _run_id(serial), where
    assert reader.faults == []
    say(
        f"{len(places)} exports killed by SIGKILL at {len({place for place, _ in places})} of {len(statements)} "
        f"statements, {reader.reads} reads beside them: every one whole, all healed by the next run "
        f"({time.monotonic() - began:.1f} s)"
    )
    assert reader.reads > len(places)


@pytest.mark.skipif(not FULL, reason="the first exports of 40 periods take minutes: BILLING_ASSETS_FULL=1")
def test_a_first_export_killed_at_a_statement_leaves_half_a_period(
    field_of_fire: Battlefield, say: Callable[[str], None]
) -> None:
    """The same where nothing of the period was exported before: nothing, or all of it."""
    began = time.monotonic()
    field_of_fire.export(JANUARY, field_of_fire.publish(JANUARY))
    statements = field_of_fire.statements("2000-01")
    places = _places(statements)
    periods = [f"{2001 + number // 12}-{number % 12 + 1:02}" for number in range(len(places))]
    with Reader(field_of_fire.environment, field_of_fire.world, field_of_fire.published) as reader:
        for death, period in zip(places, periods, strict=True):
            serial = field_of_fire.publish(period)
            assert field_of_fire.kill(period, serial, death)
            is_new = _had_committed(statements, death)
            assert field_of_fire.shown(period) == (_run_id(serial) if is_new else None), death
            assert field_of_fire.export(period, serial).is_unchanged == is_new
            assert field_of_fire.shown(period) == _run_id(serial)
    assert reader.faults == []
    say(
        f"{len(places)} first exports killed at {len(statements)} statements, {reader.reads} reads beside them: "
        f"every one whole, all healed ({time.monotonic() - began:.1f} s)"
    )


@pytest.mark.skipif(not FULL, reason="60 deaths at random moments take minutes: BILLING_ASSETS_FULL=1")
def test_an_export_killed_at_a_random_moment_leaves_half_a_period(
    field_of_fire: Battlefield, say: Callable[[str], None]
) -> None:
    """Also in the middle of a statement, when its answer is still on the way: old or new, and the next run heals."""
    began, rng = time.monotonic(), random.Random(SEED)  # noqa: S311  # moments, no secrets
    statements: list[str] = []
    for _ in range(2):
        statements = field_of_fire.statements(JANUARY)
    deaths = new = 0
    with Reader(field_of_fire.environment, field_of_fire.world, field_of_fire.published) as reader:
        for _ in range(RANDOM_DEATHS):
            old, serial = field_of_fire.shown(JANUARY), field_of_fire.publish(JANUARY)
            place = rng.randrange(statements.index(_BEGIN), len(statements))
            deaths += field_of_fire.kill(JANUARY, serial, (place, IN_FLIGHT), rng.uniform(0.0, _FLIGHT_SECONDS))
            shown = field_of_fire.shown(JANUARY)
            assert shown in {old, _run_id(serial)}
            new += shown != old
            field_of_fire.export(JANUARY, serial)
            assert field_of_fire.shown(JANUARY) == _run_id(serial)
    assert reader.faults == []
    say(
        f"{deaths} of {RANDOM_DEATHS} exports killed at random moments, {new} had committed, {reader.reads} reads: "
        f"every one whole, all healed ({time.monotonic() - began:.1f} s)"
    )
    assert 0 < new < RANDOM_DEATHS
