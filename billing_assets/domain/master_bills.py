"""Master bills: a period's billable lines, grouped by property, charge code, utility and months.

Source: SPEC.md section 7.1. Writing them to S3 lives in `billing_assets.stores.publication`, to Snowflake in
`billing_assets.stores.snowflake`.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from billing_assets.domain.content_hash import content_hash_of, sha256_of
from billing_assets.domain.money import total
from billing_assets.domain.resolved import ResolvedLineItem, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_assets.domain.periods import Month

DRAFT = "draft"
"""The status of a new bill; any other freezes it."""


class SourceLineItem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bill line inside a master bill; the order of the fields is the order of the JSON keys."""

    bill_id: str
    line_index: int
    """Where the line was found in its object, counting non-blank lines from 0."""
    line_hash: str
    s3_key: str
    account_number: str
    vendor_name: str
    gl_code: str
    gl_code_name: str
    utility_name: str
    description: str
    amount: Decimal
    """US dollars billed to the period, whole cents."""
    service_start: str
    service_end: str
    bill_date: str
    pdf_key: str
    overridden: bool
    override_reason: str


class MasterBill(msgspec.Struct, frozen=True, kw_only=True):
    """What a property's residents are billed for one utility in one period; as it stands in the published JSON."""

    master_bill_id: str
    property_id: str
    property_name: str
    ar_code_mapping: str
    utility_name: str
    billback_month_start: str
    """The first day, `MM/DD/YYYY`."""
    billback_month_end: str
    """The last day, `MM/DD/YYYY`."""
    utility_amount: Decimal
    """US dollars, the exact sum of the lines' amounts."""
    source_line_items: tuple[SourceLineItem, ...]
    created_utc: str
    created_by: str
    status: str

    @property
    def first_day(self) -> dt.date:
        """The first day of the first month."""
        return parse_day(self.billback_month_start)

    @property
    def last_day(self) -> dt.date:
        """The last day of the last month."""
        return parse_day(self.billback_month_end)

    @property
    def partition(self) -> str:
        """The partition key of the first month, `YYYY-MM`."""
        return f"{self.first_day:%Y-%m}"

    @property
    def has_overrides(self) -> bool:
        """Whether a person changed an amount or a charge code of one of its lines."""
        return any(line.overridden for line in self.source_line_items)

    @property
    def content_hash(self) -> str:
        """SHA-256 of what is billed; where lines were found, when and by whom the bill was made don't count."""
        return content_hash_of(self)


class MasterBillKey(NamedTuple):
    """What makes two lines part of one master bill, in the order in which bills are listed."""

    property_id: str
    charge_code: str
    utility_name: str
    first: Month
    last: Month

    @property
    def master_bill_id(self) -> str:
        """The id, with `%` and `|` inside values escaped.

        Example:
            >>> MasterBillKey("P|1", "WTR", "", Month(2025, 1), Month(2025, 1)).master_bill_id
            'P%7C1|WTR||01/2025|01/2025'
        """
        values = (self.property_id, self.charge_code, self.utility_name)
        escaped = (value.replace("%", "%25").replace("|", "%7C") for value in values)
        return "|".join((*escaped, self.first.app, self.last.app))


def master_bills_of(rows: Iterable[ResolvedLineItem], *, created_utc: str, created_by: str) -> list[MasterBill]:
    """Group a period's billable rows into new master bills.

    Credits are negative and may make a bill negative; that is reported by a check, not refused here.

    Args:
        rows: In any order; rows that are not billable are passed over.
        created_utc: ISO 8601, given to every bill; publishing puts the earlier time back where nothing changed.
        created_by: Who makes the bills.

    Returns:
        Bills in order of property, charge code, utility and months, so that equal input gives equal bytes. Their
        amounts add up to the billable rows' amounts, to the cent, and every billable row stands in exactly one bill.
    """
    groups: dict[MasterBillKey, list[ResolvedLineItem]] = defaultdict(list)
    for row in rows:
        if row.status is Status.BILLABLE and row.item is not None:
            period = row.assignment.period
            item = row.item
            groups[
                MasterBillKey(item.property_id, item.charge_code, item.utility_name, period.first, period.last)
            ].append(row)
    return [
        _bill_of(key, sorted(groups[key], key=_line_order), created_utc=created_utc, created_by=created_by)
        for key in sorted(groups)
    ]


def period_sha256(bills: Iterable[MasterBill]) -> str:
    """SHA-256 of a period's published state: every bill's id, content and status."""
    return sha256_of([[bill.master_bill_id, bill.content_hash, bill.status] for bill in bills])


def parse_day(text: str) -> dt.date:
    """Read `MM/DD/YYYY`.

    Raises:
        ValueError: The text is no such day.
    """
    return dt.datetime.strptime(text, "%m/%d/%Y").date()  # noqa: DTZ007  # a day has no time zone


def _line_order(row: ResolvedLineItem) -> tuple[str, int, str, str]:
    position = -1 if row.line is None else row.line.position
    return row.found_key, position, row.assignment.line_hash, row.assignment.assignment_id


def _bill_of(key: MasterBillKey, rows: Sequence[ResolvedLineItem], *, created_utc: str, created_by: str) -> MasterBill:
    lines = tuple(_source_line_of(row) for row in rows)
    names = (row.item.property_name for row in rows if row.item is not None)
    return MasterBill(
        master_bill_id=key.master_bill_id,
        property_id=key.property_id,
        property_name=next(filter(None, names), ""),
        ar_code_mapping=key.charge_code,
        utility_name=key.utility_name,
        billback_month_start=f"{key.first.first_day:%m/%d/%Y}",
        billback_month_end=f"{key.last.last_day:%m/%d/%Y}",
        utility_amount=total(line.amount for line in lines),
        source_line_items=lines,
        created_utc=created_utc,
        created_by=created_by,
        status=DRAFT,
    )


def _source_line_of(row: ResolvedLineItem) -> SourceLineItem:
    if row.line is None or row.billed_usd is None:
        raise ValueError(f"a billable row without a line or an amount: {row.assignment.line_hash}")
    item = row.line.item
    return SourceLineItem(
        bill_id=row.assignment.bill_id,
        line_index=row.line.position,
        line_hash=row.assignment.line_hash,
        s3_key=row.found_key,
        account_number=item.account_number,
        vendor_name=item.vendor_name,
        gl_code=item.gl_code,
        gl_code_name=item.gl_code_name,
        utility_name=item.utility_name,
        description=item.description,
        amount=row.billed_usd,
        service_start=item.service_start,
        service_end=item.service_end,
        bill_date=item.bill_date,
        pdf_key=item.pdf_key,
        overridden=item.overridden,
        override_reason=item.override_reason,
    )


_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_bill = msgspec.json.Decoder(MasterBill).decode


def encode_bill(bill: MasterBill) -> bytes:
    """One bill as compact JSON, amounts as numbers with two decimals."""
    return _encode(bill)


def decode_bill(text: bytes | str) -> MasterBill:
    """Read a bill that `encode_bill` wrote; numbers are read exactly, unknown fields are passed over.

    Raises:
        msgspec.DecodeError: It is no JSON, or no master bill of ours.
    """
    return _decode_bill(text)
