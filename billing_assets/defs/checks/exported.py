"""The check that everything published is exported, on the table of exported periods.

It speaks of all periods at once, and a check of a partitioned asset without partitions would never end (DESIGN.md
decision 4): so it hangs on an external asset, the table itself, below the export.
"""

from collections.abc import Mapping, Sequence

import dagster as dg
from pydantic import Field

from billing_assets.defs.columns import EXPORTED_PERIODS
from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import WRITES, markdown_table, page
from billing_assets.defs.resources import MasterBillsResource
from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.domain.exported_periods import ExportDifferences, ExportedRow, PeriodTotals, compare_exported
from billing_assets.stores.snowflake import exported_periods, table_totals

SNOWFLAKE_PERIODS = dg.AssetKey(["snowflake", "MASTER_BILL_PERIODS"])
EXPORTED = "everything_published_is_exported_and_nothing_else"
EXPORTED_OP = f"snowflake__MASTER_BILL_PERIODS_{EXPORTED}"
"""The check as a step, for run config."""

_MOST_SHOWN = 50
_COMMAND = "dagster asset materialize -m billing_assets.definitions --select snowflake_master_bills"
_FORCE = """ --config-json '{"ops": {"snowflake_master_bills": {"config": {"force": true}}}}'"""


class ExportedCheckConfig(dg.Config):
    """What the check expects."""

    due_until: str = Field(
        default="",
        description="The last period, YYYY-MM, that must be exported; later ones may wait for their month end, and are "
        "compared only if they were exported. Blank: every published period.",
    )


def build_exported_periods_table() -> dg.AssetSpec:
    """The table of exported periods as finance reads it, below the asset that writes it."""
    return dg.AssetSpec(
        SNOWFLAKE_PERIODS,
        deps=["snowflake_master_bills"],
        description="**One row is one exported period**: bills, line items, total, content SHA-256, run and time. "
        "Finance reads it to see what it may rely on. Written by `snowflake_master_bills`.",
        group_name="master_bills",
        kinds={"snowflake", "table"},
        tags={WRITES: "nothing"},
        metadata=page(EXPORTED_PERIODS, runbook=("Snowflake and JSON differ",)),
        owners=["team:billing-data"],
    )


def build_exported_check() -> dg.AssetChecksDefinition:
    """Compares all periods in S3 with all periods in Snowflake; run it alone, or by a schedule."""

    @dg.asset_check(
        asset=SNOWFLAKE_PERIODS,
        name=EXPORTED,
        pool="snowflake",
        description="Snowflake holds every published period with the content that is published now, no period that is "
        "not published, and in its tables what the periods' rows say. ERROR if not, with the command that mends it.",
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        config: ExportedCheckConfig,
        master_bills: MasterBillsResource,
        snowflake: SnowflakeExportResource,
    ) -> dg.AssetCheckResult:
        with letters_to_failures(context):
            target = snowflake.target
            # Snowflake first: what is published between the two looks stale, and never the other way round.
            rows = {
                period: ExportedRow(row.content_sha256, row.bill_count, row.line_item_count, row.total_usd)
                for period, row in exported_periods(snowflake.connect, target).items()
            }
            tables = {
                period: PeriodTotals(
                    totals.bill_count, totals.line_item_count, totals.bills_total_usd, totals.line_items_total_usd
                )
                for period, totals in table_totals(snowflake.connect, target).items()
            }
            published = master_bills.contents()
        differences = compare_exported(published, rows, tables).due_until(config.due_until)
        return _result(differences, published=len(published), exported=len(rows))

    return check


def _result(differences: ExportDifferences, *, published: int, exported: int) -> dg.AssetCheckResult:
    kinds = {
        "unsound": differences.unsound,
        "orphaned": differences.orphaned,
        "missing": differences.missing,
        "stale": differences.stale,
    }
    found = [(name, len(periods), ", ".join(periods)) for name, periods in kinds.items() if periods]
    summary = "; ".join(f"{count} {name}: {periods}" for name, count, periods in found)
    return dg.AssetCheckResult(
        passed=not differences,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{summary}. {remedy_of(differences)}" if differences else None,
        metadata={
            "periods_published": published,
            "periods_exported": exported,
            **{name: len(periods) for name, periods in kinds.items()},
            **({"periods": markdown_table(("difference", "periods", "which"), found)} if found else {}),
            **({"look": markdown_table(("period", "difference", "bills"), _to_look_at(kinds))} if found else {}),
        },
    )


def _to_look_at(kinds: Mapping[str, Sequence[str]]) -> list[tuple[str, str, str]]:
    """A row a period, with what shows its bills; each bill's own story is told by `billing-assets explain`."""
    named = [(period, kind) for kind, periods in kinds.items() for period in periods]
    return [(period, kind, f"`billing-assets bills {period}`") for period, kind in sorted(named)[:_MOST_SHOWN]]


def remedy_of(differences: ExportDifferences) -> str:
    """What a person does now, a sentence for each kind; periods between the ends that are held already are skipped."""
    sentences = []
    if differences.to_export:
        sentences.append(f"Export what is missing or stale: {_COMMAND}{_range(differences.to_export)}")
    if differences.unsound:
        sentences.append(
            "Rows were changed by someone else: see who, then rewrite "
            + "; ".join(f"{_COMMAND} --partition {period}{_FORCE}" for period in differences.unsound)
        )
    if differences.orphaned:
        sentences.append(
            "What is not published was moved away in S3: bring it back, or materialize master_bills_json for it, then "
            "export it"
        )
    return ". ".join(sentences)


def _range(periods: Sequence[str]) -> str:
    first, last = min(periods), max(periods)
    return f" --partition {first}" if first == last else f" --partition-range {first}...{last}"
