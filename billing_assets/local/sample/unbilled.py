"""Assignments that can't be billed, a bill each: invalid, unresolved or unbillable.

Their amounts are small, so that a period's unbilled share of dollars stays below its share of assignments.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from billing_assets.local.sample.assignments import ABSENT, Claim
from billing_assets.local.sample.bills import BROKEN_LINE, Place, body_of, gzipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets.local.sample.bills import Bill, Shelf

PERIODS_OF_NO_PARTITION: Final[tuple[Any, ...]] = (
    *(ABSENT, "2025-01", "13/2025", "January 2025", "06/1999", "12/2099", "05/2026 to 02/2026", " 01/2026", "01/26"),
    *("00/2026", "01/2024 to 02/2026", "\N{FULLWIDTH DIGIT ZERO}1/2026", "01/2026 - 02/2026", "TBD"),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A bill of two plain lines, not yet stored, whose first line is assigned in vain."""

    shelf: Shelf
    bill: Bill
    period: str
    variant: int
    """Chooses among the variants of one kind of trouble, in turn."""

    def claim(self, place: Place | None = None, **planted: Any) -> Claim:
        """An assignment of the first line, at the place where the bill is (or was) stored."""
        place = place or self.shelf.store(self.bill)
        return replace(Claim(self.bill.lines[0], place, 0, self.period), **planted)

    def invalid(self, reason: str, **overrides: Any) -> Claim:
        """An assignment that is itself unusable."""
        return self.claim(status="invalid", reason=reason, overrides=overrides)

    def unresolved(self, reason: str, key: str = "", **overrides: Any) -> Claim:
        """An assignment without its line."""
        key = key or self.bill.key()
        place = Place(key, key, bill_id=self.bill.bill_id)
        return self.claim(place, status="unresolved", reason=reason, overrides=overrides)

    def unbillable(self, reason: str, fields: dict[str, Any], **planted: Any) -> Claim:
        """An assignment of a line that lacks what a master bill needs."""
        line = self.bill.lines[0] = self.bill.lines[0].twin(**fields)
        return self.claim(line=line, status="unbillable", reason=reason, **planted)

    def pick(self, *variants: Any) -> Any:
        """The variant whose turn it is."""
        return variants[self.variant % len(variants)]


def _object_missing(trouble: Trouble) -> Claim:
    """Nothing is left; or the line stands only under an older timestamp, or in another bill's family."""
    lines = body_of(trouble.bill.lines)
    elsewhere = trouble.pick(None, trouble.bill.key(-1), trouble.bill.key(1, extra="_copy"))
    if elsewhere:
        trouble.shelf.put(elsewhere, lines)
    return trouble.unresolved("object_missing")


def _bad_gzip(trouble: Trouble) -> Claim:
    key = trouble.bill.key(suffix=".jsonl.gz")
    whole = gzipped(body_of(trouble.bill.lines))
    trouble.shelf.put(key, trouble.pick(whole[: len(whole) // 2], b"not gzip at all\n", whole[:-4] + b"\0\0\0\0"))
    return trouble.unresolved("object_unreadable", key)


def _not_utf8(trouble: Trouble) -> Claim:
    """In every second case a newer object can be read, but doesn't hold the line: the older one's reason counts."""
    trouble.shelf.put(trouble.bill.key(), body_of(trouble.bill.lines) + b'{"Line Item Description": "A\xf1o"}\n')
    if trouble.variant % 2:
        trouble.shelf.put(trouble.bill.key(1), body_of(trouble.bill.lines[1:]))
    return trouble.unresolved("object_unreadable")


def _line_not_found(trouble: Trouble) -> Claim:
    """The hash of no line at all; or the line was cut off; or it left the object and its newer sibling."""
    first, second = trouble.bill.lines
    trouble.shelf.put(trouble.bill.key(), body_of(trouble.pick([first, second], [BROKEN_LINE, second], [second])))
    if trouble.variant % 3 == 2:
        trouble.shelf.put(trouble.bill.key(1), body_of([second]))
    elif trouble.variant % 3 == 0:
        nobody = hashlib.sha256(trouble.bill.base.encode()).hexdigest()
        return trouble.unresolved("line_not_found", line_hash=nobody)
    return trouble.unresolved("line_not_found")


def _no_property(trouble: Trouble) -> Claim:
    blank = trouble.pick("", "N/A", None, "n/a ")
    return trouble.unbillable("missing_property_id", {"EnrichedPropertyID": blank, "Property ID": ""})


def _bad_charge(trouble: Trouble) -> Claim:
    text = trouble.pick("", "see bill", "1,23.45", "N/A", "12.3.4", "+5.00", "--7.10")
    own = trouble.pick("amount_absent", "amount_null", "amount_blank")
    return trouble.unbillable("bad_amount", {"Line Item Charge": text}, amount=own)


TROUBLES: Final[dict[str, Callable[[Trouble], Claim]]] = {
    "object_missing": _object_missing,
    "no_s3_key": lambda trouble: trouble.invalid("missing_field:s3_key", s3_key=trouble.pick(ABSENT, "", "  ")),
    "charge_code_not_applicable": lambda trouble: trouble.unbillable(
        "missing_charge_code", {"Charge Code": trouble.pick("N/A", "n/a", " N/A ")}
    ),
    "bad_gzip": _bad_gzip,
    "bad_months": lambda trouble: trouble.invalid(
        "bad_months", months=trouble.pick(0, "two", Decimal("1.5"), -3, "1.5")
    ),
    "no_property": _no_property,
    "line_not_found": _line_not_found,
    "bad_amount": lambda trouble: trouble.invalid(
        "bad_amount", amount=trouble.pick("abc", "12.3.4", "1,23.45", "1e3", "+5.00", "NaN", "(5.00", "5.00 CRX")
    ),
    "charge_code_blank": lambda trouble: trouble.unbillable(
        "missing_charge_code", {"Charge Code": trouble.pick("", None, ["WTR"], "  ")}
    ),
    "not_utf8": _not_utf8,
    "no_line_hash": lambda trouble: trouble.invalid("missing_field:line_hash", line_hash=trouble.pick(ABSENT, "", " ")),
    "bad_charge": _bad_charge,
}


class Misfortune:
    """Deals troubles in turn, and the variants of each in turn."""

    def __init__(self) -> None:
        self._names = cycle(TROUBLES)
        self._dealt = dict.fromkeys(TROUBLES, 0)

    def strike(self, shelf: Shelf, bill: Bill, period: str) -> Claim:
        """Store the bill, or don't, and claim its first line in vain."""
        name = next(self._names)
        variant = self._dealt[name]
        self._dealt[name] += 1
        small = Decimal(500 + variant * 37 % 1900).scaleb(-2)
        bill.lines[0] = replace(bill.lines[0].twin(**{"Line Item Charge": f"{small:.2f}"}), value_usd=small)
        claim = TROUBLES[name](Trouble(shelf, bill, period, variant))
        return replace(claim, kinds=claim.kinds | {name})
