"""Amounts before and after, by property and by utility, and their bars."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.defs.metadata import bar, bar_chart
from billing_assets.domain.amount_changes import AmountChange, changes_by_property, changes_by_utility
from billing_assets.domain.money import total
from billing_assets.domain.restatement import difference_between, standing_bills
from billing_assets_tests.unit.made_bills import bill

if TYPE_CHECKING:
    from billing_assets.domain.master_bills import MasterBill

ONE, HALF = Decimal("1.00"), Decimal("0.50")
_cents = st.decimals("-999", "999", places=2)
_bills = st.dictionaries(st.sampled_from(["P1", "P2", "P|3", "P%4"]), _cents).map(
    lambda amounts: [bill(place.replace("|", "%7C"), str(amount)) for place, amount in amounts.items()]
)


@given(_bills, _bills)
def test_a_dollar_is_lost_between_two_periods(before: list[MasterBill], after: list[MasterBill]) -> None:
    """Properties' differences add up to that of the totals, each property stands there once, the largest first."""
    changes = changes_by_property(before, after)
    assert total(change.difference_usd for change in changes) == total(b.utility_amount for b in after) - total(
        b.utility_amount for b in before
    )
    assert len({change.of for change in changes}) == len(changes)
    sizes = [abs(change.difference_usd) for change in changes]
    assert sizes == sorted(sizes, reverse=True)


@given(_bills, _bills)
def test_a_dollar_is_lost_between_utilities(before: list[MasterBill], after: list[MasterBill]) -> None:
    """Utilities' sums add up to the difference's own."""
    difference = difference_between(standing_bills(before, []), after)
    changes = changes_by_utility(difference.changes)
    assert total(change.before_usd for change in changes) == difference.before_usd
    assert total(change.after_usd for change in changes) == difference.after_usd


@pytest.mark.parametrize(
    ("before", "after", "exceeds"),
    [
        ("100.00", "150.00", False),
        ("100.00", "150.01", True),
        ("100.00", "49.99", True),
        ("-100.00", "-150.00", False),
        ("-100.00", "50.00", True),
        ("0.00", "0.01", True),
        ("0.00", "0.00", False),
        ("100.00", "0.00", True),
    ],
)
def test_a_change_is_judged_at_the_wrong_share(before: str, after: str, exceeds: bool) -> None:
    """Exactly the share is not beyond it; from nothing, any change is."""
    assert AmountChange("P1", Decimal(before), Decimal(after)).exceeds(HALF) is exceeds


def test_a_property_is_called_by_a_name_of_its_own() -> None:
    """People see the name with the id; the later period's name wins."""
    (change,) = changes_by_property([bill("P1", "1.00")], [])
    assert change == AmountChange("House P1 (P1)", ONE, Decimal("0.00"))


def test_a_bar_has_the_wrong_length() -> None:
    """All of a scale is 24 blocks; anything but 0 is seen; 0 is nothing, and a credit is as long as its amount."""
    assert bar(ONE, ONE) == "█" * 24
    assert bar(Decimal("-1.00"), ONE) == "█" * 24
    assert bar(Decimal("0.50"), ONE) == "█" * 12
    assert bar(Decimal("0.52"), ONE) == "█" * 12 + "▍"
    assert bar(Decimal("0.01"), Decimal(10_000)) == "▏"
    assert bar(Decimal("0.00"), Decimal("0.00")) == ""


def test_a_chart_is_drawn_of_nothing() -> None:
    """No bills give a table without rows; a blank utility has a name."""
    assert str(bar_chart("utility", []).value).count("\n") == 1
    assert "| (blank) | 1.00 | " in str(bar_chart("utility", [AmountChange("", ONE, ONE)]).value)
