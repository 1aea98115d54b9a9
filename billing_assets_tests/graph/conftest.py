"""A small world for whole runs: the embedded stack with a twentieth of the sample, every period run once.

The oracle is the sample's own (`billing_assets.local.sample`), which borrows no rule from the domain.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.definitions import build_definitions
from billing_assets.local.sample import Sample, generate, load
from billing_assets.settings import Settings
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.intermediate import IntermediateStore
from billing_assets.stores.publication import MasterBillLocation
from billing_assets_tests.graph.exporting import BUCKET, ExportWorld, shell_of
from billing_assets_tests.stores.published import s3_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from billing_assets.local.stack import EmbeddedStack

CHAIN = ("ubi_assignments", "resolved_line_items", "master_bills_json", "snowflake_master_bills")
_serial = itertools.count()
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class World:
    """The stores, the definitions over them, and a Dagster instance."""

    settings: Settings
    sample: Sample
    clients: AwsClients
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    @property
    def storage(self) -> IntermediateStore:
        """The intermediate Parquet."""
        return IntermediateStore(self.settings.storage_uri, lambda: self.clients.s3)

    @property
    def location(self) -> MasterBillLocation:
        """Where master bills are published."""
        return MasterBillLocation(
            self.settings.bucket, self.settings.master_bills_key, self.settings.master_bills_prefix
        )

    def run(
        self, *assets: str, partition: str | None = None, config: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets in this process; a failed run is returned, not raised."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            partition_key=partition,
            instance=self.instance,
            run_config={**_QUIET, "ops": config or {}},
            raise_on_error=False,
        )

    def combined_list(self) -> bytes:
        """The bytes of the list that the app reads."""
        answer = self.clients.s3.get_object(Bucket=self.settings.bucket, Key=self.settings.master_bills_key)
        return answer["Body"].read()


def failures_of(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed, with the causes of each step's error."""
    texts = []
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None:
            texts.append(error.to_string())
            error = error.cause
    return "\n".join(texts)


@pytest.fixture(scope="session")
def loaded(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The sample in the stack, under names of its own; no run yet."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment().items():
            patch.setenv(name, value)
        folder: Path = tmp_path_factory.mktemp("storage")
        names = {
            "BILLING_BUCKET": "graph-bills",
            "BILLING_ASSIGNMENTS_TABLE": "graph-assignments",
            "BILLING_ARCHIVED_TABLE": "graph-archived",
            "BILLING_CONFIG_TABLE": "graph-config",
            "BILLING_STORAGE_URI": str(folder),
            "SNOWFLAKE_DATABASE": "GRAPH",
        }
        for name, value in names.items():
            patch.setenv(name, value)
        settings = Settings.from_environment()
        clients = AwsClients()
        sample = generate(last_period="2026-06", scale=0.05, seed=11)
        load(
            sample,
            s3=clients.s3,
            dynamodb=clients.dynamodb,
            bucket=settings.bucket,
            assignments_table=settings.assignments_table,
            assignments_index=settings.assignments_index,
            archived_table=settings.archived_table,
            config_table=settings.config_table,
            accounts_key=settings.accounts_key,
        )
        with dg.DagsterInstance.ephemeral() as instance:
            yield World(settings, sample, clients, instance, build_definitions(settings))


@pytest.fixture(scope="session")
def world(loaded: World) -> World:
    """The same after one run of every period's chain and of the accounts."""
    for period in loaded.sample.periods:
        result = loaded.run(*CHAIN, partition=period)
        assert result.success, failures_of(result)
    assert loaded.run("accounts_to_track").success
    return loaded


@pytest.fixture
def exporting(stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExportWorld]:
    """An empty schema, nothing published and an instance without runs, all of the test's own."""
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    environment = shell_of(stack.environment(), tmp_path, name=f"export_{next(_serial)}")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with s3_client(environment) as s3:
        s3.create_bucket(Bucket=BUCKET)
        yield ExportWorld(tmp_path, environment, s3)
