"""The small pieces that a printed story is made of: dollars, moments, tables, and texts that a terminal won't obey."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

STATUS_STYLES = {
    "billable": "green",
    "excluded": "cyan",
    "duplicate": "yellow",
    "unresolved": "red",
    "unbillable": "red",
    "invalid": "red",
    "gone": "red",
    "published only": "yellow",
}


def safe(value: str) -> Text:
    """Other people's text: never markup, and nothing that a terminal would obey."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in value))


def dollars(amount: Decimal | None) -> str:
    """Exact dollars; `none` where there is no readable amount."""
    return "none" if amount is None else f"${amount:,f}" if amount >= 0 else f"-${-amount:,f}"


def moment(at: dt.datetime | None) -> str:
    """To the second, in UTC."""
    return "" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """Labels and texts, a line each; a blank text is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=11)
    grid.add_column(overflow="fold")
    for label, text in pairs:
        if text:
            grid.add_row(f"  {label}", safe(text))
    return grid


def table_of(*headings: str) -> Table:
    """A table indented like the facts; `>` in front of a heading sets its column to the right."""
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", padding=(0, 1), pad_edge=True)
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.lstrip(">"), justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table
