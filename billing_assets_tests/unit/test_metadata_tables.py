"""Tables as the Dagster UI shows them: what to type stands in them, and a preview is never hidden behind a button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from billing_assets.defs.metadata import explain_command, markdown_table, preview_table
from billing_assets.domain.subjects import BillSubject, LineSubject, parse_subject

if TYPE_CHECKING:
    import dagster as dg


def _text(table: dg.MetadataValue) -> str:
    return str(table.value)


def test_a_command_explains_something_else() -> None:
    """What a cell says to type is understood as the line or the bill that it stands beside."""
    assert explain_command("a" * 64) == f"`billing-assets explain {'a' * 12}`"
    assert parse_subject("a" * 12) == LineSubject("a" * 12)
    name = "P1|WTR||01/2025|01/2025"
    assert explain_command(name) == f"`billing-assets explain '{name}'`"
    assert parse_subject(name) == BillSubject(name, "2025-01")
    assert explain_command("") == ""


def test_a_bill_in_a_command_breaks_its_table() -> None:
    """The bars of an id are escaped, as markdown wants it inside a table's code too."""
    row = _text(markdown_table(("explain",), [(explain_command("P1|WTR||01/2025|01/2025"),)])).splitlines()[-1]
    assert row == r"| `billing-assets explain 'P1\|WTR\|\|01/2025\|01/2025'` |"


@given(st.lists(st.tuples(st.text(max_size=300), st.integers()), max_size=12))
def test_a_preview_is_hidden_or_cut_within_a_row(rows: list[tuple[str, int]]) -> None:
    """It begins as the whole table does, ends with a whole row, and is shorter than what the UI shows in place."""
    whole, shown = _text(markdown_table(("a", "b"), rows)), _text(preview_table(("a", "b"), rows))
    assert len(shown) <= 1000
    assert whole.splitlines()[: len(shown.splitlines())] == shown.splitlines()
    assert len(shown.splitlines()) >= 2
