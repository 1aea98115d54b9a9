"""Checks of `master_bills_json`, made in the step that publishes, from what stands in S3 afterwards."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import dagster as dg

from billing_assets.defs.metadata import Metadata, dollars, explain_command, markdown_table
from billing_assets.domain.amount_changes import changes_by_property
from billing_assets.domain.control_letters import not_published_letter
from billing_assets.domain.control_totals import totals_by_status
from billing_assets.domain.master_bills import MasterBill
from billing_assets.domain.money import ZERO, plain, total
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets.domain.restatement import BillChange, Verdict
from billing_assets.stores.publication import PublicationReport, PublishedPeriod

PUBLISHED_EQUALS_RESOLVED = "published_bills_equal_the_resolved_rows"
NO_RESTATEMENT_IS_PENDING = "no_restatement_is_pending"
NO_BILL_IS_NEGATIVE_OR_ZERO = "no_bill_is_negative_or_zero"
AMOUNTS_CHANGED_LITTLE = "amounts_changed_little_since_the_previous_period"

_MOST_SHOWN = 25


@dataclass(frozen=True, slots=True)
class PreviousPeriod:
    """What the period before has published."""

    period: str
    bills: tuple[MasterBill, ...] | None
    """None where there is nothing to compare with."""
    why_not: str = "was never published"


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
        spec(
            AMOUNTS_CHANGED_LITTLE,
            "Properties whose amount changed against the previous period's published bills by more than "
            "BILLING_MAX_CHANGE of it, appeared or disappeared: WARN, since that may be right.",
        ),
    ]


def check_published(
    rows: Sequence[ResolvedLineItem],
    report: PublicationReport,
    published: PublishedPeriod | None,
    *,
    previous: PreviousPeriod,
    max_change: Decimal,
) -> Iterator[dg.AssetCheckResult]:
    """The results, in the order of the specs.

    Args:
        rows: Of the period, of every status.
        report: What became of the bills.
        published: The period's object as it was read back afterwards.
        previous: Of the month before.
        max_change: The share of a property's amount that may change from month to month (0.50 is half).
    """
    yield _equals_resolved(rows, report, published)
    yield _pending(report)
    yield _negative_or_zero(report.bills)
    yield _changed_little(report.bills, previous, max_change)


def _equals_resolved(
    rows: Sequence[ResolvedLineItem], report: PublicationReport, published: PublishedPeriod | None
) -> dg.AssetCheckResult:
    billable = totals_by_status(rows)[Status.BILLABLE]
    bills = () if published is None else published.bills
    lines = [line for bill in bills for line in bill.source_line_items]
    # Counted, since two equal lines are two charges.
    made = Counter((row.assignment.line_hash, row.billed_usd) for row in rows if row.status is Status.BILLABLE)
    found: Counter[tuple[str, Decimal | None]] = Counter((line.line_hash, line.amount) for line in lines)
    amount = total(bill.utility_amount for bill in bills)
    unpublished = (made - found).total()
    strange = (found - made).total()
    letter = not_published_letter(
        unpublished=unpublished, of_no_row=strange, billable_usd=billable.billed_usd, published_usd=amount
    )
    reason = _why_not_compared(report, published)
    return dg.AssetCheckResult(
        check_name=PUBLISHED_EQUALS_RESOLVED,
        passed=letter is None or bool(reason),
        description=f"not compared: {reason}" if reason else letter,
        metadata={
            "billable_rows": billable.rows,
            "published_line_items": len(lines),
            "billable_usd": dollars(billable.billed_usd),
            "published_usd": dollars(amount),
            "rows_not_published": unpublished,
            "line_items_of_no_row": strange,
        },
    )


def _why_not_compared(report: PublicationReport, published: PublishedPeriod | None) -> str:
    """Why what stands in S3 need not be this run's; `""` if it must be."""
    if report.verdict not in {Verdict.PUBLISH, Verdict.UNCHANGED}:
        return report.verdict.value
    if report.combined is None:
        return "only computed (`publish: false`)"
    if published is not None and published.read_at is not None and published.read_at > report.read_at:
        return "a run that read later has published meanwhile"
    return ""


def _pending(report: PublicationReport) -> dg.AssetCheckResult:
    pending = report.verdict is Verdict.PENDING
    touched = report.difference.touched if pending else ()
    metadata: Metadata = {"closed": report.closed, "bills_that_wait": len(touched)}
    if pending:
        metadata |= {
            "amount_before_usd": dollars(report.difference.before_usd),
            "amount_after_usd": dollars(report.difference.after_usd),
            "bills": markdown_table(
                ("bill", "change", "before", "after", "status", "lines gone", "archived since", "explain"),
                (_waiting(change, report) for change in touched[:_MOST_SHOWN]),
            ),
            "remedy": "run master_bills_json with `restate: true` and a `reason` if the change is right; else mend the "
            "assignments in the app and run the period again",
        }
    texts = {
        Verdict.PENDING: report.difference.text(report.archived, most=_MOST_SHOWN),
        Verdict.STALE: "not compared: a run that read later has published",
    }
    return dg.AssetCheckResult(
        check_name=NO_RESTATEMENT_IS_PENDING,
        passed=not pending,
        severity=dg.AssetCheckSeverity.WARN,
        description=texts.get(report.verdict),
        metadata=metadata,
    )


def _waiting(change: BillChange, report: PublicationReport) -> tuple[object, ...]:
    amounts = ("" if amount is None else plain(amount) for amount in (change.before_usd, change.after_usd))
    count, archived_usd = change.archived_since(report.archived)
    since = f"{count} (${plain(archived_usd)})" if count else ""
    told = explain_command(change.master_bill_id)
    return change.master_bill_id, change.change.value, *amounts, change.status, len(change.lines_gone), since, told


def _negative_or_zero(bills: Sequence[MasterBill]) -> dg.AssetCheckResult:
    odd = [bill for bill in bills if bill.utility_amount <= ZERO]
    rows = [
        (
            *(bill.master_bill_id, plain(bill.utility_amount), len(bill.source_line_items)),
            explain_command(bill.master_bill_id),
        )
        for bill in odd
    ]
    amount = total(bill.utility_amount for bill in odd)
    return dg.AssetCheckResult(
        check_name=NO_BILL_IS_NEGATIVE_OR_ZERO,
        passed=not odd,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(odd):,} bills, ${plain(amount)} in all" if odd else None,
        metadata={
            "bills": len(odd),
            "amount_usd": dollars(amount),
            "list": markdown_table(("bill", "US dollars", "lines", "explain"), rows[:_MOST_SHOWN]),
        },
    )


def _changed_little(bills: Sequence[MasterBill], previous: PreviousPeriod, most: Decimal) -> dg.AssetCheckResult:
    if previous.bills is None:
        return dg.AssetCheckResult(
            check_name=AMOUNTS_CHANGED_LITTLE,
            passed=True,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"not compared: {previous.period} {previous.why_not}",
        )
    changes = changes_by_property(previous.bills, bills)
    large = [change for change in changes if change.exceeds(most)]
    rows = [(c.of, *map(plain, (c.before_usd, c.after_usd, c.difference_usd))) for c in large[:_MOST_SHOWN]]
    return dg.AssetCheckResult(
        check_name=AMOUNTS_CHANGED_LITTLE,
        passed=not large,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(large):,} of {len(changes):,} properties changed by more than {most:%} since "
        f"{previous.period} (BILLING_MAX_CHANGE)",
        metadata={
            "previous_period": previous.period,
            "properties": len(changes),
            "properties_that_changed_much": len(large),
            "previous_usd": dollars(total(bill.utility_amount for bill in previous.bills)),
            "amount_usd": dollars(total(bill.utility_amount for bill in bills)),
            "list": markdown_table(("property", "previous", "now", "change"), rows),
        },
    )
