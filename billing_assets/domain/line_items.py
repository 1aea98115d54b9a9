"""The fields of a Stage 4 line, under the names that we call them.

Source: SPEC.md section 1.2. Finding the line is the business of `stage4`; judging it, of `resolution`.
"""

from __future__ import annotations

from decimal import Decimal  # a Struct's annotations can be asked for
from typing import Any

import msgspec

from billing_assets.domain.json_text import NumberText, text_of
from billing_assets.domain.money import MoneyError, exact_number, parse_money

SPELLINGS: dict[str, tuple[str, ...]] = {
    "property_id": ("EnrichedPropertyID", "Property ID"),
    "property_name": ("EnrichedPropertyName", "Property Name"),
    "vendor_id": ("EnrichedVendorID",),
    "vendor_name": ("EnrichedVendorName", "Vendor Name"),
    "account_number": ("Account Number", "AccountNumber", "Line Item Account Number"),
    "charge_code": ("Charge Code",),
    "utility_name": ("Utility Type", "Utility Name"),
    "gl_code": ("EnrichedGLAccountNumber", "GL Account Number"),
    "gl_code_name": ("EnrichedGLAccountName", "GL Account Name"),
    "description": ("Line Item Description",),
    "line_charge": ("Line Item Charge",),
    "current_amount": ("Current Amount",),
    "amount_override_reason": ("Amount Override Reason",),
    "charge_code_override_reason": ("Charge Code Override Reason",),
    "exclusion_reason": ("Exclusion Reason", "exclusion_reason"),
    "service_start": ("Bill Period Start",),
    "service_end": ("Bill Period End",),
    "bill_date": ("Bill Date",),
    "invoice_number": ("Invoice Number",),
    "pdf_key": ("source_input_key", "PDF_LINK"),
}
"""Our name for each text of a line, and the fields it is read from: the first non-blank wins."""

FLAGS: dict[str, tuple[str, ...]] = {
    "amount_overridden": ("Amount Overridden",),
    "charge_code_overridden": ("Charge Code Overridden",),
    "excluded": ("Is Excluded From UBI", "is_excluded_from_ubi"),
}
"""Our name for each flag of a line: true if any of its fields is."""

_TRUE = frozenset({"1", "true", "yes"})


class LineItem(msgspec.Struct, frozen=True, gc=False):
    """One bill line; texts are trimmed, `""` where the line says nothing, and money texts are as written."""

    property_id: str
    property_name: str
    vendor_id: str
    vendor_name: str
    account_number: str
    charge_code: str
    utility_name: str
    gl_code: str
    gl_code_name: str
    description: str
    line_charge: str
    current_amount: str
    amount_overridden: bool
    amount_override_reason: str
    charge_code_overridden: bool
    charge_code_override_reason: str
    excluded: bool
    exclusion_reason: str
    service_start: str
    service_end: str
    bill_date: str
    invoice_number: str
    pdf_key: str
    charge_usd: Decimal | None
    """What the line asks for, undivided: its override, else its charge; None if blank or no money."""

    @classmethod
    def from_line(cls, line: dict[str, Any]) -> LineItem:
        """Read a line that `json_text.decode_exactly` decoded."""
        texts: dict[str, Any] = {name: _first_text(line, fields) for name, fields in SPELLINGS.items()}
        flags: dict[str, Any] = {
            name: any(is_true(line.get(field)) for field in fields) for name, fields in FLAGS.items()
        }
        charge_field = "Current Amount" if flags["amount_overridden"] else "Line Item Charge"
        return cls(**texts, **flags, charge_usd=money_of(line.get(charge_field)))

    @property
    def overridden(self) -> bool:
        """Whether a person changed the amount or the charge code."""
        return self.amount_overridden or self.charge_code_overridden

    @property
    def override_reason(self) -> str:
        """Both reasons, joined."""
        reasons = (self.amount_override_reason, self.charge_code_override_reason)
        return " | ".join(reason for reason in reasons if reason)


def money_of(value: Any) -> Decimal | None:
    """A money text or a JSON number as exact dollars; None if blank, unreadable or of another type."""
    text = text_of(value)
    try:
        return exact_number(text) if isinstance(value, NumberText) else parse_money(text)
    except MoneyError:
        return None


def _first_text(line: dict[str, Any], fields: tuple[str, ...]) -> str:
    for field in fields:
        if text := text_of(line.get(field)):
            return text
    return ""


def is_true(value: Any) -> bool:
    """Whether a flag is set: `true`, 1, and (any case, trimmed) `"1"`, `"true"`, `"yes"`."""
    if isinstance(value, NumberText):
        try:
            return exact_number(value) == 1
        except MoneyError:
            return False
    if isinstance(value, str):
        return value.strip().lower() in _TRUE
    return value is True
