"""An export makes Snowflake hold exactly what was published, says what changed, and repeats without a trace."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.errors import ProgrammingError

from billing_assets.domain.errors import AccessDeniedError, ConfigurationError, ExportError
from billing_assets.stores.snowflake import (
    PeriodExport,
    PeriodExportFailure,
    TableTotals,
    ddl_statements,
    ensure_tables,
    exported_periods,
    open_session,
    table_totals,
)
from billing_assets.stores.snowflake.connection import SessionSettings
from billing_assets.stores.snowflake.tables import LINE_ITEMS
from billing_assets_tests.stores.snowflake_exports import (
    FEBRUARY,
    JANUARY,
    MARCH,
    NOON,
    World,
    bill_of,
    line_of,
    period_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from snowflake.connector import SnowflakeConnection

    from billing_assets.stores.snowflake import Connect

NASTY = 'it\'s "100%" %s \\ back\\n ; DROP TABLE x; -- \t\r\n 😀 é \u2028 {} ? :1 $$'


@pytest.fixture
def world(snowflake_environment: dict[str, str]) -> Iterator[World]:
    """A schema of the test's own."""
    world = World(snowflake_environment)
    yield world
    world.close()


def _outcomes(results: list[PeriodExport | PeriodExportFailure]) -> dict[str, str]:
    return {
        result.period: (
            "failed"
            if isinstance(result, PeriodExportFailure)
            else "unchanged"
            if result.is_unchanged
            else f"+{result.inserted} ~{result.updated} -{result.deleted}"
        )
        for result in results
    }


def _changes(world: World) -> list[tuple[str, str, Decimal | None, Decimal | None, str | None, str | None, str]]:
    """The change log without time, run and period; bills by their property."""
    return [
        (row[3].split("|")[0], row[4], row[5], row[6], row[7], row[8], row[9])
        for row in world.table("MASTER_BILL_CHANGES")
    ]


def _counting(connect: Connect, opened: list[int]) -> Connect:
    def counted() -> AbstractContextManager[SnowflakeConnection]:
        opened.append(1)
        return connect()

    return counted


def test_a_first_export_makes_the_tables_and_holds_exactly_the_published_bills(world: World) -> None:
    """Every bill, line and total of the published object is in the tables after one export into an empty schema."""
    bills = [bill_of("P1", "10.10", "0.20"), bill_of("P2", "-3.00", status="approved")]
    [result] = world.export(period_of(*bills))
    assert isinstance(result, PeriodExport)
    assert (result.bill_count, result.line_item_count, result.total_usd) == (2, 3, Decimal("7.30"))
    assert (result.inserted, result.updated, result.deleted) == (2, 0, 0)
    january, naive_noon = dt.date(2025, 1, 1), NOON.replace(tzinfo=None)
    assert world.table("MASTER_BILLS") == [
        (
            *(bill.master_bill_id, january, bill.property_id, bill.property_name, "WTR", "Water"),
            *(january, dt.date(2025, 1, 31), bill.utility_amount, len(bill.source_line_items)),
            *(False, bill.status, bill.content_hash, "run-1", naive_noon),
        )
        for bill in bills
    ]
    lines = world.table("MASTER_BILL_LINE_ITEMS")
    assert [(row[0].split("|")[0], row[1], row[4], row[13]) for row in lines] == [
        ("P1", 0, "0", Decimal("10.10")),
        ("P1", 1, "1", Decimal("0.20")),
        ("P2", 0, "0", Decimal("-3.00")),
    ]
    assert world.table("MASTER_BILL_PERIODS") == [
        (january, 2, 3, Decimal("7.30"), period_of(*bills).content_sha256, "run-1", naive_noon)
    ]
    assert _changes(world) == [
        ("P1", "inserted", None, Decimal("10.30"), None, "draft", ""),
        ("P2", "inserted", None, Decimal("-3.00"), None, "approved", ""),
    ]


def test_exporting_twice_changes_nothing_and_opens_no_transaction(world: World) -> None:
    """A repeated export of the same content writes no row, no log, and sends neither BEGIN nor DML."""
    world.export(period_of(bill_of("P1", "10.10")))
    before, statements = world.state(), list[str]()
    results = world.export(
        period_of(bill_of("P1", "10.10")), connect=world.connect(before=statements.append), run_id="run-2"
    )
    assert _outcomes(results) == {JANUARY: "unchanged"}
    assert world.state() == before
    assert {statement.split()[0] for statement in statements} == {"ALTER", "USE", "SELECT"}


def test_a_session_waits_and_runs_no_longer_than_it_may_and_says_whose_it_is(world: World) -> None:
    """Time-outs for locks and statements, an end where the client has gone, and a tag with the run and its periods."""
    statements: list[str] = []
    months = [period_of(bill_of("P1", "1.00", period=month), period=month) for month in (MARCH, JANUARY)]
    world.export(*months, connect=world.connect(before=statements.append), run_id="run-7")
    tag = '{"app": "billing_assets", "run_id": "run-7", "periods": "2025-01..2025-03"}'
    assert statements[1] == (
        "ALTER SESSION SET LOCK_TIMEOUT = 600 STATEMENT_TIMEOUT_IN_SECONDS = 3600 ABORT_DETACHED_QUERY = TRUE "
        f"TIMEZONE = 'UTC' QUERY_TAG = '{tag}'"
    )


def test_what_vanished_changed_or_is_new_is_so_in_snowflake_and_in_the_change_log(world: World) -> None:
    """A vanished bill goes, a changed one is replaced, a new one appears, an unchanged one keeps its row."""
    world.export(period_of(*(bill_of(name, "1.00", "2.00") for name in ("GONE", "KEPT", "MORE", "SENT"))))
    kept = world.table("MASTER_BILLS")[1]
    published = [
        bill_of("KEPT", "1.00", "2.00"),
        bill_of("MORE", "1.00", "2.00", "4.00"),
        bill_of("NEW", "5.00"),
        bill_of("SENT", "1.00", "2.00", status="approved"),
    ]
    results = world.export(
        period_of(*published), run_id="run-2", exported_at_utc=NOON + dt.timedelta(hours=1), reason="late credit"
    )
    assert _outcomes(results) == {JANUARY: "+1 ~2 -1"}
    rows = {row[2]: row for row in world.table("MASTER_BILLS")}
    assert {name: (row[8], row[11], row[13]) for name, row in rows.items()} == {
        "KEPT": (Decimal("3.00"), "draft", "run-1"),
        "MORE": (Decimal("7.00"), "draft", "run-2"),
        "NEW": (Decimal("5.00"), "draft", "run-2"),
        "SENT": (Decimal("3.00"), "approved", "run-2"),
    }
    assert rows["KEPT"] == kept
    assert len(world.table("MASTER_BILL_LINE_ITEMS")) == 2 + 3 + 1 + 2
    assert _changes(world)[4:] == [
        ("GONE", "deleted", Decimal("3.00"), None, "draft", None, "late credit"),
        ("MORE", "updated", Decimal("3.00"), Decimal("7.00"), "draft", "draft", "late credit"),
        ("NEW", "inserted", None, Decimal("5.00"), None, "draft", "late credit"),
        ("SENT", "updated", Decimal("3.00"), Decimal("3.00"), "draft", "approved", "late credit"),
    ]


def test_an_emptied_period_loses_its_rows_and_keeps_its_period_row(world: World) -> None:
    """A period published as `[]` is exported as zero bills, and is not taken for one that was never exported."""
    world.export(period_of(bill_of("P1", "1.00")))
    assert _outcomes(world.export(period_of(), run_id="run-2")) == {JANUARY: "+0 ~0 -1"}
    assert world.table("MASTER_BILLS") == world.table("MASTER_BILL_LINE_ITEMS") == []
    held = exported_periods(world.connect(), world.target)[JANUARY]
    assert (held.bill_count, held.line_item_count, held.total_usd) == (0, 0, Decimal("0.00"))
    assert _outcomes(world.export(period_of())) == {JANUARY: "unchanged"}


def test_other_periods_are_left_alone(world: World) -> None:
    """Exporting one month touches no row of another, though one session staged them all."""
    months = [period_of(bill_of("P1", "1.00", period=month), period=month) for month in (JANUARY, FEBRUARY, MARCH)]
    assert _outcomes(world.export(*months)) == dict.fromkeys((JANUARY, FEBRUARY, MARCH), "+1 ~0 -0")
    others = [row for row in world.table("MASTER_BILLS") if row[1] != dt.date(2025, 2, 1)]
    changed = period_of(bill_of("P1", "2.00", period=FEBRUARY), period=FEBRUARY)
    results = world.export(months[0], changed, months[2], run_id="run-2")
    assert _outcomes(results) == {JANUARY: "unchanged", FEBRUARY: "+0 ~1 -0", MARCH: "unchanged"}
    assert [row for row in world.table("MASTER_BILLS") if row[1] != dt.date(2025, 2, 1)] == others


@pytest.mark.parametrize("paramstyle", ["pyformat", "qmark"])
def test_nasty_texts_and_large_amounts_are_read_back_exactly(world: World, paramstyle: str) -> None:
    """Quotes, percent signs, backslashes, emoji, empty texts and 16 digits survive, however values are bound."""
    texts: dict[str, Any] = dict.fromkeys(
        ("account_number", "vendor_name", "description", "s3_key", "override_reason"), NASTY
    )
    lines = [line_of("9999999999999999.99", **texts, gl_code=""), line_of("-9999999999999999.98", number=1)]
    bill = bill_of("P1", lines=lines, property_name=NASTY, status="")
    large = bill_of("P2", "9999999999999999.99")
    [result] = world.export(
        period_of(bill, large), connect=world.connect(paramstyle=paramstyle), run_id="run 'x' %s", reason=NASTY
    )
    assert isinstance(result, PeriodExport), result
    rows = world.table("MASTER_BILLS")
    assert [(row[3], row[8], row[11], row[13]) for row in rows] == [
        (NASTY, Decimal("0.01"), "", "run 'x' %s"),
        ("The P2", Decimal("9999999999999999.99"), "draft", "run 'x' %s"),
    ]
    first, second, _ = world.table("MASTER_BILL_LINE_ITEMS")
    names = LINE_ITEMS.names
    assert {names[place].lower() for place, value in enumerate(first) if value == NASTY} == set(texts)
    assert (first[names.index("GL_CODE")], first[names.index("PDF_KEY")]) == ("", "")
    assert [row[names.index("AMOUNT")] for row in (first, second)] == [line.amount for line in lines]
    # Nothing before is NULL; an empty status is none.
    assert [row[4:] for row in world.table("MASTER_BILL_CHANGES")] == [
        ("inserted", None, Decimal("0.01"), None, "", NASTY),
        ("inserted", None, Decimal("9999999999999999.99"), None, "draft", NASTY),
    ]
    totals = table_totals(world.connect(), world.target)[JANUARY]
    assert totals == TableTotals(
        bill_count=2,
        bills_total_usd=Decimal("10000000000000000.00"),
        line_item_count=3,
        line_items_total_usd=Decimal("10000000000000000.00"),
    )


def test_statements_and_connections_are_constant_in_the_number_of_rows(world: World) -> None:
    """A period of 200 bills takes the same statements, over one connection, as a period of 2."""
    world.export()
    small = period_of(*(bill_of(f"P{n}", "1.00") for n in range(2)))
    large = period_of(*(bill_of(f"P{n}", "1.00", "2.00", "3.00", period=MARCH) for n in range(200)), period=MARCH)
    world.export(period_of(bill_of("P1", "9.00", period=FEBRUARY), period=FEBRUARY))
    counts: list[list[str]] = []
    opened: list[int] = []
    for period in (small, large):
        statements: list[str] = []
        connect = world.connect(before=statements.append)
        world.export(period, connect=_counting(connect, opened))
        counts.append([statement.split()[0] for statement in statements])
    assert counts[0] == counts[1]
    assert len(opened) == 2


def test_a_forced_export_rewrites_rows_that_someone_else_changed(world: World) -> None:
    """Foreign edits stop an export at its totals; forced, every row is rewritten and the log has only real changes."""
    world.export(period_of(bill_of("P1", "1.00"), bill_of("P2", "2.00")))
    clean = world.table("MASTER_BILL_LINE_ITEMS")
    world.read(f'UPDATE {world.target.qualified("MASTER_BILL_LINE_ITEMS")} SET "AMOUNT" = 7')  # noqa: S608
    published = period_of(bill_of("P1", "1.00"), bill_of("P2", "2.00", status="approved"))
    [failed] = world.export(published)
    assert isinstance(failed, PeriodExportFailure)
    assert isinstance(failed.error, ExportError)
    assert "force" in failed.error.remedy
    # The line items of the changed bill were replaced; those of the unchanged one are still somebody else's.
    assert failed.error.found == "MASTER_BILL_LINE_ITEMS: 2 rows, 9.00 in Snowflake; 2 rows, 3.00 published"
    assert _outcomes(world.export(published, force=True, run_id="run-2")) == {JANUARY: "+0 ~1 -0"}
    assert world.table("MASTER_BILL_LINE_ITEMS") == clean
    changes = world.table("MASTER_BILL_CHANGES")
    assert _outcomes(world.export(published, force=True, run_id="run-3")) == {JANUARY: "+0 ~0 -0"}
    assert world.table("MASTER_BILL_CHANGES") == changes


def test_a_period_that_can_not_be_rows_fails_alone_and_is_named(world: World) -> None:
    """Periods with bills of another month, twice the same id or inexact amounts fail; the others are exported."""
    twice = period_of(bill_of("P1", "1.00", period=FEBRUARY), bill_of("P1", "2.00", period=FEBRUARY), period=FEBRUARY)
    foreign = period_of(bill_of("P1", "1.00"), period=MARCH)
    inexact = period_of(bill_of("P1", "1.005", period="2025-04"), period="2025-04")
    results = world.export(twice, foreign, inexact, period_of(bill_of("P1", "1.00")))
    assert _outcomes(results) == {
        FEBRUARY: "failed",
        MARCH: "failed",
        "2025-04": "failed",
        JANUARY: "+1 ~0 -0",
    }
    for result in results[:3]:
        assert isinstance(result, PeriodExportFailure)
        assert result.error.summary.startswith(result.period)
    assert list(exported_periods(world.connect(), world.target)) == [JANUARY]


def test_an_export_that_was_overtaken_by_a_newer_publication_is_rolled_back(world: World) -> None:
    """A slow export never puts older bills over newer ones: it asks, under the lock, whether its bills still stand."""
    asked: list[tuple[str, str]] = []

    def still_published(period: str, sha256: str) -> bool:
        asked.append((period, sha256))
        return False

    published = period_of(bill_of("P1", "1.00"))
    [result] = world.export(published, still_published=still_published)
    assert isinstance(result, PeriodExportFailure)
    assert asked == [(JANUARY, published.content_sha256)]
    assert world.table("MASTER_BILLS") == world.table("MASTER_BILL_PERIODS") == []


def test_nothing_is_exported_where_nothing_was(world: World) -> None:
    """Before the first export, with no tables yet, both readers say that Snowflake holds nothing."""
    assert exported_periods(world.connect(), world.target) == {}
    assert table_totals(world.connect(), world.target) == {}


def test_a_table_with_other_columns_is_refused_with_what_mends_it(world: World) -> None:
    """A missing, a foreign and a mistyped column are named at once, each with its ALTER, and nothing is altered."""
    world.export(period_of(bill_of("P1", "1.00")))
    bills = world.target.qualified("MASTER_BILLS")
    world.read(f"DROP TABLE {bills}")
    world.read(f'CREATE TABLE {bills} ("MASTER_BILL_ID" VARCHAR, "UBI_PERIOD" VARCHAR, "EXTRA" NUMBER(5,0))')
    before = world.state()
    with pytest.raises(ConfigurationError) as caught:
        world.export(period_of(bill_of("P1", "2.00")))
    assert "MASTER_BILLS.UBI_PERIOD is VARCHAR, not DATE" in str(caught.value)
    assert f'ALTER TABLE {bills} ADD COLUMN "UTILITY_AMOUNT" NUMBER(18,2);' in caught.value.remedy
    assert f'ALTER TABLE {bills} DROP COLUMN "EXTRA";' in caught.value.remedy
    assert f'ALTER TABLE {bills} RENAME COLUMN "UBI_PERIOD" TO "UBI_PERIOD_OLD";' in caught.value.remedy
    assert world.state() == before


def test_a_role_that_may_not_create_a_table_is_told_the_ddl(world: World) -> None:
    """Where rights are lacking the DDL of all tables is shown, for whoever holds them, and nothing is exported."""

    def before(statement: str) -> None:
        if statement.startswith("CREATE TABLE"):
            # The emulator grants everything to everybody.
            raise ProgrammingError(msg="Insufficient privileges to operate on schema", errno=3001, sqlstate="42501")

    with pytest.raises(AccessDeniedError) as caught:
        world.export(period_of(bill_of("P1", "1.00")), connect=world.connect(before=before))
    assert caught.value.summary == "MASTER_BILLS is absent, and may not be created by this role"
    assert "3001" in (caught.value.found or "")
    assert "GRANT SELECT, INSERT, UPDATE, DELETE" in caught.value.remedy
    assert [statement in caught.value.remedy for statement in ddl_statements(world.target)] == [True] * 4
    assert exported_periods(world.connect(), world.target) == {}


def test_tables_are_created_only_once(world: World) -> None:
    """A second export finds all four tables and creates none."""
    with open_session(world.connect(), world.target, SessionSettings()) as session:
        assert len(ensure_tables(session)) == 4
        assert ensure_tables(session) == []


def test_an_absent_schema_is_named_with_its_remedy(world: World) -> None:
    """A schema that does not exist, or that the role may not see, stops the export before anything is made."""
    elsewhere = type(world.target)(world.target.database, "NOT_THERE")
    with (
        pytest.raises(AccessDeniedError, match=r"NOT_THERE") as caught,
        open_session(world.connect(), elsewhere, SessionSettings()),
    ):
        pass
    assert "SNOWFLAKE_SCHEMA" in caught.value.remedy
