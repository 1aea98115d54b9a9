"""Records of one period that compete for the same charges: who was given one, and why before whom.

Source: SPEC.md sections 3 and 5. Sharing out lives in `resolved`; here its outcome is told from the rows that it left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets.domain.stage4 import ObjectFamily

if TYPE_CHECKING:
    from collections.abc import Iterable

    from billing_assets.domain.assignments import Assignment


@dataclass(frozen=True, slots=True)
class Rival:
    """Another record of the period that names an equal line of the same family."""

    row: ResolvedLineItem
    same_line: bool
    """Whether it is the same charge, and not only an equal one beside it."""
    why: str
    """Which of the two came first, and why; `""` where both were given a charge."""


def rivals_of(row: ResolvedLineItem, rows: Iterable[ResolvedLineItem]) -> list[Rival]:
    """The rivals of a row among all rows of its period.

    Returns:
        Those that were given a charge first, then by position and assignment; none for a row without a line.
    """
    if row.line is None:
        return []
    equal = [other for other in rows if other is not row and _compete(row, other)]
    rivals = [Rival(other, _same_line(row, other), _why(row, other)) for other in equal]
    return sorted(rivals, key=_winners_first)


def why_first(winner: ResolvedLineItem, loser: ResolvedLineItem, *, named: str = "it") -> str:
    """The first criterion by which one record comes before another, as a clause.

    Args:
        winner: The row that was given the line.
        loser: The row that was left without one.
        named: What the winner is called.
    """
    own = "its" if named == "it" else f"{named}'s"
    if _hint_is_right(winner) and not _hint_is_right(loser):
        return f"{own} `line_index` {winner.assignment.line_index} is where the line stands, the other's isn't"
    told = _by_precedence(winner.assignment, loser.assignment, named, own)
    return told or f"{named} was given another of the equal charges"


def _compete(row: ResolvedLineItem, other: ResolvedLineItem) -> bool:
    if row.line is None or other.line is None:
        return False
    return row.line.equal == other.line.equal and _family_of(row) == _family_of(other)


def _same_line(row: ResolvedLineItem, other: ResolvedLineItem) -> bool:
    return row.line is not None and other.line is not None and row.line.slot == other.line.slot


def _family_of(row: ResolvedLineItem) -> ObjectFamily:
    return ObjectFamily.of(row.found_key).identity


def _why(row: ResolvedLineItem, other: ResolvedLineItem) -> str:
    is_lost, other_is_lost = (each.status is Status.DUPLICATE for each in (row, other))
    if is_lost == other_is_lost:
        return ""
    return f"won: {why_first(other, row)}" if is_lost else f"lost: {why_first(row, other, named='this one')}"


def _hint_is_right(row: ResolvedLineItem) -> bool:
    return row.line is not None and row.line.position == row.assignment.line_index


def _by_precedence(winner: Assignment, loser: Assignment, named: str, own: str) -> str:
    if (winner.amount is None) != (loser.amount is None):
        return f"{named} has an amount of its own, the other hasn't" if winner.amount is not None else ""
    if winner.assigned_date != loser.assigned_date:
        return f"{named} was assigned later" if winner.assigned_date > loser.assigned_date else ""
    for name in ("assignment_id", "s3_key"):
        ours, theirs = getattr(winner, name), getattr(loser, name)
        if ours != theirs:
            return f"{own} `{name}` is the smaller one, all else being equal" if ours < theirs else ""
    return f"{own} `line_index` is the smaller one, all else being equal"


def _winners_first(rival: Rival) -> tuple[bool, int, tuple[object, ...]]:
    line = rival.row.line
    return rival.row.status is Status.DUPLICATE, -1 if line is None else line.position, rival.row.assignment.order
