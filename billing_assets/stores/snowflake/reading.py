"""What Snowflake holds: the period rows, and counts and sums of the tables themselves."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from billing_assets.domain.money import ZERO
from billing_assets.stores.snowflake.connection import Connect, Session, SessionSettings, open_session
from billing_assets.stores.snowflake.failures import AbsentOrHiddenError
from billing_assets.stores.snowflake.statements import select_periods, select_table_totals
from billing_assets.stores.snowflake.tables import BILLS

if TYPE_CHECKING:
    from billing_assets.stores.snowflake.identifiers import SnowflakeTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedPeriod:
    """A period's row: what its last export wrote."""

    period: str
    bill_count: int
    line_item_count: int
    total_usd: Decimal
    content_sha256: str
    run_id: str
    exported_at_utc: dt.datetime
    """Aware, in UTC."""
    row_count: int = 1
    """More than one if two sessions made the period's first row at once; the next export makes them one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTotals:
    """What the two tables themselves hold of a period."""

    bill_count: int = 0
    bills_total_usd: Decimal = ZERO
    line_item_count: int = 0
    line_items_total_usd: Decimal = ZERO


def exported_periods(connect: Connect, target: SnowflakeTarget) -> dict[str, ExportedPeriod]:
    """The periods that were ever exported, by partition key; none where the tables are absent or not visible.

    A row without content is only a lock: its first export has not succeeded, and it is left out.
    """
    # Snowflake does not tell an absent table from a hidden one; for a check, both hold nothing.
    with open_session(connect, target, SessionSettings()) as session, suppress(AbsentOrHiddenError):
        return read_periods(session)
    return {}


def table_totals(connect: Connect, target: SnowflakeTarget) -> dict[str, TableTotals]:
    """Count and exact sum of bills and line items by partition key, of one moment; none where tables are absent."""
    rows: list[tuple[str, dt.date, int, Decimal]] = []
    with open_session(connect, target, SessionSettings()) as session, suppress(AbsentOrHiddenError):
        rows = session.rows(select_table_totals(target), doing="adding up the tables")
    totals: dict[str, dict[str, int | Decimal]] = {}
    for table, day, count, amount in rows:
        prefix = ("bill", "bills") if table == BILLS.name else ("line_item", "line_items")
        totals.setdefault(f"{day:%Y-%m}", {}).update(
            {f"{prefix[0]}_count": int(count), f"{prefix[1]}_total_usd": Decimal(amount)}
        )
    return {period: TableTotals(**totals[period]) for period in sorted(totals)}  # type: ignore[arg-type]


def read_periods(session: Session) -> dict[str, ExportedPeriod]:
    """The period rows as an open session sees them; see `exported_periods`."""
    found: dict[str, ExportedPeriod] = {}
    seen: dict[str, int] = {}
    for day, bills, lines, amount, sha256, run_id, exported_at in session.rows(
        select_periods(session.target), doing="reading the exported periods"
    ):
        period = f"{day:%Y-%m}"
        seen[period] = seen.get(period, 0) + 1
        earlier = found.get(period)
        if sha256 is None or (earlier and earlier.exported_at_utc.replace(tzinfo=None) > exported_at):
            continue
        found[period] = ExportedPeriod(
            period=period,
            bill_count=int(bills),
            line_item_count=int(lines),
            total_usd=Decimal(amount),
            content_sha256=sha256,
            run_id=run_id,
            exported_at_utc=exported_at.replace(tzinfo=dt.UTC),
        )
    return {period: replace(row, row_count=seen[period]) for period, row in found.items()}
