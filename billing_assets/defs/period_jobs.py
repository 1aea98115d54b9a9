"""Jobs over assets and checks that schedules and sensors launch, and people from the Launchpad.

What a person decides about a month (closing it, reopening it, healing the combined list) is in `jobs`.
"""

import warnings
from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from billing_assets.defs.assets.master_bills_json import PublicationConfig
from billing_assets.defs.assets.snowflake_master_bills import ExportConfig
from billing_assets.defs.checks.combined import COMBINED_EQUALS_PERIODS
from billing_assets.defs.checks.exported import EXPORTED, EXPORTED_OP, SNOWFLAKE_PERIODS, ExportedCheckConfig
from billing_assets.defs.checks.whole_table import EVERY_RECORD_BELONGS_TO_A_PERIOD, WHOLE_TABLE_ADDS_UP
from billing_assets.defs.sources import ASSIGNMENTS_TABLE, COMBINED_LIST

PUBLISHED = ("ubi_assignments", "resolved_line_items", "master_bills_json")
EXPORT = "snowflake_master_bills"
ACCOUNTS = "accounts_to_track"
PUBLICATION = "master_bills_json"

# Dagster warns whenever the definitions load. What it warns of is what is wanted: a backfill of that job is one run a
# period, while a range of the export alone stays one run (DESIGN.md decision 3).
warnings.filterwarnings("ignore", message="Asset job master_bills_and_export_of_a_period materializes assets with vary")


class PeriodJobs(NamedTuple):
    """The jobs that run by themselves."""

    period: UnresolvedAssetJobDefinition
    """A period up to its published bills."""
    period_and_export: UnresolvedAssetJobDefinition
    accounts: UnresolvedAssetJobDefinition
    checks: UnresolvedAssetJobDefinition


def build_period_jobs() -> PeriodJobs:
    """The jobs; the Launchpad shows what can be decided for one run, at its defaults."""
    published = {PUBLICATION: PublicationConfig()}
    return PeriodJobs(
        period=dg.define_asset_job(
            "master_bills_of_a_period",
            selection=dg.AssetSelection.assets(*PUBLISHED),
            config=dg.RunConfig(ops=published),
            description="Read a UBI period's assignments, resolve their lines and publish its master bills. Publishes "
            "nothing where nothing changed; a guarded difference is reported.",
        ),
        period_and_export=dg.define_asset_job(
            "master_bills_and_export_of_a_period",
            selection=dg.AssetSelection.assets(*PUBLISHED, EXPORT),
            config=dg.RunConfig(ops={**published, EXPORT: ExportConfig()}),
            description="The same, and export what is published to Snowflake.",
        ),
        accounts=dg.define_asset_job(
            "accounts",
            selection=dg.AssetSelection.assets(ACCOUNTS),
            description="Read the accounts to track again.",
        ),
        checks=dg.define_asset_job(
            "checks_of_all_periods",
            selection=dg.AssetSelection.checks(
                dg.AssetCheckKey(ASSIGNMENTS_TABLE, EVERY_RECORD_BELONGS_TO_A_PERIOD),
                dg.AssetCheckKey(ASSIGNMENTS_TABLE, WHOLE_TABLE_ADDS_UP),
                dg.AssetCheckKey(COMBINED_LIST, COMBINED_EQUALS_PERIODS),
                dg.AssetCheckKey(SNOWFLAKE_PERIODS, EXPORTED),
            ),
            config=dg.RunConfig(ops={EXPORTED_OP: ExportedCheckConfig()}),
            description="The checks that speak of all periods at once: the whole assignments table, the combined list, "
            "and everything exported.",
        ),
    )


def config_of(op: str, **fields: object) -> dict[str, object]:
    """Run config for one op."""
    return {"ops": {op: {"config": fields}}}
