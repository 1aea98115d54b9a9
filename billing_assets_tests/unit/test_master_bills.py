"""Laws of grouping: every billable row in exactly one bill, no cent more or less, whatever the order."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.master_bills import (
    MasterBill,
    MasterBillKey,
    decode_bill,
    encode_bill,
    master_bills_of,
    period_sha256,
)
from billing_assets.domain.money import total
from billing_assets.domain.periods import Month
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets_tests.unit.making import KEY, NEWER, a_line, an_assignment, jsonl, n, rows_of

_TEXTS = st.sampled_from(["P1", "P|1", "P%7C1", "P%1", "é", "Gas", "gas", "W"])


@st.composite
def _periods(draw: st.DrawFn) -> list[ResolvedLineItem]:
    """A period's resolved rows: some excluded, some without a property, ranges, credits, odd names."""
    lines, records = [], []
    for index in range(draw(st.integers(0, 12))):
        fields = {
            "Line Item Description": f"line {index}",
            "EnrichedPropertyID": draw(_TEXTS | st.just("")),
            "EnrichedPropertyName": draw(st.sampled_from(["", "The Elms", "Elm Court"])),
            "Charge Code": draw(_TEXTS | st.just("N/A")),
            "Utility Type": draw(_TEXTS | st.just("")),
            "Is Excluded From UBI": draw(st.booleans()),
        }
        line = a_line(fields)
        lines.append(line)
        records.append(
            an_assignment(
                line,
                ubi_period=draw(st.sampled_from(["01/2025", "1/2025", "01/2025 to 03/2025"])),
                amount=n(draw(st.decimals("-999.999", "999.999", places=3))),
                assignment_id=f"id-{index}",
            )
        )
    return rows_of(records, {KEY: jsonl(*lines)})


def _bills(rows: list[ResolvedLineItem]) -> list[MasterBill]:
    return master_bills_of(rows, created_utc="2025-02-01T00:00:00+00:00", created_by="a test")


@given(_periods())
def test_a_cent_is_lost_or_made_by_grouping(rows: list[ResolvedLineItem]) -> None:
    """The bills' total is the billable rows' total, and each bill's amount is its lines'."""
    bills = _bills(rows)
    billable = [row.billed_usd for row in rows if row.status is Status.BILLABLE and row.billed_usd is not None]
    assert total(bill.utility_amount for bill in bills) == total(billable)
    for bill in bills:
        assert bill.utility_amount == total(line.amount for line in bill.source_line_items)


@given(_periods())
def test_a_billable_row_stands_in_no_bill_or_in_two(rows: list[ResolvedLineItem]) -> None:
    """Every billable row is in exactly one bill, and nothing else is in any."""
    billed = Counter(line.line_hash for bill in _bills(rows) for line in bill.source_line_items)
    assert billed == Counter(row.assignment.line_hash for row in rows if row.status is Status.BILLABLE)


@given(_periods(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_a_byte(rows: list[ResolvedLineItem], random: object) -> None:
    """Permuted rows give identical bytes."""
    shuffled = rows.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis gives a random.Random
    assert [encode_bill(bill) for bill in _bills(shuffled)] == [encode_bill(bill) for bill in _bills(rows)]


@given(_periods())
def test_two_groups_share_an_id(rows: list[ResolvedLineItem]) -> None:
    """Bills differ in their ids, whatever stands in the names, and come in order of their groups."""
    bills = _bills(rows)
    assert len({bill.master_bill_id for bill in bills}) == len(bills)
    order = [
        (bill.property_id, bill.ar_code_mapping, bill.utility_name, bill.first_day, bill.last_day) for bill in bills
    ]
    assert order == sorted(order)


@given(_periods())
def test_a_bill_is_read_back_otherwise_than_it_was_written(rows: list[ResolvedLineItem]) -> None:
    """Encoding and decoding are exact, and an amount is a JSON number with two decimals."""
    for bill in _bills(rows):
        encoded = encode_bill(bill)
        assert decode_bill(encoded) == bill
        written = json.loads(encoded, parse_float=str)
        assert Decimal(written["utility_amount"]) == bill.utility_amount
        assert len(written["utility_amount"].rpartition(".")[2]) == 2


def test_an_id_does_not_escape_what_separates_it() -> None:
    """A `|` or `%` inside a value can't be taken for the separator or for an escape."""
    january, march = Month(2025, 1), Month(2025, 3)
    assert MasterBillKey("a|b", "c", "", january, march).master_bill_id == "a%7Cb|c||01/2025|03/2025"
    assert MasterBillKey("a%7Cb", "c", "", january, march).master_bill_id == "a%257Cb|c||01/2025|03/2025"


def test_a_published_bill_changes_its_form() -> None:
    """The bytes of a bill, key by key, as the app reads them."""
    line = a_line({"Amount Overridden": "yes", "Amount Override Reason": "agreed", "Current Amount": "9.00"})
    (bill,) = _bills(rows_of([an_assignment(line, bill_id="b-1", ubi_period="01/2025 to 02/2025")], {KEY: jsonl(line)}))
    (hashed,) = (source.line_hash for source in bill.source_line_items)
    assert encode_bill(bill).decode() == (
        '{"master_bill_id":"P1|WATER|Water|01/2025|02/2025","property_id":"P1","property_name":"The Elms",'
        '"ar_code_mapping":"WATER","utility_name":"Water","billback_month_start":"01/01/2025",'
        '"billback_month_end":"02/28/2025","utility_amount":10.00,"source_line_items":[{"bill_id":"b-1","line_index":0,'
        f'"line_hash":"{hashed}","s3_key":"{KEY}","account_number":"A-1","vendor_name":"City Water","gl_code":"",'
        '"gl_code_name":"","utility_name":"Water","description":"Water usage","amount":10.00,'
        '"service_start":"01/01/2025","service_end":"01/31/2025","bill_date":"","pdf_key":"","overridden":true,'
        '"override_reason":"agreed"}],"created_utc":"2025-02-01T00:00:00+00:00","created_by":"a test","status":"draft"}'
    )


def test_a_rewrite_of_the_source_changes_what_is_billed() -> None:
    """Under a newer timestamp, in another place, the bill's content is the same; so is the period's."""
    lines = [a_line({"Line Item Description": text}) for text in ("first", "second")]
    records = [an_assignment(line) for line in lines]
    before = _bills(rows_of(records, {KEY: jsonl(*lines)}))
    front = a_line({"Line Item Description": "put in front"})
    after = _bills(rows_of(records, {NEWER: jsonl(front, *reversed(lines))}))
    assert [bill.content_hash for bill in after] == [bill.content_hash for bill in before]
    assert period_sha256(after) == period_sha256(before)
    assert [line.s3_key for line in after[0].source_line_items] == [NEWER, NEWER]


def test_a_name_is_left_blank_though_a_line_knows_it() -> None:
    """The property's name is the first that any of its lines has, in line order."""
    lines = [
        a_line({"Line Item Description": str(index), "EnrichedPropertyName": name})
        for index, name in enumerate(["", "The Elms", "Elm Court"])
    ]
    (bill,) = _bills(rows_of([an_assignment(line) for line in lines], {KEY: jsonl(*lines)}))
    assert bill.property_name == "The Elms"
