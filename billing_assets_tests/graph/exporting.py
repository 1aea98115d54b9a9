"""For tests of whole export runs: published periods, a schema and a Dagster instance of their own, and the real CLI."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from billing_assets.definitions import build_definitions
from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.settings import Settings
from billing_assets.stores.publication import MasterBillLocation
from billing_assets_tests.stores.published import Place
from billing_assets_tests.unit.made_bills import bill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from types_boto3_s3 import S3Client

EXPORT = dg.AssetKey("snowflake_master_bills")
BUCKET = "export-runs"
_CLI_SECONDS = 180
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class ExportWorld:
    """Periods published in a folder of the bucket, and an empty schema.

    Attributes:
        home: DAGSTER_HOME; everything that the instance keeps stands below it.
        environment: All variables of a shell that runs the CLI.
        s3: A client of the emulator.
    """

    home: Path
    environment: dict[str, str]
    s3: S3Client
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        location = MasterBillLocation(settings.bucket, settings.master_bills_key, settings.master_bills_prefix)
        self.place = Place(self.s3, location)

    @property
    def settings(self) -> Settings:
        """What the environment says."""
        return Settings.from_environment(self.environment)

    @property
    def definitions(self) -> dg.Definitions:
        """The code location over it; its resources read this process's environment."""
        return build_definitions(self.settings)

    def publish(self, *periods: str, amount: str = "12.10") -> None:
        """Publish two bills of each period."""
        for period in periods:
            self.place.run(bill("P1", amount, period=period), bill("P2", "-0.05", period=period), period=period)

    def damage(self, period: str) -> None:
        """Break the period's object off in the middle, as no run of ours does."""
        self.place.put(self.place.location.period_key(period), b'[{"master_bill_id": "P')

    def instance(self) -> dg.DagsterInstance:
        """The instance that all runs are kept in."""
        return dg.DagsterInstance.from_config(str(self.home))

    def cli(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `dagster asset materialize` for the export, in a shell that has only our variables."""
        return subprocess.run(
            [
                *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", "billing_assets.definitions"),
                *("--select", EXPORT.to_user_string(), *arguments),
            ],
            env={**self.environment, **variables},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=_CLI_SECONDS,
        )

    def run(self, first: str, last: str, **config: Any) -> dg.ExecuteInProcessResult:
        """Export a range in one run, in this process."""
        with self.instance() as instance:
            return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                asset_selection=[EXPORT],
                tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
                instance=instance,
                run_config={**_QUIET, "ops": {EXPORT.to_user_string(): {"config": config}}},
                raise_on_error=False,
            )

    def exported(self) -> dict[str, Mapping[str, Any]]:
        """Metadata of the last materialization of each period that Dagster shows as exported."""
        with self.instance() as instance:
            records = instance.fetch_materializations(EXPORT, limit=500).records
            found: dict[str, Mapping[str, Any]] = {}
            for record in reversed(records):
                materialization = record.asset_materialization
                assert materialization is not None
                values = {name: value.value for name, value in materialization.metadata.items()}
                found[materialization.partition or ""] = values
            assert set(found) == instance.get_materialized_partitions(EXPORT)
            return found


def shell_of(stack: Mapping[str, str], home: Path, *, name: str) -> dict[str, str]:
    """A shell with nothing but a path, a home and the variables of SPEC.md section 9."""
    return {
        "PATH": os.environ["PATH"],
        # The driver reads and writes files below the home.
        "HOME": str(home),
        "DAGSTER_HOME": str(home),
        **stack,
        "BILLING_BUCKET": BUCKET,
        "BILLING_MASTER_BILLS_KEY": f"{name}/master-bills-latest.json",
        "BILLING_MASTER_BILLS_PREFIX": f"{name}/master-bills/",
        "SNOWFLAKE_DATABASE": f"RUNS_{name}".upper(),
    }


def execute_in_snowflake(world: ExportWorld, sql: str) -> None:
    """Write to the exported tables as somebody else does."""
    snowflake = SnowflakeExportResource.from_variables(world.settings.variables_set).process_config_and_initialize()
    with snowflake.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)


def failure_letter(result: dg.ExecuteInProcessResult) -> str:
    """The letter of a run's one failed step."""
    (event,) = result.get_step_failure_events()
    failure = event.step_failure_data.user_failure_data
    assert failure is not None, event.step_failure_data.error
    return failure.description or ""


def months(first: str, count: int) -> list[str]:
    """So many partition keys from the first on."""
    year, month = map(int, first.split("-"))
    return [f"{year + (month - 1 + k) // 12}-{(month - 1 + k) % 12 + 1:02d}" for k in range(count)]


def texts_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, with its bytes; and every value of its databases, unpacked where Dagster packs it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()
        if path.suffix == ".db":
            yield from ((path, value) for value in _values_in(path))


def _values_in(database: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(database)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  # the database's own names
                yield from (_unpacked(value) for value in row if isinstance(value, str | bytes))


def _unpacked(value: str | bytes) -> bytes:
    """What a value says; snapshots of jobs, with their configuration, are kept packed."""
    content = value.encode() if isinstance(value, str) else value
    try:
        return zlib.decompress(content)
    except zlib.error:
        return content
