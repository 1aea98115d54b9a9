"""Master bills for tests: as short as the test's sentence."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from billing_assets.domain.master_bills import MasterBill, SourceLineItem
from billing_assets.domain.money import total
from billing_assets.domain.periods import Month

NEW_YEAR = "2025-01-31T08:00:00Z"


def line(amount: str = "12.10", *, name: str = "a", s3_key: str = "in/x_20250101T000000Z.jsonl") -> SourceLineItem:
    """One bill line; its name stands for its hash."""
    return SourceLineItem(
        bill_id="bill-1",
        line_index=0,
        line_hash=name,
        s3_key=s3_key,
        account_number="0012",
        vendor_name="City of Invented",
        gl_code="5706",
        gl_code_name="Water",
        utility_name="Water",
        description="Water \u2013 base charge",
        amount=Decimal(amount),
        service_start="12/01/2024",
        service_end="12/31/2024",
        bill_date="01/05/2025",
        pdf_key="pdf/1.pdf",
        overridden=False,
        override_reason="",
    )


def bill(  # noqa: PLR0913  # each test names the one thing that it is about
    place: str = "P1",
    amount: str = "12.10",
    *,
    period: str = "2025-01",
    months: int = 1,
    status: str = "draft",
    created_by: str = "run-1",
    lines: tuple[SourceLineItem, ...] | None = None,
) -> MasterBill:
    """A water bill of a property, by default with one line of the whole amount."""
    first = Month.from_key(period)
    last = first.plus(months - 1)
    items = (line(amount, name=f"{place}-a"),) if lines is None else lines
    return MasterBill(
        master_bill_id=f"{place}|WTR|Water|{first.app}|{last.app}",
        property_id=place,
        property_name=f"House {place}",
        ar_code_mapping="WTR",
        utility_name="Water",
        billback_month_start=f"{first.first_day:%m/%d/%Y}",
        billback_month_end=f"{last.last_day:%m/%d/%Y}",
        utility_amount=total(item.amount for item in items),
        source_line_items=items,
        created_utc=NEW_YEAR,
        created_by=created_by,
        status=status,
    )


def with_status(made: MasterBill, status: str) -> MasterBill:
    """The same bill after somebody decided on it."""
    return msgspec.structs.replace(made, status=status)
