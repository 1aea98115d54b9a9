"""Checks of `resolved_line_items` that compare amounts with lines, here and in all stored periods."""

from collections.abc import Iterator, Sequence

import dagster as dg

from billing_assets.defs.metadata import Metadata, dollars, explain_command, markdown_table
from billing_assets.domain.duplicated_invoices import DuplicatedInvoice, duplicated_invoices
from billing_assets.domain.money import plain, share_in_cents, total
from billing_assets.domain.resolved import ResolvedLineItem
from billing_assets.domain.shares import (
    BilledShare,
    DriftedAmount,
    LineShares,
    above_and_below_usd,
    drifted_amounts,
    shares_beside_charges,
)
from billing_assets.stores.stored_periods import StoredShares

SHARES_ADD_UP = "shares_add_up_to_their_charges"
NO_AMOUNT_HAS_DRIFTED = "no_own_amount_has_drifted_from_its_line"
NO_INVOICE_IS_PARSED_TWICE = "no_invoice_is_parsed_twice"

_MOST_SHOWN = 25


def share_check_specs(asset: str, partitions: dg.PartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """The checks, each a promise about one period; none of them stops it."""

    def spec(name: str, description: str) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=partitions)

    return [
        spec(
            SHARES_ADD_UP,
            "Over all stored periods, the billed shares of a line of this period add up to its charge or override: not "
            "more, nor less once as many periods as its records say are billed. Half a cent a share is rounding. WARN.",
        ),
        spec(
            NO_AMOUNT_HAS_DRIFTED,
            "A record's own amount is its line's present charge or override divided by its months, within half a cent "
            "a month. WARN: the line was probably changed after it was assigned.",
        ),
        spec(
            NO_INVOICE_IS_PARSED_TWICE,
            "No charge of this period (account, service dates, utility, amount) is billed from two object families, "
            "in whichever stored periods. WARN with what that over-bills.",
        ),
    ]


def check_shares(
    rows: Sequence[ResolvedLineItem], own: Sequence[BilledShare], stored: StoredShares, partition: str
) -> Iterator[dg.AssetCheckResult]:
    """The results, in the order of the specs.

    Args:
        rows: The period's.
        own: What they bill.
        stored: What the other periods bill of the same lines and invoices.
        partition: The period.
    """
    shares = [*own, *stored.shares]
    yield _shares(shares_beside_charges(shares, partition), stored)
    yield _drift(drifted_amounts(rows))
    yield _invoices(duplicated_invoices(shares, partition), stored)


def _shares(lines: Sequence[LineShares], stored: StoredShares) -> dg.AssetCheckResult:
    above, below = above_and_below_usd(lines)
    return dg.AssetCheckResult(
        check_name=SHARES_ADD_UP,
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"shares of {len(lines):,} lines are ${plain(above)} above and ${plain(below)} below their charges"
        if lines
        else None,
        metadata={
            "lines": len(lines),
            "above_usd": dollars(above),
            "below_usd": dollars(below),
            "worst": markdown_table(
                ("line hash", "object", "charge", "shares", "excess", "period, months, billed", "explain"),
                [_line(line) for line in lines[:_MOST_SHOWN]],
            ),
            **_compared_with(stored),
        },
    )


def _line(line: LineShares) -> tuple[object, ...]:
    first = line.shares[0]
    shares = "; ".join(f"{share.partition} (of {share.months}) {plain(share.billed_usd)}" for share in line.shares)
    amounts = plain(line.charge_usd), *(plain(share_in_cents(usd)) for usd in (line.shares_usd, line.excess_usd))
    at = f"{first.found_s3_key}, line {first.position}"
    return first.line_hash[:12], at, *amounts, shares, explain_command(first.line_hash)


def _drift(drifted: Sequence[DriftedAmount]) -> dg.AssetCheckResult:
    difference = total(drift.difference_usd for drift in drifted)
    return dg.AssetCheckResult(
        check_name=NO_AMOUNT_HAS_DRIFTED,
        passed=not drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(drifted):,} own amounts are not their lines' shares any more, ${plain(difference)} in all"
        if drifted
        else None,
        metadata={
            "records": len(drifted),
            "difference_usd": dollars(difference),
            "worst": markdown_table(
                (
                    *("line hash", "assignment", "object", "own amount", "line's share", "difference"),
                    *("override reason", "explain"),
                ),
                [_drifted(drift) for drift in drifted[:_MOST_SHOWN]],
            ),
        },
    )


def _drifted(drift: DriftedAmount) -> tuple[object, ...]:
    record, item = drift.row.assignment, drift.row.item
    return (
        record.line_hash[:12],
        record.assignment_id,
        drift.row.found_key,
        plain(drift.own_usd),
        plain(drift.expected_usd),
        plain(drift.difference_usd),
        "" if item is None else item.amount_override_reason,
        explain_command(record.line_hash),
    )


def _invoices(invoices: Sequence[DuplicatedInvoice], stored: StoredShares) -> dg.AssetCheckResult:
    over_billed = total(invoice.over_billed_usd for invoice in invoices)
    return dg.AssetCheckResult(
        check_name=NO_INVOICE_IS_PARSED_TWICE,
        passed=not invoices,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(invoices):,} charges are billed from several files: ${plain(over_billed)} too much"
        if invoices
        else None,
        metadata={
            "charges": len(invoices),
            "over_billed_usd": dollars(over_billed),
            "worst": markdown_table(
                (
                    "account",
                    "utility",
                    "service",
                    "charge",
                    "over-billed",
                    "billed from: period, line, amount",
                    "explain",
                ),
                [_invoice(invoice) for invoice in invoices[:_MOST_SHOWN]],
            ),
            **_compared_with(stored),
        },
    )


def _invoice(invoice: DuplicatedInvoice) -> tuple[object, ...]:
    sides = [
        f"{share.found_s3_key}, line {share.position}: {share.partition} {plain(share.billed_usd)}"
        for shares in invoice.shares_by_family.values()
        for share in shares
    ]
    first = next(iter(invoice.shares_by_family.values()))[0]
    dates = f"{first.service_start} to {first.service_end}"
    amounts = plain(invoice.charge_usd), plain(invoice.over_billed_usd)
    told = explain_command(first.line_hash)
    return first.account_number, first.utility_name, dates, *amounts, "; ".join(sides), told


def _compared_with(stored: StoredShares) -> Metadata:
    return {
        "stored_periods_compared": len(stored.periods),
        "stored_files_not_readable": ", ".join(stored.unreadable) or "none",
    }
