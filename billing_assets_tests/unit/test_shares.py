"""Shares of all periods against charges, own amounts against lines: issue 3."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.money import share_in_cents, total
from billing_assets.domain.resolved import Status
from billing_assets.domain.shares import (
    BilledShare,
    above_and_below_usd,
    billed_shares,
    drifted_amounts,
    shares_beside_charges,
)
from billing_assets_tests.unit.making import KEY, NEWER, a_line, an_assignment, jsonl, n, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTITIONS = [f"2025-{month:02d}" for month in range(1, 13)]
NOON = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)


def a_share(
    partition: str = "2025-01", billed: str = "10.00", charge: str | None = "10.00", **fields: Any
) -> BilledShare:
    """Make a share of a usual line."""
    share = Decimal(billed)
    usual = BilledShare(
        partition=partition,
        read_at_utc=NOON,
        found_s3_key=KEY,
        position=0,
        line_identity="ab#0",
        line_hash="ab",
        assignment_id=partition,
        share_usd=share,
        billed_usd=share_in_cents(share),
        months=1,
        charge_usd=None if charge is None else Decimal(charge),
        account_number="A-1",
        service_start="01/01/2025",
        service_end="01/31/2025",
        utility_name="Water",
        line_charge="$10.00",
    )
    return dataclasses.replace(usual, **fields)


def _excesses(shares: Sequence[BilledShare], partition: str = "2025-01") -> list[str]:
    return [str(line.excess_usd) for line in shares_beside_charges(shares, partition)]


@pytest.mark.parametrize(
    ("charge", "billed", "months", "excess"),
    [
        ("10.00", ["10.00"], 1, []),
        ("10.00", ["10.00", "10.00"], 1, ["10.00"]),
        ("10.00", ["3.33", "3.33", "3.34"], 3, []),
        ("10.00", ["3.33", "3.33", "3.33"], 3, []),
        ("10.00", ["3.34", "3.34", "3.34"], 3, ["0.02"]),
        ("10.00", ["3.33", "3.33"], 3, []),
        ("10.00", ["3.33", "3.33", "3.32"], 3, ["-0.02"]),
        ("10.00", ["9.00", "2.00"], 3, ["1.00"]),
        ("10.00", ["0.00"], 1, ["-10.00"]),
        # Half a cent is rounding, a hair more is not.
        ("10.005", ["10.00"], 1, []),
        ("10.0051", ["10.00"], 1, ["-0.0051"]),
        ("9.995", ["10.00"], 1, []),
        # The exact shares count: what rounding them makes of them is told elsewhere.
        ("10.01", ["10.015"], 1, []),
        ("10.00", ["3.333333333333"] * 3, 3, []),
        # A credit is credited too much, or too little.
        ("-10.00", ["-10.00", "-10.00"], 1, ["10.00"]),
        ("-10.00", ["-4.00"], 1, ["-6.00"]),
        ("-10.00", ["10.00"], 1, ["-20.00"]),
        ("0.00", ["-1.00"], 2, ["-1.00"]),
        ("0.00", ["0.00"], 1, []),
        (None, ["10.00", "10.00"], 1, []),
    ],
)
def test_shares_are_weighed_wrongly(charge: str | None, billed: list[str], months: int, excess: list[str]) -> None:
    """More than the charge is told at once, less once all months are billed, and rounding never."""
    shares = [a_share(PARTITIONS[at], text, charge, months=months) for at, text in enumerate(billed)]
    assert _excesses(shares) == excess


def test_the_longest_split_is_not_waited_for() -> None:
    """Where records disagree about the months, less is told when the most months are billed."""
    shares = [a_share(PARTITIONS[at], "2.00", months=months) for at, months in enumerate((2, 3))]
    assert _excesses(shares) == []
    assert _excesses([*shares, a_share("2025-03", "2.00")]) == ["-4.00"]


def test_a_charge_of_long_ago_is_compared_with() -> None:
    """The charge is that of the period read last, whatever its month."""
    old, new = a_share("2025-02", charge="20.00"), a_share("2025-01", read_at_utc=NOON + dt.timedelta(seconds=1))
    assert _excesses([old, new]) == ["10.00"]
    assert _excesses([old, dataclasses.replace(new, read_at_utc=NOON - dt.timedelta(seconds=1))]) == []


def test_another_line_is_taken_for_the_same() -> None:
    """Equal lines, and lines of other families, have charges of their own; another timestamp is no other family."""
    first = a_share()
    assert _excesses([first, a_share("2025-02", line_identity="ab#1")]) == []
    assert _excesses([first, a_share("2025-02", found_s3_key="other.jsonl")]) == []
    assert _excesses([first, a_share("2025-02", found_s3_key=KEY.partition("_20251021T")[0])]) == []
    assert _excesses([first, a_share("2025-02", found_s3_key=NEWER, position=7)]) == ["10.00"]


def test_a_period_speaks_of_lines_that_are_not_its_own() -> None:
    """A line is told by the periods that bill it."""
    shares = [a_share("2025-01"), a_share("2025-02")]
    assert (_excesses(shares, "2025-01"), _excesses(shares, "2025-03")) == (["10.00"], [])


def test_the_worst_lines_stand_last() -> None:
    """Lines stand by their dollars, whichever way, and the sums of both ways are apart."""
    shares = [
        a_share(billed="11.00", line_identity="a#0"),
        a_share(billed="5.00", line_identity="b#0"),
        a_share(billed="12.00", line_identity="c#0"),
        a_share(billed="-1.00", charge="0", line_identity="d#0"),
    ]
    assert _excesses(shares) == ["-5.00", "2.00", "1.00", "-1.00"]
    assert above_and_below_usd(shares_beside_charges(shares, "2025-01")) == (Decimal("4.00"), Decimal("5.00"))


@given(st.decimals(-(10**6), 10**6, places=2), st.integers(1, 12), st.randoms(use_true_random=False))
def test_a_charge_divided_by_its_months_is_told(charge: Decimal, months: int, random: Any) -> None:
    """What the pipeline itself divides and rounds is never told; a dollar more on it always is, in any order."""
    amount = share_in_cents(charge, months)
    shares = [a_share(partition, str(amount), str(charge), months=months) for partition in PARTITIONS[:months]]
    random.shuffle(shares)
    assert _excesses(shares) == []
    more = a_share("2026-01", "-1.00" if charge < 0 else "1.00", str(charge), months=months)
    (line,) = shares_beside_charges([more, *shares], "2025-01")
    assert line.shares_usd == total(share.share_usd for share in [more, *shares])
    assert abs(line.excess_usd - 1) <= Decimal("0.005") * months


LINE = a_line()
OVERRIDDEN = a_line({"id": 2, "Current Amount": "12.00", "Amount Overridden": "true"})
EXCLUDED = a_line({"id": 3, "Is Excluded From UBI": True})


@pytest.mark.parametrize(
    ("line", "attributes", "difference"),
    [
        (LINE, {"amount": n("10.00")}, []),
        (LINE, {"amount": n("10.005")}, []),
        (LINE, {"amount": n("10.0051")}, ["0.0051"]),
        (LINE, {"amount": n("3.33"), "months": n(3)}, []),
        # The last share may hold what rounding left of the others: half a cent a month.
        (LINE, {"amount": n("3.34"), "months": n(3)}, []),
        (LINE, {"amount": n("3.35"), "months": n(3)}, ["0.02"]),
        (LINE, {"amount": n("10.00"), "months": n(3)}, ["6.67"]),
        (LINE, {"amount": n(0)}, ["-10.00"]),
        (LINE, {"amount": None}, []),
        (LINE, {"amount": n("1.00"), "months": n("9999999999999999")}, []),
        (OVERRIDDEN, {"amount": n("10.00")}, ["-2.00"]),
        (OVERRIDDEN, {"amount": n("12.00")}, []),
        (EXCLUDED, {"amount": n("99.00")}, []),
        (a_line({"Line Item Charge": "ten"}), {"amount": n("99.00")}, []),
    ],
)
def test_a_drifted_amount_is_not_told(line: dict[str, Any], attributes: dict[str, Any], difference: list[str]) -> None:
    """An own amount is compared with the line's present charge or override divided by the months."""
    rows = rows_of([an_assignment(line, **attributes)], {KEY: jsonl(line)})
    assert [str(drift.difference_usd) for drift in drifted_amounts(rows)] == difference


def test_the_worst_drift_stands_last() -> None:
    """Drifted amounts stand by their dollars, whichever way."""
    records = [an_assignment(LINE, amount=n("11.00")), an_assignment(OVERRIDDEN, amount=n("2.00"))]
    drifted = drifted_amounts(rows_of(records, {KEY: jsonl(LINE, OVERRIDDEN)}))
    assert [(str(drift.own_usd), str(drift.expected_usd)) for drift in drifted] == [
        ("2.00", "12.00"),
        ("11.00", "10.00"),
    ]


def test_a_share_that_is_not_billed_is_counted() -> None:
    """Only billable rows are shares, in their order, with what they were given."""
    records = [an_assignment(line, assignment_id=text) for line, text in ((EXCLUDED, "x"), (LINE, "a"), (LINE, "b"))]
    rows = rows_of(records, {KEY: jsonl(EXCLUDED, LINE)})
    (share,) = billed_shares(rows, "2025-01", NOON)
    (row,) = (row for row in rows if row.status is Status.BILLABLE)
    assert row.line is not None
    assert share == a_share(
        position=1, line_identity=row.line.identity, line_hash=records[1].line_hash, assignment_id="a"
    )
