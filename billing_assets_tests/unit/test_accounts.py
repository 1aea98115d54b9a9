"""Accounts to track: SPEC.md section 1.3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billing_assets.domain.accounts import AccountToTrack, UnreadableAccount, accounts_sha256, parse_accounts
from billing_assets.domain.errors import UnreadableInputError

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


def _one(**fields: Any) -> AccountToTrack:
    accounts, faults = parse_accounts(json.dumps([{"accountNumber": "A-1", **fields}]), where=WHERE)
    assert faults == []
    return accounts[0]


@pytest.mark.parametrize(("name", "spelling"), [(name, text) for name, texts in SPELLINGS.items() for text in texts])
def test_a_spelling_of_the_list_is_not_read(name: str, spelling: str) -> None:
    """Each spelling gives its field, trimmed; a number is its text."""
    for value, text in ((" x ", "x"), (17, "17")):
        item = {"accountNumber": "A-1", spelling: value} if name != "account_number" else {spelling: value}
        (read,), _ = parse_accounts(json.dumps([item]), where=WHERE)
        assert getattr(read, name) == text


@pytest.mark.parametrize(
    ("value", "days"),
    [
        (30, 30),
        ("30", 30),
        (" 30 ", 30),
        (30.0, 30),
        (0, None),
        ("0", None),
        ("", None),
        (None, None),
        ("soon", None),
        (-3, None),
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
        ({"is_ubi": True}, True, True),
        ({"ubi_tracking": "true"}, True, True),
        ({"ubi_tracking": 1, "is_tracked": 0}, False, True),
        ({"is_ubi": False, "ubi_tracking": False}, True, False),
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
    accounts, faults = parse_accounts(
        '[{"accountNumber": "A"}, {}, 7, {"account_number": " "}, {"account_number": 8}]', where=WHERE
    )
    assert [account.account_number for account in accounts] == ["A", "8"]
    assert faults == [
        UnreadableAccount(1, "no account number"),
        UnreadableAccount(2, "no JSON object"),
        UnreadableAccount(3, "no account number"),
    ]


@pytest.mark.parametrize(
    ("text", "found"), [("", "no JSON: "), ("{}", "a JSON dict, not a list"), ("[", "no JSON: "), ("7", "a JSON ")]
)
def test_a_list_that_is_none_is_read_as_an_empty_one(text: str, found: str) -> None:
    """What is no JSON list is an error that says where and what was found."""
    with pytest.raises(UnreadableInputError) as caught:
        parse_accounts(text, where=WHERE)
    assert WHERE in str(caught.value)
    assert found in str(caught.value)


def test_another_spelling_makes_another_version_of_the_list() -> None:
    """The data version depends on what the list says, not on how it is spelled; a BOM is no content."""
    camel, _ = parse_accounts('\ufeff[{"accountNumber": "A", "propertyId": "P"}]', where=WHERE)
    snake, _ = parse_accounts('[{"property_id": " P", "account_number": "A", "is_tracked": true}]', where=WHERE)
    other, _ = parse_accounts('[{"property_id": "Q", "account_number": "A"}]', where=WHERE)
    assert accounts_sha256(camel) == accounts_sha256(snake) != accounts_sha256(other)
