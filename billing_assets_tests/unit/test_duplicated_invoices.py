"""The same invoice parsed twice, and a line assigned twice: issue 3."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.duplicated_invoices import duplicated_invoices
from billing_assets.domain.duplicates import duplicates_of
from billing_assets.domain.resolved import Status
from billing_assets_tests.unit.making import KEY, NEWER, a_line, an_assignment, jsonl, n, rows_of, v1
from billing_assets_tests.unit.test_shares import a_share

COPY = KEY.replace("bill_", "copy_")


@pytest.mark.parametrize(
    ("other", "over_billed"),
    [
        ({}, ["10.00"]),
        ({"partition": "2025-09"}, ["10.00"]),
        ({"line_charge": "10"}, ["10.00"]),
        ({"found_s3_key": NEWER}, []),
        # A key that only spells the family's name is a family of its own.
        ({"found_s3_key": KEY.partition("_20251021T")[0]}, ["10.00"]),
        ({"account_number": "A-2"}, []),
        ({"service_start": "01/02/2025"}, []),
        ({"service_end": "02/01/2025"}, []),
        ({"utility_name": "Gas"}, []),
        ({"line_charge": "$10.01"}, []),
        ({"line_charge": "ten"}, []),
        # Somebody overrode one of them: it is the same invoice still.
        ({"charge": "4.00", "billed": "4.00"}, ["4.00"]),
    ],
)
def test_another_charge_is_taken_for_the_same_invoice(other: dict[str, Any], over_billed: list[str]) -> None:
    """Account, both dates, utility and the invoice's amount make a charge; another family makes it twice."""
    shares = [a_share(), a_share(**{"found_s3_key": COPY, **other})]
    assert [str(invoice.over_billed_usd) for invoice in duplicated_invoices(shares, "2025-01")] == over_billed


@pytest.mark.parametrize("blank", ["account_number", "service_start", "service_end"])
def test_lines_that_say_nothing_are_taken_for_one_invoice(blank: str) -> None:
    """Without an account or a date a line can't be the same as another; a blank utility is one like others."""
    assert not duplicated_invoices([a_share(**{blank: ""}), a_share(found_s3_key=COPY, **{blank: ""})], "2025-01")
    assert duplicated_invoices([a_share(utility_name=""), a_share(found_s3_key=COPY, utility_name="")], "2025-01")


def test_a_charge_of_nothing_is_told() -> None:
    """Nobody pays $0.00 twice."""
    assert not duplicated_invoices([a_share(line_charge="0"), a_share(found_s3_key=COPY, line_charge="0")], "2025-01")


def test_equal_lines_of_one_file_are_told() -> None:
    """They are several charges; what a second file bills is too much, as many as they are."""
    own = [a_share(position=at, line_identity=f"ab#{at}") for at in (0, 1)]
    assert not duplicated_invoices(own, "2025-01")
    (invoice,) = duplicated_invoices([*own, a_share("2025-02", found_s3_key=COPY)], "2025-01")
    assert invoice.over_billed_usd == Decimal("10.00")
    assert [len(shares) for shares in invoice.shares_by_family.values()] == [2, 1]


def test_a_period_speaks_of_another_periods_invoices() -> None:
    """An invoice is told by the periods that bill it; the most dollars come first."""
    shares = [a_share(found_s3_key=key, account_number=of) for key in (KEY, COPY) for of in ("1", "2")]
    shares[2:] = [a_share(found_s3_key=COPY, account_number="1", billed="1.00"), shares[3]]
    assert not duplicated_invoices(shares, "2025-02")
    found = duplicated_invoices(shares, "2025-01")
    assert [str(invoice.over_billed_usd) for invoice in found] == ["10.00", "1.00"]


@given(st.lists(st.tuples(st.sampled_from([KEY, COPY, NEWER]), st.sampled_from("12"), st.integers(-5, 5)), max_size=8))
def test_the_order_of_periods_changes_an_invoice(planted: list[tuple[str, str, int]]) -> None:
    """Shares in another order tell the same, and no share is told twice."""
    shares = [
        a_share(f"2025-0{at + 1}", str(dollars), found_s3_key=key, account_number=account)
        for at, (key, account, dollars) in enumerate(planted)
    ]
    found = duplicated_invoices(shares, "2025-01")
    assert found == duplicated_invoices(shares[::-1], "2025-01")
    told = [share for invoice in found for shares in invoice.shares_by_family.values() for share in shares]
    assert len(told) == len(set(told))
    assert all(len(invoice.shares_by_family) == 2 for invoice in found)


LINE = {**a_line(), "Status": "Posted"}


def test_a_duplicate_stands_beside_another_record() -> None:
    """Each duplicate stands beside the record that has its line, also under another key or hash version."""
    records = [
        an_assignment(LINE, assignment_id="new", assigned_date="2025-01-03"),
        an_assignment(v1(LINE), NEWER, assignment_id="old", assigned_date="2025-01-01", amount=n("7.00")),
        an_assignment(v1(LINE), assignment_id="blank", amount=None),
        an_assignment(LINE, COPY, assignment_id="copy"),
    ]
    rows = rows_of(records, {KEY: jsonl(LINE), NEWER: jsonl(a_line({"x": 1}), LINE), COPY: jsonl(LINE)})
    pairs = duplicates_of(rows)
    assert [
        (*(row.assignment.assignment_id for row in (pair.winner, pair.row)), pair.amounts_differ, pair.over_billed_usd)
        for pair in pairs
    ] == [("new", "blank", False, Decimal("10.00")), ("new", "old", True, Decimal("7.00"))]


def test_a_duplicate_stands_beside_a_record_of_a_family_that_its_own_is_named_after() -> None:
    """A key that spells a family's name holds charges of its own, also for whoever looks for the winner."""
    alone = KEY.partition("_20251021T")[0]
    records = [an_assignment(LINE, key, assignment_id=f"{key} {at}") for key in (KEY, alone) for at in (1, 2)]
    pairs = duplicates_of(rows_of(records, {KEY: jsonl(LINE), alone: jsonl(LINE)}))
    assert len(pairs) == 2
    assert all(pair.winner.found_key == pair.row.found_key for pair in pairs)


def test_a_duplicate_of_an_excluded_line_would_have_cost_something() -> None:
    """What isn't billed once would not have been billed twice."""
    line = a_line({"Is Excluded From UBI": True})
    rows = rows_of([an_assignment(line, assignment_id=text) for text in "ab"], {KEY: jsonl(line)})
    (pair,) = duplicates_of(rows)
    assert (pair.winner.status, pair.over_billed_usd) == (Status.EXCLUDED, Decimal("0.00"))
    assert duplicates_of([pair.winner]) == []
