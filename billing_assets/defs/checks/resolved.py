"""Checks of `resolved_line_items`, made in the step that makes the rows, so that they always speak of the same rows."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import dagster as dg

from billing_assets.defs.metadata import dollars, explain_command, markdown_table
from billing_assets.domain.assignments import Assignment
from billing_assets.domain.control_letters import lost_rows_letter
from billing_assets.domain.control_totals import ControlTotals, UnbilledShare, dearest_unbilled, worst_objects
from billing_assets.domain.duplicates import Duplicate, duplicates_of
from billing_assets.domain.money import plain, total
from billing_assets.domain.resolved import ResolvedLineItem

EVERY_ASSIGNMENT_HAS_A_ROW = "every_assignment_has_a_row"
UNBILLED_SHARE_IS_SMALL = "unbilled_share_is_small"
NO_LINE_IS_ASSIGNED_TWICE = "no_line_is_assigned_twice"

_MOST_SHOWN = 25


def resolved_check_specs(asset: str, partitions: dg.PartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """The checks, each a promise about one period."""

    def spec(name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=partitions
        )

    return [
        spec(
            EVERY_ASSIGNMENT_HAS_A_ROW,
            "Control totals: records read = rows out, and their own amounts add up by status. ERROR if one was lost.",
            blocking=True,
        ),
        spec(
            UNBILLED_SHARE_IS_SMALL,
            "Rows that are invalid, unresolved or unbillable. WARN if there are any; above BILLING_MAX_UNBILLED of the "
            "period's rows or dollars an ERROR that stops the period before its master bills are published.",
            blocking=True,
        ),
        spec(
            NO_LINE_IS_ASSIGNED_TWICE,
            "Records whose line another record of the period has. They are not billed; WARN with what they would have "
            "over-billed, and both records side by side.",
        ),
    ]


def check_resolved(
    assignments: Sequence[Assignment], rows: Sequence[ResolvedLineItem], max_unbilled: Decimal
) -> Iterator[dg.AssetCheckResult]:
    """The results, in the order of the specs."""
    yield _control_totals(ControlTotals.of(assignments, rows))
    yield _unbilled_share(rows, max_unbilled)
    yield _duplicates(rows)


def _control_totals(totals: ControlTotals) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=EVERY_ASSIGNMENT_HAS_A_ROW,
        passed=totals.agree,
        description=lost_rows_letter(totals),
        metadata={
            "records_read": totals.records_read,
            "rows_out": totals.rows_out,
            "own_amounts_read_usd": dollars(totals.own_amounts_read_usd),
            "own_amounts_by_status": markdown_table(
                ("status", "US dollars"),
                [(status.value, plain(amount)) for status, amount in totals.own_amounts_by_status_usd.items()],
            ),
            "amounts_absent": totals.amounts_absent,
            "amounts_unreadable": totals.amounts_unreadable,
        },
    )


def _unbilled_share(rows: Sequence[ResolvedLineItem], max_unbilled: Decimal) -> dg.AssetCheckResult:
    share = UnbilledShare.of(rows)
    too_much = share.exceeds(max_unbilled)
    description = f"{share.text()} can't be billed"
    if too_much:
        description += (
            f", more than BILLING_MAX_UNBILLED={max_unbilled}: nothing was published\n"
            "  remedy: mend the worst objects below in the app, then run the period"
        )
    return dg.AssetCheckResult(
        check_name=UNBILLED_SHARE_IS_SMALL,
        passed=share.rows == 0,
        severity=dg.AssetCheckSeverity.ERROR if too_much else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={
            "rows": share.rows,
            "of_rows": share.of_rows,
            "usd": dollars(share.absolute_usd),
            "of_usd": dollars(share.of_absolute_usd),
            "worst_objects": markdown_table(
                ("object", "status", "reason", "rows", "US dollars"), worst_objects(rows, _MOST_SHOWN)
            ),
            "dearest_rows": markdown_table(
                ("status", "reason", "US dollars", "assigned by", "object", "explain"),
                map(_unbilled_row, dearest_unbilled(rows, _MOST_SHOWN)),
            ),
        },
    )


def _unbilled_row(row: ResolvedLineItem) -> tuple[object, ...]:
    record = row.assignment
    by = record.assigned_by or "not told"
    return row.status.value, row.reason, _amount(row), by, record.s3_key, explain_command(record.line_hash)


def _duplicates(rows: Sequence[ResolvedLineItem]) -> dg.AssetCheckResult:
    duplicates = duplicates_of(rows)
    over_billed = total(duplicate.over_billed_usd for duplicate in duplicates)
    return dg.AssetCheckResult(
        check_name=NO_LINE_IS_ASSIGNED_TWICE,
        passed=not duplicates,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(duplicates):,} records left unbilled, which would have over-billed ${plain(over_billed)}",
        metadata={
            "duplicates": len(duplicates),
            "amounts_differ": sum(duplicate.amounts_differ for duplicate in duplicates),
            "would_have_over_billed_usd": dollars(over_billed),
            "side_by_side": markdown_table(
                (
                    "line hash",
                    "object",
                    "given to",
                    "amount",
                    "left out",
                    "amount",
                    "amounts differ",
                    "over-billed",
                    "explain",
                ),
                [_side_by_side(duplicate) for duplicate in duplicates[:_MOST_SHOWN]],
            ),
        },
    )


def _side_by_side(duplicate: Duplicate) -> tuple[object, ...]:
    sides = [cell for row in (duplicate.winner, duplicate.row) for cell in (_who(row.assignment), _amount(row))]
    differ = "yes" if duplicate.amounts_differ else "no"
    line_hash = duplicate.row.assignment.line_hash[:12]
    told = explain_command(duplicate.row.assignment.line_hash)
    return line_hash, duplicate.row.found_key, *sides, differ, plain(duplicate.over_billed_usd), told


def _who(record: Assignment) -> str:
    texts = (record.assignment_id, record.assigned_date, record.assigned_by)
    return ", ".join(text for text in texts if text) or "not told"


def _amount(row: ResolvedLineItem) -> str:
    return "unreadable" if row.billed_usd is None else plain(row.billed_usd)
