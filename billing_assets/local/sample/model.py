"""The sample's own words and its oracle, written straight from the data contracts and from nothing else.

Nothing here may come from `billing_assets.domain`: an oracle that borrows the rules it judges can't catch them wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

VOLATILE_V1: Final = frozenset(
    {
        *("Charge Code", "Charge Code Source", "Charge Code Overridden", "Charge Code Override Reason"),
        *("Mapped Utility Name", "Current Amount", "Amount Overridden", "Amount Override Reason"),
        *("Is Excluded From UBI", "Exclusion Reason", "is_excluded_from_ubi", "exclusion_reason"),
    }
)
VOLATILE_V2: Final = VOLATILE_V1 | {
    *("ubi_period", "ubi_amount", "ubi_months_total", "ubi_assigned_by", "ubi_assigned_date", "ubi_assignments"),
    *("ubi_period_count", "ubi_notes", "__stage8_key__", "__s3_key__", "__row_idx__", "__id__", "__manual__"),
    *("ubi_auto_suggested", "PostedBy", "PostedAt", "Status"),
}


def line_hash(fields: Mapping[str, Any], version: str) -> str:
    """The identity of a line as the app writes it, by one of its two sets of volatile fields: `v1` or `v2`."""
    volatile = VOLATILE_V1 if version == "v1" else VOLATILE_V2
    kept = {name: value for name, value in fields.items() if name not in volatile}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def cents(amount_usd: Decimal, months: int = 1) -> Decimal:
    """A month's share of an amount, exact and then rounded half-even to cents.

    Example:
        >>> cents(Decimal("10.05"), 2), cents(Decimal("10.15"), 2)
        (Decimal('5.02'), Decimal('5.08'))
    """
    return Decimal(round(Fraction(amount_usd) / months * 100)).scaleb(-2)


def month_after(period: str, months: int) -> str:
    """The period so many months later (or earlier), as `YYYY-MM`."""
    year, month = divmod(int(period[:4]) * 12 + int(period[5:]) - 1 + months, 12)
    return f"{year:04d}-{month + 1:02d}"


def spelled(period: str) -> str:
    """The app's own spelling of a period: `MM/YYYY`."""
    return f"{period[5:]}/{period[:4]}"


class Deck:
    """Cards drawn without replacement and reshuffled when used up, so that each share is kept, not only hoped for."""

    def __init__(self, rng: Random, shares: Mapping[str, int], *, plain: str, size: int = 100) -> None:
        self._rng = rng
        self._cards = [kind for kind, count in shares.items() for _ in range(count)]
        self._cards += [plain] * (size - len(self._cards))
        self._left: list[str] = []

    def draw(self) -> str:
        """The next card."""
        if not self._left:
            self._left = self._cards.copy()
            self._rng.shuffle(self._left)
        return self._left.pop()


@dataclass(slots=True)
class Line:
    """A bill line, and what it was planted to become once assigned."""

    fields: dict[str, Any]
    property_id: str
    charge_code: str
    utility: str
    value_usd: Decimal
    status: str = "billable"
    reason: str | None = None
    kinds: frozenset[str] = frozenset()

    def twin(self, **volatile: Any) -> Line:
        """The same line with other volatile fields."""
        return replace(self, fields={**self.fields, **volatile})


@dataclass(frozen=True, slots=True)
class ExpectedFate:
    """What must become of one assignment. `billed_amount` and `master_bill_id` are given for billable ones alone."""

    assignment_id: str
    partition: str | None
    status: str | None
    """None exactly where `partition` is: it belongs to no partition."""
    reason: str | None
    """As in the contracts; an excluded line's own reason; None for billable ones and duplicates."""
    billed_amount: Decimal | None
    relocated: bool
    master_bill_id: str | None
    found_key: str | None
    """Object that holds the line given to the assignment; None if it got none."""
    found_index: int | None
    kinds: tuple[str, ...]
    """The imperfections planted in the assignment, its line or its object."""


@dataclass(frozen=True)
class Sample:
    """Invented content for the stores, and the oracle that says what must become of it."""

    assignments: list[dict[str, Any]]
    archived: list[dict[str, Any]]
    objects: dict[str, bytes]
    accounts: list[dict[str, Any]]
    accounts_cache: str
    expected: list[ExpectedFate]
    periods: list[str] = field(default_factory=list)

    def imperfections(self) -> dict[str, int]:
        """How many assignments each planted imperfection touches, by name."""
        return dict(sorted(Counter(kind for fate in self.expected for kind in fate.kinds).items()))
