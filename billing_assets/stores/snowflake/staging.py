"""Staging: bills and line items of all periods of a run, in a temporary table of the session, before any transaction.

Uploading and COPY commit by themselves, so they can't stand inside a transaction; what is staged is then moved by
statements on whole sets.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.errors import ExportError
from billing_assets.domain.master_bills import SourceLineItem, parse_day
from billing_assets.domain.money import total
from billing_assets.domain.periods import Month
from billing_assets.stores.snowflake.statements import ExportStatements
from billing_assets.stores.snowflake.tables import (
    AMOUNT,
    BOOLEAN,
    COUNT,
    DATE,
    LINE_ITEMS,
    STAGED,
    STAGED_BILLS,
    Table,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    import pyarrow as pa

    from billing_assets.domain.master_bills import MasterBill
    from billing_assets.stores.snowflake.connection import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodToExport:
    """A period as it was published.

    Attributes:
        period: The partition key, `YYYY-MM`.
        bills: All bills of the published object; none is a period that was emptied.
        content_sha256: Of the published object: the domain's `period_sha256(bills)`.
    """

    period: str
    bills: Sequence[MasterBill]
    content_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPeriod:
    """A period as columns, with the exact totals that Snowflake must show before COMMIT."""

    period: str
    content_sha256: str
    bill_count: int
    bills_total_usd: Decimal
    line_item_count: int
    line_items_total_usd: Decimal
    bills: pa.Table
    line_items: pa.Table

    @property
    def first_day(self) -> str:
        """The period as the tables' UBI_PERIOD, `YYYY-MM-01`."""
        return f"{self.period}-01"


def prepare(period: PeriodToExport) -> PreparedPeriod:
    """Turn a period's bills into columns.

    Raises:
        ExportError: The bills can't be rows of this period: another month's, two of one id, or a value that a column
            does not hold exactly.
    """
    lines = [line for bill in period.bills for line in bill.source_line_items]
    try:
        _check(period)
        bills_table = _arrow_table(STAGED_BILLS, _bill_columns(period))
        lines_table = _arrow_table(LINE_ITEMS, _line_columns(period))
    except (ValueError, TypeError) as error:
        raise _unfit(period, f"{type(error).__name__}: {str(error)[:200]}") from None
    return PreparedPeriod(
        period=period.period,
        content_sha256=period.content_sha256,
        bill_count=len(period.bills),
        bills_total_usd=total(bill.utility_amount for bill in period.bills),
        line_item_count=len(lines),
        line_items_total_usd=total(line.amount for line in lines),
        bills=bills_table,
        line_items=lines_table,
    )


def stage(session: Session, periods: Iterable[PreparedPeriod]) -> ExportStatements:
    """Load all periods into the session's staging table, which ends with it.

    Bills and line items stand in one table, a bill without LINE_ORDINAL: each load takes a stage, an upload and a COPY,
    which cost more than a month's rows do.

    Returns:
        The statements that know the table's name.
    """
    import pyarrow as pa  # noqa: PLC0415  # takes a third of a second to import

    # A name of its own, so that no table of the schema is hidden behind it.
    name = f"BILLING_{STAGED.name}_{secrets.token_hex(4).upper()}"
    session.execute(STAGED.staging_ddl(name), doing="creating the staging table")
    parts = [part for period in periods for part in (period.bills, period.line_items)]
    _load(session, name, pa.concat_tables(parts, promote_options="default"))
    return ExportStatements(session.target, name)


def _load(session: Session, table: str, rows: pa.Table) -> None:
    if not rows.num_rows:
        return
    import pandas as pd  # noqa: PLC0415  # takes half a second to import
    from snowflake.connector.pandas_tools import write_pandas  # noqa: PLC0415  # takes a second to import

    with session.telling(f"staging {rows.num_rows:,} rows"):
        # Arrow types all the way: pandas' own would make floats of decimals and nanoseconds of dates.
        frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
        # Snappy writes five times faster than the default, and is read faster too; the upload grows by half at most.
        _, _, loaded, _ = write_pandas(
            session.connection, frame, table, compression="snappy", quote_identifiers=True, use_logical_type=True
        )
    if loaded != rows.num_rows:
        raise ExportError(
            "staging lost rows",
            where=f"Snowflake {session.target.sql}, {table}",
            found=f"{loaded:,} of {rows.num_rows:,} rows were loaded",
            remedy="export again; nothing was changed",
        )


def _check(period: PeriodToExport) -> None:
    days = _days(bill.billback_month_start for bill in period.bills)
    foreign = [
        bill.master_bill_id for bill in period.bills if f"{days[bill.billback_month_start]:%Y-%m}" != period.period
    ]
    if foreign:
        raise _unfit(period, f"{len(foreign)} bills of another month, first {foreign[0]!r}")
    twice = [bill_id for bill_id, count in Counter(bill.master_bill_id for bill in period.bills).items() if count > 1]
    if twice:
        raise _unfit(period, f"{len(twice)} ids that several bills share, first {twice[0]!r}")


def _unfit(period: PeriodToExport, found: str) -> ExportError:
    return ExportError(
        "its published bills can't be rows of Snowflake's tables",
        where=f"the published object of {period.period}",
        found=found,
        rule="each bill is one row of its own month, its amounts are exact in NUMBER(18,2)",
        remedy="materialize master_bills_json for the period again, then export it",
    )


def _bill_columns(period: PeriodToExport) -> list[Sequence[Any]]:
    bills, day = period.bills, Month.from_key(period.period).first_day
    days = _days(text for bill in bills for text in (bill.billback_month_start, bill.billback_month_end))
    return [
        [bill.master_bill_id for bill in bills],
        [day] * len(bills),
        [bill.property_id for bill in bills],
        [bill.property_name for bill in bills],
        [bill.ar_code_mapping for bill in bills],
        [bill.utility_name for bill in bills],
        [days[bill.billback_month_start] for bill in bills],
        [days[bill.billback_month_end] for bill in bills],
        [bill.utility_amount for bill in bills],
        [len(bill.source_line_items) for bill in bills],
        [bill.has_overrides for bill in bills],
        [bill.status for bill in bills],
        [bill.content_hash for bill in bills],
    ]


def _days(texts: Iterable[str]) -> dict[str, dt.date]:
    """Days by their text; a period's bills share a handful, and reading one takes as long as hashing a line."""
    return {text: parse_day(text) for text in set(texts)}


def _line_columns(period: PeriodToExport) -> list[Sequence[Any]]:
    bills = period.bills
    # Values come by position: a getattr for each of a million cells would take as long as loading them.
    rows = [msgspec.structs.astuple(line) for bill in bills for line in bill.source_line_items]
    fields = dict(zip(SourceLineItem.__struct_fields__, zip(*rows, strict=True), strict=bool(rows)))
    columns: list[Sequence[Any]] = [
        [bill.master_bill_id for bill in bills for _ in bill.source_line_items],
        [ordinal for bill in bills for ordinal in range(len(bill.source_line_items))],
        [Month.from_key(period.period).first_day] * len(rows),
    ]
    for name in LINE_ITEMS.names[len(columns) :]:
        values = fields.get(name.lower(), ())
        columns.append([str(value) for value in values] if name == "LINE_INDEX" else values)
    return columns


def _arrow_table(table: Table, columns: Sequence[Sequence[Any]]) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415  # takes a third of a second to import

    types = {DATE: pa.date32(), COUNT: pa.int64(), AMOUNT: pa.decimal128(18, 2), BOOLEAN: pa.bool_()}
    arrays = [
        pa.array(values, type=types.get(column.type, pa.string()))
        for column, values in zip(table.columns, columns, strict=True)
    ]
    return pa.table(arrays, names=list(table.names))
