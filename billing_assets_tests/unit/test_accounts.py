"""Accounts to track: SPEC.md section 1.3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.accounts import (
    AccountToTrack,
    ListFault,
    accounts_sha256,
    parse_accounts,
)
from billing_assets.domain.accounts_letters import (
    doubtful_letter,
    repeated_doubts,
    unreadable_letter,
)
from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.listed_accounts import listed_accounts

WHERE = "s3://bucket/accounts_to_track.json"
SPELLINGS = {
    "account_number": ("accountNumber", "account_number"),
    "property_id": ("propertyId", "property_id"),
    "property_name": ("propertyName", "property_name"),
    "vendor_id": ("vendorId", "vendor_id"),
    "vendor_name": ("vendorName", "vendor_name"),
    "gl_account_number": ("glAccountNumber", "gl_account"),
    "gl_account_name": ("glAccountName", "gl_account_name"),
}
GOOD = {"accountNumber": "A", "propertyId": "P"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=14), inner, max_size=3),
    max_leaves=5,
)


def _one(**fields: Any) -> AccountToTrack:
    read = parse_accounts(json.dumps([{"accountNumber": "A-1", **fields}]), where=WHERE)
    assert read.unreadable == []
    return read.accounts[0]


def _doubts(**fields: Any) -> list[str]:
    return [doubt.reason for doubt in parse_accounts(json.dumps([{**GOOD, **fields}]), where=WHERE).doubts]


@pytest.mark.parametrize(("name", "spelling"), [(name, text) for name, texts in SPELLINGS.items() for text in texts])
def test_a_spelling_of_the_list_is_not_read(name: str, spelling: str) -> None:
    """Each spelling gives its field, trimmed; a number is its text."""
    for value, text in ((" x ", "x"), (17, "17")):
        item = {"accountNumber": "A-1", spelling: value} if name != "account_number" else {spelling: value}
        (account,) = parse_accounts(json.dumps([item]), where=WHERE).accounts
        assert getattr(account, name) == text


@pytest.mark.parametrize(
    ("value", "days"),
    [
        (30, 30),
        ("30", 30),
        (" 30 ", 30),
        (30.0, 30),
        (30.4, 30),
        (0, None),
        ("0", None),
        ("", None),
        (None, None),
        ("soon", None),
        (-3, None),
        (True, None),
    ],
)
@pytest.mark.parametrize("spelling", ["daysBetweenBills", "days_between_bills"])
def test_days_between_bills_are_read_wrongly(spelling: str, value: Any, days: int | None) -> None:
    """A number or a numeric text; 0 or blank is unknown."""
    assert _one(**{spelling: value}).days_between_bills == days


@pytest.mark.parametrize(
    ("fields", "is_tracked", "is_ubi"),
    [
        ({}, True, False),
        ({"is_tracked": False}, False, False),
        ({"is_tracked": None, "is_ubi": None}, True, False),
        ({"is_tracked": " ", "is_ubi": ""}, True, False),
        ({"is_ubi": True}, True, True),
        ({"ubi_tracking": " YES "}, True, True),
        ({"ubi_tracking": 1, "is_tracked": 0}, False, True),
        ({"ubi_tracking": 2, "is_tracked": "maybe"}, False, False),
        ({"is_ubi": False, "ubi_tracking": False}, True, False),
        ({"is_ubi": False, "ubi_tracking": True}, True, True),
    ],
)
def test_an_account_is_expected_though_it_is_not_tracked(
    fields: dict[str, Any],
    is_tracked: bool,
    is_ubi: bool,
) -> None:
    """Tracked unless it says otherwise; a UBI account only if it says so."""
    account = _one(**fields)
    assert (account.is_tracked, account.is_ubi) == (is_tracked, is_ubi)


def test_one_bad_account_drops_the_good_ones() -> None:
    """Items that are no accounts are named by their place; the others are read."""
    read = parse_accounts(
        '[{"accountNumber": "A"}, {}, 7, {"account_number": " "}, {"account_number": 8}, null, {"accountNumber": []}]',
        where=WHERE,
    )
    assert [account.account_number for account in read.accounts] == ["A", "8"]
    assert read.indices == [0, 4]
    assert read.unreadable == [
        ListFault(1, "no account number"),
        ListFault(2, "no JSON object"),
        ListFault(3, "no account number"),
        ListFault(5, "no JSON object"),
        ListFault(6, "no account number"),
    ]


@given(st.lists(ANY_JSON | st.just(GOOD), max_size=8))
def test_an_item_vanishes(items: list[Any]) -> None:
    """Whatever the list holds, each item is an account or named, once."""
    read = parse_accounts(json.dumps(items), where=WHERE)
    assert sorted([*read.indices, *(fault.index for fault in read.unreadable)]) == list(range(len(items)))
    assert len(read.accounts) == len(read.indices)
    assert {doubt.index for doubt in read.doubts} <= set(read.indices)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no JSON: Expecting value at line 1, column 1"),
        ("{}", "a JSON object, not a list"),
        ("[", "no JSON: "),
        ("7", "a JSON number, not a list"),
        ('"[]"', "a JSON text, not a list"),
        ("null", "a JSON null, not a list"),
        ("[" * 100_000, "no JSON: "),
    ],
)
def test_a_list_that_is_none_is_read_as_an_empty_one(text: str, found: str) -> None:
    """What is no JSON list is a letter, word for word: where, what was found, which rule, and what to do."""
    with pytest.raises(UnreadableInputError) as caught:
        parse_accounts(text, where=WHERE)
    summary, where, of_text, *rest = str(caught.value).splitlines()
    assert (summary, where) == ("the accounts to track can't be read", f"  where:  {WHERE}")
    assert of_text.startswith(f"  found:  {found}")
    rule = "the list is a JSON list of accounts; completion can't be judged without it, billing is not concerned"
    remedy = "save the list again on the CONFIG page of the app, or restore an earlier version of the object"
    assert rest == [f"  rule:   {rule}", f"  remedy: {remedy}"]


def test_another_spelling_makes_another_version_of_the_list() -> None:
    """The data version depends on what the list says, not on spelling, order or layout; a BOM is no content."""
    camel = parse_accounts('\ufeff[{"accountNumber": "A", "propertyId": "P"}, {"accountNumber": "B"}]', where=WHERE)
    snake = parse_accounts(
        '[{"accountNumber":"B"},{"property_id": " P", "account_number": "A", "is_tracked": true}]', where=WHERE
    )
    other = parse_accounts('[{"property_id": "Q", "account_number": "A"}, {"accountNumber": "B"}]', where=WHERE)
    twice = parse_accounts('[{"propertyId": "P", "accountNumber": "A"}, {"accountNumber": "B"}]', where=WHERE)
    versions = [accounts_sha256(read.accounts) for read in (camel, snake, twice, other)]
    assert versions[0] == versions[1] == versions[2] != versions[3]


@pytest.mark.parametrize(
    ("fields", "doubts"),
    [
        ({}, []),
        ({"account_number": "A", "property_id": " P "}, []),
        ({"account_number": "B"}, ["accountNumber and account_number differ; accountNumber is used"]),
        ({"property_id": "Q"}, ["propertyId and property_id differ; propertyId is used"]),
        ({"propertyId": " "}, ["no property; matched by its number alone, where that is unique"]),
        ({"daysBetweenBills": "soon"}, ["days between bills are no number from 0 on; they count as unknown"]),
        ({"is_ubi": 0, "ubi_tracking": 1}, ["is_ubi and ubi_tracking differ; it counts as billed to residents"]),
        ({"is_tracked": "maybe"}, ["is_tracked is neither true nor false; it counts as false"]),
    ],
)
def test_an_account_is_used_otherwise_than_it_says(fields: dict[str, Any], doubts: list[str]) -> None:
    """What is not as the contract has it is told, with what is made of it."""
    assert _doubts(**fields) == doubts


def test_the_letter_of_unreadable_items_is_not_the_one_of_the_style_guide() -> None:
    """The example of STYLE.md, word for word, with the right places."""
    items: list[Any] = [GOOD] * 1378
    items[17] = items[940] = {"propertyId": "P"}
    read = parse_accounts(json.dumps(items), where=WHERE)
    assert unreadable_letter(read, WHERE) == (
        "2 of 1,378 accounts to track can't be read\n"
        f"  where:  {WHERE}, items 17 and 940\n"
        "  found:  no account number\n"
        "  rule:   an account without its number can't be matched, and would look complete when it isn't\n"
        "  remedy: correct them on the CONFIG page; the next materialization picks them up"
    )
    assert unreadable_letter(parse_accounts("[]", where=WHERE), WHERE) is None


def test_the_letter_of_doubts_names_other_items() -> None:
    """All doubts at once, each with its items."""
    items = [GOOD, {"accountNumber": "B"}, {**GOOD, "property_id": "Q"}, 7, {"accountNumber": "C", "propertyId": ""}]
    read = parse_accounts(json.dumps(items), where=WHERE)
    assert doubtful_letter(read, read.doubts, WHERE) == (
        "3 of 5 accounts to track are in doubt, and are used as the table says\n"
        f"  where:  {WHERE}, items 1, 2 and 4\n"
        "  found:  no property; matched by its number alone, where that is unique: items 1 and 4\n"
        "          propertyId and property_id differ; propertyId is used: item 2\n"
        "  rule:   an account is told by property and number, counts once, "
        "and is expected if any of its items says so\n"
        "  remedy: correct them on the CONFIG page; the next materialization picks them up"
    )
    assert doubtful_letter(read, [], WHERE) is None


def test_duplicates_and_contradictions_are_not_told() -> None:
    """By the items' places in the list, unreadable ones counted."""
    items: list[Any] = [
        7,
        {**GOOD, "is_ubi": True},
        GOOD,
        {"accountNumber": "B", "propertyId": "P"},
        {"account_number": " B ", "property_id": "P"},
        {"accountNumber": "C", "propertyId": "P"},
        {"accountNumber": "C", "propertyId": "Q"},
        {"accountNumber": "C"},
        {"accountNumber": "D", "propertyId": "P", "gl_account": "1", "daysBetweenBills": 30},
        {"accountNumber": "D", "propertyId": "P", "gl_account": "2", "daysBetweenBills": 31},
        {"accountNumber": "D", "propertyId": "P"},
    ]
    read = parse_accounts(json.dumps(items), where=WHERE)
    assert repeated_doubts(read, listed_accounts(read.accounts)) == {
        (1, 2): "listed 2 times with another is_ubi; expected",
        (3, 4): "listed 2 times alike; counts once",
        (7,): "no property, and its number stands at several; it can't be matched",
        (8, 9, 10): "listed 3 times with another gl_account_number, days_between_bills; not expected",
    }


FIELDS = {
    **{name: st.sampled_from(["", "x", "y"]) for name in set(SPELLINGS) - {"account_number", "property_id"}},
    "days_between_bills": st.sampled_from([None, 30, 31]),
    "is_tracked": st.booleans(),
    "is_ubi": st.booleans(),
}


@given(st.fixed_dictionaries(FIELDS), st.fixed_dictionaries(FIELDS))
def test_items_are_called_alike_that_contradict_each_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whatever field two items of one account say otherwise is named; what one of them leaves out is not."""
    items = [AccountToTrack(account_number="A", property_id="P", **fields) for fields in (one, other)]
    (account,) = listed_accounts(items)
    contradicting = {name for name in FIELDS if one[name] != other[name] and not {one[name], other[name]} & {"", None}}
    assert set(account.differing) == contradicting
