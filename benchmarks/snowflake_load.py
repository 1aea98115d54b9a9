"""How fast a period is loaded, next to bare `write_pandas` of the same two tables and to `executemany`.

Figures of the EMULATOR on this machine: they compare ways of loading, and say nothing of a real account's speed.

    python benchmarks/snowflake_load.py 1000 10000 100000 --rounds 5

Each round loads every way once, turn and turn about, so that a busy machine slows all of them; medians are shown. A
round is a first export of a period of new bills, each with 5 lines. `write_pandas` loads the same rows straight into
two permanent tables, without comparing, logging or verifying anything, and without a transaction over both.
`executemany` is what the export replaced: it inserts row by row. It is timed on a part of the rows, and its time for
all of them is calculated from that.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from snowflake.connector.pandas_tools import write_pandas

from billing_assets.local.stack import EmbeddedStack
from billing_assets.stores.snowflake import SessionSettings, ensure_tables, open_session
from billing_assets.stores.snowflake.period_transaction import export_period
from billing_assets.stores.snowflake.staging import PreparedPeriod, prepare, stage
from billing_assets.stores.snowflake.tables import STAGED_BILLS, STAGED_LINE_ITEMS, Table, column_list
from billing_assets_tests.stores.snowflake_exports import World, bill_of, period_of, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from billing_assets.stores.snowflake.connection import Session
    from billing_assets.stores.snowflake.staging import PeriodToExport

_LINES = ("1.00", "2.00", "3.00", "4.50", "6.00")
_ROWS_BY_EXECUTEMANY = 500
_BATCH = 100
_HEADINGS = (
    *("bills", "rows", "write_pandas", "columns", "staging", "transaction"),
    *("(staging + transaction) / write_pandas", "executemany"),
)
Times = dict[str, float]


def main() -> None:
    """Measure and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("bills", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    print("Emulator (fakesnow). Seconds, medians of", given.rounds)
    print(f"| {' | '.join(_HEADINGS)} |")
    print(f"| {' | '.join(['---'] * len(_HEADINGS))} |")
    with tempfile.TemporaryDirectory() as folder, EmbeddedStack.start(Path(folder)) as stack:
        for bills in given.bills:
            rounds = [_round(stack.environment(), bills, number) for number in range(given.rounds)]
            _show(bills, {way: statistics.median(times[way] for times in rounds) for way in rounds[0]}, rounds)


def _show(bills: int, median: Times, rounds: list[Times]) -> None:
    ratios = [(times["staging"] + times["transaction"]) / times["write_pandas"] for times in rounds]
    cells = (
        *(f"{bills:,}", f"{bills * (1 + len(_LINES)):,}"),
        *(f"{median[way]:.2f}" for way in ("write_pandas", "columns", "staging", "transaction")),
        *(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", f"{median['executemany']:,.0f}"),
    )
    print(f"| {' | '.join(cells)} |", flush=True)


def _round(environment: dict[str, str], bills: int, number: int) -> Times:
    world = World(environment)
    period = _published(bills, number)
    try:
        with open_session(world.connect(), world.target, SessionSettings()) as session:
            ensure_tables(session)
            times, prepared = _timed("columns", lambda: prepare(period))
            ways: list[Callable[[], Times]] = [
                lambda: _timed("write_pandas", lambda: _bare(session, prepared, number))[0],
                lambda: _export(session, prepared, number),
            ]
            # Turn and turn about, since the second of two finds warmer caches.
            for way in ways if number % 2 else reversed(ways):
                times |= way()
            return times | _executemany(session, prepared, number)
    finally:
        world.close()


def _published(bills: int, number: int) -> PeriodToExport:
    return period_of(*(bill_of(f"P{number}-{place}", *_LINES) for place in range(bills)))


def _export(session: Session, prepared: PreparedPeriod, number: int) -> Times:
    staging, statements = _timed("staging", lambda: stage(session, [prepared]))
    transaction, _ = _timed(
        "transaction", lambda: export_period(session, statements, prepared, run_of(run_id=f"r{number}"))
    )
    return staging | transaction


def _bare(session: Session, prepared: PreparedPeriod, number: int) -> None:
    for table, rows in _tables(prepared):
        name = f"BARE_{table.name}_{number}"
        session.execute(dataclasses.replace(table, name=name).ddl(session.target), doing="creating a table")
        frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
        write_pandas(session.connection, frame, name, quote_identifiers=True, use_logical_type=True)


def _executemany(session: Session, prepared: PreparedPeriod, number: int) -> Times:
    seconds = 0.0
    for table, rows in _tables(prepared):
        name = f"MANY_{table.name}_{number}"
        session.execute(dataclasses.replace(table, name=name).ddl(session.target), doing="creating a table")
        values = [tuple(row.values()) for row in rows.slice(0, _ROWS_BY_EXECUTEMANY).to_pylist()]
        insert = f'INSERT INTO "{name}" ({column_list(table.names)}) VALUES ({", ".join(["%s"] * len(table.names))})'  # noqa: S608
        began = time.perf_counter()
        with session.connection.cursor() as cursor:
            for start in range(0, len(values), _BATCH):
                cursor.executemany(insert, values[start : start + _BATCH])
        seconds += (time.perf_counter() - began) * rows.num_rows / len(values)
    return {"executemany": seconds}


def _tables(prepared: PreparedPeriod) -> Iterator[tuple[Table, pa.Table]]:
    yield STAGED_BILLS, prepared.bills
    yield STAGED_LINE_ITEMS, prepared.line_items


def _timed(way: str, act: Callable[[], Any]) -> tuple[Times, Any]:
    began = time.perf_counter()
    result = act()
    return {way: time.perf_counter() - began}, result


if __name__ == "__main__":
    main()
