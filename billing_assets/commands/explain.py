"""`billing-assets explain`: what is read for the story of a line, a bill or an account, and in which order.

Lives here: which store is asked what, all at once where they don't need each other. Lives elsewhere: what the stores
hold (`billing_assets.stores`, `billing_assets.defs.run_history`), what is told (`billing_assets.domain.telling`), and
how (`explain_printed`). Nothing is computed anew, and nothing is written.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from billing_assets.commands.background import Background
from billing_assets.commands.explain_faults import (
    ambiguous_prefix,
    nothing_stored,
    only_read,
    unknown_account,
    unknown_bill,
    unknown_line,
)
from billing_assets.commands.explain_others import OtherStores
from billing_assets.domain.evidence import Evidence
from billing_assets.domain.subjects import AccountSubject, BillSubject, LineSubject
from billing_assets.domain.telling import (
    bills_known,
    rows_of_account,
    story_of_account,
    story_of_bill,
    story_of_line,
)
from billing_assets.settings import Settings, aws_variables
from billing_assets.stores.aws import AwsClients, shared_clients
from billing_assets.stores.intermediate import IntermediateStore
from billing_assets.stores.publication import MasterBillLocation, Patience, PublicationHistory
from billing_assets.stores.stored_rows import matches_of, periods_that_only_read, resolved_periods, stored_periods

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from billing_assets.domain.story import Story
    from billing_assets.domain.subjects import Subject

_S3_SECONDS = 5.0
_LOCAL_UI = "http://127.0.0.1:3000"


def explain(subject: Subject, say: Callable[[str], None] = lambda _: None) -> Story:
    """The whole story of a subject, from what is stored.

    Args:
        subject: What is to be explained.
        say: Told what is asked now.

    Raises:
        ConfigurationError: Nothing is stored of it; the text names what comes nearest.
        BillingError: The intermediate data or S3 can't be read. Every other store may be absent: the story says so.
    """
    settings = Settings.from_environment()
    clients = shared_clients(aws_variables())
    readers = _Readers(settings, clients, say)
    say("reading what the runs have stored")
    readers.others.begin()
    if isinstance(subject, LineSubject):
        return readers.line(subject)
    return readers.bill(subject) if isinstance(subject, BillSubject) else readers.account(subject)


class _Readers:
    """The stores of one command."""

    def __init__(self, settings: Settings, clients: AwsClients, say: Callable[[str], None]) -> None:
        location = MasterBillLocation(settings.bucket, settings.master_bills_key, settings.master_bills_prefix)
        self._published = PublicationHistory(clients.s3, location, Patience(_S3_SECONDS))
        self._stored = IntermediateStore(settings.storage_uri, lambda: clients.s3)
        self._link = partial(_run_address, settings.ui_url or _LOCAL_UI)
        self._say = say
        self.others = OtherStores(settings, clients)

    def line(self, subject: LineSubject) -> Story:
        holding = Background("S3", partial(self._published.periods_holding, subject.prefix))
        matches = matches_of(self._stored, subject.prefix)
        held = holding.result()
        published = self._published.published({*held, *matches.periods})
        hashes = matches.hashes or {
            line.line_hash
            for period in published.values()
            for bill in period.bills
            for line in bill.source_line_items
            if line.line_hash.startswith(subject.prefix)
        }
        if len(hashes) > 1:
            tables = resolved_periods(self._stored, matches.periods)
            raise ambiguous_prefix(subject.prefix, hashes, Evidence(tables=tables, published=published))
        if not hashes:
            raise self._no_line(subject.prefix, matches.looked_through)
        (line_hash,) = hashes
        tables = resolved_periods(self._stored, {*matches.periods, *published})
        evidence = Evidence(tables=tables, published=published)
        plain = story_of_line(evidence, line_hash, self._link)
        return story_of_line(self._beside(evidence, plain, hashes), line_hash, self._link)

    def bill(self, subject: BillSubject) -> Story:
        evidence = self._of_period(subject.period)
        name = subject.master_bill_id
        lines = [
            line.line_hash
            for bill in (evidence.published[subject.period].bills if subject.period in evidence.published else ())
            if bill.master_bill_id == name
            for line in bill.source_line_items
        ]
        evidence = self._beside(evidence, story_of_bill(evidence, name, self._link), lines)
        if name not in bills_known(evidence, subject.period):
            raise unknown_bill(name, subject.period, bills_known(evidence, subject.period), self._known_periods())
        return story_of_bill(evidence, name, self._link)

    def account(self, subject: AccountSubject) -> Story:
        period, account = subject.period, subject.account
        evidence = self._of_period(period)
        rows = rows_of_account(evidence, period, account)
        if not rows:
            table = evidence.tables.get(period)
            known = {row.item.account_number for row in (table.rows if table else ()) if row.item is not None}
            raise unknown_account(account, period, known)
        hashes = {row.assignment.line_hash for row in rows}
        plain = story_of_account(evidence, period, account, self._link)
        return story_of_account(self._beside(evidence, plain, hashes), period, account, self._link)

    def _of_period(self, period: str) -> Evidence:
        published = Background("S3", partial(self._published.published, [period]))
        tables = resolved_periods(self._stored, [period])
        found = published.result()
        if not tables and not found:
            raise nothing_stored(period, self._known_periods())
        return Evidence(tables=tables, published=found)

    def _beside(self, evidence: Evidence, plain: Story, line_hashes: Collection[str]) -> Evidence:
        """The evidence with what all other places hold of the story's bills, lines and periods."""
        self._say("asking the app's list, the archive, Snowflake and Dagster")
        ids = [bill.master_bill_id for bill in plain.bills]
        periods = sorted({row.period for row in plain.rows} | {bill.period for bill in plain.bills})
        listed = Background("S3", partial(self._published.listed, frozenset(ids)))
        decisions = Background("S3", lambda: {period: self._published.decisions(period) for period in periods})
        others = self.others.ask(periods, ids, line_hashes)
        return dataclasses.replace(
            evidence,
            listed=listed.result(),
            decisions=decisions.result(),
            archived=others.archived,
            exported=others.exported,
            runs=others.runs,
            absent=others.absent,
        )

    def _no_line(self, prefix: str, looked_through: list[str]) -> Exception:
        if not looked_through:
            return nothing_stored("any period", [])
        if waiting := periods_that_only_read(self._stored, prefix):
            return only_read(prefix, waiting)
        return unknown_line(prefix, looked_through)

    def _known_periods(self) -> list[str]:
        return sorted({*stored_periods(self._stored), *self._published.periods()})


def _run_address(ui_url: str, run_id: str) -> str:
    return f"{ui_url}/runs/{run_id}"
