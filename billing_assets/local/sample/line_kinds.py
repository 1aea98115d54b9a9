"""The ways in which a line can be odd and still have a known fate: each is a small change of a plain line.

Oddities that leave a line unbilled are planted by `unbilled`, since every period has its budget of those.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from billing_assets.local.sample.model import Deck, cents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from billing_assets.local.sample.model import Line

_POSITIVE_TEXTS: Final = ("${0:,.2f}", "$ {0:.2f}", " {0:.2f} ", "{0:,.2f}", "${0:.2f}")
_NEGATIVE_TEXTS: Final = ("({0:.2f})", "{0:.2f} CR", "-{0:.2f}", "{0:.2f}-", "-${0:,.2f}", "$-{0:.2f}", "(${0:.2f})")
_EXCLUDING: Final[tuple[dict[str, Any], ...]] = (
    {"Is Excluded From UBI": "true", "Exclusion Reason": "Vacant unit"},
    {"is_excluded_from_ubi": True, "exclusion_reason": "Common area"},
    {"Is Excluded From UBI": "Yes", "Exclusion Reason": "Paid by owner"},
    {"is_excluded_from_ubi": 1, "exclusion_reason": "Vacant unit"},
    {"Is Excluded From UBI": " TRUE ", "is_excluded_from_ubi": False, "Exclusion Reason": "Common area"},
    {"is_excluded_from_ubi": "1", "Exclusion Reason": "", "exclusion_reason": "Late fee"},
    {"Is Excluded From UBI": "true", "Exclusion Reason": "Office meter", "Charge Code": "N/A"},
)
_NOT_EXCLUDING: Final[tuple[dict[str, Any], ...]] = (
    {"Is Excluded From UBI": "no", "Exclusion Reason": "taken back"},
    {"is_excluded_from_ubi": 0},
    {"Is Excluded From UBI": "", "is_excluded_from_ubi": "N/A"},
    {"Is Excluded From UBI": False, "is_excluded_from_ubi": "0"},
    {"is_excluded_from_ubi": None},
)
SHARES: Final = {
    "excluded": 2,
    "not_excluded": 1,
    "credit": 3,
    "money_text": 2,
    "charge_as_number": 1,
    "amount_overridden": 2,
    "charge_code_overridden": 1,
    "older_field_names": 2,
    "property_id_as_number": 1,
    "id_needs_escaping": 1,
    "padded_text": 1,
    "lone_surrogate": 1,
    "big_integer": 1,
    "date_as_text": 1,
    "list_as_text": 1,
    "non_ascii": 2,
}


class LineKinds:
    """Deals oddities to lines, each kind's variants in turn."""

    def __init__(self, rng: Random) -> None:
        self._deck = Deck(rng, SHARES, plain="")
        self._negative: Iterator[str] = cycle(_NEGATIVE_TEXTS)
        self._positive: Iterator[str] = cycle(_POSITIVE_TEXTS)
        self._excluding = cycle(_EXCLUDING)
        self._not_excluding = cycle(_NOT_EXCLUDING)
        self._flags: Iterator[Any] = cycle(["true", True, "Yes", 1, "1"])
        self._makers: dict[str, Callable[[Line], Line]] = {
            "excluded": self._excluded,
            "not_excluded": lambda line: line.twin(**next(self._not_excluding)),
            "credit": self._credit,
            "money_text": lambda line: line.twin(**{"Line Item Charge": self.text_of(line.value_usd)}),
            "charge_as_number": lambda line: line.twin(**{"Line Item Charge": float(line.value_usd)}),
            "amount_overridden": self._overridden,
            "charge_code_overridden": self._recoded,
            "property_id_as_number": lambda line: _with_property(line, int(line.property_id[2:])),
        }

    def deal(self, line: Line) -> Line:
        """The line, or an odd version of it."""
        kind = self._deck.draw()
        if not kind:
            return line
        return replace(self._makers.get(kind, _PLAIN_MAKERS.get(kind, _same))(line), kinds=frozenset({kind}))

    def text_of(self, amount_usd: Decimal) -> str:
        """Money as one of the texts that bills are known to hold."""
        rounded = cents(amount_usd)
        return next(self._negative if rounded < 0 else self._positive).format(abs(rounded))

    def _excluded(self, line: Line) -> Line:
        flags = next(self._excluding)
        reason = flags.get("Exclusion Reason") or flags["exclusion_reason"]
        return replace(line.twin(**flags), status="excluded", reason=reason)

    def _credit(self, line: Line) -> Line:
        credit = -line.value_usd
        return replace(line.twin(**{"Line Item Charge": self.text_of(credit)}), value_usd=credit)

    def _overridden(self, line: Line) -> Line:
        """The line's own charge is left as it was: billing it instead of the current amount would show."""
        current = line.value_usd + Decimal("3.07")
        overriding = {
            "Current Amount": self.text_of(current),
            "Amount Overridden": next(self._flags),
            "Amount Override Reason": "Meter misread",
        }
        return replace(line.twin(**overriding), value_usd=current)

    def _recoded(self, line: Line) -> Line:
        code = f"{line.charge_code}-2"
        overriding = {
            "Charge Code": code,
            "Charge Code Overridden": next(self._flags),
            "Charge Code Override Reason": "Second meter",
            "Charge Code Source": "reviewer",
        }
        return replace(line.twin(**overriding), charge_code=code)


def _same(line: Line) -> Line:
    return line


def _with_property(line: Line, number: int) -> Line:
    return replace(line.twin(EnrichedPropertyID=number), property_id=str(number))


def _older_names(line: Line) -> Line:
    line = line.twin(**{"EnrichedPropertyID": " ", "EnrichedGLAccountNumber": "", "GL Account Number": "6199-09"})
    old = line.fields
    for newer in ("EnrichedPropertyName", "EnrichedVendorName", "EnrichedGLAccountName", "Account Number"):
        del old[newer]
    old["Utility Name"] = old.pop("Utility Type")
    return line


def _needs_escaping(line: Line) -> Line:
    line = line.twin(**{"Charge Code": "WTR|SWR", "Utility Type": "Water 50% shared"})
    return replace(line, charge_code="WTR|SWR", utility="Water 50% shared")


def _non_ascii(line: Line) -> Line:
    """Also the two characters that `str.splitlines` takes for the end of a line, and JSON does not."""
    return line.twin(
        **{
            "EnrichedPropertyName": f"{line.fields['EnrichedPropertyName']} \N{EM DASH} Café Größe",
            "Line Item Description": "Año nuevo \N{LINE SEPARATOR}cargo \x85fijo \N{WHITE SMILING FACE}",
        }
    )


_PLAIN_MAKERS: Final[dict[str, Callable[[Line], Line]]] = {
    "older_field_names": _older_names,
    "id_needs_escaping": _needs_escaping,
    "non_ascii": _non_ascii,
    "padded_text": lambda line: line.twin(
        **{"EnrichedPropertyID": f"  {line.property_id} ", "Charge Code": f" {line.charge_code}  "}
    ),
    "lone_surrogate": lambda line: line.twin(**{"Line Item Description": "Cargo \ud83d roto"}),
    "big_integer": lambda line: line.twin(**{"Meter Size": 123456789012345678901234567890}),
    "date_as_text": lambda line: line.twin(**{"Bill Date": "see page 2", "Bill Period End": "31/12/2025"}),
    "list_as_text": lambda line: line.twin(**{"Line Item Description": ["two", "texts"], "Vendor Name": {"id": 1}}),
}
