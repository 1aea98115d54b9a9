"""What the tests of the Snowflake export share: sample bills, a schema of its own, connections that can be watched."""

from __future__ import annotations

import datetime as dt
import itertools
import secrets
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import snowflake.connector
from cryptography.hazmat.primitives import serialization
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor

from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.domain.master_bills import MasterBill, SourceLineItem, period_sha256
from billing_assets.domain.money import total
from billing_assets.domain.periods import Month
from billing_assets.settings import SNOWFLAKE_VARIABLES
from billing_assets.stores.snowflake import (
    ExportRun,
    PeriodExport,
    PeriodExportFailure,
    PeriodToExport,
    SnowflakeTarget,
    export_periods,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from billing_assets.stores.snowflake import Connect

JANUARY, FEBRUARY, MARCH = "2025-01", "2025-02", "2025-03"
NOON = dt.datetime(2025, 6, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
Hook = Callable[[str], None]
Row = tuple[Any, ...]
State = dict[str, list[Row]]
_TABLES = {
    "MASTER_BILLS": 'ORDER BY "MASTER_BILL_ID"',
    "MASTER_BILL_LINE_ITEMS": 'ORDER BY "MASTER_BILL_ID", "LINE_ORDINAL"',
    "MASTER_BILL_PERIODS": 'WHERE "CONTENT_SHA256" IS NOT NULL ORDER BY "UBI_PERIOD"',
    "MASTER_BILL_CHANGES": 'ORDER BY "EXPORTED_AT", "RUN_ID", "UBI_PERIOD", "MASTER_BILL_ID", "CHANGE"',
}
_serial = itertools.count()


def ignore(_: str) -> None:
    """A hook that watches nothing."""


class WatchedCursor(SnowflakeCursor):
    """Tells its connection's hooks of each statement before and after it is sent."""

    def execute(self, command: str, *args: Any, **kwargs: Any) -> Any:
        """Run a statement between the two hooks."""
        connection = self.connection
        assert isinstance(connection, WatchedConnection)
        connection.before(command)
        result = super().execute(command, *args, **kwargs)
        connection.after(command)
        return result

    def _upload(self, *args: Any, **kwargs: Any) -> None:
        """Upload a staged file between the two hooks; the driver does not pass its PUT through `execute`."""
        connection = self.connection
        assert isinstance(connection, WatchedConnection)
        connection.before("PUT")
        super()._upload(*args, **kwargs)
        connection.after("PUT")


class WatchedConnection(SnowflakeConnection):
    """A real connection whose every statement passes a hook."""

    before: Hook = staticmethod(ignore)
    after: Hook = staticmethod(ignore)

    def cursor(self, cursor_class: Any = WatchedCursor) -> Any:
        """Open a watched cursor."""
        return super().cursor(cursor_class)


@dataclass
class World:
    """A schema of its own, on tables without any enforced key; in the emulator, or in a real account."""

    environment: dict[str, str]
    schema: str = field(default_factory=lambda: f"BILLING_TEST_{secrets.token_hex(4).upper()}_{next(_serial)}")

    def __post_init__(self) -> None:
        self.target = target_of(self.environment, self.schema)
        self.reader = self.connection()
        self.read(f"CREATE SCHEMA {self.target.sql}")

    def connection(self, **settings: Any) -> WatchedConnection:
        """Open a connection."""
        return connection_to(self.environment, **settings)

    def connect(self, *, before: Hook = ignore, after: Hook = ignore, **settings: Any) -> Connect:
        """Make what the export calls to connect."""
        return connect_to(self.environment, before=before, after=after, **settings)

    def read(self, sql: str) -> list[Row]:
        """Run a statement on the reader's own connection."""
        with self.reader.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def table(self, name: str) -> list[Row]:
        """All rows of a table, in order; of the periods only those that were exported."""
        return self.read(_rows_of(self.target, name))

    def state(self) -> State:
        """All four tables as of one moment."""
        return state_of(self.reader, self.target)

    def export(
        self, *periods: PeriodToExport, connect: Connect | None = None, **run: Any
    ) -> list[PeriodExport | PeriodExportFailure]:
        """Export periods with a run of the given fields."""
        return list(export_periods(connect or self.connect(), self.target, periods, run=run_of(**run)))

    def close(self) -> None:
        """Drop the schema."""
        self.read(f"DROP SCHEMA {self.target.sql} CASCADE")
        self.reader.close()


def connection_to(environment: Mapping[str, str], **settings: Any) -> WatchedConnection:
    """Open a connection that fails within seconds where nobody answers."""
    return WatchedConnection(**{**login_of(environment), "network_timeout": 20, "login_timeout": 20, **settings})


def connect_to(
    environment: Mapping[str, str], *, before: Hook = ignore, after: Hook = ignore, **settings: Any
) -> Connect:
    """Make what the export calls to connect; like dagster-snowflake's, it closes only after a success."""

    @contextmanager
    def connecting() -> Iterator[SnowflakeConnection]:
        connection = connection_to(environment, **settings)
        connection.before, connection.after = before, after
        yield connection
        connection.close()

    return connecting


def state_of(connection: SnowflakeConnection, target: SnowflakeTarget) -> State:
    """All four tables as of one moment."""
    state: State = {}
    with connection.cursor() as cursor:
        cursor.execute("BEGIN TRANSACTION")
        try:
            for name in _TABLES:
                cursor.execute(_rows_of(target, name))
                state[name] = [tuple(row) for row in cursor.fetchall()]
        finally:
            cursor.execute("ROLLBACK")
    return state


def _rows_of(target: SnowflakeTarget, name: str) -> str:
    return f"SELECT * FROM {target.qualified(name)} {_TABLES[name]}"  # noqa: S608  # our own names


def target_of(environment: Mapping[str, str], schema: str) -> SnowflakeTarget:
    """A schema of the database that the variables name."""
    return SnowflakeTarget(_resource_of(environment).database or "", schema)


def login_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the driver itself is given, as our resource gives it to dagster-snowflake; no schema is entered."""
    settings = _resource_of(environment).connection_settings()
    settings |= settings.pop("additional_snowflake_connection_args")
    if key := settings.get("private_key"):
        settings["private_key"] = serialization.load_pem_private_key(key.encode(), None).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    return settings


def _resource_of(environment: Mapping[str, str]) -> SnowflakeExportResource:
    fields = {
        SnowflakeExportResource.field_of(name): value
        for name, value in {**environment, "SNOWFLAKE_SCHEMA": "PUBLIC"}.items()
        if name in SNOWFLAKE_VARIABLES
    }
    return SnowflakeExportResource(**fields).complete()


def run_of(**fields: Any) -> ExportRun:
    """A run; its id and time are made up where they aren't given."""
    return ExportRun(**{"run_id": "run-1", "exported_at_utc": NOON, **fields})


def line_of(amount: str, *, number: int = 0, **fields: Any) -> SourceLineItem:
    """A source line item with invented texts."""
    return SourceLineItem(
        **{
            "bill_id": f"bill-{number}",
            "line_index": number,
            "line_hash": f"{number:064x}",
            "s3_key": f"Bill_Parser_4_Enriched_Outputs/yyyy=2025/mm=01/dd=21/{number}.jsonl",
            "account_number": f"ACC-{number}",
            "vendor_name": "Invented Water",
            "gl_code": "5710-0000",
            "gl_code_name": "Water",
            "utility_name": "Water",
            "description": "Usage",
            "amount": Decimal(amount),
            "service_start": "12/01/2024",
            "service_end": "12/31/2024",
            "bill_date": "01/05/2025",
            "pdf_key": "",
            "overridden": False,
            "override_reason": "",
            **fields,
        }
    )


def bill_of(
    name: str, *amounts: str, period: str = JANUARY, lines: Sequence[SourceLineItem] = (), **fields: Any
) -> MasterBill:
    """A master bill of a property, with a line for each amount."""
    month = Month.from_key(period)
    items = tuple(lines) or tuple(line_of(amount, number=number) for number, amount in enumerate(amounts))
    return MasterBill(
        **{
            "master_bill_id": f"{name}|WTR|Water|{month.app}|{month.app}",
            "property_id": name,
            "property_name": f"The {name}",
            "ar_code_mapping": "WTR",
            "utility_name": "Water",
            "billback_month_start": f"{month.first_day:%m/%d/%Y}",
            "billback_month_end": f"{month.last_day:%m/%d/%Y}",
            "utility_amount": total(line.amount for line in items),
            "source_line_items": items,
            "created_utc": "2025-06-01T00:00:00Z",
            "created_by": "run-0",
            "status": "draft",
            **fields,
        }
    )


def period_of(*bills: MasterBill, period: str = JANUARY) -> PeriodToExport:
    """A published period of these bills."""
    return PeriodToExport(period=period, bills=bills, content_sha256=period_sha256(bills))


def connect_error(**settings: Any) -> Connect:
    """Make a connect that the connector itself refuses."""

    @contextmanager
    def connecting() -> Iterator[SnowflakeConnection]:
        with snowflake.connector.connect(**settings) as connection:
            yield connection

    return connecting
