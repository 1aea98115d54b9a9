"""The SQL of an export, as texts with `%s` for bound values: what both Snowflake and the emulator understand.

No MERGE (the emulator's breaks transactions). Statements work on whole sets: their number never depends on rows.
Names of periods, bills and reasons are always bound. Running the texts, and their order, live in `period_transaction`.
"""
# ruff: noqa: S608  # the only names in these texts are our constants and identifiers that were checked and quoted

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from billing_assets.stores.snowflake.identifiers import SnowflakeTarget, quoted
from billing_assets.stores.snowflake.tables import (
    BILLS,
    CHANGES,
    LINE_ITEMS,
    PERIODS,
    STAGED_BILLS,
    TOTAL,
    Table,
    column_list,
)

BEGIN, COMMIT, ROLLBACK = "BEGIN TRANSACTION", "COMMIT", "ROLLBACK"
_PERIOD = '"UBI_PERIOD" = CAST(%s AS DATE)'
_SUM = f"CAST(SUM({{}}) AS {TOTAL})"
AMOUNTS = ((BILLS, "UTILITY_AMOUNT"), (LINE_ITEMS, "AMOUNT"))
"""The tables that hold a period's rows, and the column of each that is added up."""
_IS_BILL, _IS_LINE_ITEM = '"LINE_ORDINAL" IS NULL', '"LINE_ORDINAL" IS NOT NULL'


class Change(StrEnum):
    """What happened to a bill, as the change log says it."""

    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True)
class ExportStatements:
    """The statements of one session: its target and the name of its staging table."""

    target: SnowflakeTarget
    staged: str

    @property
    def insert_lock_row(self) -> str:
        """Make a period's row if there is none (period; period)."""
        periods = self.target.qualified(PERIODS.name)
        return (
            f'INSERT INTO {periods} ("UBI_PERIOD") SELECT CAST(%s AS DATE) '
            f"WHERE NOT EXISTS (SELECT 1 FROM {periods} WHERE {_PERIOD})"
        )

    @property
    def lock_and_describe_period(self) -> str:
        """Lock the period by writing its row (bills, line items, total, SHA-256, run, exported at; period)."""
        return (
            f'UPDATE {self.target.qualified(PERIODS.name)} SET "BILL_COUNT" = %s, "LINE_ITEM_COUNT" = %s, '
            f'"TOTAL_AMOUNT" = CAST(%s AS {TOTAL}), "CONTENT_SHA256" = %s, "RUN_ID" = %s, '
            f'"EXPORTED_AT" = CAST(%s AS TIMESTAMP_NTZ) WHERE {_PERIOD}'
        )

    @property
    def delete_period_rows(self) -> str:
        """Take away a period's rows where two sessions made one each (period)."""
        return f"DELETE FROM {self.target.qualified(PERIODS.name)} WHERE {_PERIOD}"

    @property
    def insert_period_row(self) -> str:
        """Write the one row in their place (as `lock_and_describe_period`, in the same order)."""
        names = ("BILL_COUNT", "LINE_ITEM_COUNT", "TOTAL_AMOUNT", "CONTENT_SHA256", "RUN_ID", "EXPORTED_AT")
        return (
            f'INSERT INTO {self.target.qualified(PERIODS.name)} ({column_list(names)}, "UBI_PERIOD") SELECT '
            f"%s, %s, CAST(%s AS {TOTAL}), %s, %s, CAST(%s AS TIMESTAMP_NTZ), CAST(%s AS DATE)"
        )

    @property
    def log(self) -> str:
        """Append the bills that an export is about to change (exported at, run, reason; period, twice)."""
        names = (
            *("EXPORTED_AT", "RUN_ID", "REASON", "UBI_PERIOD", "MASTER_BILL_ID", "CHANGE"),
            *("AMOUNT_BEFORE", "AMOUNT_AFTER", "STATUS_BEFORE", "STATUS_AFTER"),
        )
        keys = ", ".join(
            f"COALESCE({_of('OLD', name)}, {_of('NEW', name)})" for name in ("UBI_PERIOD", "MASTER_BILL_ID")
        )
        change = (
            f"CASE WHEN {_of('OLD', 'MASTER_BILL_ID')} IS NULL THEN '{Change.INSERTED}' "
            f"WHEN {_of('NEW', 'MASTER_BILL_ID')} IS NULL THEN '{Change.DELETED}' ELSE '{Change.UPDATED}' END"
        )
        values = ", ".join(_of(side, name) for name in ("UTILITY_AMOUNT", "STATUS") for side in ("OLD", "NEW"))
        return (
            f"INSERT INTO {self.target.qualified(CHANGES.name)} ({column_list(names)}) "
            f"SELECT CAST(%s AS TIMESTAMP_NTZ), %s, %s, {keys}, {change}, {values} "
            f'FROM (SELECT * FROM {self.target.qualified(BILLS.name)} WHERE {_PERIOD}) AS "OLD" '
            f'FULL OUTER JOIN (SELECT * FROM {quoted(self.staged)} WHERE {_PERIOD} AND {_IS_BILL}) AS "NEW" '
            f"ON {_of('OLD', 'MASTER_BILL_ID')} = {_of('NEW', 'MASTER_BILL_ID')} "
            # NULL on a side that is absent, or in a row of others: never equal.
            f"WHERE NOT COALESCE({_same_content('OLD', 'NEW')}, FALSE)"
        )

    def delete_bills(self, *, rewrite: bool) -> str:
        """Delete the bills that vanished or changed, or all of the period to rewrite it (period)."""
        delete = f"DELETE FROM {self.target.qualified(BILLS.name)} WHERE {_PERIOD}"
        if rewrite:
            return delete
        same = f"{_same_bill(BILLS.name, 'NEW')} AND {_same_content(BILLS.name, 'NEW')}"
        return f'{delete} AND NOT EXISTS (SELECT 1 FROM {quoted(self.staged)} AS "NEW" WHERE {same})'

    def delete_line_items(self, *, rewrite: bool) -> str:
        """Delete the line items of bills that are not there, or all of the period to rewrite it (period)."""
        delete = f"DELETE FROM {self.target.qualified(LINE_ITEMS.name)} WHERE {_PERIOD}"
        if rewrite:
            return delete
        bills = f'{self.target.qualified(BILLS.name)} AS "OLD"'
        return f"{delete} AND NOT EXISTS (SELECT 1 FROM {bills} WHERE {_same_bill('OLD', LINE_ITEMS.name)})"

    def insert_bills(self, *, rewrite: bool) -> str:
        """Insert the staged bills that are not there, or all to rewrite the period (run, exported at; period)."""
        into = f"{self.target.qualified(BILLS.name)} ({column_list(BILLS.names)})"
        selected = f"{column_list(STAGED_BILLS.names)}, %s, CAST(%s AS TIMESTAMP_NTZ)"
        return f"INSERT INTO {into} SELECT {selected} FROM {self._staged(_IS_BILL, absent_from=BILLS, rewrite=rewrite)}"

    def insert_line_items(self, *, rewrite: bool) -> str:
        """Insert the staged line items of bills that have none, or all to rewrite the period (period)."""
        columns = column_list(LINE_ITEMS.names)
        staged = self._staged(_IS_LINE_ITEM, absent_from=LINE_ITEMS, rewrite=rewrite)
        return f"INSERT INTO {self.target.qualified(LINE_ITEMS.name)} ({columns}) SELECT {columns} FROM {staged}"

    def _staged(self, which: str, *, absent_from: Table, rewrite: bool) -> str:
        staged = f'{quoted(self.staged)} AS "NEW" WHERE {_PERIOD} AND {which}'
        if rewrite:
            return staged
        there = f'SELECT 1 FROM {self.target.qualified(absent_from.name)} AS "OLD" WHERE {_same_bill("OLD", "NEW")}'
        return f"{staged} AND NOT EXISTS ({there})"

    @property
    def control_totals(self) -> str:
        """What a period holds before COMMIT: its tables' counts and sums, and the counts of what the run logged of it.

        Rows of a name, a count and a sum: the two tables (the sum of no rows is NULL), and each kind of change, which
        has none (period, twice; period, run, exported at).
        """
        tables = (
            f"SELECT '{table.name}', COUNT(*), {_SUM.format(quoted(amount))} "
            f"FROM {self.target.qualified(table.name)} WHERE {_PERIOD}"
            for table, amount in AMOUNTS
        )
        changes = (
            f'SELECT "CHANGE", COUNT(*), NULL FROM {self.target.qualified(CHANGES.name)} '
            f'WHERE {_PERIOD} AND "RUN_ID" = %s AND "EXPORTED_AT" = CAST(%s AS TIMESTAMP_NTZ) GROUP BY "CHANGE"'
        )
        return " UNION ALL ".join((*tables, changes))


def select_periods(target: SnowflakeTarget) -> str:
    """Every period row, the latest export of a period last."""
    periods = target.qualified(PERIODS.name)
    return f'SELECT {column_list(PERIODS.names)} FROM {periods} ORDER BY "UBI_PERIOD", "EXPORTED_AT"'


def select_table_totals(target: SnowflakeTarget) -> str:
    """Count and exact sum by period of both tables, in one statement, so that both are of one moment."""
    parts = (
        f"SELECT '{table.name}', \"UBI_PERIOD\", COUNT(*), {_SUM.format(quoted(amount))} "
        f'FROM {target.qualified(table.name)} GROUP BY "UBI_PERIOD"'
        for table, amount in AMOUNTS
    )
    return " UNION ALL ".join(parts)


def select_columns(target: SnowflakeTarget, *, tables: int) -> str:
    """The columns of so many tables, as far as the role may see them (schema; names of the tables)."""
    return (
        'SELECT "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "NUMERIC_PRECISION", "NUMERIC_SCALE", '
        '"CHARACTER_MAXIMUM_LENGTH" '
        f'FROM {quoted(target.database_name)}."INFORMATION_SCHEMA"."COLUMNS" '
        f'WHERE "TABLE_SCHEMA" = %s AND "TABLE_NAME" IN ({", ".join(["%s"] * tables)}) '
        'ORDER BY "TABLE_NAME", "ORDINAL_POSITION"'
    )


def _of(table: str, column: str) -> str:
    return f"{quoted(table)}.{quoted(column)}"


def _same_bill(old: str, new: str) -> str:
    return " AND ".join(f"{_of(old, name)} = {_of(new, name)}" for name in ("MASTER_BILL_ID", "UBI_PERIOD"))


def _same_content(old: str, new: str) -> str:
    """Equal content hash and status; a row of others that has none is never equal, since staged rows have both."""
    return " AND ".join(f"{_of(old, name)} = {_of(new, name)}" for name in ("CONTENT_HASH", "STATUS"))
