"""What the app's stores hold, observed over the emulators: right figures, and absent stores named."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.definitions import build_definitions
from billing_assets.domain.dynamodb_size import MAX_ITEM_BYTES, item_bytes
from billing_assets.settings import Settings
from billing_assets.stores.app_stores import CACHE_KEY, day_figures, list_figures
from billing_assets_tests.faults.proxy import Fault, FaultProxy, Rule
from billing_assets_tests.stores.aws_data import clients_in, fresh_name

if TYPE_CHECKING:
    from billing_assets.stores.aws import AwsClients
    from billing_assets_tests.graph.conftest import World

Figures = dict[str, dict[str, Any]]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _observe(settings: Settings) -> Figures:
    """The metadata of every store, by the last part of its key; the data version as `version`."""
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(settings).resolve_job_def("observe_the_stores")
        result = job.execute_in_process(instance=instance, run_config=QUIET)
    found: Figures = {}
    for event in result.get_asset_observation_events():
        observation = event.asset_observation_data.asset_observation
        values = {name: value.value for name, value in observation.metadata.items()}
        found[observation.asset_key.path[-1]] = values | {"version": observation.tags.get("dagster/data_version")}
    return found


@pytest.fixture(scope="module")
def observed(loaded: World) -> Figures:
    """The sample's stores as they were loaded, and nothing published."""
    return _observe(loaded.settings)


def test_a_store_of_the_source_document_is_not_looked_at(observed: Figures) -> None:
    """Assignments, archived, configuration, drafts, billback-master, Stage 4, accounts and master bills: all eight."""
    assert set(observed) == {
        "ubi_assignments_table",
        "archived_assignments_table",
        "accounts_to_track_cache",
        "header_drafts_table",
        "billback_master_table",
        "stage4_objects",
        "accounts_to_track_object",
        "master_bills_latest",
    }


def test_a_table_is_shown_with_another_size(loaded: World, observed: Figures) -> None:
    """Records and bytes are DynamoDB's own; the page says how old they may be."""
    assert observed["ubi_assignments_table"]["records"] == len(loaded.sample.assignments)
    assert observed["archived_assignments_table"]["records"] == len(loaded.sample.archived)
    assert observed["billback_master_table"]["records"] == 0
    assert observed["header_drafts_table"]["state"] == "present"
    assert "six hours" in observed["ubi_assignments_table"]["counted"]


def test_the_item_nears_its_limit_unseen(loaded: World, observed: Figures) -> None:
    """The whole item counts, names included, against 409,600 bytes."""
    cache = observed["accounts_to_track_cache"]
    item = loaded.clients.dynamodb.get_item(TableName=loaded.settings.config_table, Key=CACHE_KEY)["Item"]
    assert cache["size_bytes"] == item_bytes(item) > len(loaded.sample.accounts_cache)
    assert cache["percent_of_limit"] == pytest.approx(100 * cache["size_bytes"] / MAX_ITEM_BYTES, abs=0.05)
    assert cache["entries"] == observed["accounts_to_track_object"]["entries"] == len(loaded.sample.accounts)


def test_only_cheap_stores_have_a_version(observed: Figures) -> None:
    """A list has its ETag, the item its text's hash; a table or a prefix has none, and makes nothing stale."""
    assert observed["accounts_to_track_object"]["version"]
    assert observed["accounts_to_track_cache"]["version"]
    assert observed["ubi_assignments_table"]["version"] is None
    assert observed["stage4_objects"]["version"] is None


def test_absent_stores_fail_the_run_or_go_unmentioned(loaded: World, stack_environment: dict[str, str]) -> None:
    """Without tables, lists and objects every page says `absent` and what to do; the run succeeds."""
    bucket = fresh_name("observed")
    loaded.clients.s3.create_bucket(Bucket=bucket)
    names = ("ASSIGNMENTS_TABLE", "ARCHIVED_TABLE", "CONFIG_TABLE", "DRAFTS_TABLE", "BILLBACK_TABLE")
    variables = {f"BILLING_{name}": "no-such-table" for name in names}
    found = _observe(Settings.from_environment({**stack_environment, **variables, "BILLING_BUCKET": bucket}))
    stage4 = found.pop("stage4_objects")
    assert stage4["objects_of_31_days"] == 0
    assert stage4["newest_object_utc"] == "none in 31 days"
    assert {store["state"] for store in found.values()} == {"absent"}
    assert all(store["remedy"] for store in found.values())


def test_a_denied_store_hides_the_others(
    loaded: World, stack_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where DynamoDB says no, its stores show the letter, and those in S3 their figures."""
    with FaultProxy(stack_environment["AWS_ENDPOINT_URL"], [Rule((Fault.DENIED,), when=lambda _: True)]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        found = _observe(loaded.settings)
    assert found["ubi_assignments_table"]["state"] == "AWS denies access"
    assert "remedy" in found["ubi_assignments_table"]["letter"]
    assert found["accounts_to_track_object"]["state"] == "present"


@pytest.fixture
def clients(stack_environment: dict[str, str]) -> AwsClients:
    """Of the emulator."""
    return clients_in(stack_environment)


def test_objects_of_another_day_are_counted(clients: AwsClients) -> None:
    """A day's folder is counted whole, over pages, and its neighbours are not."""
    bucket, day = fresh_name("observed"), dt.date(2025, 10, 21)
    clients.s3.create_bucket(Bucket=bucket)
    for name in ("dd=21/a", "dd=21/b", "dd=2/c", "dd=22/d"):
        clients.s3.put_object(Bucket=bucket, Key=f"stage4/yyyy=2025/mm=10/{name}.jsonl", Body=b"12")
    found = day_figures(clients.s3, bucket, "stage4/", day)
    assert (found.objects, found.size_bytes, found.whole) == (2, 4, True)
    assert found.newest_utc is not None
    assert day_figures(clients.s3, bucket, "stage4/", dt.date(2025, 1, 1)).newest_utc is None


def test_a_damaged_list_is_a_crash(clients: AwsClients) -> None:
    """What is no JSON list has a size and no number of entries."""
    bucket = fresh_name("observed")
    clients.s3.create_bucket(Bucket=bucket)
    clients.s3.put_object(Bucket=bucket, Key="list", Body=b'{"not": "a list"}')
    found = list_figures(clients.s3, bucket, "list")
    assert found is not None
    assert (found.size_bytes, found.entries) == (17, None)
    assert list_figures(clients.s3, bucket, "absent") is None
