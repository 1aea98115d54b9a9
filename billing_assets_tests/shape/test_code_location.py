"""What the code location exposes, and what loading it costs: checked without any store."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.definitions import build_definitions
from billing_assets.defs.metadata import WRITES
from billing_assets.defs.sources import BILLBACK_TABLE
from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.master_bills import MasterBill
from billing_assets.settings import Settings
from billing_assets.stores.snowflake.tables import BILLS, PERIODS

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).parents[2]
CHAIN = ["ubi_assignments", "resolved_line_items", "master_bills_json", "snowflake_master_bills"]
VENDORS = (
    *("boto3", "pycurl", "obstore", "pandas", "pyarrow", "snowflake.connector", "dagster_snowflake", "dagster_aws"),
    *("dagster_slack", "slack_sdk"),
)

LOAD = """
import json, socket, sys
def refuse(*_, **__):
    raise AssertionError("a connection was opened")
socket.socket.connect = refuse
import billing_assets.definitions
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    """The asset graph with every setting at its default."""
    return build_definitions(Settings.from_environment({})).resolve_asset_graph()


def _node(graph: dg.AssetGraph, name: str) -> dg.AssetNode:
    return graph.get(dg.AssetKey(name))


def _columns(graph: dg.AssetGraph, key: dg.AssetKey) -> Sequence[dg.TableColumn]:
    schema = graph.get(key).metadata.get("dagster/column_schema", dg.TableSchema([]))
    schema = schema.value if isinstance(schema, dg.MetadataValue) else schema
    assert isinstance(schema, dg.TableSchema), key
    return schema.columns


def test_loading_needs_no_variable_opens_no_connection_and_imports_no_vendor() -> None:
    """A bare shell loads the definitions, and pays for Dagster only."""
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD], env={"PATH": ""}, cwd=PROJECT, capture_output=True, text=True, check=True
    )
    modules = json.loads(loaded.stdout.splitlines()[-1])
    assert not set(VENDORS) & set(modules)
    assert not loaded.stderr


def test_the_chain_is_a_chain_by_period(graph: dg.AssetGraph) -> None:
    """Each asset of the chain is partitioned by month and stands on the one before it."""
    for above, below in pairwise(CHAIN):
        assert dg.AssetKey(above) in _node(graph, below).parent_keys
    for name in CHAIN:
        partitions = _node(graph, name).partitions_def
        assert isinstance(partitions, dg.MonthlyPartitionsDefinition)
        assert partitions.fmt == "%Y-%m"


def test_no_billing_asset_stands_on_the_accounts_to_track(graph: dg.AssetGraph) -> None:
    """Nothing upstream of a master bill is the accounts list, in whatever store."""
    accounts = {key for key in graph.get_all_asset_keys() if "accounts" in key.to_user_string()}
    assert accounts
    for name in CHAIN:
        assert not graph.get_ancestor_asset_keys(dg.AssetKey(name)) & accounts


def test_every_asset_tells_what_it_is(graph: dg.AssetGraph) -> None:
    """Description, owners, kinds and group are there for every asset; code versions for those that we make."""
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
        assert node.group_name != "default", key
        if node.is_materializable:
            assert node.code_version, key


def test_the_graph_shows_the_stores_of_the_app(graph: dg.AssetGraph) -> None:
    """The source tables and prefixes are external assets upstream of what reads them."""
    external = {key.to_user_string() for key in graph.external_asset_keys}
    assert external == {
        "bill_review/ubi_assignments_table",
        "bill_review/archived_assignments_table",
        "bill_review/stage4_objects",
        "bill_review/accounts_to_track_object",
        "bill_review/accounts_to_track_cache",
        "bill_review/header_drafts_table",
        "bill_review/billback_master_table",
        "bill_review/master_bills_latest",
        "snowflake/MASTER_BILL_PERIODS",
    }
    assert dg.AssetKey(["bill_review", "stage4_objects"]) in _node(graph, "resolved_line_items").parent_keys


def test_a_range_of_the_export_is_one_run(graph: dg.AssetGraph) -> None:
    """The export takes a range of periods at once; the other assets a period a run."""
    policies = {name: _node(graph, name).backfill_policy for name in CHAIN}
    assert policies["snowflake_master_bills"] == dg.BackfillPolicy.single_run()
    assert set(policies.values()) == {None, dg.BackfillPolicy.single_run()}


def test_no_secret_stands_in_the_configuration() -> None:
    """Credentials are given by the names of their variables."""
    variables = {"SNOWFLAKE_PASSWORD": "s3cret-sentinel", "SNOWFLAKE_PRIVATE_KEY": "s3cret-sentinel"}
    definitions = build_definitions(Settings.from_environment(variables))
    assert "s3cret-sentinel" not in repr(definitions)
    assert definitions.resources is not None
    assert "s3cret-sentinel" not in repr(definitions.resources["snowflake"])


def test_every_asset_says_what_a_row_is_and_lists_its_columns(graph: dg.AssetGraph) -> None:
    """The first sentence of each description is about one row, and each known column has a type and a meaning."""
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        sentence = (node.description or "").partition(". ")[0]
        assert re.search(r"\b(one|every)\b", sentence, re.IGNORECASE), key
        assert _columns(graph, key) or key == BILLBACK_TABLE, key
        assert all(column.type and column.description for column in _columns(graph, key)), key


def test_nobody_knows_what_materializing_changes(graph: dg.AssetGraph) -> None:
    """The assets of the chain say in a tag what a run of theirs writes."""
    tags = [_node(graph, name).tags[WRITES] for name in CHAIN]
    assert tags == ["intermediate", "intermediate", "published_bills", "snowflake"]


def test_columns_are_shown_that_are_not_written(graph: dg.AssetGraph) -> None:
    """The pages of bills and exports list exactly the fields and columns that are published and exported."""
    written = {
        dg.AssetKey("master_bills_json"): MasterBill.__struct_fields__,
        dg.AssetKey("snowflake_master_bills"): BILLS.names,
        dg.AssetKey(["snowflake", "MASTER_BILL_PERIODS"]): PERIODS.names,
    }
    for key, names in written.items():
        assert [column.name for column in _columns(graph, key)] == list(names), key


def test_the_runbook_has_every_section_that_a_page_names(graph: dg.AssetGraph) -> None:
    """Whoever follows a page's link to docs/runbook.md finds the section."""
    text = (PROJECT / "docs" / "runbook.md").read_text()
    titles = {line.removeprefix("## ").replace("`", "") for line in text.splitlines() if line.startswith("## ")}
    for key in graph.get_all_asset_keys():
        if "runbook" in graph.get(key).metadata:
            named = re.findall(r"\*([^*]+)\*", str(graph.get(key).metadata["runbook"].value))
            assert named
            assert set(named) <= titles, key


def test_the_runbook_forgets_a_check(graph: dg.AssetGraph) -> None:
    """Whoever reads the name of a failed check finds it at the head of a section."""
    lines = (PROJECT / "docs" / "runbook.md").read_text().splitlines()
    heads = " ".join(line for line in lines if line.startswith(("## ", "`")))
    names = {key.name for key in graph.asset_check_keys}
    assert len(names) >= 20
    assert not {name for name in names if f"`{name}`" not in heads}


def test_a_job_opens_with_an_empty_launchpad() -> None:
    """Every job that takes config brings what a person fills in, a job over periods for each period."""
    repository = build_definitions(Settings.from_environment({})).get_repository_def()
    taking = {}
    for job in repository.get_all_jobs():
        steps = {node.name for node in job.graph.nodes if _takes_config(node.definition)}
        if steps and not job.name.startswith("__"):
            of_period = job.partitioned_config
            brought = of_period.get_run_config_for_partition_key("2025-01") if of_period else job.run_config
            taking[job.name] = (steps, set((brought or {}).get("ops", {})))
    assert len(taking) >= 6
    assert all(steps == brought for steps, brought in taking.values()), taking


def _takes_config(step: Any) -> bool:
    schema = step.config_schema
    return bool(schema and getattr(schema.config_type, "fields", None))


def _statuses(switch: str) -> dict[str, str]:
    repository = build_definitions(Settings.from_environment({"BILLING_AUTOMATION": switch})).get_repository_def()
    schedules = {schedule.name: schedule.default_status.value for schedule in repository.schedule_defs}
    return schedules | {sensor.name: sensor.default_status.value for sensor in repository.sensor_defs}


def test_nothing_runs_by_itself_until_somebody_says_so() -> None:
    """Schedules and sensors are stopped; BILLING_AUTOMATION starts all but the alerts."""
    assert set(_statuses("off").values()) == {"STOPPED"}
    started = {name for name, status in _statuses("on").items() if status == "RUNNING"}
    assert started >= {
        "open_periods",
        "month_end",
        "closed_periods_weekly",
        "checks_of_all_periods",
        "changed_assignments",
        "changed_accounts",
        "exports_follow_publication",
    }
    assert not {name for name in started if name.startswith("alerts_to_")}


def test_every_schedule_ticks_in_the_zone_of_the_business() -> None:
    """Names, zone and times are settings; the month end ticks on every day from its own on."""
    variables = {"BILLING_TIME_ZONE": "Europe/Berlin", "BILLING_MONTH_END_DAY": "7", "BILLING_MONTH_END_TIME": "04:05"}
    schedules = build_definitions(Settings.from_environment(variables)).get_repository_def().schedule_defs
    assert {schedule.execution_timezone for schedule in schedules} == {"Europe/Berlin"}
    assert {s.cron_schedule for s in schedules if s.name == "month_end"} == {"5 4 7-31 * *"}


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("BILLING_TIME_ZONE", "Mars/Olympus"),
        ("BILLING_DAILY_CRON", "daily"),
        ("BILLING_MONTH_END_DAY", "31"),
        ("BILLING_MONTH_END_TIME", "24:00"),
        ("BILLING_AUTOMATION", "yes"),
        ("BILLING_SLACK_URL", "https://user:secret@slack.example"),
    ],
)
def test_a_setting_of_the_automation_that_cannot_be_read_is_named(variable: str, text: str) -> None:
    """When the definitions load, not at the first tick."""
    with pytest.raises(ConfigurationError, match=variable):
        Settings.from_environment({variable: text})
