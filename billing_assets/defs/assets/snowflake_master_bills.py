"""`snowflake_master_bills`: the published bills in Snowflake, a range of periods in one run, a transaction each."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from billing_assets.defs.columns import EXPORTED_BILLS
from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import WRITES, dollars, page
from billing_assets.defs.progress import LoggedProgress
from billing_assets.defs.resources import MasterBillsResource
from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.domain.errors import BillingError, ExportError, ExportInterruptedError, UnreadableInputError
from billing_assets.stores.snowflake import (
    ExportRun,
    PeriodExport,
    PeriodExportFailure,
    PeriodToExport,
    export_periods,
    of_period,
)

DESCRIPTION = """**One row is one published master bill** in Snowflake's `MASTER_BILLS`, for finance; its lines are
rows of `MASTER_BILL_LINE_ITEMS`.

It exports what was **published**, not what was computed: it reads the period's object in S3. Each period is one
transaction: afterwards the tables hold exactly that period's bills, or what they held before. A period that Snowflake
holds already opens no transaction; every change is a row of `MASTER_BILL_CHANGES`.

A range of periods is one run: a period that fails is rolled back and named, the others stay. A period that was never
published is skipped, named, and not shown as exported.
"""


class ExportConfig(dg.Config):
    """What a person may decide for one run."""

    force: bool = Field(default=False, description="Write every row again, also where Snowflake holds it already.")
    reason: str = Field(default="", description="Written to every row of the change log.")


def build_snowflake_master_bills(
    partitions: dg.PartitionsDefinition, *, group: str, condition: dg.AutomationCondition | None = None
) -> dg.AssetsDefinition:
    """The last asset of the chain.

    Args:
        partitions: UBI periods.
        group: Where the graph shows it.
        condition: When a period is exported without anybody's doing.
    """

    @dg.asset(
        partitions_def=partitions,
        deps=["master_bills_json"],
        group_name=group,
        description=DESCRIPTION,
        kinds={"snowflake"},
        owners=["team:billing-data"],
        code_version="1",
        pool="snowflake",
        tags={WRITES: "snowflake"},
        metadata=page(
            EXPORTED_BILLS,
            explain="'MASTER_BILL_ID'",
            runbook=("Snowflake and JSON differ", "The export of a period failed"),
        ),
        automation_condition=condition,
        backfill_policy=dg.BackfillPolicy.single_run(),
        # Nothing is yielded, or a range run would show every key as exported; each COMMIT logs its own event.
        output_required=False,
    )
    def snowflake_master_bills(
        context: dg.AssetExecutionContext,
        config: ExportConfig,
        master_bills: MasterBillsResource,
        snowflake: SnowflakeExportResource,
    ) -> Iterator[dg.Output[None]]:
        run = ExportRun(
            run_id=context.run.run_id,
            exported_at_utc=dt.datetime.now(dt.UTC),
            reason=config.reason,
            force=config.force,
            still_published=master_bills.still_published,
        )
        progress = LoggedProgress(context.log.info, "periods")
        with letters_to_failures(context):
            wanted, failures = _published(context, master_bills)
            tried = len(wanted) + len(failures)
            outcomes = export_periods(
                snowflake.connect, snowflake.target, wanted, run=run, on_progress=context.log.info
            )
            for done, outcome in enumerate(outcomes, start=1):
                if isinstance(outcome, PeriodExportFailure):
                    failures.append(outcome.error)
                else:
                    _show(context, outcome)
                progress(done, len(wanted))
            if failures:
                raise _failed(failures, of=tried)
        yield from ()

    return snowflake_master_bills


def _published(
    context: dg.AssetExecutionContext, master_bills: MasterBillsResource
) -> tuple[list[PeriodToExport], list[BillingError]]:
    """What to export, and why a damaged object is not; where S3 itself says no, every period would meet the same."""
    wanted: list[PeriodToExport] = []
    unreadable: list[BillingError] = []
    for period in context.partition_keys:
        try:
            published = master_bills.read(period)
        except UnreadableInputError as error:
            unreadable.append(of_period(error, period))
            continue
        if published is None:
            context.log.warning(
                f"{period} was never published, so it is not exported: materialize master_bills_json for it first"
            )
            continue
        wanted.append(PeriodToExport(period=period, bills=published.bills, content_sha256=published.content_sha256))
    return wanted, unreadable


def _show(context: dg.AssetExecutionContext, outcome: PeriodExport) -> None:
    done = "held already" if outcome.is_unchanged else "exported"
    context.log.info(
        f"{outcome.period}: {done}, {outcome.bill_count:,} bills, {outcome.line_item_count:,} line items, "
        f"${outcome.total_usd:,} ({outcome.inserted} inserted, {outcome.updated} updated, {outcome.deleted} deleted)"
    )
    if outcome.is_unchanged and outcome.exported_by == context.run.run_id:
        # An earlier try of this step exported it, and its event says what changed.
        return
    context.log_event(
        dg.AssetMaterialization(
            asset_key=context.asset_key,
            partition=outcome.period,
            metadata={
                "dagster/partition_row_count": outcome.bill_count,
                "line_items": outcome.line_item_count,
                "amount_usd": dollars(outcome.total_usd),
                "bills_inserted": outcome.inserted,
                "bills_updated": outcome.updated,
                "bills_deleted": outcome.deleted,
                "held_already": outcome.is_unchanged,
                "content_sha256": outcome.content_sha256,
            },
        )
    )


def _failed(failures: list[BillingError], *, of: int) -> BillingError:
    if len(failures) == of == 1:
        return failures[0]
    kind = ExportInterruptedError if any(failure.retryable for failure in failures) else ExportError
    return kind(
        f"{len(failures)} of {of} periods were not exported; the others were",
        found="\n".join(error.letter() for error in failures),
        rule="a period is exported whole or not at all: Snowflake holds of these what it held before",
        remedy="mend what is named above, then export these periods again",
    )
