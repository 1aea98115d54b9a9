"""The files that a deployment copies: Dagster accepts every key, both instances behave alike, and rights are enough."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.workspace.config_schema import WORKSPACE_CONFIG_SCHEMA

from billing_assets.definitions import build_definitions
from billing_assets.settings import Settings, secret_values
from billing_assets.stores.examination.writing import PROBE_FOLDER

if TYPE_CHECKING:
    import dagster as dg

PROJECT = Path(__file__).parents[2]
ONE_MACHINE, DEPLOYMENT = PROJECT / "dagster.yaml", PROJECT / "deploy" / "dagster.yaml"
ALIKE = ("telemetry", "nux", "concurrency", "run_queue", "run_retries", "run_monitoring", "retention")
CALLS = {
    "describe_table": "dynamodb:DescribeTable",
    "scan": "dynamodb:Scan",
    "query": "dynamodb:Query",
    "get_item": "dynamodb:GetItem",
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "list_objects_v2": "s3:ListBucket",
}
"""The calls of a boto3 client that the stores make, and the right that each needs."""
POOLS = {"dynamodb", "s3", "snowflake"}


@pytest.mark.parametrize("file", [ONE_MACHINE, DEPLOYMENT], ids=["one machine", "deployment"])
def test_dagster_refuses_a_key(file: Path, tmp_path: Path) -> None:
    """The installed version knows every key, and takes every value."""
    shutil.copy(file, tmp_path / "dagster.yaml")
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["run_monitoring"]["max_runtime_seconds"] > 0
    assert config["run_retries"] == {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}


def test_a_deployment_behaves_otherwise_than_one_machine() -> None:
    """Only where things are kept differs."""
    here, there = (yaml.safe_load(file.read_text()) for file in (ONE_MACHINE, DEPLOYMENT))
    assert {name: here[name] for name in ALIKE} == {name: there[name] for name in ALIKE}


def test_a_secret_stands_in_a_file_of_the_deployment() -> None:
    """Whatever differs from place to place, and every secret, comes from the environment."""
    texts = "\n".join(file.read_text() for file in (PROJECT / "deploy").iterdir())
    assert not re.search(r"(?i)(password|secret|token|username|bucket|hostname):[ \t]*\S", texts)
    from dagster._config import validate_config  # noqa: PLC0415  # private, and used here only

    workspace = yaml.safe_load((PROJECT / "deploy" / "workspace.yaml").read_text())
    assert validate_config(WORKSPACE_CONFIG_SCHEMA, workspace).success


def test_a_password_of_the_deployment_may_leave_in_an_alert() -> None:
    """Every variable of a password or key is one whose value the alerts leave out."""
    texts = "\n".join(path.read_text() for path in [DEPLOYMENT, PROJECT / "docs" / "operations.md"])
    named = set(re.findall(r"\b[A-Z_]+_(?:PASSWORD|PASSPHRASE|TOKEN|PRIVATE_KEY)\b", texts))
    assert {"DAGSTER_POSTGRES_PASSWORD", "SNOWFLAKE_PASSWORD", "BILLING_SLACK_TOKEN"} <= named
    assert all(secret_values({name: "s3cret"}) == ["s3cret"] for name in named), named


def test_a_step_uses_a_store_without_a_pool() -> None:
    """Every step that bills, publishes, exports or checks whole stores is counted by a pool; looking is not."""
    definitions = build_definitions(Settings.from_environment({}))
    repository = definitions.get_repository_def()
    pools = {node.name: node.definition.pools for node in _steps(repository)}
    completion = {
        "completion_tracker",
        "completion_grid",
        "resolved_line_items_every_expected_account_has_a_bill",
    }
    looking = {"app_stores", "app_combined_list", "period_status", *completion}
    assert {name for name, of_step in pools.items() if not of_step} <= looking
    assert set().union(*pools.values()) == POOLS


def _steps(repository: dg.RepositoryDefinition) -> list[Any]:
    return [node for job in repository.get_all_jobs() for node in job.graph.nodes]


def _allowed() -> dict[str, set[str]]:
    """The resources of the documentation's IAM policy, by the right on them."""
    text = (PROJECT / "docs" / "operations.md").read_text()
    (block,) = re.findall(r"## IAM policy.*?```json\n(.*?)```", text, re.DOTALL)
    allowed: dict[str, set[str]] = {}
    for statement in json.loads(block)["Statement"]:
        actions, resources = (_listed(statement[name]) for name in ("Action", "Resource"))
        for action in actions:
            allowed.setdefault(action, set()).update(resources)
    return allowed


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_policy_lacks_a_right_that_the_stores_use() -> None:
    """The IAM policy of the documentation allows every call that the stores make, and no other."""
    allowed = _allowed()
    code = "\n".join(path.read_text() for path in (PROJECT / "billing_assets" / "stores").rglob("*.py"))
    called = {right for call, right in CALLS.items() if re.search(rf"\b{call}\b", code)}
    assert set(allowed) == called


def test_the_policy_lets_an_object_be_deleted_that_is_not_ours_or_forbids_the_doctors() -> None:
    """Deleted are the records of closed periods that are moved aside, and what the doctor wrote a moment before."""
    settings = Settings.from_environment({})
    ours = f"arn:aws:s3:::{settings.bucket}/{settings.master_bills_prefix}"
    assert _allowed()["s3:DeleteObject"] == {
        f"{ours}closed/*",
        f"{ours}{PROBE_FOLDER}/*",
        f"arn:aws:s3:::our-billing-storage/{PROBE_FOLDER}/*",
    }
