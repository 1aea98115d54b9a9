"""Checks of `master_bills_json`, made in the step that publishes, from what stands in S3 afterwards."""

from collections.abc import Iterator, Sequence

import dagster as dg

from billing_assets.defs.metadata import dollars, markdown_table
from billing_assets.domain.control_totals import totals_by_status
from billing_assets.domain.master_bills import MasterBill
from billing_assets.domain.money import ZERO, plain, total
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets.domain.restatement import Verdict
from billing_assets.stores.publication import PublicationReport, PublishedPeriod

PUBLISHED_EQUALS_RESOLVED = "published_bills_equal_the_resolved_rows"
NO_RESTATEMENT_IS_PENDING = "no_restatement_is_pending"
NO_BILL_IS_NEGATIVE_OR_ZERO = "no_bill_is_negative_or_zero"

_MOST_SHOWN = 25


def published_check_specs(asset: str, partitions: dg.PartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """The checks, each a promise about one period."""

    def spec(name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=partitions
        )

    return [
        spec(
            PUBLISHED_EQUALS_RESOLVED,
            "The object read back from S3 holds every billable row once, and their dollars to the cent. ERROR if not. "
            "Where a guard or a later run keeps another state published, that is said and not compared.",
            blocking=True,
        ),
        spec(
            NO_RESTATEMENT_IS_PENDING,
            "A closed period, or a bill that is no draft, would change: WARN with bills and amounts, until somebody "
            "decides by `restate`.",
        ),
        spec(NO_BILL_IS_NEGATIVE_OR_ZERO, "Bills that credits made negative or zero: WARN, since they may be right."),
    ]


def check_published(
    rows: Sequence[ResolvedLineItem], report: PublicationReport, published: PublishedPeriod | None
) -> Iterator[dg.AssetCheckResult]:
    """The results, in the order of the specs."""
    yield _equals_resolved(rows, report, published)
    yield _pending(report)
    yield _negative_or_zero(report.bills)


def _equals_resolved(
    rows: Sequence[ResolvedLineItem], report: PublicationReport, published: PublishedPeriod | None
) -> dg.AssetCheckResult:
    billable = totals_by_status(rows)[Status.BILLABLE]
    bills = () if published is None else published.bills
    line_items = sum(len(bill.source_line_items) for bill in bills)
    amount = total(bill.utility_amount for bill in bills)
    is_ours = report.verdict in {Verdict.PUBLISH, Verdict.UNCHANGED} and published is not None
    equal = (line_items, amount) == (billable.rows, billable.billed_usd)
    return dg.AssetCheckResult(
        check_name=PUBLISHED_EQUALS_RESOLVED,
        passed=equal or not is_ours,
        description=None if is_ours else f"not compared: {report.verdict.value}",
        metadata={
            "billable_rows": billable.rows,
            "published_line_items": line_items,
            "billable_usd": dollars(billable.billed_usd),
            "published_usd": dollars(amount),
        },
    )


def _pending(report: PublicationReport) -> dg.AssetCheckResult:
    pending = report.verdict is Verdict.PENDING
    return dg.AssetCheckResult(
        check_name=NO_RESTATEMENT_IS_PENDING,
        passed=not pending,
        severity=dg.AssetCheckSeverity.WARN,
        description=report.difference.text(report.archived, most=_MOST_SHOWN) if pending else None,
        metadata={"closed": report.closed, "bills_that_wait": len(report.difference.touched) if pending else 0},
    )


def _negative_or_zero(bills: Sequence[MasterBill]) -> dg.AssetCheckResult:
    odd = [bill for bill in bills if bill.utility_amount <= ZERO]
    rows = [(bill.master_bill_id, plain(bill.utility_amount), len(bill.source_line_items)) for bill in odd]
    return dg.AssetCheckResult(
        check_name=NO_BILL_IS_NEGATIVE_OR_ZERO,
        passed=not odd,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"bills": len(odd), "list": markdown_table(("bill", "US dollars", "lines"), rows[:_MOST_SHOWN])},
    )
