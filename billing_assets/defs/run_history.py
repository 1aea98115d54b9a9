"""Which Dagster runs made a period: read from an instance's own history, nothing is launched or written."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator

import dagster as dg

from billing_assets.domain.evidence import ASSETS, RunSeen

_MOST_EVENTS = 40
_MOST_RUNS = 20
_VERDICT = "verdict"


def runs_of_periods(instance: dg.DagsterInstance, periods: Collection[str]) -> list[RunSeen]:
    """The latest runs of some periods: those that materialized an asset of the chain, and those that tried.

    A run of a range of periods carries no period of its own; it is known by what it materialized.

    Returns:
        In order of time; a run once for each of the periods.
    """
    wanted = sorted(periods)
    made: dict[tuple[str, str], dict[str, tuple[float, str]]] = defaultdict(dict)
    for asset, period, run_id, at, verdict in _materializations(instance, wanted):
        made[period, run_id][asset] = (at, verdict)
    records = {record.dagster_run.run_id: record for record in _records(instance, wanted, {key[1] for key in made})}
    for run_id, record in records.items():
        partition = record.dagster_run.tags.get("dagster/partition", "")
        if partition in wanted:
            made.setdefault((partition, run_id), {})
    found = []
    for (period, run_id), assets in made.items():
        kept = records.get(run_id)
        times = [at for at, _ in assets.values()]
        began = dt.datetime.fromtimestamp(min(times), dt.UTC) if times else None
        found.append(
            RunSeen(
                period=period,
                run_id=run_id,
                at_utc=_utc(kept.create_timestamp) if kept else began or dt.datetime.min.replace(tzinfo=dt.UTC),
                status=kept.dagster_run.status.value if kept else "",
                assets=tuple(asset for asset in ASSETS if asset in assets),
                verdict=next((verdict for _, verdict in assets.values() if verdict), ""),
            )
        )
    return sorted(found, key=lambda run: (run.at_utc, run.period))


def _materializations(instance: dg.DagsterInstance, periods: list[str]) -> Iterator[tuple[str, str, str, float, str]]:
    for asset in ASSETS:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=periods), limit=_MOST_EVENTS
        ).records
        for record in records:
            materialization = record.asset_materialization
            if materialization is None or materialization.partition is None:
                continue
            verdict = materialization.metadata.get(_VERDICT)
            text = "" if verdict is None else str(verdict.value)
            yield asset, materialization.partition, record.run_id, record.timestamp, text


def _records(instance: dg.DagsterInstance, periods: list[str], run_ids: set[str]) -> Iterator[dg.RunRecord]:
    if run_ids:
        yield from instance.get_run_records(dg.RunsFilter(run_ids=sorted(run_ids)))
    for period in periods:
        # Also runs that failed before they made anything.
        yield from instance.get_run_records(dg.RunsFilter(tags={"dagster/partition": period}), limit=_MOST_RUNS)


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
