"""Assignments as the app writes them, each with the fate that it must meet.

A `Claim` says what is planted; the ledger writes the assignment and its fate side by side and keeps count of
the room that each period has left. Which claims are made is decided in `generate`, `rivals` and `unbilled`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from billing_assets.local.sample.model import ExpectedFate, Line, cents, line_hash, month_after, spelled
from billing_assets.local.sample.names import NOTES, REVIEWERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets.local.sample.bills import Place

ABSENT: Final = object()
"""As an override: the assignment lacks the attribute."""
_NO_OWN_AMOUNT: Final = {"amount_absent": ABSENT, "amount_null": None, "amount_blank": ""}


@dataclass(frozen=True, slots=True)
class Claim:
    """One assignment to be written: which line, and in which of the app's many ways."""

    line: Line
    place: Place
    index: int
    period: str | None
    hint: str = "right"
    version: str = "v2"
    amount: str = ""
    months: int = 1
    months_as: str = ""
    period_as: str = ""
    assigned_date: str = ""
    status: str = ""
    """Planted fate; blank where it is the line's own."""
    reason: str | None = None
    kinds: frozenset[str] = frozenset()
    overrides: dict[str, Any] = field(default_factory=dict)
    given: tuple[Line, int] | None = None
    """The equal line that it is given, where that is not the one it was made for."""


class Ledger:
    """All assignments and their fates, in the order in which they were made."""

    def __init__(self, text_of: Callable[[Decimal], str]) -> None:
        self._text_of = text_of
        self._hashes: dict[tuple[int, str], str] = {}
        self._split_shapes = cycle([10, 2])
        self.assignments: list[dict[str, Any]] = []
        self.expected: list[ExpectedFate] = []

    def write(self, claim: Claim) -> None:
        """Add an assignment, and what must become of it."""
        line, place = claim.line, claim.place
        amount, billed = self._amounts(claim)
        period_text, last = _spelling(claim)
        hint = {"right": claim.index + place.hinted_shift, "stale": claim.index + 1, "far": 999}.get(claim.hint, ABSENT)
        number = len(self.assignments) + 1
        attributes = {
            "assignment_id": f"ua-{number:07d}",
            "line_hash": line_hash(line.fields, claim.version),
            "ubi_period": period_text,
            "s3_key": place.s3_key,
            "bill_id": place.bill_id if number % 37 else ABSENT,
            "line_index": hint,
            "amount": amount,
            **_months(claim),
            "assigned_by": REVIEWERS[number % len(REVIEWERS)],
            "assigned_date": claim.assigned_date or _date(claim.period, number),
            "notes": NOTES[number % len(NOTES)] if number % 6 == 0 else ABSENT,
            **claim.overrides,
        }
        self.assignments.append({name: value for name, value in attributes.items() if value is not ABSENT})
        self.expected.append(_fate(claim, attributes["assignment_id"], billed, last))

    def _amounts(self, claim: Claim) -> tuple[Any, Decimal]:
        """The amount as the assignment holds it, and as it must be billed."""
        value, months = claim.line.value_usd, claim.months
        if claim.given:
            value = claim.given[0].value_usd
        share = cents(value, months)
        if claim.amount in _NO_OWN_AMOUNT:
            return _NO_OWN_AMOUNT[claim.amount], share
        if claim.amount == "amount_text":
            return self._text_of(share), share
        if claim.amount == "amount_zero":
            return Decimal(0), cents(Decimal(0))
        if claim.amount == "amount_half_cent":
            amount = share + Decimal("0.005")
            return amount, cents(amount)
        if months == 1:
            return value, share
        digits = Decimal(1).scaleb(-next(self._split_shapes))
        amount = (value / months).quantize(digits, ROUND_HALF_EVEN)
        return amount, cents(amount)


def _spelling(claim: Claim) -> tuple[Any, str]:
    """The period as the assignment holds it, and the last month that it means."""
    period = claim.period
    if period is None:
        return ABSENT, ""
    if claim.period_as == "period_range":
        last = month_after(period, 1 + claim.index % 5)
        return f"{spelled(period)} to {spelled(last)}", last
    if claim.period_as == "period_short" and period[5] == "0":
        return spelled(period)[1:], period
    return spelled(period), period


def _months(claim: Claim) -> dict[str, Any]:
    number = claim.months
    ways: dict[str, dict[str, Any]] = {
        "months_absent": {},
        "months_text": {"months": str(number)},
        "months_total": {"months_total": number},
        "months_null": {"months": None, "months_total": str(number)},
        "months_decimal": {"months": Decimal(f"{number}.0")},
    }
    return ways.get(claim.months_as, {"months": number})


def _date(period: str | None, number: int) -> str:
    month = period or "2025-01"
    return f"{month}-{number % 28 + 1:02d}T{number % 10 + 8:02d}:{number % 60:02d}:{number % 53:02d}Z"


def _fate(claim: Claim, assignment_id: str, billed: Decimal, last: str) -> ExpectedFate:
    line, index = claim.given or (claim.line, claim.index)
    status = claim.status or line.status
    given_a_line = claim.period is not None and status in {"billable", "excluded", "unbillable"}
    kinds = set(claim.kinds | line.kinds | claim.place.kinds)
    kinds |= {claim.amount, claim.months_as} | ({"split"} if claim.months > 1 else set())
    kinds |= {f"hint_{claim.hint}"} if claim.hint != "right" else set()
    # A month from October on has no short spelling.
    kinds |= (
        {claim.period_as} if claim.period and (claim.period_as != "period_short" or claim.period[5] == "0") else set()
    )
    billable = claim.period is not None and status == "billable"
    return ExpectedFate(
        assignment_id=assignment_id,
        partition=claim.period,
        status=status if claim.period else None,
        reason=(claim.reason if claim.status else line.reason) if claim.period else None,
        billed_amount=billed if billable else None,
        relocated=given_a_line and claim.place.relocated,
        master_bill_id=_bill_id(line, claim.period, last) if billable and claim.period else None,
        found_key=claim.place.found_key if given_a_line else None,
        found_index=index + claim.place.shift if given_a_line else None,
        kinds=tuple(sorted(kinds - {""})),
    )


def _bill_id(line: Line, first: str, last: str) -> str:
    parts = (line.property_id, line.charge_code, line.utility)
    escaped = [part.replace("%", "%25").replace("|", "%7C") for part in parts]
    return "|".join([*escaped, spelled(first), spelled(last)])
