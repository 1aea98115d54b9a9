"""Names, SQL and error texts: what can be promised without a server."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snowflake.connector.errors import (
    DatabaseError,
    Error,
    ForbiddenError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)

from billing_assets.domain.errors import (
    AccessDeniedError,
    BillingError,
    ConfigurationError,
    ExportError,
    StoreUnavailableError,
)
from billing_assets.domain.master_bills import SourceLineItem
from billing_assets.stores.snowflake import SessionSettings, SnowflakeTarget, ddl_statements, export_periods
from billing_assets.stores.snowflake.failures import of_period, opening_failed, statement_failed
from billing_assets.stores.snowflake.identifiers import bare_name
from billing_assets.stores.snowflake.statements import ExportStatements
from billing_assets.stores.snowflake.tables import EXPORTED_TABLES, differences, type_of
from billing_assets_tests.stores.conftest import live_environment
from billing_assets_tests.stores.snowflake_exports import JANUARY, bill_of, period_of, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snowflake.connector import SnowflakeConnection

TARGET = SnowflakeTarget("billing", '"Finance 1"')
STATEMENTS = ExportStatements(TARGET, "STAGED_1")
SENTINEL = "s3ntinel-Secret"
HOSTILE = [
    "",
    '""',
    '"',
    "a b",
    "a;b",
    "a.b",
    "a-b",
    "1a",
    "a'b",
    'a"b',
    'x"; DROP TABLE MASTER_BILLS; --',
    '"x"; DROP TABLE MASTER_BILLS; --"',
    '"x""y"',
    '"x\\y"',
    '"x%sy"',
    '"x\'y"',
    '"x\ny"',
    "naïve",
    "a" * 256,
    "x\n",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_before_any_sql_is_sent(name: str) -> None:
    """No name of a database or schema can carry SQL: it is refused when the target is made, with no connection."""
    for database, schema in ((name, "PUBLIC"), ("BILLING", name)):
        with pytest.raises(ConfigurationError, match="can't be used"):
            SnowflakeTarget(database, schema)


@given(st.text(max_size=30))
def test_a_name_is_refused_or_can_not_end_its_quotes(name: str) -> None:
    """Whatever the text, an accepted name holds nothing that means something to SQL or to the driver's binding."""
    try:
        bare = bare_name(name, setting="SNOWFLAKE_SCHEMA")
    except ConfigurationError:
        return
    assert not set(bare) & set("\"'\\%;\n\r\t\0")


def test_a_plain_name_is_upper_cased_and_a_quoted_one_is_taken_as_it_is() -> None:
    """`billing` is BILLING as in Snowflake itself; `"Finance 1"` keeps its case and blank."""
    assert TARGET.qualified("MASTER_BILLS") == '"BILLING"."Finance 1"."MASTER_BILLS"'


def test_the_tables_are_created_only_if_absent_and_promise_no_key() -> None:
    """The DDL never replaces a table, and declares no key that Snowflake would not enforce."""
    for statement in ddl_statements(TARGET):
        assert statement.startswith('CREATE TABLE IF NOT EXISTS "BILLING"."Finance 1"."MASTER_BILL')
        assert "PRIMARY KEY" not in statement
        assert "UNIQUE" not in statement


def test_every_statement_binds_its_values_and_merges_nothing() -> None:
    """Placeholders are exactly those that the texts announce, and no statement is one that the emulator breaks."""
    bound = {
        STATEMENTS.insert_lock_row: 2,
        STATEMENTS.lock_and_describe_period: 7,
        STATEMENTS.delete_period_rows: 1,
        STATEMENTS.insert_period_row: 7,
        **{STATEMENTS.delete_line_items(rewrite=rewrite): 1 for rewrite in (False, True)},
        **{STATEMENTS.delete_bills(rewrite=rewrite): 1 for rewrite in (False, True)},
        **{STATEMENTS.insert_bills(rewrite=rewrite): 3 for rewrite in (False, True)},
        **{STATEMENTS.insert_line_items(rewrite=rewrite): 1 for rewrite in (False, True)},
        STATEMENTS.control_totals: 5,
        STATEMENTS.log: 5,
    }
    assert {sql: sql.count("%s") for sql in bound} == bound
    assert not [sql for sql in bound if "MERGE" in sql or sql.count("%") != sql.count("%s")]


# SPEC.md section 7.3, column by column; line items go on with the source line item's fields.
COLUMNS = {
    "MASTER_BILLS": "MASTER_BILL_ID VARCHAR, UBI_PERIOD DATE, PROPERTY_ID VARCHAR, PROPERTY_NAME VARCHAR, "
    "AR_CODE_MAPPING VARCHAR, UTILITY_NAME VARCHAR, BILLBACK_MONTH_START DATE, BILLBACK_MONTH_END DATE, "
    "UTILITY_AMOUNT NUMBER(18,2), LINE_ITEM_COUNT NUMBER(38,0), HAS_OVERRIDES BOOLEAN, STATUS VARCHAR, "
    "CONTENT_HASH VARCHAR, RUN_ID VARCHAR, EXPORTED_AT TIMESTAMP_NTZ",
    "MASTER_BILL_LINE_ITEMS": "MASTER_BILL_ID VARCHAR, LINE_ORDINAL NUMBER(38,0), UBI_PERIOD DATE, "
    + ", ".join(
        f"{name.upper()} {({'amount': 'NUMBER(18,2)', 'overridden': 'BOOLEAN'}).get(name, 'VARCHAR')}"
        for name in SourceLineItem.__struct_fields__
    ),
    "MASTER_BILL_PERIODS": "UBI_PERIOD DATE, BILL_COUNT NUMBER(38,0), LINE_ITEM_COUNT NUMBER(38,0), "
    "TOTAL_AMOUNT NUMBER(38,2), CONTENT_SHA256 VARCHAR, RUN_ID VARCHAR, EXPORTED_AT TIMESTAMP_NTZ",
    "MASTER_BILL_CHANGES": "EXPORTED_AT TIMESTAMP_NTZ, RUN_ID VARCHAR, UBI_PERIOD DATE, MASTER_BILL_ID VARCHAR, "
    "CHANGE VARCHAR, AMOUNT_BEFORE NUMBER(18,2), AMOUNT_AFTER NUMBER(18,2), STATUS_BEFORE VARCHAR, "
    "STATUS_AFTER VARCHAR, REASON VARCHAR",
}


def test_a_table_has_other_columns_than_the_specification() -> None:
    """Names, types and order of every column that finance reads are those of SPEC.md."""
    assert {
        table.name: ", ".join(f"{column.name} {column.type}" for column in table.columns) for table in EXPORTED_TABLES
    } == COLUMNS


def test_a_statement_takes_something_out_of_the_change_log() -> None:
    """The log only grows: nothing that an export sends updates it or deletes from it."""
    log = TARGET.qualified("MASTER_BILL_CHANGES")
    deletes = [
        delete(rewrite=rewrite)
        for delete in (STATEMENTS.delete_bills, STATEMENTS.delete_line_items)
        for rewrite in (False, True)
    ]
    written = [STATEMENTS.delete_period_rows, STATEMENTS.lock_and_describe_period, *deletes]
    assert not [sql for sql in written if log in sql]
    assert STATEMENTS.log.startswith(f"INSERT INTO {log} ")


def test_a_column_that_is_as_ours_is_no_difference() -> None:
    """What INFORMATION_SCHEMA says of our own tables is read as our own types."""
    for table in EXPORTED_TABLES:
        assert differences(table, TARGET, {column.name: column.type for column in table.columns}) == []
    assert type_of("NUMBER", 18, 2, None) == "NUMBER(18,2)"
    assert type_of("TEXT", None, None, 16_777_216) == "VARCHAR"
    assert type_of("TEXT", None, None, 100) == "VARCHAR(100)"
    assert type_of("TIMESTAMP_NTZ", None, None, None) == "TIMESTAMP_NTZ"


def test_a_foreign_column_s_name_can_not_end_the_statement_that_drops_it() -> None:
    """The ALTER that a person is told to run quotes names that others chose."""
    table = EXPORTED_TABLES[0]
    found = {column.name: column.type for column in table.columns} | {'x"; DROP TABLE y; --': "VARCHAR"}
    [difference] = differences(table, TARGET, found)
    assert difference.mend.endswith('DROP COLUMN "x""; DROP TABLE y; --";')


def test_a_query_tag_can_not_end_its_literal() -> None:
    """A run id of any text becomes a harmless tag of at most 2,000 characters."""
    settings = SessionSettings(run_id="'; DROP TABLE x; -- \\" * 200, periods="2025-01..2025-06")
    tag = settings.parameters["QUERY_TAG"]
    assert tag.count("'") == 2
    assert "\\" not in tag
    assert len(tag) < 2000
    assert next(iter(settings.parameters)) == "LOCK_TIMEOUT"


_STATEMENT_ERRORS: list[tuple[Error | OSError, type[BillingError]]] = [
    (ProgrammingError(msg="Object 'X' does not exist or not authorized.", errno=2003), AccessDeniedError),
    (ProgrammingError(msg="Insufficient privileges to operate on schema", errno=3001), AccessDeniedError),
    (DatabaseError(msg="Session no longer exists", errno=390195), AccessDeniedError),
    (ForbiddenError(msg="403"), AccessDeniedError),
    (ProgrammingError(msg="No active warehouse selected", errno=606), ConfigurationError),
    (ProgrammingError(msg="Statement aborted: lock timeout", errno=625), StoreUnavailableError),
    (ProgrammingError(msg="Statement reached its timeout", errno=630), StoreUnavailableError),
    (OperationalError(msg="Failed to execute request", errno=250003), StoreUnavailableError),
    (InterfaceError(msg="Connection is closed", errno=250002), StoreUnavailableError),
    (ConnectionResetError("reset"), StoreUnavailableError),
    (ProgrammingError(msg="Numeric value 'x' is not recognized", errno=100038), ExportError),
]


@pytest.mark.parametrize(("error", "kind"), _STATEMENT_ERRORS, ids=lambda value: getattr(value, "__name__", None))
def test_a_driver_error_says_whether_a_retry_can_help(error: Exception, kind: type[BillingError]) -> None:
    """Each kind of driver error becomes the domain's, with where, found and a remedy, also when said of a period."""
    told = statement_failed(error, TARGET, doing="inserting bills")
    assert isinstance(told, kind)
    assert told.where
    assert told.where.startswith('Snowflake "BILLING"."Finance 1", inserting bills')
    assert type(error).__name__ in (told.found or "")
    assert told.remedy
    named = of_period(told, JANUARY)
    assert (type(named), named.retryable) == (type(told), told.retryable)
    assert named.summary == "2025-01 was not exported: Snowflake failed while inserting bills"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OperationalError(msg=f"Could not connect {SENTINEL}", errno=250001), StoreUnavailableError),
        (DatabaseError(msg=f"Incorrect username or password {SENTINEL}", errno=250001), AccessDeniedError),
        (ForbiddenError(msg=SENTINEL), AccessDeniedError),
        (ProgrammingError(msg=f"Invalid private key {SENTINEL}", errno=251008), ConfigurationError),
        (ValueError(f"Could not deserialize key data: {SENTINEL}"), ConfigurationError),
        (TimeoutError(SENTINEL), StoreUnavailableError),
    ],
)
def test_a_failed_login_is_told_without_what_it_was_given(error: Exception, kind: type[BillingError]) -> None:
    """Whatever a driver or a key parser quotes of a credential, the error, its cause and its notes don't."""

    @contextmanager
    def connect() -> Iterator[SnowflakeConnection]:
        raise error
        yield

    with pytest.raises(kind) as caught:
        list(export_periods(connect, TARGET, [period_of(bill_of("P1", "1.00"))], run=run_of()))
    assert SENTINEL not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert SENTINEL not in str(opening_failed(error, TARGET))


@pytest.mark.parametrize(
    "text",
    [
        f"PUT failed: https://bucket.s3.amazonaws.com/x?X-Amz-Signature={SENTINEL}&X-Amz-Date=1",
        f"{{'creds': {{'AWS_TOKEN': 1, 'token': '{SENTINEL}'}}}}",
        f"login with password={SENTINEL} failed",
        f"passphrase: {SENTINEL}",
    ],
)
def test_addresses_and_credentials_in_a_driver_s_text_are_left_out(text: str) -> None:
    """An upload's signed address or a quoted token never reaches an error text."""
    assert SENTINEL not in str(statement_failed(OperationalError(msg=text, errno=253003), TARGET, doing="staging"))


def test_misuse_is_refused_before_a_connection_is_opened() -> None:
    """A period given twice, and a time without its zone, are a caller's mistakes, and none to be exported."""

    def connect() -> Any:
        raise AssertionError

    january = period_of(bill_of("P1", "1.00"))
    with pytest.raises(ValueError, match="twice: 2025-01"):
        list(export_periods(connect, TARGET, [january, january], run=run_of()))
    naive = run_of(exported_at_utc=dt.datetime(2025, 1, 1))  # noqa: DTZ001  # the mistake itself
    with pytest.raises(ValueError, match="time zone"):
        list(export_periods(connect, TARGET, [january], run=naive))
    assert list(export_periods(connect, TARGET, [], run=run_of())) == []


def test_importing_the_store_imports_no_vendor_package() -> None:
    """The driver, pandas and pyarrow cost seconds, which only an export pays."""
    program = (
        "import sys, billing_assets.stores.snowflake as _; "
        "print([name for name in ('snowflake.connector', 'pandas', 'pyarrow', 'dagster') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("shell", "reason"),
    [
        ({}, "set BILLING_ASSETS_LIVE_SNOWFLAKE=1"),
        ({"BILLING_ASSETS_LIVE_SNOWFLAKE": "1", "SNOWFLAKE_ACCOUNT": "a"}, "not: SNOWFLAKE_USER, SNOWFLAKE_WAREHOUSE"),
        ({"BILLING_ASSETS_LIVE_SNOWFLAKE": "1", "SNOWFLAKE_HOST": "127.0.0.1"}, "that is an emulator"),
    ],
)
def test_the_live_suite_says_why_it_does_not_run(shell: dict[str, str], reason: str) -> None:
    """Nobody takes a skipped live suite for a passed one."""
    with pytest.raises(pytest.skip.Exception, match=reason):
        live_environment(shell)
