"""The TRACK page's grid: every expected account, month by month, and the share of each property in each month.

Source: SPEC.md section 8. One month by itself lives in `completion`; how the grid is drawn in `billing_assets.defs`.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.completion import AccountBills, AccountState, Share, match

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_assets.domain.listed_accounts import ListedAccount

NAMES = ("property_id", "property_name", "account_number", "vendor_name")
"""The columns in front of the months."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class PropertyMonths:
    """A property's share in each month of the grid."""

    property_id: str
    property_name: str
    shares: tuple[Share, ...]

    @property
    def missing(self) -> int:
        """In all months together."""
        return sum(share.missing for share in self.shares)


@dataclass(frozen=True, slots=True)
class CompletionGrid:
    """Expected accounts by month."""

    periods: tuple[str, ...]
    """Partition keys, in order."""
    accounts: tuple[ListedAccount, ...]
    """In order of property and number."""
    states: tuple[tuple[AccountState, ...], ...]
    """A row for each account, a column for each month."""

    @classmethod
    def of(cls, listed: Sequence[ListedAccount], bills: Mapping[str, Sequence[AccountBills]]) -> CompletionGrid:
        """Lay the months side by side; each is as `Completion.of` sees it.

        Args:
            listed: Every account of the list.
            bills: Of every stored period, by partition key.
        """
        by_key = {account.key: account for account in listed}
        expected = tuple(account for account in listed if account.is_expected)
        periods = tuple(sorted(bills))
        columns = []
        for period in periods:
            of_account = match(by_key, bills[period]).of_account
            columns.append([_state_of(of_account.get(account.key)) for account in expected])
        states = tuple(zip(*columns, strict=True)) if columns else ((),) * len(expected)
        return cls(periods, expected, states)

    @property
    def by_month(self) -> dict[str, Share]:
        """All accounts, by month."""
        columns = zip(*self.states, strict=True) if self.states else ((),) * len(self.periods)
        return {period: _share(column) for period, column in zip(self.periods, columns, strict=True)}

    @property
    def by_property(self) -> list[PropertyMonths]:
        """The months of each property, in order of the property; `""` for accounts without one."""
        rows: dict[str, list[tuple[AccountState, ...]]] = defaultdict(list)
        names: dict[str, set[str]] = defaultdict(set)
        for account, states in zip(self.accounts, self.states, strict=True):
            rows[account.property_id].append(states)
            names[account.property_id].add(account.property_name)
        return [
            PropertyMonths(
                property_id,
                min(filter(None, names[property_id]), default=""),
                tuple(_share(column) for column in zip(*rows[property_id], strict=True)),
            )
            for property_id in sorted(rows)
        ]

    def csv(self) -> str:
        """The whole grid for a spreadsheet: a line for each account, its state in each month.

        A text that a spreadsheet would take for a formula gets an apostrophe in front.
        """
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([*NAMES, *self.periods])
        for account, states in zip(self.accounts, self.states, strict=True):
            writer.writerow([*(_harmless(getattr(account, name)) for name in NAMES), *states])
        return buffer.getvalue()


def _state_of(bills: AccountBills | None) -> AccountState:
    if bills is None:
        return AccountState.MISSING
    return AccountState.EXCLUDED_ONLY if bills.excluded_only else AccountState.ASSIGNED


def _share(states: Sequence[AccountState]) -> Share:
    return Share(sum(state is not AccountState.MISSING for state in states), len(states))


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
