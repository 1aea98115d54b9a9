"""What every store, and Dagster itself, says of the periods; whatever can't be read says why and harms no other."""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import dagster as dg

from billing_assets.defs.in_flight import periods_of
from billing_assets.defs.period_jobs import EXPORT, PUBLISHED
from billing_assets.defs.resources import MasterBillsResource, StoredPeriodsResource
from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.domain.errors import BillingError, ConfigurationError
from billing_assets.domain.money import total
from billing_assets.domain.period_status import Billed, Closed, Exported, LastRun, Published, StatusSources, Unknown
from billing_assets.domain.restatement import Verdict
from billing_assets.stores.snowflake import exported_periods

BILLS, ROWS = dg.AssetKey("master_bills_json"), dg.AssetKey("resolved_line_items")
_CHAIN = frozenset(map(dg.AssetKey, (*PUBLISHED, EXPORT)))
_INPUT_VERSION = f"dagster/input_data_version/{ROWS.to_user_string()}"
_VERSION = "dagster/data_version"
_THREADS = 8
_NEWEST_RUNS = 1000
"""Runs that are looked through for the last one of each period; an older one is shown as not recorded."""

T = TypeVar("T")


def status_sources(
    instance: dg.DagsterInstance,
    master_bills: MasterBillsResource,
    stored_periods: StoredPeriodsResource,
    snowflake: SnowflakeExportResource | None,
) -> StatusSources:
    """Ask them all.

    Args:
        instance: Runs and materializations.
        master_bills: What is published, and what is closed.
        stored_periods: Where completion keeps its table.
        snowflake: None where it is not configured.
    """
    published = _known(lambda: _each(master_bills.periods(), lambda period: _published(master_bills, period)))
    known = set() if isinstance(published, Unknown) else set(published)
    return StatusSources(
        published=published,
        closed=_known(lambda: _each(master_bills.closed_periods(), lambda period: _closed(master_bills, period))),
        exported=_known(lambda: _exported(snowflake)),
        completed=_known(stored_periods.completed),
        billed=_billed(instance, known),
        runs=_last_runs(instance),
    )


def _known(read: Callable[[], Mapping[str, T | Unknown]]) -> Mapping[str, T | Unknown] | Unknown:
    try:
        return read()
    except BillingError as error:
        return Unknown(error.summary)


def _each(periods: Iterable[str], read: Callable[[str], T | None]) -> dict[str, T | Unknown]:
    def tried(period: str) -> tuple[str, T | Unknown | None]:
        try:
            return period, read(period)
        except BillingError as error:
            return period, Unknown(error.summary)

    with ThreadPoolExecutor(_THREADS) as pool:
        return {period: found for period, found in pool.map(tried, periods) if found is not None}


def _published(master_bills: MasterBillsResource, period: str) -> Published | None:
    found = master_bills.read(period)
    if found is None:
        return None
    amount = total(bill.utility_amount for bill in found.bills)
    return Published(len(found.bills), amount, found.content_sha256, found.content_sha256 != found.recorded_sha256)


def _closed(master_bills: MasterBillsResource, period: str) -> Closed | None:
    record = master_bills.read_closed(period)
    return None if record is None else Closed(record.closed_by, record.closed_utc)


def _exported(snowflake: SnowflakeExportResource | None) -> Mapping[str, Exported | Unknown]:
    if snowflake is None:
        raise ConfigurationError("Snowflake is not configured", remedy="set the SNOWFLAKE_ variables")
    rows = exported_periods(snowflake.connect, snowflake.target)
    return {period: Exported(row.content_sha256, row.exported_at_utc) for period, row in rows.items()}


def _billed(instance: dg.DagsterInstance, published: set[str]) -> dict[str, Billed | Unknown]:
    """By period, of all that Dagster or S3 knows."""
    found: dict[str, Billed | Unknown] = {}
    for period in sorted(published | instance.get_materialized_partitions(BILLS)):
        bills, rows = _latest(instance, BILLS, period), _latest(instance, ROWS, period)
        if bills is None:
            continue
        read, now = (bills.tags or {}).get(_INPUT_VERSION), ((rows.tags or {}) if rows else {}).get(_VERSION)
        verdict = str(bills.metadata["verdict"].value) if "verdict" in bills.metadata else ""
        # A run with `publish: false` has read the rows, and left what is published as it was.
        differs = any(f"would be {one.value}" in verdict for one in (Verdict.PUBLISH, Verdict.REFUSED))
        found[period] = Billed(
            pending=Verdict.PENDING.value in verdict,
            stale=differs or bool(read and now and read != _as_input(now)),
        )
    return found


def _as_input(version: str) -> str:
    """How Dagster notes the version of one partition that was read: as it notes those of many, by their hash."""
    return hashlib.sha256(version.encode()).hexdigest()


def _latest(instance: dg.DagsterInstance, asset: dg.AssetKey, period: str) -> dg.AssetMaterialization | None:
    of_period = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[period])
    records = instance.fetch_materializations(of_period, limit=1).records
    return records[0].asset_materialization if records else None


def _last_runs(instance: dg.DagsterInstance) -> dict[str, LastRun | Unknown]:
    found: dict[str, LastRun | Unknown] = {}
    for record in instance.get_run_records(limit=_NEWEST_RUNS):
        run = record.dagster_run
        if not _bills(run):
            continue
        at = record.end_time or record.start_time or record.create_timestamp.timestamp()
        last = LastRun(run.status.value, dt.datetime.fromtimestamp(at, dt.UTC))
        for period in periods_of(run):
            found.setdefault(period, last)
    return found


def _bills(run: dg.DagsterRun) -> bool:
    """Whether a run was to read, resolve, publish or export: completion that follows a failed run hides no failure."""
    if run.asset_selection:
        return bool(run.asset_selection & _CHAIN)
    # A whole job, unless it was for checks alone.
    return not run.asset_check_selection
