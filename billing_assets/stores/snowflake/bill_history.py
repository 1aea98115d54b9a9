"""What Snowflake holds of some bills: their rows, their line items of some hashes, and the change log.

Only looks; told as `billing_assets.domain.evidence`. Ids and hashes are always bound.
"""
# ruff: noqa: S608  # the only names in these texts are our constants and identifiers that were checked and quoted

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing_assets.domain.evidence import ExportedBill, ExportedEvidence, ExportedLine, LoggedChange
from billing_assets.stores.snowflake.tables import BILLS, CHANGES, LINE_ITEMS, column_list

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from billing_assets.stores.snowflake.connection import Session
    from billing_assets.stores.snowflake.tables import Table

_ID = "MASTER_BILL_ID"
_BILL = (_ID, "UTILITY_AMOUNT", "LINE_ITEM_COUNT", "STATUS", "CONTENT_HASH", "RUN_ID", "EXPORTED_AT")
_LINE = (_ID, "LINE_ORDINAL", "LINE_HASH", "AMOUNT")
_CHANGE = (
    *(_ID, "EXPORTED_AT", "RUN_ID", "CHANGE", "AMOUNT_BEFORE", "AMOUNT_AFTER"),
    *("STATUS_BEFORE", "STATUS_AFTER", "REASON"),
)
_MOST_BOUND = 500


def exported_history(
    session: Session, master_bill_ids: Collection[str], line_hashes: Collection[str]
) -> ExportedEvidence:
    """The rows of some bills, those of their line items that have one of the hashes, and their change log.

    Args:
        session: An open one.
        master_bill_ids: A few.
        line_hashes: Those whose line items are asked for.

    Raises:
        BillingError: Snowflake says no, stays away, or has no such tables.
    """
    ids = sorted(master_bill_ids)[:_MOST_BOUND]
    hashes = sorted(line_hashes)[:_MOST_BOUND]
    if not ids:
        return ExportedEvidence()
    bills = _rows(session, BILLS, _BILL, {_ID: ids}, "EXPORTED_AT")
    lines = _rows(session, LINE_ITEMS, _LINE, {_ID: ids, "LINE_HASH": hashes}, "LINE_ORDINAL") if hashes else []
    changes = _rows(session, CHANGES, _CHANGE, {_ID: ids}, "EXPORTED_AT")
    return ExportedEvidence(
        bills=tuple(_bill(row) for row in bills),
        lines=tuple(_line(row) for row in lines),
        changes=tuple(_change(row) for row in changes),
    )


def _rows(
    session: Session, table: Table, columns: Sequence[str], wanted: dict[str, list[str]], order: str
) -> list[tuple[Any, ...]]:
    conditions = (f'"{name}" IN ({", ".join(["%s"] * len(values))})' for name, values in wanted.items())
    sql = (
        f"SELECT {column_list(columns)} FROM {session.target.qualified(table.name)} "
        f'WHERE {" AND ".join(conditions)} ORDER BY "{order}", "{_ID}"'
    )
    bound = [value for values in wanted.values() for value in values]
    return session.rows(sql, bound, doing=f"reading {table.name}")


def _bill(row: tuple[Any, ...]) -> ExportedBill:
    name, amount, lines, status, content_hash, run_id, at = row
    return ExportedBill(
        master_bill_id=name,
        amount_usd=Decimal(amount),
        line_items=int(lines),
        status=status or "",
        content_hash=content_hash or "",
        run_id=run_id or "",
        exported_at_utc=at.replace(tzinfo=dt.UTC),
    )


def _line(row: tuple[Any, ...]) -> ExportedLine:
    name, ordinal, line_hash, amount = row
    return ExportedLine(master_bill_id=name, ordinal=int(ordinal), line_hash=line_hash, amount_usd=Decimal(amount))


def _change(row: tuple[Any, ...]) -> LoggedChange:
    name, at, run_id, change, before, after, status_before, status_after, reason = row
    return LoggedChange(
        master_bill_id=name,
        exported_at_utc=at.replace(tzinfo=dt.UTC),
        run_id=run_id or "",
        change=change,
        before_usd=None if before is None else Decimal(before),
        after_usd=None if after is None else Decimal(after),
        status_before=status_before,
        status_after=status_after,
        reason=reason or "",
    )
