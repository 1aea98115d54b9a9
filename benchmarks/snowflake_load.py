"""How fast a period is loaded, next to bare `write_pandas` of the same two tables and to `executemany`.

    python -m benchmarks.snowflake_load            # 1,000, 10,000 and 100,000 bills, 5 lines each
    python -m benchmarks.snowflake_load --small    # 100 and 1,000

The figures are the EMULATOR's on this machine: they compare ways of loading, and say nothing of an account's speed.
`section()` is the section of the benchmarks' results.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
from snowflake.connector.pandas_tools import write_pandas

from benchmarks import report
from benchmarks.report import Section
from billing_assets.local.stack import EmbeddedStack
from billing_assets.stores.snowflake import SessionSettings, ensure_tables, open_session
from billing_assets.stores.snowflake.period_transaction import export_period
from billing_assets.stores.snowflake.staging import PreparedPeriod, prepare, stage
from billing_assets.stores.snowflake.tables import LINE_ITEMS, STAGED_BILLS, Table, column_list
from billing_assets_tests.stores.snowflake_exports import World, bill_of, period_of, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from billing_assets.stores.snowflake.connection import Session

INTRO = """\
The load of a period: staging and transaction, with lock row, change log and verification, in an open session, next to
bare `write_pandas` of the same bills and line items into two permanent tables, in no transaction, comparing and
verifying nothing. Each way makes its own tables; the second ratio leaves the bare way's two out, as if they had been
there. Columns are made before, pandas' frames within both. Both write Snappy, which is faster than `write_pandas`'s own
choice. Interleaved, turn and turn about, each round in a schema of its own; ratios are the median of the rounds, with
the smallest and the largest. **The figures are the emulator's**: a statement costs it 8 to 40 ms of parsing in Python,
whatever it does, so that at 1,000 bills statements are counted rather than rows. Processor time is that of client and
emulator together, and says more where other programs run. `executemany` is what the export replaced: row by row, timed
on a part of the rows and multiplied."""
LIMIT = 1.5
_LINES = ("1.00", "2.00", "3.00", "4.50", "6.00")
_ROWS_BY_EXECUTEMANY = 500
_BATCH = 100
_ROUNDS, _ROUNDS_OF_MANY, _MANY = 9, 5, 50_000
_DETAILED = 1_000
_SIZES, _SMALL_SIZES = (1_000, 10_000, 100_000), (100, 1_000)
_HEADINGS = (
    *("bills", "line items", "load / bare", "bare tables there already", "processor time", "executemany / load"),
    *("bare", "staging", "transaction", "columns"),
)


@dataclass
class Clock:
    """Seconds and seconds of processor, of a way and of each statement that it sends."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    processor: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    statements: list[tuple[str, float]] = field(default_factory=list)
    _processes: list[psutil.Process] = field(default_factory=list)
    _sent: float = 0.0

    def __post_init__(self) -> None:
        us = psutil.Process()
        emulators = (child for child in us.children(recursive=True) if "snowflake_server" in " ".join(child.cmdline()))
        self._processes = [us, *emulators]

    def time(self, way: str, act: Callable[[], Any]) -> Any:
        """Do it, and add what it took to the way's."""
        began, used = time.perf_counter(), self._used()
        result = act()
        self.seconds[way] += time.perf_counter() - began
        self.processor[way] += self._used() - used
        return result

    def before(self, _: str) -> None:
        """A statement is sent."""
        self._sent = time.perf_counter()

    def after(self, statement: str) -> None:
        """Its answer is there."""
        self.statements.append((statement, time.perf_counter() - self._sent))

    def _used(self) -> float:
        return sum(each.cpu_times().user + each.cpu_times().system for each in self._processes)


def section(*, small: bool = False, on_progress: Callable[[str], None] = lambda _: None) -> Section:
    """Measure everything."""
    sizes = _SMALL_SIZES if small else _SIZES
    rows, detail = [], ""
    made = Section("Loading a period into Snowflake", INTRO)
    with tempfile.TemporaryDirectory() as folder, EmbeddedStack.start(Path(folder)) as stack:
        for bills in sizes:
            on_progress(f"{bills:,} bills")
            clock = Clock()
            prepared = clock.time("columns", lambda bills=bills: prepare(_published(bills)))
            count = 3 if small else _ROUNDS if bills < _MANY else _ROUNDS_OF_MANY
            rounds = [_round(stack.environment(), prepared, number) for number in range(count)]
            ratio = statistics.median(_ratios(rounds, lambda times: times.seconds))
            promise = f"a load of {bills:,} bills takes at most {LIMIT} x bare `write_pandas`"
            made.must(promise, f"{ratio:.2f} x", holds=ratio <= LIMIT)
            rows.append(_row(prepared, rounds, clock.seconds["columns"], _executemany(stack.environment(), prepared)))
            if bills == _DETAILED:
                one = [_round(stack.environment(), prepare(_published(1)), number) for number in range(count)]
                detail = _statements(rounds, one, bills)
    made.parts += [report.table(_HEADINGS, [tuple(row) for row in rows]), detail]
    return made


def _published(bills: int) -> Any:
    return period_of(*(bill_of(f"P{place}", *_LINES) for place in range(bills)))


def _round(environment: dict[str, str], prepared: PreparedPeriod, number: int) -> Clock:
    world, clock = World(environment), Clock()
    try:
        connect = world.connect(before=clock.before, after=clock.after)
        with open_session(connect, world.target, SessionSettings()) as session:
            ensure_tables(session)
            ways = [lambda: _bare(session, prepared, clock), lambda: _load(session, prepared, clock)]
            # Turn and turn about, since the second of two finds warmer caches.
            for way in ways if number % 2 else reversed(ways):
                way()
            return clock
    finally:
        world.close()


def _load(session: Session, prepared: PreparedPeriod, clock: Clock) -> None:
    clock.statements.clear()
    statements = clock.time("staging", lambda: stage(session, [prepared]))
    clock.time("transaction", lambda: export_period(session, statements, prepared, run_of()))
    clock.statements = list(clock.statements)


def _bare(session: Session, prepared: PreparedPeriod, clock: Clock) -> None:
    loaded, clock.statements = clock.statements, []
    for table, rows in _tables(prepared):
        ours = dataclasses.replace(table, name=f"BARE_{table.name}")
        clock.time("tables", lambda ours=ours: session.execute(ours.ddl(session.target), doing="creating a table"))
        clock.time("bare", lambda ours=ours, rows=rows: _write(session, ours.name, rows))
    clock.statements = loaded


def _write(session: Session, name: str, rows: pa.Table) -> None:
    frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    write_pandas(session.connection, frame, name, compression="snappy", quote_identifiers=True, use_logical_type=True)


def _executemany(environment: dict[str, str], prepared: PreparedPeriod) -> float:
    """Seconds that it would take for all rows."""
    world, seconds = World(environment), 0.0
    try:
        with open_session(world.connect(), world.target, SessionSettings()) as session:
            for table, rows in _tables(prepared):
                many = dataclasses.replace(table, name=f"MANY_{table.name}")
                session.execute(many.ddl(session.target), doing="creating a table")
                values = [tuple(row.values()) for row in rows.slice(0, _ROWS_BY_EXECUTEMANY).to_pylist()]
                places = ", ".join(["%s"] * len(table.names))
                insert = f'INSERT INTO "{many.name}" ({column_list(table.names)}) VALUES ({places})'  # noqa: S608
                began = time.perf_counter()
                with session.connection.cursor() as cursor:
                    for start in range(0, len(values), _BATCH):
                        cursor.executemany(insert, values[start : start + _BATCH])
                seconds += (time.perf_counter() - began) * rows.num_rows / len(values)
        return seconds
    finally:
        world.close()


def _tables(prepared: PreparedPeriod) -> Iterator[tuple[Table, pa.Table]]:
    yield STAGED_BILLS, prepared.bills
    yield LINE_ITEMS, prepared.line_items


def _ratios(rounds: Sequence[Clock], of: Callable[[Clock], dict[str, float]], *bare: str) -> list[float]:
    return [
        (of(times)["staging"] + of(times)["transaction"]) / sum(of(times)[way] for way in bare or ("bare", "tables"))
        for times in rounds
    ]


def _row(prepared: PreparedPeriod, rounds: Sequence[Clock], columns: float, executemany: float) -> tuple[str, ...]:
    median = {way: statistics.median(times.seconds[way] for times in rounds) for way in rounds[0].seconds}
    load = median["staging"] + median["transaction"]
    ratios = (
        _ratios(rounds, lambda times: times.seconds),
        _ratios(rounds, lambda times: times.seconds, "bare"),
        _ratios(rounds, lambda times: times.processor),
    )
    return (
        *(f"{prepared.bill_count:,}", f"{prepared.line_item_count:,}"),
        *(f"{statistics.median(each):.2f} ({min(each):.2f}-{max(each):.2f})" for each in ratios),
        f"{executemany / load:,.0f}",
        *(f"{value:.2f} s" for value in (median["bare"] + median["tables"], median["staging"], median["transaction"])),
        f"{columns:.2f} s",
    )


def _statements(rounds: Sequence[Clock], one: Sequence[Clock], bills: int) -> str:
    """Each statement of a load, next to the same with one bill: what is left is the emulator's cost of a statement."""
    rows = []
    for place, (statement, _) in enumerate(rounds[0].statements):
        of_all, of_one = (
            statistics.median(times.statements[place][1] * 1000 for times in each) for each in (rounds, one)
        )
        rows.append((_short(statement), f"{of_all:.0f} ms", f"{of_one:.0f} ms"))
    sums = (sum(float(row[column].split()[0]) for row in rows) for column in (1, 2))
    rows.append(("all", *(f"{total:.0f} ms" for total in sums)))
    return (
        f"Statement by statement, medians; with one bill, what is left is a round trip to the emulator and its parsing:"
        f"\n\n{report.table(('statement', f'{bills:,} bills', 'one bill'), rows)}"
    )


def _short(statement: str) -> str:
    words = statement.split(" (", maxsplit=1)[0].replace("\n", " ").split()
    table = next((word.strip('"').split('."')[-1] for word in words[1:] if "MASTER_BILL" in word), "")
    first = " ".join(word for word in words[:2] if word.isalpha())
    return f"{first} {table}".strip() or statement[:30]


def main() -> None:
    """Print the section."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--small", action="store_true", help="in half a minute, to see that it runs")
    print(section(small=arguments.parse_args().small).text())


if __name__ == "__main__":
    main()
