"""Assignments that compete for lines within one period: equal lines, and one line assigned twice.

Each scene is a bill of its own whose winners and losers are known by section 3 and 5 of the contracts:
right hints first, then an own amount, the latest date, the smallest `assignment_id`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from billing_assets.local.sample.assignments import Claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets.local.sample.bills import Bill, Place, Shelf
    from billing_assets.local.sample.model import Line

_DAYS: Final = ("03", "11", "24")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scene is played on: a bill of two different plain lines, not yet stored."""

    shelf: Shelf
    bill: Bill
    period: str

    def equal(self) -> tuple[Line, Line]:
        """Make the two lines equal but for fields that `v2` leaves out."""
        first = self.bill.lines[0].twin(__row_idx__=0, __id__=f"{self.bill.base}-0")
        second = first.twin(__row_idx__=1, __id__=f"{self.bill.base}-1")
        self.bill.lines[:] = [first, second]
        return first, second

    def claim(self, place: Place, index: int, day: int, hint: str = "absent") -> Claim:
        """An assignment of one of the stored lines, on the first, second or third day."""
        moment = f"{self.period}-{_DAYS[day]}T09:30:00Z"
        return Claim(self.bill.lines[index], place, index, self.period, hint, assigned_date=moment)


def _lost(claim: Claim) -> Claim:
    return replace(claim, status="duplicate")


def _third_is_left_over(stage: Stage) -> list[Claim]:
    stage.equal()
    place = stage.shelf.store(stage.bill)
    return [_lost(stage.claim(place, 0, 2)), stage.claim(place, 0, 0, "right"), stage.claim(place, 1, 1, "right")]


def _same_hint(stage: Stage) -> list[Claim]:
    """All point at the first line: the latest gets it, the next one the other line, the oldest none."""
    lines = stage.equal()
    place = stage.shelf.store(stage.bill)
    oldest, middle, latest = (stage.claim(place, 0, day, "right") for day in range(3))
    return [_lost(oldest), replace(middle, given=(lines[1], 1)), latest]


def _no_hints(stage: Stage) -> list[Claim]:
    lines = stage.equal()
    place = stage.shelf.store(stage.bill)
    return [replace(stage.claim(place, 0, 0), given=(lines[1], 1)), stage.claim(place, 0, 1)]


def _own_v1_hashes(stage: Stage) -> list[Claim]:
    """Their `v1` hashes differ, so each names one line only, whatever the dates say."""
    stage.equal()
    place = stage.shelf.store(stage.bill)
    return [replace(stage.claim(place, index, 1 - index), version="v1") for index in (0, 1)]


def _v1_comes_too_late(stage: Stage) -> list[Claim]:
    """The later one names both lines and takes the first, the only one that the earlier names."""
    stage.equal()
    place = stage.shelf.store(stage.bill)
    return [_lost(replace(stage.claim(place, 0, 0), version="v1")), stage.claim(place, 0, 1)]


def _one_is_excluded(stage: Stage) -> list[Claim]:
    _, second = stage.equal()
    excluded = second.twin(**{"Is Excluded From UBI": "true", "Exclusion Reason": "Counted twice"})
    stage.bill.lines[1] = replace(excluded, status="excluded", reason="Counted twice")
    place = stage.shelf.store(stage.bill)
    return [stage.claim(place, 0, 0, "right"), stage.claim(place, 1, 1, "right")]


def _other_charge_code(stage: Stage) -> list[Claim]:
    _, second = stage.equal()
    stage.bill.lines[1] = replace(second.twin(**{"Charge Code": "ADM"}), charge_code="ADM")
    place = stage.shelf.store(stage.bill)
    return [stage.claim(place, 1, 2, "right"), stage.claim(place, 0, 1, "right")]


def _before_and_after_a_move(stage: Stage) -> list[Claim]:
    """One was assigned before the object moved, one after; both lines are found in the newer object."""
    stage.equal()
    before = stage.shelf.store(stage.bill, "moved")
    after = replace(before, s3_key=before.found_key)
    return [stage.claim(before, 0, 0, "right"), stage.claim(after, 1, 1, "right")]


def _latest_wins(stage: Stage) -> list[Claim]:
    place = stage.shelf.store(stage.bill)
    return [stage.claim(place, 1, 2, "right"), _lost(stage.claim(place, 1, 0, "right"))]


def _right_hint_wins(stage: Stage) -> list[Claim]:
    place = stage.shelf.store(stage.bill)
    return [_lost(stage.claim(place, 0, 2, "stale")), stage.claim(place, 0, 0, "right")]


def _own_amount_wins(stage: Stage) -> list[Claim]:
    place = stage.shelf.store(stage.bill)
    without = replace(stage.claim(place, 0, 2, "right"), amount="amount_absent")
    return [_lost(without), stage.claim(place, 0, 0, "right")]


def _smallest_id_wins(stage: Stage) -> list[Claim]:
    place = stage.shelf.store(stage.bill)
    return [stage.claim(place, 1, 1), _lost(stage.claim(place, 1, 1))]


def _both_hash_versions(stage: Stage) -> list[Claim]:
    place = stage.shelf.store(stage.bill)
    return [_lost(replace(stage.claim(place, 0, 0, "right"), version="v1")), stage.claim(place, 0, 1, "right")]


def _under_both_keys(stage: Stage) -> list[Claim]:
    """The object stands under two timestamps; one assignment names the older, the later one the newer."""
    older = stage.shelf.store(stage.bill)
    newer = stage.shelf.put(stage.bill.key(1), stage.shelf.objects[older.s3_key])
    newer = replace(newer, bill_id=older.bill_id)
    return [_lost(stage.claim(older, 0, 0, "right")), stage.claim(newer, 0, 2, "right")]


SCENES: Final[dict[str, Callable[[Stage], list[Claim]]]] = {
    "equal_lines_third_is_left_over": _third_is_left_over,
    "duplicate_latest_wins": _latest_wins,
    "equal_lines_same_hint": _same_hint,
    "duplicate_right_hint_wins": _right_hint_wins,
    "equal_lines_no_hints": _no_hints,
    "duplicate_own_amount_wins": _own_amount_wins,
    "equal_lines_own_v1_hashes": _own_v1_hashes,
    "duplicate_smallest_id_wins": _smallest_id_wins,
    "equal_lines_v1_comes_too_late": _v1_comes_too_late,
    "duplicate_both_hash_versions": _both_hash_versions,
    "equal_lines_one_is_excluded": _one_is_excluded,
    "duplicate_under_both_keys": _under_both_keys,
    "equal_lines_other_charge_code": _other_charge_code,
    "equal_lines_before_and_after_a_move": _before_and_after_a_move,
}


def play(name: str, stage: Stage) -> list[Claim]:
    """Store a scene's bill and return its two or three claims, in the order of their ids."""
    return [replace(claim, kinds=frozenset({name})) for claim in SCENES[name](stage)]
