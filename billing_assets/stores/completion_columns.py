"""The Parquet form of completion: one row for each expected account, of a period or of all periods side by side.

Other readers rely on these names: they change only together with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing_assets.domain.completion_grid import NAMES
from billing_assets.stores.columns import Column

if TYPE_CHECKING:
    from billing_assets.domain.completion import Completion
    from billing_assets.domain.completion_grid import CompletionGrid

COMPLETION_COLUMNS = (
    Column("ubi_period", "text", "the period, as its partition is called"),
    Column("property_id", "text", "property; blank where the list has none"),
    Column("property_name", "text", "its name on the list"),
    Column("account_number", "text", "account at the vendor"),
    Column("vendor_name", "text", "the vendor's name on the list"),
    Column("state", "text", "`assigned`, `excluded_only` (all its lines are excluded: assigned, too) or `missing`"),
    Column("bill_count", "whole", "bills (object families) with a line of the account in this period"),
    Column("amount_usd", "cents", "US dollars of its billable lines"),
    Column("last_billed_period", "text", "the latest period, up to this one, with a bill of the account; or blank"),
)
GRID_COLUMNS = (
    Column("property_id", "text", "property; blank where the list has none"),
    Column("property_name", "text", "its name on the list"),
    Column("account_number", "text", "account at the vendor"),
    Column("vendor_name", "text", "the vendor's name on the list"),
)
"""In front of a column of states for each stored period, which is called as its partition."""


def completion_values(completion: Completion) -> dict[str, list[Any]]:
    """The columns of a period."""
    rows = completion.accounts
    listed = {name: [getattr(row.account, name) for row in rows] for name in NAMES}
    return {
        "ubi_period": [completion.period] * len(rows),
        **listed,
        "state": [row.state.value for row in rows],
        "bill_count": [row.bill_count for row in rows],
        "amount_usd": [row.amount_usd for row in rows],
        "last_billed_period": [row.last_billed_period for row in rows],
    }


def grid_values(grid: CompletionGrid) -> dict[str, list[Any]]:
    """The columns of all periods side by side."""
    listed = {name: [getattr(account, name) for account in grid.accounts] for name in NAMES}
    states = {period: [states[place].value for states in grid.states] for place, period in enumerate(grid.periods)}
    return {**listed, **states}
