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
    STAGED_LINE_ITEMS,
    TOTAL,
    column_list,
)

BEGIN, COMMIT, ROLLBACK = "BEGIN TRANSACTION", "COMMIT", "ROLLBACK"
_PERIOD = '"UBI_PERIOD" = CAST(%s AS DATE)'
# The inner cast keeps the emulator from adding floats, the outer one fixes the type in Snowflake.
_SUM = f"CAST(COALESCE(SUM(CAST({{}} AS {TOTAL})), 0) AS {TOTAL})"


class Change(StrEnum):
    """What happened to a bill, as the change log says it."""

    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True)
class ExportStatements:
    """The statements of one session: its target and the names of its staging tables."""

    target: SnowflakeTarget
    staged_bills: str
    staged_line_items: str

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

    def log(self, change: Change) -> str:
        """Append the bills that an export is about to change (exported at, run, change, reason; period)."""
        bills, staged = self.target.qualified(BILLS.name), quoted(self.staged_bills)
        before, after = '"OLD"."{0}"', '"NEW"."{0}"'
        if change is Change.INSERTED:
            source, row, before = f'{staged} AS "NEW"', "NEW", "NULL"
            which = self._without(f'{bills} AS "OLD"')
        elif change is Change.DELETED:
            source, row, after = f'{bills} AS "OLD"', "OLD", "NULL"
            which = self._without(f'{staged} AS "NEW"')
        else:
            source = f'{staged} AS "NEW" JOIN {bills} AS "OLD" ON {_same_bill("OLD", "NEW")}'
            row, which = "NEW", _other_content("OLD", "NEW")
        values = ", ".join(side.format(name) for name in ("UTILITY_AMOUNT", "STATUS") for side in (before, after))
        names = (
            *("EXPORTED_AT", "RUN_ID", "CHANGE", "REASON", "UBI_PERIOD", "MASTER_BILL_ID"),
            *("AMOUNT_BEFORE", "AMOUNT_AFTER", "STATUS_BEFORE", "STATUS_AFTER"),
        )
        return (
            f"INSERT INTO {self.target.qualified(CHANGES.name)} ({column_list(names)}) "
            f'SELECT CAST(%s AS TIMESTAMP_NTZ), %s, %s, %s, "{row}"."UBI_PERIOD", "{row}"."MASTER_BILL_ID", {values} '
            f'FROM {source} WHERE "{row}".{_PERIOD} AND {which}'
        )

    def delete_line_items(self, *, force: bool) -> str:
        """Delete the line items of bills that vanished or changed, or all of the period if forced (period)."""
        lines, bills = self.target.qualified(LINE_ITEMS.name), self.target.qualified(BILLS.name)
        delete = f"DELETE FROM {lines} WHERE {_PERIOD}"
        if force:
            return delete
        kept = (
            f'SELECT 1 FROM {bills} AS "OLD" JOIN {quoted(self.staged_bills)} AS "NEW" ON {_same_bill("OLD", "NEW")} '
            f"WHERE {_same_content('OLD', 'NEW')} AND {_same_bill('OLD', LINE_ITEMS.name)}"
        )
        return f"{delete} AND NOT EXISTS ({kept})"

    def delete_bills(self, *, force: bool) -> str:
        """Delete the bills that vanished or changed, or all of the period if forced (period)."""
        delete = f"DELETE FROM {self.target.qualified(BILLS.name)} WHERE {_PERIOD}"
        if force:
            return delete
        same = f"{_same_bill(BILLS.name, 'NEW')} AND {_same_content(BILLS.name, 'NEW')}"
        return f'{delete} AND NOT EXISTS (SELECT 1 FROM {quoted(self.staged_bills)} AS "NEW" WHERE {same})'

    @property
    def insert_bills(self) -> str:
        """Insert the staged bills that are not there (run, exported at; period)."""
        bills, names = self.target.qualified(BILLS.name), STAGED_BILLS.names
        is_absent = self._without(f'{bills} AS "OLD"')
        return (
            f'INSERT INTO {bills} ({column_list(names)}, "RUN_ID", "EXPORTED_AT") '
            f"SELECT {column_list(names, of='NEW')}, %s, CAST(%s AS TIMESTAMP_NTZ) "
            f'FROM {quoted(self.staged_bills)} AS "NEW" '
            f'WHERE "NEW".{_PERIOD} AND {is_absent}'
        )

    @property
    def insert_line_items(self) -> str:
        """Insert the staged line items of bills that have none (period)."""
        lines, names = self.target.qualified(LINE_ITEMS.name), STAGED_LINE_ITEMS.names
        is_absent = self._without(f'{lines} AS "OLD"')
        return (
            f"INSERT INTO {lines} ({column_list(names)}) SELECT {column_list(names, of='NEW')} "
            f'FROM {quoted(self.staged_line_items)} AS "NEW" '
            f'WHERE "NEW".{_PERIOD} AND {is_absent}'
        )

    @property
    def control_totals(self) -> str:
        """What the tables hold of a period, before COMMIT (period, six times)."""
        bills, lines = self.target.qualified(BILLS.name), self.target.qualified(LINE_ITEMS.name)
        same = f"{_same_bill('OLD', 'NEW')} AND {_same_content('OLD', 'NEW')}"
        return (
            f"SELECT (SELECT COUNT(*) FROM {bills} WHERE {_PERIOD}), "
            f"(SELECT {_SUM.format(quoted('UTILITY_AMOUNT'))} FROM {bills} WHERE {_PERIOD}), "
            f'(SELECT COUNT(*) FROM {bills} AS "OLD" JOIN {quoted(self.staged_bills)} AS "NEW" ON {same} '
            f'WHERE "OLD".{_PERIOD}), '
            f"(SELECT COUNT(*) FROM {lines} WHERE {_PERIOD}), "
            f"(SELECT {_SUM.format(quoted('AMOUNT'))} FROM {lines} WHERE {_PERIOD}), "
            f"(SELECT COUNT(*) FROM {self.target.qualified(PERIODS.name)} WHERE {_PERIOD})"
        )

    @staticmethod
    def _without(other: str) -> str:
        return f"NOT EXISTS (SELECT 1 FROM {other} WHERE {_same_bill('OLD', 'NEW')})"


def select_periods(target: SnowflakeTarget) -> str:
    """Every period row, the latest export of a period last."""
    periods = target.qualified(PERIODS.name)
    return f'SELECT {column_list(PERIODS.names)} FROM {periods} ORDER BY "UBI_PERIOD", "EXPORTED_AT"'


def select_table_totals(target: SnowflakeTarget) -> str:
    """Count and exact sum by period of both tables, in one statement, so that both are of one moment."""
    parts = (
        f"SELECT '{table.name}', \"UBI_PERIOD\", COUNT(*), {_SUM.format(quoted(amount))} "
        f'FROM {target.qualified(table.name)} GROUP BY "UBI_PERIOD"'
        for table, amount in ((BILLS, "UTILITY_AMOUNT"), (LINE_ITEMS, "AMOUNT"))
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


def _other_content(old: str, new: str) -> str:
    """The opposite of `_same_content`, also for rows that have none."""
    parts = (f"{_of(old, name)} IS DISTINCT FROM {_of(new, name)}" for name in ("CONTENT_HASH", "STATUS"))
    return f"({' OR '.join(parts)})"
