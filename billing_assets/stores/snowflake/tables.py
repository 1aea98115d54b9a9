"""The four exported tables and the staging table: their columns, their DDL, and how a found table differs.

Source: SPEC.md section 7.3. Everything here is text; asking the server lives in `creation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.stores.snowflake.identifiers import SnowflakeTarget, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DATE, TEXT, BOOLEAN, TIMESTAMP = "DATE", "VARCHAR", "BOOLEAN", "TIMESTAMP_NTZ"
COUNT, AMOUNT, TOTAL = "NUMBER(38,0)", "NUMBER(18,2)", "NUMBER(38,2)"
_INFORMATION_SCHEMA_TEXT = "TEXT"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; a required one is declared NOT NULL, the only constraint that Snowflake enforces."""

    name: str
    type: str
    is_required: bool = False

    @property
    def ddl(self) -> str:
        """The column's line in CREATE TABLE."""
        return f"{quoted(self.name)} {self.type}{' NOT NULL' if self.is_required else ''}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ours; its name is a constant of this module."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def ddl(self, target: SnowflakeTarget) -> str:
        """The statement that creates the table if it is absent.

        No PRIMARY KEY is declared: Snowflake would not enforce it, and might plan queries as if it held (RELY). That
        no bill is there twice is the export's own promise: its lock row, and its counts before COMMIT.
        """
        columns = ",\n".join(f"  {column.ddl}" for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {target.qualified(self.name)} (\n{columns}\n)"

    def staging_ddl(self, staged_as: str) -> str:
        """The statement that creates a session's staging table of the same columns.

        Unqualified, for the session's own schema: the emulator keeps temporary tables in a database of their own.
        """
        columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in self.columns)
        return f"CREATE TEMPORARY TABLE {quoted(staged_as)} ({columns})"


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, TEXT) for name in names)


_KEYS = (Column("MASTER_BILL_ID", TEXT, is_required=True), Column("UBI_PERIOD", DATE, is_required=True))
_EXPORT = (Column("RUN_ID", TEXT), Column("EXPORTED_AT", TIMESTAMP))
_BILL_COLUMNS = (
    *_KEYS,
    *_texts("PROPERTY_ID", "PROPERTY_NAME", "AR_CODE_MAPPING", "UTILITY_NAME"),
    Column("BILLBACK_MONTH_START", DATE),
    Column("BILLBACK_MONTH_END", DATE),
    Column("UTILITY_AMOUNT", AMOUNT, is_required=True),
    Column("LINE_ITEM_COUNT", COUNT),
    Column("HAS_OVERRIDES", BOOLEAN),
    *_texts("STATUS", "CONTENT_HASH"),
)

BILLS = Table("MASTER_BILLS", (*_BILL_COLUMNS, *_EXPORT))
STAGED_BILLS = Table("STAGED_BILLS", _BILL_COLUMNS)
LINE_ITEMS = Table(
    "MASTER_BILL_LINE_ITEMS",
    (
        Column("MASTER_BILL_ID", TEXT, is_required=True),
        Column("LINE_ORDINAL", COUNT, is_required=True),
        Column("UBI_PERIOD", DATE, is_required=True),
        *_texts("BILL_ID", "LINE_INDEX", "LINE_HASH", "S3_KEY", "ACCOUNT_NUMBER", "VENDOR_NAME", "GL_CODE"),
        *_texts("GL_CODE_NAME", "UTILITY_NAME", "DESCRIPTION"),
        Column("AMOUNT", AMOUNT, is_required=True),
        *_texts("SERVICE_START", "SERVICE_END", "BILL_DATE", "PDF_KEY"),
        Column("OVERRIDDEN", BOOLEAN),
        *_texts("OVERRIDE_REASON"),
    ),
)
STAGED = Table(
    # One table for both, and so one upload and one COPY: a staged bill is a row without LINE_ORDINAL.
    "STAGED",
    (*_BILL_COLUMNS, *(column for column in LINE_ITEMS.columns if column.name not in STAGED_BILLS.names)),
)
PERIODS = Table(
    "MASTER_BILL_PERIODS",
    (
        Column("UBI_PERIOD", DATE, is_required=True),
        Column("BILL_COUNT", COUNT),
        Column("LINE_ITEM_COUNT", COUNT),
        Column("TOTAL_AMOUNT", TOTAL),
        Column("CONTENT_SHA256", TEXT),
        *_EXPORT,
    ),
)
CHANGES = Table(
    "MASTER_BILL_CHANGES",
    (
        Column("EXPORTED_AT", TIMESTAMP),
        Column("RUN_ID", TEXT),
        Column("UBI_PERIOD", DATE, is_required=True),
        Column("MASTER_BILL_ID", TEXT, is_required=True),
        Column("CHANGE", TEXT, is_required=True),
        Column("AMOUNT_BEFORE", AMOUNT),
        Column("AMOUNT_AFTER", AMOUNT),
        *_texts("STATUS_BEFORE", "STATUS_AFTER", "REASON"),
    ),
)
EXPORTED_TABLES = (BILLS, LINE_ITEMS, PERIODS, CHANGES)


def ddl_statements(target: SnowflakeTarget) -> list[str]:
    """The statements that create the four tables, for whoever holds the right to."""
    return [table.ddl(target) for table in EXPORTED_TABLES]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a found table differs from ours in one column, and the statement that mends it."""

    found: str
    mend: str


def differences(table: Table, target: SnowflakeTarget, found: Mapping[str, str]) -> list[Difference]:
    """Compare a table with ours, by the names and types of columns, in any order.

    Whether a column accepts NULL isn't compared: a stricter or laxer table still holds what is exported.

    Args:
        table: Ours.
        target: Where it is.
        found: Type by column name, as `type_of` writes it.
    """
    alter = f"ALTER TABLE {target.qualified(table.name)}"
    result = []
    for column in table.columns:
        name, has = quoted(column.name), found.get(column.name)
        add = f"{alter} ADD COLUMN {name} {column.type};"
        if has is None:
            result.append(Difference(f"{table.name} has no column {column.name} ({column.type})", add))
        elif has != column.type:
            moved = f"{alter} RENAME COLUMN {name} TO {quoted(column.name + '_OLD')};"
            result.append(Difference(f"{table.name}.{column.name} is {has}, not {column.type}", f"{moved} {add}"))
    result.extend(
        Difference(
            f"{table.name} has a column {name!r} that the export does not know",
            f"{alter} DROP COLUMN {_escaped(name)};",
        )
        for name in found
        if name not in table.names
    )
    return result


def type_of(data_type: str, precision: int | None, scale: int | None, length: int | None) -> str:
    """A column's type as our DDL writes it, from its row in INFORMATION_SCHEMA.COLUMNS."""
    if data_type == "NUMBER":
        return f"NUMBER({precision},{scale})"
    if data_type == _INFORMATION_SCHEMA_TEXT:
        return TEXT if length is None or length >= 16_777_216 else f"{TEXT}({length})"
    return data_type


def column_list(names: Sequence[str], *, of: str = "") -> str:
    """Columns as they stand in SQL, each after the name of its table if one is given."""
    prefix = f"{quoted(of)}." if of else ""
    return ", ".join(f"{prefix}{quoted(name)}" for name in names)


def _escaped(name: str) -> str:
    """A name that we did not choose, for a person to run."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
