"""`master_bills_json`: a period's master bills in S3, published whole or not at all."""

import datetime as dt

import dagster as dg
from pydantic import Field

from billing_assets.defs.checks.published import PreviousPeriod, check_published, published_check_specs
from billing_assets.defs.columns import BILLS_JSON
from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import (
    PREVIEW_ROWS,
    WRITES,
    Metadata,
    bar_chart,
    dollars,
    explain_command,
    markdown_table,
    page,
    plotted_dollars,
    preview_table,
)
from billing_assets.defs.resources import ArchiveResource, MasterBillsResource
from billing_assets.domain.amount_changes import changes_by_utility
from billing_assets.domain.control_totals import UnbilledShare
from billing_assets.domain.errors import PublicationRefusedError, UnreadableInputError
from billing_assets.domain.master_bills import MasterBill, master_bills_of
from billing_assets.domain.money import plain, total
from billing_assets.domain.period_tables import ResolvedPeriod
from billing_assets.domain.periods import Month
from billing_assets.domain.restatement import BillChange
from billing_assets.settings import Settings
from billing_assets.stores.publication import PublicationReport, PublicationRequest

CREATED_BY = "billing_assets"
_MOST_CHANGES = 50

DESCRIPTION = """**One row is one master bill**: a property's billable lines of one charge code, utility and months,
with their sum.

Two objects are written, in this order, each conditionally and whole: the period's own
`config/master-bills/<YYYY-MM>.json`, and the combined list `config/master-bills-latest.json` that the app reads.

A closed period, or a bill whose status is no longer `draft`, is not changed by a run: the difference is reported as a
*pending restatement*. A run that would take too much of an open period away fails. Both are published by run config
`restate: true` with a `reason`; `publish: false` only computes the difference.
"""


class PublicationConfig(dg.Config):
    """What a person may decide for one run."""

    publish: bool = Field(default=True, description="False computes and reports the difference and writes nothing.")
    restate: bool = Field(default=False, description="Publish in spite of a guard. Needs a reason.")
    reason: str = Field(default="", description="Why guarded bills are changed; recorded with the run.")


def build_master_bills_json(
    partitions: dg.PartitionsDefinition, *, settings: Settings, group: str
) -> dg.AssetsDefinition:
    """The third asset of the chain.

    Args:
        partitions: UBI periods.
        settings: How much may stay unbilled, and how much a run may take away.
        group: Where the graph shows it.
    """

    @dg.asset(
        partitions_def=partitions,
        group_name=group,
        description=DESCRIPTION,
        kinds={"s3", "json"},
        owners=["team:billing-data"],
        code_version="1",
        pool="s3",
        tags={WRITES: "published_bills"},
        metadata=page(
            BILLS_JSON,
            explain="'MASTER_BILL_ID'",
            runbook=("no_restatement_is_pending warns: a pending restatement", "The shrink guard stopped a run"),
        ),
        check_specs=published_check_specs("master_bills_json", partitions),
    )
    def master_bills_json(
        context: dg.AssetExecutionContext,
        config: PublicationConfig,
        resolved_line_items: ResolvedPeriod,
        master_bills: MasterBillsResource,
        archive: ArchiveResource,
    ) -> dg.MaterializeResult:
        now = dt.datetime.now(dt.UTC)
        rows = resolved_line_items.rows
        with letters_to_failures(context):
            _refuse_unbilled(resolved_line_items, settings)
            request = PublicationRequest(
                period=context.partition_key,
                bills=master_bills_of(rows, created_utc=now.isoformat(timespec="seconds"), created_by=CREATED_BY),
                run_id=context.run.run_id,
                read_at=resolved_line_items.read_at_utc,
                now=now,
                max_shrink=settings.max_shrink,
                restate_reason=config.reason if config.restate else None,
                publish=config.publish,
            )
            report = master_bills.publish(request, archived=archive.archived_among)
            published = master_bills.read(context.partition_key)
            previous = _previous(master_bills, Month.from_key(context.partition_key).plus(-1).key)
        context.log.info(f"{context.partition_key}: {report.verdict}; {report.difference.text(report.archived)}")
        return dg.MaterializeResult(
            metadata=_metadata(report, master_bills.uri_of(context.partition_key), written=config.publish),
            check_results=list(
                check_published(rows, report, published, previous=previous, max_change=settings.max_change)
            ),
            data_version=dg.DataVersion(published.content_sha256 if published else "never published"),
        )

    return master_bills_json


def _previous(master_bills: MasterBillsResource, period: str) -> PreviousPeriod:
    # This period is published by now: damage to its neighbour is no reason to call the run failed.
    try:
        published = master_bills.read(period)
    except UnreadableInputError as error:
        return PreviousPeriod(period, None, f"can't be read\n{error.letter()}")
    return PreviousPeriod(period, None if published is None else published.bills)


def _refuse_unbilled(period: ResolvedPeriod, settings: Settings) -> None:
    # A run that selects only this asset meets no blocking check of the one above.
    share = UnbilledShare.of(period.rows)
    if share.exceeds(settings.max_unbilled):
        raise PublicationRefusedError(
            f"too much of {period.partition} can't be billed; nothing was published",
            where=f"resolved_line_items, {period.partition}",
            found=f"{share.text()} are invalid, unresolved or unbillable",
            rule=f"above BILLING_MAX_UNBILLED={settings.max_unbilled} of its rows or dollars a period is not whole",
            remedy="unbilled_share_is_small lists the worst objects: mend them in the app, then run the period",
        )


def _metadata(report: PublicationReport, uri: str, *, written: bool) -> Metadata:
    bills = report.bills
    amount = total(bill.utility_amount for bill in bills)
    counts = report.difference.counts()
    return {
        "dagster/partition_row_count": len(bills),
        "verdict": report.verdict.value if written else f"computed only: would be {report.verdict.value}",
        "line_items": sum(len(bill.source_line_items) for bill in bills),
        "amount_usd": dollars(amount),
        "amount_usd_plotted": plotted_dollars(amount),
        **{f"bills_{change.value}": count for change, count in counts.items()},
        "amount_before_usd": dollars(report.difference.before_usd),
        "changes": markdown_table(
            ("bill", "change", "before", "after", "explain"),
            map(_change_row, report.difference.touched[:_MOST_CHANGES]),
        ),
        "amounts_by_utility": bar_chart("utility", changes_by_utility(report.difference.changes)),
        "period_object": dg.MetadataValue.url(uri),
        "content_sha256": report.content_sha256,
        "period_object_written": report.period_written,
        "combined_list_written": bool(report.combined and report.combined.written),
        "closed": report.closed,
        "restatement_record": report.restatement_key,
        "preview": preview_table(
            ("property", "charge code", "utility", "lines", "amount", "status"),
            map(_preview, bills[:PREVIEW_ROWS]),
        ),
    }


def _change_row(change: BillChange) -> tuple[object, ...]:
    amounts = ("" if amount is None else plain(amount) for amount in (change.before_usd, change.after_usd))
    return change.master_bill_id, change.change.value, *amounts, explain_command(change.master_bill_id)


def _preview(bill: MasterBill) -> tuple[object, ...]:
    return (
        bill.property_name or bill.property_id,
        bill.ar_code_mapping,
        bill.utility_name,
        len(bill.source_line_items),
        plain(bill.utility_amount),
        bill.status,
    )
