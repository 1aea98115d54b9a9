"""Completion of a period, SPEC.md section 8: who is expected, whose bill it is, and what is missing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.accounts import AccountToTrack, parse_accounts
from billing_assets.domain.completion import (
    AccountState,
    BilledRow,
    Completion,
    Share,
    Verdict,
    bills_by_account,
    match,
    verdict,
)
from billing_assets.domain.line_items import LineItem
from billing_assets.domain.listed_accounts import listed_accounts
from billing_assets.domain.periods import Month
from billing_assets.domain.resolved import Status

if TYPE_CHECKING:
    from random import Random

JANUARY = "2025-01"
PROPERTIES, NUMBERS = ("", "P", "Q"), ("A", "B")
STATUSES = st.sampled_from(list(Status))


def listed(property_id: str, number: str, *, is_tracked: bool = True, is_ubi: bool = True) -> AccountToTrack:
    """An item of the list."""
    name = f"at {property_id}".strip()
    return AccountToTrack(number, property_id, name, "", "Gas", "", "", None, is_tracked, is_ubi)


def row(
    property_id: str, number: str, status: Status = Status.BILLABLE, bill: str = "b", billed: str | None = "1.10"
) -> BilledRow:
    """A resolved line item, as completion sees it."""
    return BilledRow(property_id, number, status, bill, None if billed is None else Decimal(billed))


def completion(accounts: list[AccountToTrack], rows: list[BilledRow]) -> Completion:
    """Of January alone."""
    return Completion.of(JANUARY, listed_accounts(accounts), {JANUARY: bills_by_account(rows)})


ITEMS = st.lists(
    st.builds(
        lambda key, tracked, ubi: listed(*key, is_tracked=tracked, is_ubi=ubi),
        st.tuples(st.sampled_from(PROPERTIES), st.sampled_from(NUMBERS)),
        st.booleans(),
        st.booleans(),
    ),
    max_size=7,
)
ROWS = st.lists(
    st.builds(row, st.sampled_from(PROPERTIES), st.sampled_from((*NUMBERS, "")), STATUSES, st.sampled_from("bcd")),
    max_size=7,
)


@given(ITEMS, ROWS)
def test_an_item_or_a_bill_is_lost_or_counted_twice(items: list[AccountToTrack], rows: list[BilledRow]) -> None:
    """Every item is in one account; every assigning row's account is matched once, or told as unmatched."""
    accounts = listed_accounts(items)
    assert sorted(place for account in accounts for place in account.places) == list(range(len(items)))
    bills = bills_by_account(rows)
    assigning = {Status.BILLABLE, Status.EXCLUDED, Status.UNBILLABLE}
    assert {bill.key for bill in bills} == {(r.property_id, r.account_number) for r in rows if r.status in assigning}
    matching = match({account.key: account for account in accounts}, bills)
    dollars = sum((r.billed_usd or Decimal(0) for r in rows if r.status is Status.BILLABLE), Decimal(0))
    matched = [*matching.of_account.values(), *(bill for bill, _ in matching.unmatched)]
    assert sum((bill.billed_usd for bill in matched), Decimal(0)) == dollars
    found = Completion.of(JANUARY, accounts, {JANUARY: bills})
    assert found.share.assigned + found.share.missing == found.share.expected == len(found.accounts)
    assert sum(share.expected for share in found.by_property.values()) == found.share.expected
    assert sum(share.assigned for share in found.by_property.values()) == found.share.assigned
    told = len(found.unexpected) + found.share.assigned
    assert told == len(matching.unmatched) + len(matching.of_account)


@given(ITEMS, ROWS, st.randoms(use_true_random=False))
def test_the_order_of_list_or_rows_changes_completion(
    items: list[AccountToTrack], rows: list[BilledRow], random: Random
) -> None:
    """Shuffled and multiplied input gives the same completion."""
    first = completion(items, rows)
    shuffled, mixed = items * 2, rows[:]
    random.shuffle(shuffled)
    random.shuffle(mixed)
    again = completion(shuffled, mixed)
    assert [(row.account.key, row.state, row.bill_count, row.amount_usd) for row in again.accounts] == [
        (row.account.key, row.state, row.bill_count, row.amount_usd) for row in first.accounts
    ]
    assert again.unexpected == first.unexpected


PADS = st.text(" \t\n", max_size=3)


@given(st.data(), ITEMS, ROWS)
def test_a_blank_around_property_or_number_makes_another_account(
    data: st.DataObject, items: list[AccountToTrack], rows: list[BilledRow]
) -> None:
    """Both are trimmed where list and line are read, so that blanks around them change nothing."""

    def padded(text: str) -> str:
        return f"{data.draw(PADS)}{text}{data.draw(PADS)}"

    as_saved = [
        {
            "accountNumber": padded(item.account_number),
            "property_id": padded(item.property_id),
            "propertyName": item.property_name,
            "vendorName": item.vendor_name,
            "is_tracked": item.is_tracked,
            "is_ubi": item.is_ubi,
        }
        for item in items
    ]
    lines = [
        LineItem.from_line({"Property ID": padded(r.property_id), "Account Number": padded(r.account_number)})
        for r in rows
    ]
    read = parse_accounts(json.dumps(as_saved), where="").accounts
    of_lines = [
        dataclasses.replace(r, property_id=line.property_id, account_number=line.account_number)
        for r, line in zip(rows, lines, strict=True)
    ]
    assert completion(read, of_lines) == completion(items, rows)


@given(ITEMS, ROWS)
def test_an_account_is_matched_against_the_contract(items: list[AccountToTrack], rows: list[BilledRow]) -> None:
    """Against an oracle that asks the contract's sentences one by one, for each expected account."""
    assigning = [r for r in rows if r.status in {Status.BILLABLE, Status.EXCLUDED, Status.UNBILLABLE}]
    met = {row.account.key: row.state for row in completion(items, rows).accounts}
    listed_at = {number: {i.property_id for i in items if i.account_number == number} - {""} for number in NUMBERS}
    expected = set()
    for item in items:
        at = listed_at[item.account_number]
        property_id = item.property_id or (min(at) if len(at) == 1 else "")
        if item.is_tracked and item.is_ubi:
            expected.add((property_id, item.account_number))
    assert met.keys() == expected
    for (property_id, number), state in met.items():
        of_number = [r for r in assigning if r.account_number == number]
        at = listed_at[number] | {r.property_id for r in of_number} - {""}
        own = [r for r in of_number if property_id and r.property_id == property_id]
        if len(at) <= 1:
            own = of_number
        if not own:
            assert state is AccountState.MISSING
        elif all(r.status is Status.EXCLUDED for r in own):
            assert state is AccountState.EXCLUDED_ONLY
        else:
            assert state is AccountState.ASSIGNED


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (Status.BILLABLE, "assigned"),
        (Status.UNBILLABLE, "assigned"),
        (Status.EXCLUDED, "excluded_only"),
        (Status.DUPLICATE, "missing"),
        (Status.UNRESOLVED, "missing"),
        (Status.INVALID, "missing"),
    ],
)
def test_a_row_of_another_status_is_a_bill(status: Status, state: str) -> None:
    """Billable, excluded and unbillable rows show a bill; excluded ones alone are told apart, and assigned, too."""
    found = completion([listed("P", "A")], [row("P", "A", status)])
    assert found.accounts[0].state == state
    assert found.share.assigned == (state != "missing")


def test_bills_or_dollars_of_an_account_are_wrong() -> None:
    """Bills are object families, dollars those of billable rows."""
    rows = [
        row("P", "A", bill="x"),
        row("P", "A", bill="x", billed="2.20"),
        row("P", "A", Status.EXCLUDED, "y", "9.00"),
        row("", "A", Status.UNBILLABLE, "z", None),
    ]
    (account,) = completion([listed("P", "A")], rows).accounts
    assert (account.bill_count, account.amount_usd) == (3, Decimal("3.30"))


@pytest.mark.parametrize(
    ("items", "rows", "states", "reasons"),
    [
        # Without a property on the list, by the number alone.
        ([listed("", "A")], [row("Q", "A")], ["assigned"], []),
        ([listed("", "A")], [row("", "A")], ["assigned"], []),
        # The number stands at two properties.
        (
            [listed("", "A")],
            [row("P", "A"), row("Q", "A")],
            ["missing"],
            ["listed without a property, and its number stands at several"] * 2,
        ),
        # Without a property on the line, by the number alone.
        ([listed("P", "A")], [row("", "A")], ["assigned"], []),
        (
            [listed("P", "A"), listed("Q", "A")],
            [row("", "A")],
            ["missing", "missing"],
            ["the bill has no property, and its number stands at several"],
        ),
        # Another property is another account.
        ([listed("P", "A")], [row("Q", "A")], ["missing"], ["not on the list"]),
        # Listed with and without its property: one account.
        ([listed("P", "A"), listed("", "A")], [row("P", "A")], ["assigned"], []),
        # The vendor is never matched, nor is a bill without a number.
        ([listed("P", "A")], [row("P", "")], ["missing"], ["the bill has no account number"]),
    ],
)
def test_a_bill_is_given_to_another_account(
    items: list[AccountToTrack], rows: list[BilledRow], states: list[str], reasons: list[str]
) -> None:
    """Property and number tell; the number alone, where it is unique on the list and in the period."""
    found = completion(items, rows)
    assert [account.state.value for account in found.accounts] == states
    assert [reason for _, reason in found.unexpected] == reasons


def test_contradicting_flags_make_an_account_unexpected() -> None:
    """Expected if any of its items says so, by itself; no item that is tracked lends its flag to another."""
    both = [listed("P", "A", is_ubi=False), listed("P", "A")]
    assert completion(both, []).share == Share(0, 1)
    halves = [listed("P", "A", is_ubi=False), listed("P", "A", is_tracked=False)]
    found = completion(halves, [row("P", "A")])
    assert found.share == Share(0, 0)
    assert [reason for _, reason in found.unexpected] == ["listed, not billed to residents"]
    found = completion([listed("P", "A", is_tracked=False)], [row("P", "A")])
    assert [reason for _, reason in found.unexpected] == ["listed, not tracked"]


def test_the_last_billed_period_is_a_later_one_or_none() -> None:
    """The latest up to the period; what was billed ahead is not its last."""
    bills = {
        "2024-11": bills_by_account([row("P", "A"), row("P", "B")]),
        "2024-12": bills_by_account([row("P", "A", Status.EXCLUDED)]),
        JANUARY: bills_by_account([row("P", "B")]),
        "2025-02": bills_by_account([row("P", "A"), row("P", "C")]),
    }
    found = Completion.of(JANUARY, listed_accounts([listed("P", number) for number in "ABC"]), bills)
    assert [account.last_billed_period for account in found.accounts] == ["2024-12", JANUARY, ""]


@pytest.mark.parametrize(
    ("assigned", "expected", "percent"),
    [(0, 0, "100.0"), (0, 3, "0.0"), (2, 3, "66.6"), (9_999, 10_000, "99.9"), (3, 3, "100.0")],
)
def test_an_incomplete_period_is_called_complete(assigned: int, expected: int, percent: str) -> None:
    """100 % is said of all, or where none is expected; never by rounding."""
    assert str(Share(assigned, expected).percent) == percent


@pytest.mark.parametrize(
    ("assigned", "today", "says"),
    [
        (5, dt.date(2026, 1, 1), Verdict.PASSED),
        (0, dt.date(2025, 1, 1), Verdict.PASSED),
        (0, dt.date(2025, 2, 9), Verdict.PASSED),
        (4, dt.date(2025, 2, 10), Verdict.WARN),
        (3, dt.date(2025, 2, 10), Verdict.ERROR),
    ],
)
def test_missing_bills_alarm_somebody_too_early_or_nobody(assigned: int, today: dt.date, says: Verdict) -> None:
    """From ten days after the period's end, a share below 80 % is an ERROR, and 80 % itself is not."""
    month = Month.from_key(JANUARY)
    assert verdict(Share(assigned, 5), month, today=today, warn_days=10, floor=Decimal("0.80")) is says


def test_nobody_is_expected_and_somebody_is_missing() -> None:
    """A list without expected accounts is complete."""
    found = completion([], [row("P", "A")])
    assert (found.share, found.missing) == (Share(0, 0), [])
    assert (
        verdict(found.share, Month(2025, 1), today=dt.date(2030, 1, 1), warn_days=0, floor=Decimal(1)) is Verdict.PASSED
    )
