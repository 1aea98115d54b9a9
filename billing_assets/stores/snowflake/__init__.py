"""Snowflake: the four tables that finance reads, and the export that keeps them equal to what was published.

A package of small rooms: `identifiers` and `tables` (names, columns, DDL), `statements` (SQL as text), `connection`
(sessions), `failures` (the driver's errors in our words), `creation`, `staging`, `period_transaction` and `export`
(writing), `reading` and `bill_history`. The driver, pandas and pyarrow are imported only when a session is used: they
cost seconds.
"""

from billing_assets.stores.snowflake.bill_history import exported_history
from billing_assets.stores.snowflake.connection import Connect, SessionSettings, open_session
from billing_assets.stores.snowflake.creation import ensure_tables
from billing_assets.stores.snowflake.export import PeriodExportFailure, export_periods
from billing_assets.stores.snowflake.failures import of_period
from billing_assets.stores.snowflake.identifiers import SnowflakeTarget
from billing_assets.stores.snowflake.period_transaction import ExportRun, PeriodExport
from billing_assets.stores.snowflake.reading import ExportedPeriod, TableTotals, exported_periods, table_totals
from billing_assets.stores.snowflake.staging import PeriodToExport
from billing_assets.stores.snowflake.tables import ddl_statements

__all__ = [
    "Connect",
    "ExportRun",
    "ExportedPeriod",
    "PeriodExport",
    "PeriodExportFailure",
    "PeriodToExport",
    "SessionSettings",
    "SnowflakeTarget",
    "TableTotals",
    "ddl_statements",
    "ensure_tables",
    "export_periods",
    "exported_history",
    "exported_periods",
    "of_period",
    "open_session",
    "table_totals",
]
