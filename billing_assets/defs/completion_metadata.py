"""Figures and tables of a period's completion, as the check and the tracker show them."""

from collections.abc import Sequence

import dagster as dg

from billing_assets.defs.metadata import Metadata, markdown_table
from billing_assets.domain.completion import Completion
from billing_assets.domain.money import plain

MOST_SHOWN = 200


def completion_metadata(completion: Completion) -> Metadata:
    """Expected, assigned, missing and percent, in all and by property; the missing accounts; the unexpected ones."""
    share = completion.share
    return {
        "expected": share.expected,
        "assigned": share.assigned,
        "missing": share.missing,
        "percent": dg.MetadataValue.text(f"{share.percent} %"),
        "percent_plotted": dg.MetadataValue.float(float(share.percent)),
        "missing_accounts": _missing_table(completion),
        "by_property": _property_table(completion),
        "assigned_but_not_expected": len(completion.unexpected),
        "not_expected_accounts": _unexpected_table(completion),
    }


def _missing_table(completion: Completion) -> dg.MetadataValue:
    rows = [
        (
            row.account.property_id,
            row.account.property_name,
            row.account.account_number,
            row.account.vendor_name,
            row.last_billed_period or "never",
        )
        for row in completion.missing
    ]
    return _table(("property", "name", "account", "vendor", "last billed"), rows)


def _property_table(completion: Completion) -> dg.MetadataValue:
    names: dict[str, str] = {}
    for row in completion.accounts:
        names[row.account.property_id] = names.get(row.account.property_id) or row.account.property_name
    shares = sorted(completion.by_property.items(), key=lambda item: (-item[1].missing, item[0]))
    rows = [
        (
            property_id or "(none)",
            names[property_id],
            share.expected,
            share.assigned,
            share.missing,
            f"{share.percent} %",
        )
        for property_id, share in shares
    ]
    return _table(("property", "name", "expected", "assigned", "missing", "complete"), rows)


def _unexpected_table(completion: Completion) -> dg.MetadataValue:
    rows = [
        (bills.property_id, bills.account_number, why, len(bills.bills), plain(bills.billed_usd))
        for bills, why in completion.unexpected
    ]
    return _table(("property", "account", "why", "bills", "US dollars"), rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MetadataValue:
    """A table that tells how many rows it leaves out; all of them stand in `completion_tracker`."""
    shown = list(rows[:MOST_SHOWN])
    if len(rows) > MOST_SHOWN:
        shown.append((f"and {len(rows) - MOST_SHOWN:,} more", *[""] * (len(headings) - 1)))
    return markdown_table(headings, shown)
