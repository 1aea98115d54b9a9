"""Figures, tables and column lists as Dagster shows them."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from billing_assets.domain.amount_changes import AmountChange
from billing_assets.domain.control_totals import StatusTotals
from billing_assets.domain.money import ZERO, plain
from billing_assets.domain.resolved import Status
from billing_assets.stores.columns import Column

_TYPES = {"text": "string", "whole": "int", "flag": "bool", "cents": "decimal(18,2)"}
PREVIEW_ROWS = 10
_SHOWN_AT_ONCE = 1000
"""Characters of markdown below which the UI (1.13) shows it in place."""
_HASH_DIGITS = 12
"""So many tell a line from all others, and are short enough to type."""
_BAR_BLOCKS = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"

WRITES = "billing/writes"
"""Tag of every asset: what materializing it changes."""

Metadata = dict[str, Any]
"""Figures by name; Dagster turns plain values into its own."""


def column_schema(columns: Iterable[Column]) -> dg.TableSchema:
    """The columns that the asset's page lists."""
    return dg.TableSchema([dg.TableColumn(c.name, _TYPES[c.kind], description=c.meaning) for c in columns])


def page(columns: dg.TableSchema, *, explain: str = "", runbook: Sequence[str] = ()) -> Metadata:
    """What an asset's page shows of its definition: columns, what to type for a row's story, what to read at 3 a.m.

    Args:
        columns: Of a row.
        explain: What names a row to `billing-assets explain`.
        runbook: The sections of docs/runbook.md that speak of the asset.
    """
    shown: Metadata = {"dagster/column_schema": columns}
    if explain:
        shown["explain_a_row"] = dg.MetadataValue.md(
            f"`billing-assets explain {explain}`: docs/operations.md, *Explain*"
        )
    if runbook:
        shown["runbook"] = dg.MetadataValue.md("docs/runbook.md: " + "; ".join(f"*{section}*" for section in runbook))
    return shown


def dollars(amount: Decimal) -> dg.MetadataValue:
    """Exact dollars as text: a float would show cents that nobody was billed."""
    return dg.MetadataValue.text(plain(amount))


def plotted_dollars(amount: Decimal) -> dg.MetadataValue:
    """Dollars for the asset's plot only, where a float does no harm."""
    return dg.MetadataValue.float(float(amount))


def explain_command(subject: str) -> str:
    """What to type for the whole story of a line hash or a bill, as a cell; `""` for a record without a hash.

    Example:
        >>> explain_command("3fa4c9d2e1b0a1"), explain_command("P|WTR||01/2025|01/2025"), explain_command("")
        ('`billing-assets explain 3fa4c9d2e1b0`', "`billing-assets explain 'P|WTR||01/2025|01/2025'`", '')
    """
    if not subject:
        return ""
    named = f"'{subject}'" if "|" in subject else subject[:_HASH_DIGITS]
    return f"`billing-assets explain {named}`"


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MetadataValue:
    """A small table; cells may hold any text."""
    return dg.MetadataValue.md("\n".join(_lines(headings, rows)))


def preview_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MetadataValue:
    """As many rows as the asset's page shows at once: it hides a longer table behind a button."""
    text = ""
    for line in _lines(headings, rows):
        if len(text) + len(line) >= _SHOWN_AT_ONCE:
            break
        text += f"\n{line}" if text else line
    return dg.MetadataValue.md(text)


def by_status(totals: Mapping[Status, StatusTotals]) -> dg.MetadataValue:
    """Rows and dollars of every status."""
    rows = [(status.value, f"{total.rows:,}", plain(total.billed_usd)) for status, total in totals.items()]
    return markdown_table(("status", "rows", "readable US dollars"), rows)


def bar_chart(of: str, changes: Sequence[AmountChange]) -> dg.MetadataValue:
    """Bars of text, before and after, beside their amounts: they render wherever a table does.

    All bars have one scale. A bar is as long as the amount is large; credits are told by their sign.
    """
    amounts = [amount.copy_abs() for change in changes for amount in (change.before_usd, change.after_usd)]
    longest = max(amounts, default=ZERO)
    rows = [
        (
            change.of or "(blank)",
            *(plain(amount) for amount in (change.before_usd, change.after_usd, change.difference_usd)),
            bar(change.before_usd, longest),
            bar(change.after_usd, longest),
        )
        for change in changes
    ]
    return markdown_table((of, "before US$", "after US$", "change", "before", "after"), rows)


def bar(amount: Decimal, longest: Decimal) -> str:
    """A bar as long as the amount's share of the longest, in eighths of a block; nothing only for 0.

    Example:
        >>> bar(Decimal(1), Decimal(2)), bar(Decimal("-0.01"), Decimal(1000)), bar(Decimal(0), Decimal(0))
        ('████████████', '▏', '')
    """
    if not amount:
        return ""
    blocks, eighth = divmod(max(1, int(amount.copy_abs() * _BAR_BLOCKS * 8 / longest)), 8)
    return ("█" * blocks + _EIGHTHS[eighth]).rstrip()


def _lines(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [f"| {' | '.join(map(_cell, line))} |" for line in (headings, ["---"] * len(headings), *rows)]


def _cell(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("|", "\\|")
    return " ".join(text.split())
