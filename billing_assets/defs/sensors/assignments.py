"""The sensor of changed assignments: exactly the periods concerned are run again, each once.

The rule is in `billing_assets.domain.watched_periods`; here it meets the table and the instance.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg
from dagster import AssetRecordsFilter, DagsterEventType, DagsterInstance, EventLogRecord

from billing_assets.defs.assets.ubi_assignments import FINGERPRINT
from billing_assets.defs.in_flight import default_status, periods_in_flight
from billing_assets.defs.partitions import partition_range
from billing_assets.defs.period_jobs import PUBLICATION, PeriodJobs
from billing_assets.defs.resources import AssignmentsResource
from billing_assets.domain.assignments import PartitionRange
from billing_assets.domain.open_periods import open_periods
from billing_assets.domain.periods import months_between
from billing_assets.domain.watched_periods import Look, Reading, Watch, in_turn, look
from billing_assets.settings import Settings
from billing_assets.stores.dynamodb import AssignmentsTable, ReadFigures
from billing_assets.stores.fingerprints import fingerprints_of, fingerprints_of_all

NAME = "changed_assignments"
ASSIGNMENTS = dg.AssetKey("ubi_assignments")
RETRY_SECONDS = 20
"""A tick has 60 seconds; what fails longer fails the tick, and the next one looks again."""
PERIODS_BY_INDEX = 4
"""Above the scan limit: how many older periods are looked at beside the open ones, in turn."""
_MOST_READINGS = 20
"""Of one period, looked through for one that was published."""


def build_changed_assignments(settings: Settings, jobs: PeriodJobs) -> dg.SensorDefinition:
    """The sensor, stopped unless the settings start it."""

    @dg.sensor(
        name=NAME,
        job=jobs.period,
        minimum_interval_seconds=settings.watch_seconds,
        default_status=default_status(running=settings.automation)[1],
        description="Scans the assignments and runs the periods again whose records changed: added, removed, restored, "
        "moved, or edited in place. While a period's run is under way its next one waits.",
    )
    def changed_assignments(context: dg.SensorEvaluationContext, assignments: AssignmentsResource) -> dg.SensorResult:
        now = dt.datetime.now(dt.UTC)
        watch = Watch.from_text(context.cursor)
        in_flight = periods_in_flight(context.instance)
        events = _latest_readings(context.instance)
        months = partition_range(settings.first_period, now)
        table = assignments.open(retry_seconds=RETRY_SECONDS)
        always = open_periods(now, settings.time_zone, first=settings.first_period)
        seen, figures, turn = _seen(table, months, watch, always=always, was_read=events)
        found = look(
            watch,
            seen,
            began=f"{now.timestamp():.0f}",
            readings=_readings(context.instance, {p: e for p, e in events.items() if p in seen}, watch),
            in_flight=in_flight,
        )
        context.log.info(f"{len(seen)} periods seen in {figures.pages} pages by {figures.path}")
        return _result(found, turn)

    return changed_assignments


def _seen(
    table: AssignmentsTable,
    months: PartitionRange,
    watch: Watch | None,
    *,
    always: Collection[str],
    was_read: Collection[str],
) -> tuple[dict[str, str], ReadFigures, int]:
    """Fingerprints of the periods looked at, and whose turn it is next where not all are."""
    every = [month.key for month in months_between(months.first, months.last)]
    if table.is_small:
        # A period without records is told from one that never had any, also where the cursor was lost.
        return *fingerprints_of_all(table, months, {*(watch.periods if watch else ()), *was_read} & {*every}), 0
    # Without a cursor all are looked at once, since only then it is known what a run had read.
    wanted, turn = (every, 0) if watch is None else in_turn(watch, always, every, PERIODS_BY_INDEX)
    return *fingerprints_of(table, months, wanted), turn


def _latest_readings(instance: DagsterInstance) -> Mapping[str, int]:
    """The number of each period's last materialization of the assignments."""
    storage = instance.event_log_storage
    return storage.get_latest_storage_id_by_partition(ASSIGNMENTS, DagsterEventType.ASSET_MATERIALIZATION)


def _readings(instance: DagsterInstance, events: Mapping[str, int], watch: Watch | None) -> dict[str, Reading]:
    """What publishing runs read last that the cursor doesn't know yet."""
    readings = {}
    for period, event in events.items():
        known = watch.periods.get(period) if watch else None
        if known is not None and event <= known.event:
            continue
        after = known.event if known else None
        records = instance.fetch_materializations(
            AssetRecordsFilter(asset_key=ASSIGNMENTS, asset_partitions=[period], after_storage_id=after),
            limit=_MOST_READINGS,
        ).records
        published = next((record for record in records if _publishes(instance, record)), None)
        readings[period] = Reading(event, _fingerprint_in(published) if published else "")
    return readings


def _fingerprint_in(record: EventLogRecord) -> str:
    materialization = record.asset_materialization
    value = materialization.metadata.get(FINGERPRINT) if materialization else None
    return str(value.value) if value is not None else ""


def _publishes(instance: DagsterInstance, record: EventLogRecord) -> bool:
    """Whether the run that read goes on to publish; one that only looks has handled no change."""
    run = instance.get_run_by_id(record.run_id)
    if run is None:
        return False
    planned = instance.get_records_for_run(record.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    events = (planned_record.event_log_entry.dagster_event for planned_record in planned.records)
    if not any(event and event.asset_key == dg.AssetKey(PUBLICATION) for event in events):
        return False
    run_config: Any = run.run_config
    config = run_config.get("ops", {}).get(PUBLICATION, {}).get("config", {})
    return bool(config.get("publish", True))


def _result(found: Look, turn: int) -> dg.SensorResult:
    watch = Watch(found.watch.version, found.watch.began, found.watch.periods, turn)
    waiting = f"; a run is under way for {', '.join(found.waiting)}, which changed since" if found.waiting else ""
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=request.run_key, partition_key=request.period) for request in found.requests
        ],
        skip_reason=None if found.requests else f"no assignments changed{waiting}",
        cursor=watch.text(),
    )
