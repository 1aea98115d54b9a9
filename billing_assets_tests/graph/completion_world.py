"""A world for whole runs of completion: the publication world with a list of accounts to track, and a day of its own.

December bills the accounts A0 to A23, January A100 to A123; the property of account An is P(n mod 4).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow.parquet as pq
from pyarrow import BufferReader

from billing_assets.definitions import build_definitions
from billing_assets.defs.completion_automation import EVERY_ACCOUNT_HAS_A_BILL, GRID, TRACKER
from billing_assets.defs.resources import ClockResource
from billing_assets.settings import Settings
from billing_assets_tests.graph.publication_world import JANUARY, QUIET, PublicationWorld
from billing_assets_tests.stores.aws_data import fresh_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCOUNTS = "accounts_to_track"
CHECK = EVERY_ACCOUNT_HAS_A_BILL.name


def account(number: int, **fields: Any) -> dict[str, Any]:
    """An item of the list, for an account that the world bills."""
    return {
        "accountNumber": f"A{number}",
        "propertyId": f"P{number % 4}",
        "propertyName": f"Property {number % 4}",
        "vendorName": "Bluewater",
        "is_ubi": True,
    } | fields


@dataclass
class CompletionWorld:
    """Plays the CONFIG page, and runs completion."""

    base: PublicationWorld
    today: str = ""
    cache_table: str = ""
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.start_again()

    def start_again(self, **variables: str) -> None:
        """Forget the accounts, the list and the cache; what is published stays."""
        self.today, self.cache_table = "2025-02-10", fresh_name("config")
        self.settings = Settings.from_environment(
            {**self.base.environment, "BILLING_CONFIG_TABLE": self.cache_table, **variables}
        )
        self.delete()
        (Path(self.settings.storage_uri) / "accounts_to_track.parquet").unlink(missing_ok=True)

    @property
    def definitions(self) -> dg.Definitions:
        """The code location, on that day."""
        made = build_definitions(self.settings)
        return dg.Definitions.merge(
            dg.Definitions(
                assets=made.assets,
                asset_checks=made.asset_checks,
                sensors=made.sensors,
                jobs=made.jobs,
                executor=made.executor,
                resources={**(made.resources or {}), "clock": ClockResource(today=self.today)},
            )
        )

    def save(self, accounts: Sequence[Any] | bytes) -> None:
        """Save the list in S3, or whatever bytes instead."""
        body = accounts if isinstance(accounts, bytes) else json.dumps(accounts).encode()
        self.base.clients.s3.put_object(Bucket=self.settings.bucket, Key=self.settings.accounts_key, Body=body)

    def delete(self) -> None:
        """Delete the list in S3."""
        self.base.clients.s3.delete_object(Bucket=self.settings.bucket, Key=self.settings.accounts_key)

    def make_cache(self, text: str, **fields: str) -> None:
        """Keep a cached list, in a table that is made when it is first asked for."""
        dynamodb = self.base.clients.dynamodb
        make_config_table(dynamodb, self.cache_table)
        texts = {"PK": "CONFIG#accounts-to-track", "SK": "v1", "Data": text} | fields
        dynamodb.put_item(TableName=self.cache_table, Item={name: {"S": value} for name, value in texts.items()})

    def run(self, *assets: str | dg.AssetKey, period: str | None = None) -> dg.ExecuteInProcessResult:
        """Materialize assets with all of their checks; a failed run is returned."""
        keys = [dg.AssetKey(name) if isinstance(name, str) else name for name in assets]
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=keys,
            partition_key=period,
            instance=self.base.instance,
            run_config=QUIET,
            raise_on_error=False,
        )

    def read_accounts(self) -> dg.ExecuteInProcessResult:
        """Materialize the accounts."""
        return self.run(ACCOUNTS)

    def check(self, period: str = JANUARY) -> dg.AssetCheckEvaluation:
        """Run the check alone, as an accounts-only change does."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.get_subset(asset_selection=set(), asset_check_selection={EVERY_ACCOUNT_HAS_A_BILL})
        evaluations = result.execute_in_process(
            partition_key=period, instance=self.base.instance, run_config=QUIET
        ).get_asset_check_evaluations()
        (evaluation,) = evaluations
        return evaluation

    def tracker(self, period: str = JANUARY) -> list[dict[str, Any]]:
        """Run the tracker, and read its table."""
        assert self.run(TRACKER, period=period).success
        return self.table(f"completion_tracker/{period}.parquet")

    def grid(self) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
        """Run the grid; its table and its metadata."""
        result = self.run(GRID)
        assert result.success
        (materialization,) = result.asset_materializations_for_node("completion_grid")
        values = {name: value.value for name, value in materialization.metadata.items()}
        return self.table("completion_grid.parquet"), values

    def stored(self, name: str) -> bytes:
        """A stored file."""
        return (Path(self.settings.storage_uri) / name).read_bytes()

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a stored table."""
        rows: list[dict[str, Any]] = pq.read_table(BufferReader(self.stored(name))).to_pylist()
        return rows


def make_config_table(dynamodb: Any, table: str) -> None:
    """The app's table of configuration, if it isn't there yet."""
    if table not in dynamodb.list_tables()["TableNames"]:
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
            BillingMode="PAY_PER_REQUEST",
        )


def evaluation_of(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    """One check of a run."""
    (evaluation,) = [found for found in result.get_asset_check_evaluations() if found.check_name == name]
    return evaluation


def text_of(evaluation: dg.AssetCheckEvaluation, name: str) -> str:
    """One figure of a check, as text."""
    return str(evaluation.metadata[name].value)
