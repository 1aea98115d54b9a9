"""Random sequences of exports, some of which fail, against a plain model of the four tables.

Small by default; `BILLING_ASSETS_FULL=1` runs longer and more of them.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from snowflake.connector.errors import OperationalError, ProgrammingError

from billing_assets.domain.errors import BillingError
from billing_assets.stores.snowflake import PeriodExport, PeriodExportFailure
from billing_assets_tests.stores.snowflake_exports import (
    FEBRUARY,
    JANUARY,
    MARCH,
    NOON,
    World,
    bill_of,
    connect_to,
    period_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowflake.connector import SnowflakeConnection

    from billing_assets.domain.master_bills import MasterBill
    from billing_assets.stores.snowflake import PeriodToExport
    from billing_assets_tests.stores.snowflake_exports import Row, State

FULL = os.environ.get("BILLING_ASSETS_FULL") == "1"
SEQUENCES, LONGEST = (60, 10) if FULL else (2, 4)
# A lost answer and a connection that is closed when a statement was carried out leave it open whether it was.
FAULTS = ("refused", "closed", "answer lost", "closed after")

pytestmark = pytest.mark.timeout(3600 if FULL else 300)


@dataclass(frozen=True)
class Step:
    """One run: what it exports, and what happens to it."""

    bills: Mapping[str, Mapping[str, tuple[tuple[str, ...], str]]]
    """Amounts and status by property, by period."""
    force: bool
    fault: tuple[int, str] | None
    """The statement that fails, and how."""

    def published(self) -> list[PeriodToExport]:
        """The periods as they were published."""
        return [
            period_of(
                *(
                    bill_of(name, *amounts, period=period, status=status)
                    for name, (amounts, status) in sorted(bills.items())
                ),
                period=period,
            )
            for period, bills in sorted(self.bills.items())
        ]


Bill = tuple[tuple[str, ...], str]
SAME: Bill = (("1.00", "-3.00"), "draft")
DEARER: Bill = (("1.00", "9999999999999.99", "0.00"), "draft")
SENT: Bill = (SAME[0], "sent")
# Few enough that a bill is often what it was in the step before.
_BILLS = st.fixed_dictionaries(
    dict.fromkeys(("P1", "P2", "P'3"), st.sampled_from([None, SAME, SAME, DEARER, SENT]))
).map(lambda bills: {name: bill for name, bill in bills.items() if bill})
STEPS = st.builds(
    Step,
    bills=st.dictionaries(st.sampled_from([JANUARY, FEBRUARY, MARCH]), _BILLS, min_size=1, max_size=3),
    force=st.sampled_from([False, False, True]),
    # An export of one period takes 18 statements, each further one some 10 more.
    fault=st.none() | st.tuples(st.integers(3, 38), st.sampled_from(FAULTS)),
)

# New, the same, changed, another status, vanished, forced and emptied, with a lost answer between.
_CHANGED: dict[str, dict[str, Bill]] = {JANUARY: {"P1": SAME, "P2": DEARER, "P'3": SENT}, FEBRUARY: {"P1": SAME}}
EVERYTHING = [
    Step({JANUARY: dict.fromkeys(("P1", "P2", "P'3"), SAME), FEBRUARY: {"P1": SAME}}, force=False, fault=None),
    Step(_CHANGED, force=False, fault=(18, "answer lost")),
    Step(_CHANGED, force=False, fault=None),
    Step({JANUARY: {"P1": SAME}, MARCH: {"P2": SENT}}, force=True, fault=None),
    Step({JANUARY: {}, FEBRUARY: {"P1": DEARER}}, force=False, fault=None),
]


@dataclass
class Model:
    """The four tables as a person would keep them."""

    bills: dict[str, dict[str, tuple[MasterBill, str]]] = field(default_factory=dict)
    """By period and id, with the run that wrote the row."""
    rows: dict[str, Row] = field(default_factory=dict)
    changes: list[Row] = field(default_factory=list)

    def change(self, published: PeriodToExport, run: Mapping[str, Any]) -> Counter[str]:
        """Export a period; returns how many bills changed in each way."""
        before, after, kinds = self.bills.get(published.period, {}), {}, Counter[str]()
        new = {bill.master_bill_id: bill for bill in published.bills}
        for name in sorted(before.keys() | new.keys()):
            old, bill = before.get(name, (None, ""))[0], new.get(name)
            is_same = old and bill and (old.content_hash, old.status) == (bill.content_hash, bill.status)
            if not is_same:
                kind = "inserted" if old is None else "deleted" if bill is None else "updated"
                kinds[kind] += 1
                amounts = (old and old.utility_amount, bill and bill.utility_amount)
                statuses = (old and old.status, bill and bill.status)
                self.changes.append((run["run_id"], published.period, name, kind, *amounts, *statuses, run["reason"]))
            if bill:
                after[name] = (bill, before[name][1] if is_same and not run["force"] else run["run_id"])
        self.bills[published.period] = after
        lines = [line for bill in published.bills for line in bill.source_line_items]
        total = sum((line.amount for line in lines), start=Decimal(0))
        self.rows[published.period] = (len(new), len(lines), total, published.content_sha256, run["run_id"])
        return kinds

    def assert_equals(self, state: State) -> None:
        """Every row of the four tables is the model's."""
        bills = [(period, *known) for period, named in self.bills.items() for known in named.values()]
        assert sorted((f"{row[1]:%Y-%m}", row[0], row[8], row[9], *row[11:14]) for row in state["MASTER_BILLS"]) == (
            sorted(
                (
                    *(period, bill.master_bill_id, bill.utility_amount, len(bill.source_line_items)),
                    *(bill.status, bill.content_hash, run_id),
                )
                for period, bill, run_id in bills
            )
        )
        assert sorted(
            (f"{row[2]:%Y-%m}", row[0], row[1], row[13]) for row in state["MASTER_BILL_LINE_ITEMS"]
        ) == sorted(
            (period, bill.master_bill_id, ordinal, line.amount)
            for period, bill, _ in bills
            for ordinal, line in enumerate(bill.source_line_items)
        )
        assert {f"{row[0]:%Y-%m}": row[1:6] for row in state["MASTER_BILL_PERIODS"]} == self.rows
        assert len(state["MASTER_BILL_PERIODS"]) == len(self.rows)
        logged = [(row[1], f"{row[2]:%Y-%m}", *row[3:]) for row in state["MASTER_BILL_CHANGES"]]
        assert Counter(logged) == Counter(self.changes)


class Sequence:
    """Runs steps in a schema, and the model beside them."""

    def __init__(self, world: World) -> None:
        self.world, self.model = world, Model()
        self.opened: list[SnowflakeConnection] = []
        self.sent = 0
        # The tables are there, so that the model's comparison can be made after a step that fails at once.
        world.export()
        world.export(period_of(period="2000-01"))
        self.model.change(period_of(period="2000-01"), {"run_id": "run-1", "reason": "", "force": False})

    def run(self, number: int, step: Step) -> None:
        """Run a step, tell the model what its outcomes say, and compare."""
        run = {"run_id": f"run {number}", "reason": f"reason {number}", "force": step.force}
        self.sent = 0
        wanted = {published.period: published for published in step.published()}
        try:
            outcomes = self.world.export(
                *wanted.values(),
                connect=self._connect(step.fault),
                exported_at_utc=NOON + dt.timedelta(days=number),
                **run,
            )
        except BillingError:
            assert step.fault is not None
            outcomes = []
        for outcome in outcomes:
            self._tell(outcome, wanted[outcome.period], run, step.fault)
        self.model.assert_equals(self.world.state())

    def _tell(
        self,
        outcome: PeriodExport | PeriodExportFailure,
        published: PeriodToExport,
        run: dict[str, Any],
        fault: tuple[int, str] | None,
    ) -> None:
        if isinstance(outcome, PeriodExportFailure):
            assert fault is not None, outcome.error
            # The session was gone when COMMIT had been carried out: the period's row says so.
            if fault[1] == "closed after" and self._row_names(run["run_id"], outcome.period):
                self.model.change(published, run)
        elif outcome.is_unchanged:
            assert not run["force"]
            assert self.model.rows[outcome.period][3] == published.content_sha256
        else:
            kinds = self.model.change(published, run)
            assert (outcome.inserted, outcome.updated, outcome.deleted) == tuple(
                kinds[kind] for kind in ("inserted", "updated", "deleted")
            )

    def _row_names(self, run_id: str, period: str) -> bool:
        rows = self.world.table("MASTER_BILL_PERIODS")
        return [row[5] for row in rows if f"{row[0]:%Y-%m}" == period] == [run_id]

    def _connect(self, fault: tuple[int, str] | None) -> Any:
        place, kind = fault or (-1, "")

        def before(_: str) -> None:
            self.sent += 1
            if self.sent == place and kind == "refused":
                raise ProgrammingError(msg="injected", errno=100038, sqlstate="22018")
            if self.sent == place and kind == "closed":
                self.opened[-1].close()

        def after(_: str) -> None:
            if self.sent == place and kind == "answer lost":
                raise OperationalError(msg="injected", errno=250003)
            if self.sent == place and kind == "closed after":
                self.opened[-1].close()
                raise OperationalError(msg="injected", errno=250003)

        connect = connect_to(self.world.environment, before=before, after=after)

        def connecting() -> Any:
            context = connect()
            connection = context.__enter__()
            self.opened.append(connection)
            return _Entered(connection, context)

        return connecting


class _Entered:
    """A connection that was opened already."""

    def __init__(self, connection: SnowflakeConnection, context: Any) -> None:
        self.connection, self.context = connection, context

    def __enter__(self) -> SnowflakeConnection:
        return self.connection

    def __exit__(self, *exc: object) -> None:
        self.context.__exit__(*exc)


@pytest.fixture
def environment(snowflake_environment: dict[str, str]) -> dict[str, str]:
    """Where the sequences run; each makes a schema of its own."""
    return snowflake_environment


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    # A step takes most of a second: shrinking a failure is left to the full run.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if FULL else [])],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example(steps=EVERYTHING)
@given(steps=st.lists(STEPS, min_size=2 if not FULL else 1, max_size=LONGEST))
def test_a_sequence_of_exports_leaves_other_tables_than_a_plain_model(
    environment: dict[str, str], steps: list[Step]
) -> None:
    """Whatever is published, forced and failing in turn: bills, lines, period rows and change log are the model's."""
    world = World(environment)
    try:
        sequence = Sequence(world)
        for number, step in enumerate(steps, start=2):
            sequence.run(number, step)
    finally:
        world.close()
