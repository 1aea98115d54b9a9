"""One period, one transaction: lock, compare, delete, insert, log, verify, COMMIT.

How two exports of one period are kept apart. Snowflake enforces no key and reads committed data, so the first statement
of the transaction writes the period's row, and whoever comes second waits there until the first has ended; every
later statement then sees what the first committed.

The row must exist and be committed before it can be a lock. It is inserted by a statement of its own where there is
none, and two sessions may do that at the same instant, so that a period has two rows for a while. That is harmless:
each session's UPDATE begins after the session has seen, or committed, some row of the period, so the row that was
committed first is among those that every session's UPDATE writes, and all of them meet on it. The holder of the lock
makes the rows one again. A session whose UPDATE finds no row (its rows were just made one by another) holds no lock:
it rolls back and begins anew.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.errors import BillingError, ExportError, StoreUnavailableError
from billing_assets.domain.money import ZERO
from billing_assets.stores.snowflake.reading import read_periods
from billing_assets.stores.snowflake.statements import BEGIN, COMMIT, ROLLBACK, Change, ExportStatements
from billing_assets.stores.snowflake.tables import BILLS, LINE_ITEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from billing_assets.stores.snowflake.connection import Session
    from billing_assets.stores.snowflake.staging import PreparedPeriod

_ATTEMPTS_TO_LOCK = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRun:
    """What all periods of a run share; its id and time together name one export of a period in the change log."""

    run_id: str
    exported_at_utc: dt.datetime
    reason: str = ""
    """Why, as the run's configuration says; written to every row of the change log."""
    force: bool = False
    """Rewrite every row of the period, also where content hash and status are equal."""
    still_published: Callable[[str, str], bool] | None = None
    """Given a period and its content SHA-256, asked while the lock is held: is this still the published content?"""

    @property
    def timestamp(self) -> str:
        """The time as TIMESTAMP_NTZ reads it."""
        return f"{self.exported_at_utc.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodExport:
    """A period that Snowflake now holds as it was published."""

    period: str
    content_sha256: str
    bill_count: int
    line_item_count: int
    total_usd: Decimal
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    is_unchanged: bool = False
    """It was there already: no transaction was opened."""
    exported_by: str = ""
    """The run whose export it is."""


class LostSessionError(StoreUnavailableError):
    """The session can't even roll back; Snowflake does that when it notices, and no further period can be tried."""


def export_period(
    session: Session, statements: ExportStatements, period: PreparedPeriod, run: ExportRun, *, has_row: bool = False
) -> PeriodExport:
    """Make Snowflake's tables hold exactly a staged period, or, on any failure, exactly what they held before.

    Args:
        session: Where the period is staged.
        statements: What the staging returned.
        period: The staged period.
        run: What all periods share.
        has_row: Whether the session has seen a row of the period, which then need not be made.

    Raises:
        LostSessionError: The transaction failed, and so did its ROLLBACK.
        BillingError: The transaction failed and was rolled back.
    """
    try:
        is_first = _lock(session, statements, period, run, has_row=has_row)
        _refuse_if_superseded(period, run)
        _replace_rows(session, statements, period, run, rewrite=run.force or is_first)
        logged = _verify(session, statements, period, run)
    except BillingError as error:
        _roll_back(session, error)
        raise
    _commit(session, period, run)
    return PeriodExport(
        period=period.period,
        content_sha256=period.content_sha256,
        bill_count=period.bill_count,
        line_item_count=period.line_item_count,
        total_usd=period.bills_total_usd,
        inserted=logged[Change.INSERTED],
        updated=logged[Change.UPDATED],
        deleted=logged[Change.DELETED],
        exported_by=run.run_id,
    )


def _lock(
    session: Session, statements: ExportStatements, period: PreparedPeriod, run: ExportRun, *, has_row: bool
) -> bool:
    """Open the transaction and hold the period's row, which then already says what is about to be written.

    Returns:
        Whether this is the period's first row, so that nothing of it was exported before.
    """
    day = period.first_day
    values = (
        *(period.bill_count, period.line_item_count, str(period.bills_total_usd), period.content_sha256),
        *(run.run_id, run.timestamp, day),
    )
    for attempt in range(_ATTEMPTS_TO_LOCK):
        made = 0
        if attempt or not has_row:
            made = session.execute(statements.insert_lock_row, (day, day), doing=f"making the row of {period.period}")
        session.execute(BEGIN, doing="beginning the transaction")
        rows = session.execute(statements.lock_and_describe_period, values, doing=f"locking {period.period}")
        if rows > 1:
            session.execute(statements.delete_period_rows, (day,), doing="making the period's rows one")
            session.execute(statements.insert_period_row, values, doing="making the period's rows one")
        if rows:
            return bool(made)
        session.execute(ROLLBACK, doing="rolling back")
    raise StoreUnavailableError(
        "the period's row could not be locked",
        where=f"Snowflake {session.target.sql}, MASTER_BILL_PERIODS",
        found=f"the row vanished {_ATTEMPTS_TO_LOCK} times between making and locking it",
        remedy="see who deletes rows of MASTER_BILL_PERIODS, then export the period again",
    )


def _refuse_if_superseded(period: PreparedPeriod, run: ExportRun) -> None:
    """An export that was overtaken by a newer publication must not put the older one back."""
    if run.still_published is not None and not run.still_published(period.period, period.content_sha256):
        raise ExportError(
            "other bills were published while they were exported",
            where=f"the published object of {period.period}",
            found=f"its content SHA-256 is no longer {period.content_sha256}",
            rule="Snowflake holds what is published; an older export never replaces a newer one",
            remedy="export the period again",
        )


def _replace_rows(
    session: Session, statements: ExportStatements, period: PreparedPeriod, run: ExportRun, *, rewrite: bool
) -> None:
    """Bring the rows of the period in line with what is staged; to rewrite them all is the same, and compares less."""
    day = period.first_day
    # The log is written first: it compares the staged bills with those that are about to go.
    session.execute(statements.log, (run.timestamp, run.run_id, run.reason, day, day), doing="logging what changes")
    # Bills before line items: which of these stay is seen by the bills that stayed.
    for delete, what in ((statements.delete_bills, "bills"), (statements.delete_line_items, "line items")):
        session.execute(delete(rewrite=rewrite), (day,), doing=f"deleting {what}")
    exported = (run.run_id, run.timestamp, day)
    session.execute(statements.insert_bills(rewrite=rewrite), exported, doing="inserting bills")
    session.execute(statements.insert_line_items(rewrite=rewrite), (day,), doing="inserting line items")


def _verify(
    session: Session, statements: ExportStatements, period: PreparedPeriod, run: ExportRun
) -> Mapping[Change, int]:
    """Compare the period's rows with what was published; return how many changes of each kind the log now says."""
    day = period.first_day
    found = {
        # The sum of no rows is NULL.
        what: (count, amount or ZERO)
        for what, count, amount in session.rows(
            statements.control_totals, (day, day, day, run.run_id, run.timestamp), doing="verifying the totals"
        )
    }
    published = {
        BILLS.name: (period.bill_count, period.bills_total_usd),
        LINE_ITEMS.name: (period.line_item_count, period.line_items_total_usd),
    }
    faults = [
        f"{table}: {found[table][0]} rows, {found[table][1]} in Snowflake; {count} rows, {total} published"
        for table, (count, total) in published.items()
        if found[table] != (count, total)
    ]
    if faults:
        raise ExportError(
            "the tables would not hold what was published",
            where=f"Snowflake {session.target.sql}",
            found="\n".join(faults),
            rule="count and exact sum are compared before COMMIT, so that finance never reads another sum",
            remedy="rows were changed by someone else: export the period with force, which rewrites all of them",
        )
    return {change: int(found[change][0]) if change in found else 0 for change in Change}


def _commit(session: Session, period: PreparedPeriod, run: ExportRun) -> None:
    try:
        session.execute(COMMIT, doing="committing")
    except BillingError as error:
        # The answer may be lost where the COMMIT was not: the period's row tells which of the two it was.
        _roll_back(session, error)
        row = read_periods(session).get(period.period)
        ours = (period.content_sha256, run.run_id, run.exported_at_utc)
        if row is None or (row.content_sha256, row.run_id, row.exported_at_utc) != ours:
            raise


def _roll_back(session: Session, error: BillingError) -> None:
    try:
        session.execute(ROLLBACK, doing="rolling back")
    except BillingError:
        raise LostSessionError(
            f"{error.summary}, and the session was lost",
            where=error.where,
            found=error.found,
            rule="a period is exported whole or not at all, even where the answer to COMMIT was lost",
            remedy="export again; what was committed is skipped",
        ) from None
