"""How much each of the app's stores holds, observed: figures that the UI plots over time.

A store that is absent, or that we may not look at, says so on its page with the remedy; the others are observed all the
same, and the run is green: nothing is billed from here, and whatever needs a store fails by itself.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from billing_assets.defs.in_flight import default_status
from billing_assets.defs.metadata import Metadata, markdown_table
from billing_assets.defs.resources import AppStoresResource
from billing_assets.defs.sources import (
    ACCOUNTS_CACHE,
    ACCOUNTS_OBJECT,
    ARCHIVED_TABLE,
    ASSIGNMENTS_TABLE,
    BILLBACK_TABLE,
    COMBINED_LIST,
    DRAFTS_TABLE,
    STAGE4_OBJECTS,
    build_sources,
)
from billing_assets.domain.dynamodb_size import MAX_ITEM_BYTES
from billing_assets.domain.errors import BillingError
from billing_assets.settings import Settings

OBSERVED_DAYS = 31
STATE, LETTER, REMEDY = "state", "letter", "remedy"
PRESENT, ABSENT = "present", "absent"
_COUNTED = "by DynamoDB itself, up to six hours ago"
_REMEDIES = {
    ASSIGNMENTS_TABLE: "set BILLING_ASSIGNMENTS_TABLE to the app's table, and check AWS_REGION",
    ARCHIVED_TABLE: "set BILLING_ARCHIVED_TABLE to the app's table; if the app has none, nothing needs to be done",
    DRAFTS_TABLE: "nothing, if the app keeps no drafts; else set BILLING_DRAFTS_TABLE",
    BILLBACK_TABLE: "nothing, if the app has no such table; else set BILLING_BILLBACK_TABLE",
    ACCOUNTS_CACHE: "nothing: the cache is optional, and the list in S3 is read",
    ACCOUNTS_OBJECT: "set BILLING_ACCOUNTS_KEY to the app's list; without it completion can't be told",
    COMBINED_LIST: "materialize master_bills_json for a period: its first publication makes the list",
    STAGE4_OBJECTS: "set BILLING_STAGE4_PREFIX to where the app writes its parsed bills",
}

Looked = tuple[Metadata, str | None] | None
"""Figures, and the data version where it is cheap; None where the store is absent."""


def build_observed_stores(settings: Settings) -> list[dg.AssetsDefinition]:
    """Every store of the source document: one step for those above the billing, one for the list below it.

    Args:
        settings: The stores' names.
    """
    specs = build_sources(settings)
    return [
        _observing("app_stores", [spec for spec in specs if spec.key != COMBINED_LIST], settings),
        _observing("app_combined_list", [spec for spec in specs if spec.key == COMBINED_LIST], settings),
    ]


def _observing(name: str, specs: Sequence[dg.AssetSpec], settings: Settings) -> dg.AssetsDefinition:
    tables = {
        ASSIGNMENTS_TABLE: settings.assignments_table,
        ARCHIVED_TABLE: settings.archived_table,
        DRAFTS_TABLE: settings.drafts_table,
        BILLBACK_TABLE: settings.billback_table,
    }
    lists = {ACCOUNTS_OBJECT: settings.accounts_key, COMBINED_LIST: settings.master_bills_key}

    # Dagster leaves this one decorator untyped.
    @dg.multi_observable_source_asset(specs=specs, name=name, can_subset=True)  # type: ignore[untyped-decorator]
    def observe(context: dg.AssetExecutionContext, app_stores: AppStoresResource) -> Iterator[dg.ObserveResult]:
        today = dt.datetime.now(dt.UTC).date()
        looks: dict[dg.AssetKey, Callable[[], Looked]] = {
            **{key: partial(_table, app_stores, table) for key, table in tables.items()},
            **{key: partial(_list, app_stores, listed) for key, listed in lists.items()},
            ACCOUNTS_CACHE: partial(_cache, app_stores, settings.config_table),
            STAGE4_OBJECTS: partial(_stage4, app_stores, today),
        }
        for key in sorted(context.selected_asset_keys):
            yield _observed(context, key, looks[key])

    observed: dg.AssetsDefinition = observe
    return observed


def build_observing(settings: Settings) -> tuple[UnresolvedAssetJobDefinition, dg.ScheduleDefinition]:
    """The job that looks at all of them, and a schedule for it."""
    job = dg.define_asset_job(
        "observe_the_stores",
        # The checks of these assets read whole tables: they are run by themselves.
        selection=dg.AssetSelection.assets(*_REMEDIES).without_checks(),
        description="Look at how much each of the app's stores holds. Reads sizes and two lists; writes nothing.",
    )
    schedule = dg.ScheduleDefinition(
        name="observe_the_stores_every_six_hours",
        job=job,
        cron_schedule="20 */6 * * *",
        execution_timezone=settings.time_zone.key,
        default_status=default_status(running=settings.automation)[0],
        description="As often as DynamoDB counts its tables.",
    )
    return job, schedule


def _observed(context: dg.AssetExecutionContext, key: dg.AssetKey, look: Callable[[], Looked]) -> dg.ObserveResult:
    try:
        found = look()
    except BillingError as error:
        context.log.warning(f"{key.to_user_string()} can't be looked at:\n{error.letter()}")
        return dg.ObserveResult(asset_key=key, metadata={STATE: error.summary, LETTER: error.letter()})
    if found is None:
        context.log.info(f"{key.to_user_string()} is absent")
        return dg.ObserveResult(asset_key=key, metadata={STATE: ABSENT, REMEDY: _REMEDIES[key]})
    metadata, version = found
    return dg.ObserveResult(
        asset_key=key, metadata={STATE: PRESENT} | metadata, data_version=dg.DataVersion(version) if version else None
    )


def _table(stores: AppStoresResource, name: str) -> Looked:
    found = stores.table(name)
    if found is None:
        return None
    return {"records": found.records, "size_bytes": found.size_bytes, "counted": _COUNTED}, None


def _cache(stores: AppStoresResource, table: str) -> Looked:
    found = stores.cache(table)
    if found is None:
        return None
    return {
        "size_bytes": found.size_bytes,
        "limit_bytes": MAX_ITEM_BYTES,
        "percent_of_limit": round(100 * found.size_bytes / MAX_ITEM_BYTES, 1),
        **_entries(found.entries),
        "updated_at": found.updated_at or "not recorded",
    }, found.sha256


def _list(stores: AppStoresResource, key: str) -> Looked:
    found = stores.listed(key)
    if found is None:
        return None
    modified = found.last_modified_utc.isoformat(timespec="seconds")
    return {"size_bytes": found.size_bytes, **_entries(found.entries), "last_modified_utc": modified}, found.etag


def _entries(entries: int | None) -> Metadata:
    return {"entries": "it is no JSON list"} if entries is None else {"entries": entries}


def _stage4(stores: AppStoresResource, today: dt.date) -> Looked:
    days = [stores.day(today - dt.timedelta(days=distance)) for distance in range(OBSERVED_DAYS)]
    newest = max((day.newest_utc for day in days if day.newest_utc), default=None)
    return {
        "objects_of_today": days[0].objects,
        "objects_of_7_days": sum(day.objects for day in days[:7]),
        "objects_of_31_days": sum(day.objects for day in days),
        "size_bytes_of_31_days": sum(day.size_bytes for day in days),
        "newest_object_utc": newest.isoformat(timespec="seconds") if newest else "none in 31 days",
        "counted": "the folders of the last 31 days (UTC); the prefix as a whole is not listed",
        "days": markdown_table(
            ("day", "objects", "bytes"),
            [(day.day, f"{day.objects:,}{'' if day.whole else ' or more'}", f"{day.size_bytes:,}") for day in days],
        ),
    }, None
