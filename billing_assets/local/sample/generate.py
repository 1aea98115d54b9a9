"""Plays the invented months one after the other and writes down what must become of every assignment.

A period has a fixed number of assignments. First come the planted scenes (unbilled, rivals), so that every
imperfection has its place; shares of lines split in earlier months come by themselves; ordinary bills fill the rest.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count, cycle
from random import Random
from typing import Final

from billing_assets.local.sample.accounts import accounts_to_track, cache_of
from billing_assets.local.sample.archived import archived_assignments
from billing_assets.local.sample.assignments import Claim, Ledger
from billing_assets.local.sample.bills import Bill, Place, Shelf, parsed_at
from billing_assets.local.sample.line_kinds import LineKinds
from billing_assets.local.sample.lines import LineMaker
from billing_assets.local.sample.model import Deck, Line, Sample, month_after
from billing_assets.local.sample.names import Account, accounts
from billing_assets.local.sample.rivals import SCENES, Stage, play
from billing_assets.local.sample.unbilled import PERIODS_OF_NO_PARTITION, Misfortune

ASSIGNMENTS: Final = 10_275
ARCHIVED: Final = 9_535
ACCOUNTS: Final = 1_378
PERIODS: Final = 14
_UNBILLED: Final = 0.022
_SCENES: Final = 0.018
_NO_PARTITION: Final = 0.011
_BILLED_ACCOUNTS: Final = 0.15
_LINES_ASSIGNED: Final = (1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 14)
_LINES_LEFT: Final = (0, 0, 0, 0, 0, 1, 1, 2, 3, 5)
_MOST_LINES: Final = 30
_SMALLEST_SCALE: Final = 0.02

_AMOUNTS: Final = {
    "amount_absent": 3,
    "amount_null": 1,
    "amount_blank": 1,
    "amount_text": 3,
    "amount_half_cent": 2,
    "amount_zero": 1,
}
_MONTHS: Final = {"months_absent": 3, "months_text": 2, "months_total": 2, "months_null": 1, "months_decimal": 1}


def generate(*, last_period: str, scale: float = 1.0, seed: int = 7) -> Sample:
    """Invent a sample of fourteen months; equal arguments give equal bytes.

    At scale 1 it has the sizes of the source document. Every kind of imperfection occurs from a scale of 0.05 on.

    Args:
        last_period: `YYYY-MM`. All fourteen months must be partitions where the oracle is to hold.
        scale: Assignments, objects, archived assignments and accounts grow with it; months and properties don't.
        seed: Another seed gives other names' numbers, amounts and combinations, not other imperfections.

    Raises:
        ValueError: the scale leaves no room for a single scene in each period.
    """
    if scale < _SMALLEST_SCALE:
        raise ValueError(f"a sample of scale {scale} has no room for its scenes; remedy: {_SMALLEST_SCALE} or more")
    return _Months(last_period, scale, seed).sample()


class _Months:
    """The state of one generation."""

    def __init__(self, last_period: str, scale: float, seed: int) -> None:
        self.rng = rng = Random(seed)  # noqa: S311 - invented data must be the same again, not unguessable
        self.scale = scale
        self.periods = [month_after(last_period, n - PERIODS + 1) for n in range(PERIODS)]
        self.accounts = accounts(rng, round(ACCOUNTS * scale))
        self.billed = max(3, round(len(self.accounts) * _BILLED_ACCOUNTS))
        self.lines, self.kinds, self.shelf = LineMaker(rng), LineKinds(rng), Shelf(rng)
        self.ledger = Ledger(self.kinds.text_of)
        self.misfortune, self.scenes, self.numbers = Misfortune(), cycle(SCENES), count(1)
        self.amounts = Deck(rng, _AMOUNTS, plain="")
        self.months = Deck(rng, _MONTHS, plain="")
        self.hints = Deck(rng, {"stale": 2, "absent": 2, "far": 1}, plain="right")
        self.versions = Deck(rng, {"v1": 50}, plain="v2")
        self.spellings = Deck(rng, {"period_range": 2, "period_short": 3}, plain="")
        self.splits = Deck(rng, {"split": 1}, plain="", size=130)
        self.split_amounts = cycle(["", "amount_absent", "", "amount_text"])
        self.split_lengths = cycle([3, 7, 2, 12, 4, 2, 6, 3])
        self.split_months = cycle(["", "months_text", "months_total", "months_null", "months_decimal"])

    def sample(self) -> Sample:
        """Play all months, then shuffle: the order of a table says nothing."""
        total = round(ASSIGNMENTS * self.scale)
        strays = max(len(PERIODS_OF_NO_PARTITION), round(total * _NO_PARTITION))
        each, more = divmod(total - strays, PERIODS)
        self.room = {period: each + (n < more) for n, period in enumerate(self.periods)}
        self.reserve = {period: self._planted(room) for period, room in self.room.items()}
        for period in self.periods:
            self._play(period)
        self._stray(strays)
        order = list(range(total))
        self.rng.shuffle(order)
        listed = accounts_to_track(self.accounts, self.billed)
        return Sample(
            assignments=[self.ledger.assignments[n] for n in order],
            archived=archived_assignments(self.periods[0], round(ARCHIVED * self.scale), self.rng),
            objects=self.shelf.objects,
            accounts=listed,
            accounts_cache=cache_of(listed),
            expected=[self.ledger.expected[n] for n in order],
            periods=self.periods,
        )

    def _planted(self, room: int) -> int:
        """The most that a period's planted scenes can take: three assignments each."""
        return max(1, int(room * _UNBILLED)) + 3 * max(1, round(room * _SCENES))

    def _play(self, period: str) -> None:
        whole = sum(fate.partition == period for fate in self.ledger.expected) + self.room[period]
        for _ in range(max(1, int(whole * _UNBILLED))):
            self._write(self.misfortune.strike(self.shelf, self._bill(period, 2), period))
        for _ in range(max(1, round(whole * _SCENES))):
            for claim in play(next(self.scenes), Stage(self.shelf, self._bill(period, 2), period)):
                self._write(claim)
        self.reserve[period] = 0
        while self.room[period] > 0:
            self._ordinary(period)

    def _write(self, claim: Claim) -> None:
        if claim.period:
            self.room[claim.period] -= 1
        self.ledger.write(claim)

    def _bill(self, period: str, lines: int) -> Bill:
        """A bill of plain lines, not yet stored. Accounts take turns; the last few of them are never billed."""
        number = next(self.numbers)
        account: Account = self.accounts[number % max(2, int(self.billed * 0.96))]
        base = f"{account.vendor_id}-{account.number}-{number:06d}"
        bill = Bill(f"bill-{number:06d}", account, base, parsed_at(period, self.rng))
        bill.lines = [self.lines.plain(account, period, row=row, key=bill.key()) for row in range(lines)]
        return bill

    def _ordinary(self, period: str) -> None:
        assigned = min(self.rng.choice(_LINES_ASSIGNED), self.room[period])
        bill = self._bill(period, min(assigned + self.rng.choice(_LINES_LEFT), _MOST_LINES))
        bill.lines = [self.kinds.deal(line) for line in bill.lines]
        place = self.shelf.deal(bill)
        for index in sorted(self.rng.sample(range(len(bill.lines)), assigned)):
            if self.splits.draw():
                self._split(bill.lines[index], place, index, period)
            else:
                claim = Claim(bill.lines[index], place, index, period, period_as=self.spellings.draw())
                self._write(replace(self._varied(claim), amount=self.amounts.draw(), months_as=self.months.draw()))

    def _varied(self, claim: Claim) -> Claim:
        return replace(claim, hint=self.hints.draw(), version=self.versions.draw())

    def _split(self, line: Line, place: Place, index: int, period: str) -> None:
        """Shares in this and the following months, as far as the sample reaches and later months have room."""
        following = self.periods[self.periods.index(period) :][: next(self.split_lengths)]
        taken = [month for month in following if self.room[month] > self.reserve[month]]
        shares = taken if taken == following else [period]
        amount = next(self.split_amounts)
        for month in shares:
            months_as = next(self.split_months)
            claim = Claim(line, place, index, month, amount=amount, months=len(shares), months_as=months_as)
            self._write(self._varied(claim))

    def _stray(self, strays: int) -> None:
        """Assignments of no partition, of lines like all others."""
        texts = cycle(PERIODS_OF_NO_PARTITION)
        for _ in range(strays):
            bill = self._bill(self.rng.choice(self.periods), 2)
            text = next(texts)
            claim = Claim(bill.lines[0], self.shelf.store(bill), 0, None, overrides={"ubi_period": text})
            self._write(replace(claim, kinds=frozenset({"period_of_no_partition"})))
