"""Bill lines with all the fields that the parser usually writes, invented one by one.

What makes a line odd lives in `line_kinds`; how lines become an object's bytes lives in `bills`.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

from billing_assets.local.sample.model import Line, month_after

if TYPE_CHECKING:
    from random import Random

    from billing_assets.local.sample.names import Account, Service

_PLAIN_LINES_WITHOUT_VOLATILE_FIELDS = 0.04
"""Share of lines that carry no field that only `v2` leaves out: their two hashes are one."""


class LineMaker:
    """Makes plain lines, no two of them alike: each has a meter number of its own."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._numbers = count(1)

    def plain(self, account: Account, period: str, *, row: int, key: str) -> Line:
        """A line that is billable as it stands."""
        rng, number = self._rng, next(self._numbers)
        service = account.services[row % len(account.services)]
        value = Decimal(rng.randrange(600, 16000) if rng.random() < 0.97 else rng.randrange(16000, 240000)).scaleb(-2)
        fields = {
            **_identity(account, service, period),
            **self._reading(number, value, period),
            **_enriched(account, service, rng),
            "Line Item Charge": f"{value:.2f}",
            "Is Excluded From UBI": "false",
            "source_input_key": f"Bill_Parser_1_Pending_Bills/{account.vendor_id}/{period}/scan-{number:06d}.pdf",
            "parsed_at_utc": f"{month_after(period, 1)}-02T{number % 24:02d}:{number % 60:02d}:00Z",
        }
        if rng.random() >= _PLAIN_LINES_WITHOUT_VOLATILE_FIELDS:
            fields |= {"__s3_key__": key, "__row_idx__": row, "__id__": f"{number:010x}", "Status": "Enriched"}
        return Line(fields, account.owner.property_id, service.charge_code, service.utility, value)

    def _reading(self, number: int, value: Decimal, period: str) -> dict[str, Any]:
        before = self._rng.randrange(1000, 90000)
        used = self._rng.randrange(1, 900)
        return {
            "Meter Number": f"MTR-{number:07d}",
            "Meter Size": "5/8 in",
            "House Or Vacant": "House" if number % 3 else "Vacant",
            "Previous Reading": str(before),
            "Current Reading": str(before + used),
            "Consumption Amount": str(used),
            "Rate": f"{value / used:.5f}",
            "Number of Days": str(28 + number % 4),
            "Invoice Number": f"INV-{period.replace('-', '')}-{number:06d}",
            "Line Item Description": f"Usage charge, meter {number:07d}, {used} units",
        }


def _identity(account: Account, service: Service, period: str) -> dict[str, Any]:
    owner, month, year = account.owner, period[5:], period[:4]
    return {
        "Bill To Name First Line": f"{owner.name} Homes (invented)",
        "Service Address": f"{int(owner.property_id[2:]) - 1000} Nowhere Lane, Bldg {account.number[-1]}",
        "Service City": owner.town,
        "Service Zipcode": owner.zipcode,
        "Service State": "ZZ",
        "Property ID": owner.property_id,
        "Property Name": owner.name.upper(),
        "Vendor Name": account.vendor_name.upper(),
        "Account Number": account.number,
        "Line Item Account Number": account.number,
        "Utility Type": service.utility,
        "Charge Code": service.charge_code,
        "Bill Period Start": f"{month}/01/{year}",
        "Bill Period End": f"{month}/28/{year}",
        "Bill Date": f"{month}/28/{year}",
        "Due Date": f"{month}/28/{year}",
        "Unit of Measure": service.unit,
        "Special Instructions": "Pay by the due date to avoid an invented late fee. Questions: see the back.",
    }


def _enriched(account: Account, service: Service, rng: Random) -> dict[str, Any]:
    owner = account.owner
    return {
        "Inferred Fields": ["Service State", "Unit of Measure"],
        "EnrichedPropertyID": owner.property_id,
        "EnrichedPropertyName": owner.name,
        "EnrichedProperty": {"id": owner.property_id, "name": owner.name, "score": rng.random()},
        "EnrichedVendorID": account.vendor_id,
        "EnrichedVendorName": account.vendor_name,
        "EnrichedGLAccountID": f"gl-{service.gl_code}",
        "EnrichedGLAccountNumber": service.gl_code,
        "EnrichedGLAccountName": service.gl_name,
        "GL_LINE_DESC": f"{service.gl_name} {account.number}",
        "Title": f"{account.vendor_name} {account.number}",
    }
