"""A world for whole runs of publication: a few bill lines of two periods, under names that nobody else uses.

The tests play the Bill Review app: they archive assignments, rewrite objects and edit the combined list.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from billing_assets.definitions import build_definitions
from billing_assets.defs.checks.combined import COMBINED_EQUALS_PERIODS
from billing_assets.domain.line_hash import line_hash
from billing_assets.settings import Settings
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.publication import MasterBillLocation, PublishedPeriod, read_published
from billing_assets_tests.stores.aws_data import bill_line, jsonl, make_table, put_items
from billing_assets_tests.stores.published import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DECEMBER, JANUARY = "2024-12", "2025-01"
PUBLISHING = ("ubi_assignments", "resolved_line_items", "master_bills_json")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
UTILITIES = ("Water", "Gas", "Trash")
LINES = 24
_FOLDER = "Bill_Parser_4_Enriched_Outputs/yyyy=2025/mm=01/dd=21/"
_numbers = itertools.count(1)


def _line(number: int) -> dict[str, object]:
    utility = UTILITIES[number % 3]
    return bill_line(number, **{"EnrichedPropertyID": f"P{number % 4}", "Utility Type": utility, "Charge Code": "CC"})


@dataclass
class PublicationWorld:
    """Stores, definitions and a Dagster instance; each period has 24 lines in 12 objects, 12 bills of 2 lines."""

    settings: Settings
    environment: dict[str, str]
    clients: AwsClients
    instance: dg.DagsterInstance
    definitions: dg.Definitions
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Each period's assignments as the app keeps them."""

    @classmethod
    def make(cls, instance: dg.DagsterInstance, folder: Path, stack: Mapping[str, str]) -> PublicationWorld:
        """A new one; its AWS variables are in the environment already."""
        number = next(_numbers)
        clients = AwsClients()
        tables = [make_table(clients.dynamodb) for _ in range(2)]
        own = {
            "BILLING_BUCKET": f"publication-{number}",
            "BILLING_ASSIGNMENTS_TABLE": tables[0],
            "BILLING_ARCHIVED_TABLE": tables[1],
            "BILLING_STORAGE_URI": str(folder),
        }
        clients.s3.create_bucket(Bucket=own["BILLING_BUCKET"])
        settings = Settings.from_environment(own)
        world = cls(settings, {**stack, **own}, clients, instance, build_definitions(settings))
        world.add_period(DECEMBER, 0)
        world.add_period(JANUARY, 100)
        return world

    def add_period(self, period: str, first: int) -> Decimal:
        """Assign 24 more lines, numbered from `first`; their dollars. No number may be used twice."""
        lines = [_line(first + at) for at in range(LINES)]
        self._assign(period, lines)
        return sum((Decimal(str(line["Line Item Charge"])) for line in lines), Decimal())

    @property
    def location(self) -> MasterBillLocation:
        """Where it publishes."""
        return MasterBillLocation(
            self.settings.bucket, self.settings.master_bills_key, self.settings.master_bills_prefix
        )

    @property
    def place(self) -> Place:
        """The same, as the app sees it."""
        return Place(self.clients.s3, self.location)

    @property
    def combined(self) -> bytes:
        """The bytes of the combined list."""
        return self.place.content(self.location.combined_key)

    def storage_file(self, name: str) -> Path:
        """Where a file of the intermediate data stands; its folder is made."""
        path = Path(self.settings.storage_uri) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def period_object(self, period: str = JANUARY) -> bytes:
        """The bytes of a period's object."""
        return self.place.content(self.location.period_key(period))

    def published(self, period: str = JANUARY) -> PublishedPeriod:
        """A period's object, which must be there."""
        found = read_published(self.clients.s3, self.location, period)
        assert found is not None
        return found

    def run(
        self, *assets: str, period: str = JANUARY, config: Mapping[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialize up to the master bills, or only these assets."""
        ops = {"master_bills_json": {"config": dict(config)}} if config else {}
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(asset) for asset in assets or PUBLISHING],
            partition_key=period,
            instance=self.instance,
            run_config={**QUIET, "ops": ops},
            raise_on_error=False,
        )

    def launch(self, job: str, op: str, **config: str) -> dg.ExecuteInProcessResult:
        """Launch a job as a person does."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, run_config={**QUIET, "ops": {op: {"config": config}}}, raise_on_error=False
        )

    def check_combined(self) -> dg.AssetCheckEvaluation:
        """Run the check of the combined list."""
        job = dg.define_asset_job("check_it", selection=dg.AssetSelection.checks(self._combined_check))
        definitions = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job]))
        result = definitions.resolve_job_def("check_it").execute_in_process(instance=self.instance, run_config=QUIET)
        (evaluation,) = result.get_asset_check_evaluations()
        return evaluation

    @property
    def _combined_check(self) -> dg.AssetCheckKey:
        return dg.AssetCheckKey(dg.AssetKey(["bill_review", "master_bills_latest"]), COMBINED_EQUALS_PERIODS)

    def archive(self, period: str, share: Decimal = Decimal(1)) -> int:
        """Move the first so many of a period's assignments to the archive, as the app does; how many."""
        moved = self.records[period][: int(len(self.records[period]) * share)]
        put_items(self.clients.dynamodb, self.settings.archived_table, moved)
        for record in moved:
            self.clients.dynamodb.delete_item(
                TableName=self.settings.assignments_table, Key={"line_hash": record["line_hash"]}
            )
        self.records[period] = self.records[period][len(moved) :]
        return len(moved)

    def change_amount(self, period: str, amount: str) -> None:
        """Bill another share of the period's last line."""
        self.records[period][-1]["amount"] = {"N": amount}
        put_items(self.clients.dynamodb, self.settings.assignments_table, self.records[period][-1:])

    def rewrite_objects(self, change: Callable[[str], str]) -> int:
        """Write every object under another key and delete the old one; how many."""
        s3, bucket = self.clients.s3, self.settings.bucket
        listing = s3.list_objects_v2(Bucket=bucket, Prefix=_FOLDER)
        keys = [entry["Key"] for entry in listing["Contents"]]
        for key in keys:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            # With a line in front, so that every position is another one as well.
            s3.put_object(Bucket=bucket, Key=change(key), Body=jsonl(bill_line(90_000)) + body)
            s3.delete_object(Bucket=bucket, Key=key)
        return len(keys)

    def _assign(self, period: str, lines: list[dict[str, object]]) -> None:
        records = []
        for number, pair in enumerate(_pairs(lines)):
            key = f"{_FOLDER}{period}-{number}_20250121T150300Z.jsonl"
            self.clients.s3.put_object(Bucket=self.settings.bucket, Key=key, Body=jsonl(*pair))
            records += [
                {
                    "line_hash": {"S": line_hash(line, "v1")},
                    "ubi_period": {"S": f"{period[5:]}/{period[:4]}"},
                    "s3_key": {"S": key},
                    "line_index": {"N": str(at)},
                    "amount": {"N": str(line["Line Item Charge"])},
                }
                for at, line in enumerate(pair)
            ]
        put_items(self.clients.dynamodb, self.settings.assignments_table, records)
        self.records[period] = records


def letter_of(result: dg.ExecuteInProcessResult) -> str:
    """The one failure's letter."""
    assert not result.success
    (event,) = result.get_step_failure_events()
    failure = event.step_failure_data.user_failure_data
    assert failure is not None, event.step_failure_data.error
    return failure.description or ""


def check_of(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    """One check's evaluation."""
    (evaluation,) = [found for found in result.get_asset_check_evaluations() if found.check_name == name]
    return evaluation


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What the materialization of the master bills says."""
    (materialization,) = result.asset_materializations_for_node("master_bills_json")
    return {name: value.value for name, value in materialization.metadata.items()}


def entries_of(content: bytes) -> list[Any]:
    """A JSON list."""
    found: list[Any] = json.loads(content)
    return found


def _pairs(lines: list[dict[str, object]]) -> list[tuple[dict[str, object], ...]]:
    return [tuple(lines[at : at + 2]) for at in range(0, len(lines), 2)]
