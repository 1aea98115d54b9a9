"""Figures, tables and column lists as Dagster shows them."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from billing_assets.domain.control_totals import StatusTotals
from billing_assets.domain.money import plain
from billing_assets.domain.resolved import Status
from billing_assets.stores.parquet import Column

_TYPES = {"text": "string", "whole": "int", "flag": "bool", "cents": "decimal(18,2)"}
PREVIEW_ROWS = 10

Metadata = dict[str, Any]
"""Figures by name; Dagster turns plain values into its own."""


def column_schema(columns: Iterable[Column]) -> dg.TableSchema:
    """The columns that the asset's page lists."""
    return dg.TableSchema([dg.TableColumn(c.name, _TYPES[c.kind], description=c.meaning) for c in columns])


def dollars(amount: Decimal) -> dg.MetadataValue:
    """Exact dollars as text: a float would show cents that nobody was billed."""
    return dg.MetadataValue.text(plain(amount))


def plotted_dollars(amount: Decimal) -> dg.MetadataValue:
    """Dollars for the asset's plot only, where a float does no harm."""
    return dg.MetadataValue.float(float(amount))


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MetadataValue:
    """A small table; cells may hold any text."""
    lines = [headings, ["---"] * len(headings), *rows]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines))


def by_status(totals: Mapping[Status, StatusTotals]) -> dg.MetadataValue:
    """Rows and dollars of every status."""
    rows = [(status.value, f"{total.rows:,}", plain(total.billed_usd)) for status, total in totals.items()]
    return markdown_table(("status", "rows", "readable US dollars"), rows)


def _cell(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("|", "\\|")
    return " ".join(text.split())
