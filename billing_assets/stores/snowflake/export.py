"""The export of a run: one session, one staging, one transaction per period.

Source: SPEC.md section 7.3. What happens inside a transaction lives in `period_transaction`; reading what was
published lives in `billing_assets.stores.publication`.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from billing_assets.domain.errors import BillingError, StoreUnavailableError
from billing_assets.stores.snowflake.connection import Connect, Session, SessionSettings, open_session
from billing_assets.stores.snowflake.creation import ensure_tables
from billing_assets.stores.snowflake.failures import of_period
from billing_assets.stores.snowflake.period_transaction import (
    ExportRun,
    LostSessionError,
    PeriodExport,
    export_period,
)
from billing_assets.stores.snowflake.reading import ExportedPeriod, read_periods
from billing_assets.stores.snowflake.staging import PeriodToExport, PreparedPeriod, prepare, stage

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from billing_assets.stores.snowflake.identifiers import SnowflakeTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodExportFailure:
    """A period of which Snowflake holds what it held before, and why."""

    period: str
    error: BillingError


def export_periods(  # noqa: PLR0913  # three of them are named, and two usually left out
    connect: Connect,
    target: SnowflakeTarget,
    periods: Iterable[PeriodToExport],
    *,
    run: ExportRun,
    settings: SessionSettings | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Iterator[PeriodExport | PeriodExportFailure]:
    """Export published periods, each in a transaction of its own, over one connection.

    An outcome is yielded when its transaction has ended, so that whoever records it records what is so. A period that
    fails leaves the others alone; where the session itself is lost, the rest fail unattempted. A period whose row
    already has its content SHA-256 is yielded as unchanged, and opens no transaction unless the run is forced.

    Args:
        connect: Opens the one connection that is used.
        target: Database and schema.
        periods: In the order in which they shall be exported; each at most once.
        run: What the periods share.
        settings: Time-outs; the query tag's run and periods are filled in here.
        on_progress: Told a sentence after the staging.

    Raises:
        ValueError: A period is given twice, or `exported_at_utc` has no time zone.
        BillingError: Nothing was exported: no connection, tables that are absent or different, or staging that failed.
    """
    wanted = list(periods)
    _refuse_misuse(wanted, run)
    if not wanted:
        return
    names = [period.period for period in wanted]
    settings = replace(settings or SessionSettings(), run_id=run.run_id, periods=f"{min(names)}..{max(names)}")
    with open_session(connect, target, settings) as session:
        ensure_tables(session)
        held = read_periods(session)
        prepared: list[PreparedPeriod] = []
        for period in wanted:
            if (row := held.get(period.period)) and not run.force and _is_same(row, period):
                yield _unchanged(row)
                continue
            try:
                prepared.append(prepare(period))
            except BillingError as error:
                yield PeriodExportFailure(period=period.period, error=of_period(error, period.period))
        if prepared:
            yield from _export_prepared(session, prepared, run, held, on_progress or _silent)


def _export_prepared(
    session: Session,
    prepared: Sequence[PreparedPeriod],
    run: ExportRun,
    held: Container[str],
    on_progress: Callable[[str], None],
) -> Iterator[PeriodExport | PeriodExportFailure]:
    started = time.monotonic()
    statements = stage(session, prepared)
    on_progress(
        f"staged {sum(period.bill_count for period in prepared):,} bills and "
        f"{sum(period.line_item_count for period in prepared):,} line items of {len(prepared)} periods "
        f"in {time.monotonic() - started:.1f} s"
    )
    lost: LostSessionError | None = None
    for period in prepared:
        if lost:
            yield PeriodExportFailure(period=period.period, error=_not_attempted(period.period, lost))
            continue
        try:
            outcome = export_period(session, statements, period, run, has_row=period.period in held)
        except BillingError as error:
            lost = error if isinstance(error, LostSessionError) else None
            yield PeriodExportFailure(period=period.period, error=of_period(error, period.period))
        else:
            yield outcome


def _is_same(row: ExportedPeriod, period: PeriodToExport) -> bool:
    return row.content_sha256 == period.content_sha256 and row.row_count == 1


def _unchanged(row: ExportedPeriod) -> PeriodExport:
    return PeriodExport(
        period=row.period,
        content_sha256=row.content_sha256,
        bill_count=row.bill_count,
        line_item_count=row.line_item_count,
        total_usd=row.total_usd,
        is_unchanged=True,
        exported_by=row.run_id,
    )


def _not_attempted(period: str, lost: LostSessionError) -> BillingError:
    return StoreUnavailableError(
        f"{period} was not exported: the session was lost before its turn",
        where=lost.where,
        found=lost.found,
        remedy=lost.remedy,
    )


def _refuse_misuse(periods: Sequence[PeriodToExport], run: ExportRun) -> None:
    if run.exported_at_utc.tzinfo is None:
        raise ValueError("exported_at_utc has no time zone")
    if twice := [name for name, count in Counter(period.period for period in periods).items() if count > 1]:
        raise ValueError(f"periods given twice: {', '.join(twice)}")


def _silent(_: str) -> None:
    pass
