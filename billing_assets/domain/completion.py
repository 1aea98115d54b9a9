"""Completion of a period: which accounts should have a bill, which have one, and which bills nobody expects.

Source: SPEC.md section 8. Which items of the list are one account lives in `listed_accounts`; all months side by side
in `completion_grid`. Nothing of it influences what is billed.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from billing_assets.domain.listed_accounts import AccountKey, ListedAccount, properties_by_number
from billing_assets.domain.money import EXACT, ZERO, total
from billing_assets.domain.resolved import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from billing_assets.domain.periods import Month

ASSIGNING = frozenset({Status.BILLABLE, Status.EXCLUDED, Status.UNBILLABLE})
"""Statuses of a row that shows that its account has a bill."""

NOT_LISTED = "not on the list"
NO_ACCOUNT_NUMBER = "the bill has no account number"
NUMBER_NOT_UNIQUE = "the bill has no property, and its number stands at several"
LIST_NOT_UNIQUE = "listed without a property, and its number stands at several"


class AccountState(StrEnum):
    """What a period has of an expected account; the first two are assigned."""

    ASSIGNED = "assigned"
    EXCLUDED_ONLY = "excluded_only"
    MISSING = "missing"


class Verdict(StrEnum):
    """What the check says of a period."""

    PASSED = "passed"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class AccountBills:
    """What a period's assigning rows say of one property and account number, each `""` where the line has none."""

    property_id: str
    account_number: str
    bills: frozenset[str]
    """The object families that hold its lines: a family is a bill."""
    billed_usd: Decimal
    """Of its billable rows; exact cents."""
    excluded_only: bool

    @property
    def key(self) -> AccountKey:
        """Property and number."""
        return self.property_id, self.account_number

    @classmethod
    def merged(cls, parts: Sequence[AccountBills]) -> AccountBills:
        """Several of one account as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            *parts[0].key,
            bills=frozenset().union(*(part.bills for part in parts)),
            billed_usd=total(part.billed_usd for part in parts),
            excluded_only=all(part.excluded_only for part in parts),
        )


@dataclass(frozen=True, slots=True)
class BilledRow:
    """The part of a resolved line item that completion looks at."""

    property_id: str
    account_number: str
    status: Status
    bill: str
    billed_usd: Decimal | None


def bills_by_account(rows: Iterable[BilledRow]) -> list[AccountBills]:
    """Put a period's assigning rows together by account; rows of other statuses show no bill, and are passed over."""
    groups: dict[AccountKey, list[BilledRow]] = defaultdict(list)
    for row in rows:
        if row.status in ASSIGNING:
            groups[row.property_id, row.account_number].append(row)
    return [_bills_of(key, groups[key]) for key in sorted(groups)]


def _bills_of(key: AccountKey, rows: Sequence[BilledRow]) -> AccountBills:
    billed = ZERO
    for row in rows:
        if row.status is Status.BILLABLE and row.billed_usd is not None:
            billed = EXACT.add(billed, row.billed_usd)
    return AccountBills(
        *key,
        bills=frozenset(row.bill for row in rows),
        billed_usd=billed,
        excluded_only=all(row.status is Status.EXCLUDED for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Matching:
    """A period's bills, each given to the listed account that it is of, or to none."""

    of_account: dict[AccountKey, AccountBills]
    unmatched: list[tuple[AccountBills, str]]
    """Bills of no listed account, with the reason; in order."""


def match(listed: Mapping[AccountKey, ListedAccount], bills: Sequence[AccountBills]) -> Matching:
    """Give each of a period's bills to the account that it is of.

    Property and number must be equal. Where either side has no property, the number alone tells, if list and bills
    together know it at one property at most. The law: every bill is given to one account or unmatched, never both.

    Args:
        listed: By their keys.
        bills: In any order, one for each property and number.
    """
    at = properties_by_number([*listed, *(bill.key for bill in bills)])
    found: dict[AccountKey, list[AccountBills]] = defaultdict(list)
    unmatched = []
    for bill in sorted(bills, key=lambda bill: bill.key):
        key, reason = _account_of(bill, listed, at[bill.account_number])
        if key is None:
            unmatched.append((bill, reason))
        else:
            found[key].append(bill)
    return Matching({key: AccountBills.merged(parts) for key, parts in found.items()}, unmatched)


def _account_of(
    bill: AccountBills, listed: Mapping[AccountKey, ListedAccount], properties: set[str]
) -> tuple[AccountKey | None, str]:
    number, without_property = bill.account_number, ("", bill.account_number)
    if not number:
        return None, NO_ACCOUNT_NUMBER
    if bill.property_id and bill.key in listed:
        return bill.key, ""
    if len(properties) > 1:
        if not bill.property_id:
            return None, NUMBER_NOT_UNIQUE
        return None, LIST_NOT_UNIQUE if without_property in listed else NOT_LISTED
    keys = [(property_id, number) for property_id in properties] + [without_property]
    key = next((key for key in keys if key in listed), None)
    return key, "" if key else NOT_LISTED


@dataclass(frozen=True, slots=True)
class AccountCompletion:
    """An expected account, and what a period has of it."""

    account: ListedAccount
    state: AccountState
    bill_count: int
    amount_usd: Decimal
    last_billed_period: str
    """The latest stored period, up to this one, in which it has a bill; `""` if there is none."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    assigned: int
    expected: int

    @property
    def missing(self) -> int:
        """Expected and not assigned."""
        return self.expected - self.assigned

    @property
    def percent(self) -> Decimal:
        """Of the expected ones, rounded down to a tenth, so that 100 is said of all only; 100 where none is expected.

        Example:
            >>> Share(1999, 2000).percent, Share(0, 0).percent
            (Decimal('99.9'), Decimal('100.0'))
        """
        if not self.expected:
            return Decimal("100.0")
        return (Decimal(100 * self.assigned) / self.expected).quantize(Decimal("0.1"), ROUND_DOWN)


@dataclass(frozen=True, slots=True)
class Completion:
    """What is expected of a period and what it has."""

    period: str
    accounts: list[AccountCompletion]
    """The expected ones, in order of property and number."""
    unexpected: list[tuple[AccountBills, str]]
    """Bills of accounts that are not expected, with the reason: not listed, or listed otherwise."""

    @classmethod
    def of(
        cls, period: str, listed: Sequence[ListedAccount], bills: Mapping[str, Sequence[AccountBills]]
    ) -> Completion:
        """Judge a period.

        Args:
            period: Its partition key; a range counts in its first month.
            listed: Every account of the list.
            bills: Of this period and of the earlier ones that are known, by partition key.
        """
        by_key = {account.key: account for account in listed}
        matching = match(by_key, bills.get(period, ()))
        lasts = _last_billed(period, by_key, bills, matching)
        expected = [account for account in listed if account.is_expected]
        return cls(
            period=period,
            accounts=[_completion_of(account, matching, lasts) for account in expected],
            unexpected=sorted(_unexpected(by_key, matching), key=lambda found: (found[1], found[0].key)),
        )

    @property
    def share(self) -> Share:
        """In all."""
        return _share_of(self.accounts)

    @property
    def missing(self) -> list[AccountCompletion]:
        """Expected accounts without a bill."""
        return [account for account in self.accounts if account.state is AccountState.MISSING]

    @property
    def by_property(self) -> dict[str, Share]:
        """By property, in order; `""` for accounts without one."""
        groups: dict[str, list[AccountCompletion]] = defaultdict(list)
        for account in self.accounts:
            groups[account.account.property_id].append(account)
        return {property_id: _share_of(accounts) for property_id, accounts in groups.items()}


def verdict(share: Share, period: Month, *, today: dt.date, warn_days: int, floor: Decimal) -> Verdict:
    """What missing accounts mean for a period.

    Args:
        share: Of the period.
        period: Its month; a range counts in its first.
        today: The day on which it is judged.
        warn_days: Until so many days after its last day bills may still come, and nothing is said.
        floor: The least share, from 0 to 1, below which too many are missing.
    """
    if not share.missing or today < period.last_day + dt.timedelta(days=warn_days):
        return Verdict.PASSED
    return Verdict.ERROR if share.assigned < floor * share.expected else Verdict.WARN


def _completion_of(account: ListedAccount, matching: Matching, lasts: Mapping[AccountKey, str]) -> AccountCompletion:
    bills = matching.of_account.get(account.key)
    last = lasts.get(account.key, "")
    if bills is None:
        return AccountCompletion(account, AccountState.MISSING, 0, ZERO, last)
    state = AccountState.EXCLUDED_ONLY if bills.excluded_only else AccountState.ASSIGNED
    return AccountCompletion(account, state, len(bills.bills), bills.billed_usd, last)


def _last_billed(
    period: str,
    listed: Mapping[AccountKey, ListedAccount],
    bills: Mapping[str, Sequence[AccountBills]],
    matching: Matching,
) -> dict[AccountKey, str]:
    lasts = dict.fromkeys(matching.of_account, period)
    missing = {key for key, account in listed.items() if account.is_expected} - lasts.keys()
    for earlier in sorted((known for known in bills if known < period), reverse=True):
        if not missing:
            break
        found = match(listed, bills[earlier]).of_account.keys() & missing
        lasts.update(dict.fromkeys(found, earlier))
        missing -= found
    return lasts


def _unexpected(listed: Mapping[AccountKey, ListedAccount], matching: Matching) -> Iterator[tuple[AccountBills, str]]:
    yield from matching.unmatched
    for key, bills in matching.of_account.items():
        if not listed[key].is_expected:
            yield bills, listed[key].not_expected


def _share_of(accounts: Sequence[AccountCompletion]) -> Share:
    return Share(sum(account.state is not AccountState.MISSING for account in accounts), len(accounts))
