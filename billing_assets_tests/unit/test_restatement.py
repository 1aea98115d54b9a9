"""What a run would change in a published period, and whether it may."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.listed_bills import StandingBill
from billing_assets.domain.money import total
from billing_assets.domain.restatement import (
    Change,
    Circumstances,
    Difference,
    Verdict,
    carry_over,
    difference_between,
    standing_bills,
    verdict_on,
)
from billing_assets_tests.unit.made_bills import bill, line, with_status

if TYPE_CHECKING:
    from billing_assets.domain.master_bills import MasterBill

NOON = dt.datetime(2025, 2, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
OPEN = Circumstances(
    published=True,
    closed=False,
    restated=False,
    max_shrink=Decimal("0.10"),
    read_at=NOON,
    published_read_at=NOON - MINUTE,
)
TEN = [bill(f"P{number}", "10.00") for number in range(10)]


def circumstances(**changed: object) -> Circumstances:
    """An open, published period, except for what is named."""
    known = {name: getattr(OPEN, name) for name in OPEN.__slots__}
    return Circumstances(**(known | changed))


def compared(before: list[MasterBill], after: list[MasterBill]) -> Difference:
    """The difference between a period's object and a run, nothing listed."""
    return difference_between(standing_bills(before, []), after)


def listed(made: MasterBill, status: str) -> StandingBill:
    """The bill as the combined list has it."""
    return StandingBill.of(with_status(made, status))


def test_every_bill_is_told_apart() -> None:
    """New, changed, unchanged and vanished bills are named with the amounts before and after."""
    before = [bill("P1", "1.00"), bill("P2", "2.00"), bill("P3", "3.00")]
    after = [bill("P2", "2.00"), bill("P3", "3.50"), bill("P4", "4.00")]
    found = compared(before, after)
    seen = [(change.change, change.before_usd, change.after_usd) for change in found.changes]
    assert seen == [
        (Change.VANISHED, Decimal("1.00"), None),
        (Change.UNCHANGED, Decimal("2.00"), Decimal("2.00")),
        (Change.CHANGED, Decimal("3.00"), Decimal("3.50")),
        (Change.NEW, None, Decimal("4.00")),
    ]
    assert (found.before_usd, found.after_usd) == (Decimal("6.00"), Decimal("9.50"))
    assert found.counts() == dict.fromkeys(Change, 1)


def test_where_a_line_was_found_is_no_change() -> None:
    """A rewrite of the source objects under new timestamps changes no bill."""
    moved = bill(lines=(line(name="P1-a", s3_key="in/x_20250303T000000Z.jsonl"),))
    assert compared([bill()], [moved]).touched == ()


def test_unchanged_bills_keep_what_they_were_given() -> None:
    """Status and creation stay with the content; a changed bill begins anew."""
    before = [with_status(bill("P1"), "sent"), with_status(bill("P2", "2.00"), "sent")]
    after = [bill("P1", created_by="run-2"), bill("P2", "2.01", created_by="run-2")]
    first, second = carry_over(after, standing_bills(before, []))
    assert (first.status, first.created_by) == ("sent", "run-1")
    assert (second.status, second.created_by) == ("draft", "run-2")


def test_the_status_that_the_app_set_counts() -> None:
    """What somebody decided in the combined list is carried over, whatever the period's object says."""
    standing = standing_bills([bill()], [listed(bill(), "sent")])
    assert carry_over([bill(created_by="run-2")], standing) == [with_status(bill(), "sent")]
    assert verdict_on(difference_between(standing, []), OPEN) is Verdict.PENDING


def test_a_status_taken_back_in_the_app_counts() -> None:
    """A bill that is draft again in the list may be changed."""
    standing = standing_bills([with_status(bill(), "sent")], [listed(bill(), "draft")])
    assert standing[bill().master_bill_id].status == "draft"


def test_an_amount_altered_in_the_app_is_healed_while_it_is_a_draft() -> None:
    """Without a decision the period's own object is what stands."""
    standing = standing_bills([bill("P1", "1.00")], [listed(bill("P1", "9.00"), "draft"), listed(bill("P2"), "draft")])
    assert difference_between(standing, [bill("P1", "1.00")]).touched == ()


def test_an_amount_altered_and_decided_in_the_app_waits() -> None:
    """Somebody sent 9 dollars; that is not turned into 1 without a decision."""
    standing = standing_bills([bill("P1", "1.00")], [listed(bill("P1", "9.00"), "sent")])
    found = difference_between(standing, [bill("P1", "1.00")])
    assert [(change.before_usd, change.after_usd) for change in found.touched] == [(Decimal("9.00"), Decimal("1.00"))]
    assert verdict_on(found, OPEN) is Verdict.PENDING


def test_what_a_restatement_put_aside_protects_nobody() -> None:
    """A run that died before the combined list was rewritten is not mistaken for a decision of the app."""
    old = [listed(bill("P1", "9.00"), "sent"), listed(bill("P2"), "sent")]
    superseded = {(standing.master_bill_id, standing.content_hash) for standing in old}
    standing = standing_bills([bill("P1", "1.00")], old, superseded)
    assert difference_between(standing, [bill("P1", "1.00")]).touched == ()
    assert standing[bill().master_bill_id].status == "draft"


def test_without_a_period_object_the_list_stands() -> None:
    """The first run after an older tool is compared with what its readers see."""
    standing = standing_bills(None, [listed(bill("P1"), "draft"), listed(bill("P2"), "draft")])
    assert verdict_on(difference_between(standing, []), circumstances(published=False)) is Verdict.REFUSED


@pytest.mark.parametrize(
    ("changed", "after", "verdict"),
    [
        ({}, TEN, Verdict.UNCHANGED),
        ({"published": False}, TEN, Verdict.PUBLISH),
        ({}, [*TEN, bill("P99")], Verdict.PUBLISH),
        ({}, TEN[1:], Verdict.PUBLISH),
        ({}, TEN[2:], Verdict.REFUSED),
        ({}, [], Verdict.REFUSED),
        ({"max_shrink": Decimal(1)}, TEN[9:], Verdict.PUBLISH),
        ({"max_shrink": Decimal(1)}, [], Verdict.REFUSED),
        ({"max_shrink": Decimal(0)}, TEN[1:], Verdict.REFUSED),
        ({}, [bill(made.property_id, "9.00") for made in TEN], Verdict.PUBLISH),
        ({}, [bill(made.property_id, "8.99") for made in TEN], Verdict.REFUSED),
        ({}, [bill(made.property_id, "-10.00") for made in TEN], Verdict.REFUSED),
        ({}, [bill(f"Q{number}", "10.00") for number in range(10)], Verdict.REFUSED),
        ({"closed": True}, TEN, Verdict.UNCHANGED),
        ({"closed": True}, [*TEN, bill("P99")], Verdict.PENDING),
        ({"closed": True}, [], Verdict.PENDING),
        ({"closed": True, "restated": True}, [], Verdict.PUBLISH),
        ({"restated": True}, [], Verdict.PUBLISH),
        ({"restated": True}, TEN, Verdict.UNCHANGED),
        ({"published_read_at": NOON}, TEN[1:], Verdict.PUBLISH),
        ({"published_read_at": None}, TEN[1:], Verdict.PUBLISH),
        ({"published_read_at": NOON + MINUTE}, TEN[1:], Verdict.STALE),
        ({"published_read_at": NOON + MINUTE, "restated": True}, [], Verdict.STALE),
    ],
)
def test_guards(changed: dict[str, object], after: list[MasterBill], verdict: Verdict) -> None:
    """Each guard stops what it guards against, at its very boundary, and a reason overrides all but staleness."""
    assert verdict_on(compared(TEN, after), circumstances(**changed)) is verdict


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([with_status(bill("P1"), "draft"), bill("P2"), bill("P3")], Verdict.PUBLISH),
        ([bill("P1", "9.99"), bill("P2")], Verdict.PENDING),
        ([bill("P2")], Verdict.PENDING),
    ],
)
def test_a_bill_that_somebody_decided_on_is_frozen(after: list[MasterBill], verdict: Verdict) -> None:
    """Others may come beside it; itself it is neither changed nor removed."""
    before = [with_status(bill("P1"), "sent"), bill("P2")]
    assert verdict_on(compared(before, after), OPEN) is verdict


def test_the_difference_names_what_is_archived_since() -> None:
    """A pending restatement tells lines that were archived from lines that are simply gone."""
    before = bill(lines=(line("1.00", name="a"), line("2.00", name="b"), line("2.00", name="b")))
    found = compared([before, bill("P2", "5.00")], [bill(lines=(line("2.00", name="b"),)), bill("P3", "7.00")])
    assert found.line_hashes_gone == {"a", "b", "P2-a"}
    assert found.text({"a"}) == (
        "1 new, 1 changed, 0 unchanged, 1 vanished; $10.00 before, $9.00 after\n"
        "changed: P1|WTR|Water|01/2025|01/2025, $5.00 -> $2.00, status draft; "
        "of 2 lines gone, 1 archived since ($1.00)\n"
        "vanished: P2|WTR|Water|01/2025|01/2025, $5.00 -> nothing, status draft; of 1 lines gone, none archived since\n"
        "new: P3|WTR|Water|01/2025|01/2025, nothing -> $7.00, status draft"
    )
    assert found.text(most=1).splitlines()[-1] == "... and 2 more"


AMOUNTS = st.dictionaries(
    st.sampled_from([f"P{number}" for number in range(6)]),
    st.integers(-9999, 9999).map(lambda cents: str(Decimal(cents).scaleb(-2))),
)


def bills_with(amounts: dict[str, str]) -> list[MasterBill]:
    """A bill for each property."""
    return [bill(place, amount) for place, amount in amounts.items()]


@given(AMOUNTS, AMOUNTS)
def test_a_difference_accounts_for_every_dollar(before: dict[str, str], after: dict[str, str]) -> None:
    """What stands, and what would, add up to the bills on either side."""
    found = compared(bills_with(before), bills_with(after))
    assert found.before_usd == total(Decimal(amount) for amount in before.values())
    assert found.after_usd == total(Decimal(amount) for amount in after.values())
    assert len(found.changes) == len(before.keys() | after.keys())


@given(AMOUNTS)
def test_the_same_bills_are_no_difference(amounts: dict[str, str]) -> None:
    """Running twice finds nothing to do."""
    bills = bills_with(amounts)
    assert compared(bills, bills[::-1]).touched == ()
    assert carry_over(bills, standing_bills(bills, [])) == bills


@given(AMOUNTS, AMOUNTS)
def test_a_guard_that_allows_everything_still_refuses_emptiness(before: dict[str, str], after: dict[str, str]) -> None:
    """With a share of one the guard stops a run exactly when no bill is left."""
    found = compared(bills_with(before), bills_with(after))
    assert found.shrinks_beyond(Decimal(1)) == (bool(before) and not after)
