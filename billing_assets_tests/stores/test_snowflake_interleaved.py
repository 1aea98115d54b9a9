"""Two exports of one period at the same time, on tables without any key: never doubled, never mixed.

The second export is let in at every statement of the first one's transaction. Before the first holds the period's row
it runs to its end; afterwards it gets as far as that row, and must wait there. The emulator takes Snowflake's table
locks (`billing_assets.local.snowflake_transactions`), so waiting is really tried: both must succeed, one after the
other. Sessions are opened and staged once, since only the transactions meet.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from billing_assets.domain.errors import BillingError
from billing_assets.stores.snowflake import PeriodExport, SessionSettings, ensure_tables, open_session
from billing_assets.stores.snowflake.period_transaction import export_period
from billing_assets.stores.snowflake.staging import prepare, stage
from billing_assets_tests.stores.snowflake_exports import NOON, World, bill_of, period_of, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_assets.stores.snowflake import PeriodToExport
    from billing_assets.stores.snowflake.connection import Session
    from billing_assets.stores.snowflake.staging import PreparedPeriod
    from billing_assets.stores.snowflake.statements import ExportStatements

FULL = os.environ.get("BILLING_ASSETS_FULL") == "1"
_DEADLINE_SECONDS = 30.0
_VERSIONS = {
    "A": period_of(bill_of("SHARED", "1.01", "1.00"), bill_of("ONLY-A", "2.00"), bill_of("SAME", "3.00")),
    "B": period_of(bill_of("SHARED", "9.01"), bill_of("ONLY-B", "4.00", "5.00"), bill_of("SAME", "3.00")),
}


@dataclass
class Exporter:
    """A session in which one publication is staged, and which exports it as often as it is asked to."""

    name: str
    session: Session
    statements: ExportStatements
    prepared: PreparedPeriod
    sent: list[str] = field(default_factory=list)
    at_lock: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    outcome: PeriodExport | BillingError | None = None
    let_in: tuple[int, Exporter] | None = None
    has_row: bool = False

    def before(self, statement: str) -> None:
        """Let the other one in at its place, and note that the lock is asked for."""
        if self.let_in and len(self.sent) == self.let_in[0]:
            holds_lock, other = self.at_lock.is_set(), self.let_in[1]
            threading.Thread(target=other.export, kwargs={"has_row": self.has_row}, daemon=True).start()
            assert (other.at_lock if holds_lock else other.done).wait(_DEADLINE_SECONDS)
        self.sent.append(statement)
        if _is_lock(statement):
            self.at_lock.set()

    def export(self, *, has_row: bool = False, let_in: tuple[int, Exporter] | None = None) -> None:
        """Export the staged publication, whatever comes of it."""
        self.let_in, self.has_row = let_in, has_row
        run = run_of(run_id=f"{self.name}-{len(self.sent)}", exported_at_utc=NOON + dt.timedelta(days=ord(self.name)))
        try:
            self.outcome = export_period(self.session, self.statements, self.prepared, run, has_row=has_row)
        except BillingError as error:
            self.outcome = error
        finally:
            self.at_lock.set()
            self.done.set()

    def reset(self) -> None:
        """Forget the last export."""
        self.sent, self.outcome, self.let_in = [], None, None
        self.at_lock.clear()
        self.done.clear()


@dataclass
class Pair:
    """Two exporters of one period in one schema."""

    world: World
    holder: Exporter
    other: Exporter

    def meet(self, place: int, *, has_row: bool = False) -> str:
        """Let the second in at a statement of the first one's export; the period must end as one publication.

        Args:
            place: Of the statement.
            has_row: Whether both sessions have seen the period's row, and so don't make it.
        """
        for exporter in (self.holder, self.other):
            exporter.reset()
        self.holder.export(has_row=has_row, let_in=(place, self.other))
        assert self.other.done.wait(_DEADLINE_SECONDS)
        context = f"second let in at {place}: {self.holder.sent[place][:60]}"
        # This server waits, as Snowflake does, so that both succeed.
        assert isinstance(self.holder.outcome, PeriodExport), f"{context}: {self.holder.outcome}"
        assert isinstance(self.other.outcome, PeriodExport), f"{context}: {self.other.outcome}"
        _assert_one_publication(self.world, context)
        return self.holder.sent[place]

    def statements(self) -> int:
        """How many statements an export takes whose period's row has been seen."""
        self.holder.reset()
        self.holder.export()
        self.holder.reset()
        self.holder.export(has_row=True)
        return len(self.holder.sent)


@pytest.fixture
def pair(snowflake_environment: dict[str, str]) -> Iterator[Pair]:
    """Two exporters of January, in a schema of the test's own."""
    world = World(snowflake_environment)
    with ExitStack() as stack:
        exporters = [stack.enter_context(_exporter(world, name)) for name in _VERSIONS]
        yield Pair(world, *exporters)
    world.close()


class _exporter:  # noqa: N801  # used as a function
    def __init__(self, world: World, name: str) -> None:
        self.hooked: list[Exporter] = []
        self.name = name
        self.opened = open_session(world.connect(before=self.before), world.target, SessionSettings())

    def before(self, statement: str) -> None:
        for exporter in self.hooked:
            exporter.before(statement)

    def __enter__(self) -> Exporter:
        session = self.opened.__enter__()
        ensure_tables(session)
        prepared = prepare(_VERSIONS[self.name])
        exporter = Exporter(self.name, session, stage(session, [prepared]), prepared)
        self.hooked.append(exporter)
        return exporter

    def __exit__(self, *_: object) -> None:
        self.hooked.clear()
        self.opened.__exit__(None, None, None)


def _is_lock(statement: str) -> bool:
    return statement.startswith("UPDATE") and '"MASTER_BILL_PERIODS"' in statement


def _published(sha256: str) -> PeriodToExport:
    return next(version for version in _VERSIONS.values() if version.content_sha256 == sha256)


def _assert_one_publication(world: World, context: str) -> None:
    """The tables hold one of the publications wholly, the period row says which, and the log adds up to it."""
    state = world.state()
    [row] = state["MASTER_BILL_PERIODS"]
    bills = {bill.master_bill_id: bill for bill in _published(row[4]).bills}
    assert [(each[0], each[12]) for each in state["MASTER_BILLS"]] == sorted(
        (name, bill.content_hash) for name, bill in bills.items()
    ), context
    assert [(each[0], each[1], each[13]) for each in state["MASTER_BILL_LINE_ITEMS"]] == sorted(
        (name, ordinal, line.amount)
        for name, bill in bills.items()
        for ordinal, line in enumerate(bill.source_line_items)
    ), context
    changes = state["MASTER_BILL_CHANGES"]
    logged = sum(((each[6] or 0) - (each[5] or 0) for each in changes), start=Decimal(0))
    assert logged == row[3] == sum(bill.utility_amount for bill in bills.values()), context
    kinds = [each[4] for each in changes]
    assert kinds.count("inserted") - kinds.count("deleted") == len(bills), context


def test_two_exports_of_one_period_interleaved_at_every_statement_are_never_mixed(pair: Pair) -> None:
    """Wherever the second is let in, the period ends as one publication wholly, and the log adds up to it."""
    statements = pair.statements()
    assert [pair.meet(place, has_row=True) for place in range(statements)][-1] == "COMMIT"


def test_two_first_exports_that_race_for_the_missing_lock_row_are_never_mixed(pair: Pair) -> None:
    """With no row of the period yet, both exports make it and lock it, and still one waits for the other."""
    for place in range(10 if FULL else 4):
        for table in ("MASTER_BILLS", "MASTER_BILL_LINE_ITEMS", "MASTER_BILL_PERIODS", "MASTER_BILL_CHANGES"):
            pair.world.read(f"DELETE FROM {pair.world.target.qualified(table)}")  # noqa: S608  # our own names
        pair.meet(place)
        assert _period_rows(pair.world) == 1


def test_a_period_with_two_lock_rows_is_still_locked_and_gets_one_row_again(pair: Pair) -> None:
    """Two sessions that made the missing row at once do no harm: all meet on the older row, and one row is left."""
    pair.holder.export()
    for place in (0, 2, 5):
        _double_the_period_row(pair.world)
        pair.meet(place, has_row=True)
        assert _period_rows(pair.world) == 1


def test_a_doubled_period_row_alone_is_healed_by_the_next_export(pair: Pair) -> None:
    """An unchanged period with two rows is exported again, changes no bill, and has one row afterwards."""
    pair.holder.export()
    _double_the_period_row(pair.world)
    [result] = pair.world.export(_VERSIONS["A"])
    assert isinstance(result, PeriodExport)
    assert (result.is_unchanged, result.inserted, result.updated, result.deleted) == (False, 0, 0, 0)
    assert _period_rows(pair.world) == 1


def _double_the_period_row(world: World) -> None:
    periods = world.target.qualified("MASTER_BILL_PERIODS")
    world.read(f"INSERT INTO {periods} (\"UBI_PERIOD\") VALUES ('2025-01-01')")  # noqa: S608  # our own name


def _period_rows(world: World) -> int:
    [(count,)] = world.read(f"SELECT COUNT(*) FROM {world.target.qualified('MASTER_BILL_PERIODS')}")  # noqa: S608
    return int(count)
