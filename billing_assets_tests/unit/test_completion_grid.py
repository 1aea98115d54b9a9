"""The completion grid, its spreadsheet and its picture."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from billing_assets.defs.heat_map import MOST_BYTES, MOST_PROPERTIES, heat_map, heat_map_svg
from billing_assets.domain.accounts import AccountToTrack
from billing_assets.domain.completion import AccountBills, Completion, bills_by_account
from billing_assets.domain.completion_grid import CompletionGrid
from billing_assets.domain.listed_accounts import listed_accounts
from billing_assets.domain.periods import Month
from billing_assets_tests.unit.test_completion import ITEMS, ROWS, listed, row

MONTHS = [Month(2024, 11).plus(n).key for n in range(3)]


def many(properties: int, months: int, name: str = "Property") -> CompletionGrid:
    """A grid of as many properties, each with a bill in every third month."""
    accounts = [
        AccountToTrack(f"A{n}", f"P{n}", f"{name} {n}", "", "", "", "", None, is_tracked=True, is_ubi=True)
        for n in range(properties)
    ]
    bills = {
        Month(2023, 11).plus(month).key: bills_by_account(
            row(f"P{n}", f"A{n}") for n in range(properties) if (n + month) % 3
        )
        for month in range(months)
    }
    return CompletionGrid.of(listed_accounts(accounts), bills)


@given(ITEMS, st.lists(ROWS, min_size=3, max_size=3))
def test_the_grid_says_otherwise_than_a_period(items: list[AccountToTrack], rows: list[list[object]]) -> None:
    """Every cell is what the period by itself says, and sums agree by month and by property."""
    accounts = listed_accounts(items)
    bills: dict[str, list[AccountBills]] = {
        month: bills_by_account(of_month)  # type: ignore[arg-type]
        for month, of_month in zip(MONTHS, rows, strict=True)
    }
    grid = CompletionGrid.of(accounts, bills)
    for column, month in enumerate(MONTHS):
        alone = Completion.of(month, accounts, bills)
        assert [states[column] for states in grid.states] == [account.state for account in alone.accounts]
        assert grid.by_month[month] == alone.share
        shares = {months.property_id: months.shares[column] for months in grid.by_property}
        assert shares == alone.by_property


def test_an_empty_grid_cannot_be_drawn() -> None:
    """No account expected, or no period resolved: a text instead of a picture, and a CSV with its heading."""
    nobody = CompletionGrid.of([], {"2025-01": []})
    never = CompletionGrid.of(listed_accounts([listed("P", "A")]), {})
    assert nobody.csv() == "property_id,property_name,account_number,vendor_name,2025-01\n"
    assert never.csv() == "property_id,property_name,account_number,vendor_name\nP,at P,A,Gas\n"
    assert nobody.by_month["2025-01"].expected == 0
    for grid in (nobody, never):
        assert "nothing is expected yet" in str(heat_map(grid).value)


def test_a_text_of_the_list_breaks_the_spreadsheet() -> None:
    """Commas, quotes and line ends are quoted; what a spreadsheet would run as a formula isn't one any more."""
    account = AccountToTrack("=1+1", "P", 'a,"b"\nc', "", "@x", "", "", None, is_tracked=True, is_ubi=True)
    grid = CompletionGrid.of(listed_accounts([account]), {"2025-01": []})
    _, line = csv.reader(io.StringIO(grid.csv()))
    assert line == ["P", 'a,"b"\nc', "'=1+1", "'@x", "missing"]


def test_a_large_picture_fills_the_event_log() -> None:
    """However many properties and months: well-formed, below its limit, and it says what it leaves out."""
    for properties, months in ((1, 1), (40, 14), (41, 24), (200, 36)):
        svg = heat_map_svg(many(properties, months, name="<&> \x00 " + "é" * 40))
        assert len(svg.encode()) <= MOST_BYTES
        texts = [element.text or "" for element in ET.fromstring(svg).iter() if element.tag.endswith("text")]  # noqa: S314
        shown = f"{properties} properties by month"
        if properties > MOST_PROPERTIES:
            shown = f"the {MOST_PROPERTIES} properties of {properties} with the most missing bills by month"
        assert texts[0].endswith(shown)


def test_a_picture_shows_other_shares_than_the_grid() -> None:
    """A figure for each cell that is not complete, and a label for each property and month."""
    texts = [
        element.text
        for element in ET.fromstring(heat_map_svg(many(2, 3))).iter()  # noqa: S314
        if element.tag.endswith("text")
    ]
    assert texts[1:8] == ["2023", "Nov", "Dec", "2024", "Jan", "Property 0", "Property 1"]
    assert texts[8:10] == ["0", "0"]
