"""A line assigned twice in one period: the record that is billed, and the one that isn't, side by side.

Source: SPEC.md section 5 and issue 3. Which of them wins is decided in `resolved`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.money import ZERO
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets.domain.stage4 import ObjectFamily

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A record left without a line, beside one that was given a line that it names."""

    row: ResolvedLineItem
    winner: ResolvedLineItem

    @property
    def amounts_differ(self) -> bool:
        """Whether the two would bill different cents, or only one of them is readable."""
        return self.row.billed_usd != self.winner.billed_usd

    @property
    def over_billed_usd(self) -> Decimal:
        """What the duplicate would have billed besides; nothing where the line is not billed at all."""
        billed = self.row.billed_usd if self.winner.status is Status.BILLABLE else None
        return ZERO if billed is None else billed


def duplicates_of(rows: Iterable[ResolvedLineItem]) -> list[Duplicate]:
    """Every duplicate of a period with a winner of its line.

    Of equal lines, all of which are given away, the first one's record is shown.

    Returns:
        The most dollars that would have been billed besides first.
    """
    winners: dict[tuple[ObjectFamily, str], ResolvedLineItem] = {}
    left_out = []
    for row in rows:
        if row.status is Status.DUPLICATE:
            left_out.append(row)
        elif row.line is not None:
            winners[_line_of(row)] = row
    duplicates = [Duplicate(row, winners[_line_of(row)]) for row in left_out]
    return sorted(duplicates, key=lambda pair: (-pair.over_billed_usd.copy_abs(), pair.row.assignment.order))


def _line_of(row: ResolvedLineItem) -> tuple[ObjectFamily, str]:
    identity = "" if row.line is None else row.line.identity
    return ObjectFamily.of(row.found_key).identity, identity
