"""Whole stories: of a line, of a bill, of an account in a period. What happened is told in order of time.

Pure: made of `evidence`, in the words of `story`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

from billing_assets.domain.bill_story import bill_story, restated_of
from billing_assets.domain.money import plain
from billing_assets.domain.row_story import bill_id_of, row_stories, told
from billing_assets.domain.story import BillStory, Event, RowStory, RunTold, Story

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from billing_assets.domain.evidence import DecisionEvidence, Evidence
    from billing_assets.domain.resolved import ResolvedLineItem
    from billing_assets.domain.story import AssignmentTold

LinkTo = Callable[[str], str]
"""Gives the address of a run in the Dagster UI."""


def story_of_line(evidence: Evidence, line_hash: str, link_to: LinkTo) -> Story:
    """Tell of every assignment of one line hash, and of every bill that holds it."""
    periods = sorted({*evidence.tables, *evidence.published})
    rows = [row for period in periods for row in row_stories(evidence, period, (line_hash,))]
    ids = dict.fromkeys(row.master_bill_id for row in rows if row.master_bill_id)
    bills = [bill_story(evidence, name, only_lines=(line_hash,)) for name in ids]
    return _story(("line", line_hash), rows, bills, evidence, link_to)


def story_of_bill(evidence: Evidence, master_bill_id: str, link_to: LinkTo) -> Story:
    """Tell of a bill; its rows are told one by one only in its list of lines."""
    return _story(("bill", master_bill_id), [], [bill_story(evidence, master_bill_id)], evidence, link_to)


def story_of_account(evidence: Evidence, period: str, account: str, link_to: LinkTo) -> Story:
    """Tell of every assignment whose line belongs to the account, in the order of the period's rows."""
    hashes = dict.fromkeys(row.assignment.line_hash for row in rows_of_account(evidence, period, account))
    rows = [
        row
        for row in row_stories(evidence, period, hashes)
        if row.line is not None and row.line.account_number == account
    ]
    ids = dict.fromkeys(row.master_bill_id for row in rows if row.master_bill_id)
    bills = [bill_story(evidence, name, only_lines=hashes) for name in ids]
    return _story(("account", f"{account} in {period}"), rows, bills, evidence, link_to)


def rows_of_account(evidence: Evidence, period: str, account: str) -> list[ResolvedLineItem]:
    """The stored rows of an account."""
    table = evidence.tables.get(period)
    rows = () if table is None else table.rows
    return [row for row in rows if row.item is not None and row.item.account_number == account]


def bills_known(evidence: Evidence, period: str) -> set[str]:
    """The ids of a period that any store knows."""
    published, table = evidence.published.get(period), evidence.tables.get(period)
    known = {bill.master_bill_id for bill in (() if published is None else published.bills)}
    known |= {bill_id_of(row) for row in (() if table is None else table.rows)}
    decided = evidence.decisions.get(period, ())
    known |= {bill.master_bill_id for decision in decided for bill in decision.bills}
    known |= {bill.master_bill_id for bill in evidence.exported.bills}
    known |= {change.master_bill_id for change in evidence.exported.changes}
    return known - {""}


def _story(
    of: tuple[str, str],
    rows: list[RowStory],
    bills: list[BillStory],
    evidence: Evidence,
    link_to: LinkTo,
) -> Story:
    archived = tuple(told(record) for record in evidence.archived)
    events = sorted(_events(rows, bills), key=lambda event: event.at_utc)
    return Story(
        kind=of[0],
        subject=of[1],
        rows=tuple(rows),
        bills=tuple(bills),
        archived=archived,
        timeline=tuple(dict.fromkeys(events)),
        runs=tuple(_runs(rows, bills, evidence, link_to)),
        absent=dict(evidence.absent),
    )


def _events(rows: Iterable[RowStory], bills: list[BillStory]) -> Iterator[Event]:
    for row in rows:
        if row.assignment is not None:
            yield _assigned(row.assignment)
        if row.read_at_utc is not None:
            named = row.assignment.assignment_id if row.assignment is not None else ""
            yield Event(
                at_utc=_at(row.read_at_utc),
                what=f"{row.period} read",
                by="ubi_assignments",
                detail=f"{named or 'the assignment'} is {row.status}{f', {row.reason}' if row.reason else ''}",
            )
    for bill in bills:
        yield from _events_of_bill(bill, f"{bill.master_bill_id}, " if len(bills) > 1 else "")


def _events_of_bill(bill: BillStory, named: str) -> Iterator[Event]:
    if bill.published and bill.amount_usd is not None:
        detail = f"{named}with this content: ${plain(bill.amount_usd)}, {counted(bill.line_count, 'line')}"
        yield Event(at_utc=_text_at(bill.created_utc), what="bill made", by=bill.created_by, detail=detail)
    for decision in bill.decisions:
        yield Event(
            at_utc=_text_at(decision.at_utc),
            what=f"{bill.period} {decision.decision}",
            by=f"run {decision.run_id[:8]}" if decision.run_id else decision.by,
            detail=f"{named if decision.bills else ''}{_decided(decision, bill.master_bill_id)}",
        )
    for change in bill.changes:
        status = "" if change.status_before == change.status_after else f", status {change.status_after or 'none'}"
        reason = f" ({change.reason})" if change.reason else ""
        yield Event(
            at_utc=_at(change.exported_at_utc),
            what="exported",
            by=f"run {change.run_id[:8]}",
            detail=f"{named}{change.change}: {_usd(change.before_usd)} -> {_usd(change.after_usd)}{status}{reason}",
        )


def _assigned(record: AssignmentTold) -> Event:
    months = f", 1 of {record.months} months" if record.months > 1 else ""
    amount = f"${record.amount_text}" if record.amount_text else "no amount of its own"
    named = f"{record.assignment_id} " if record.assignment_id else ""
    return Event(
        at_utc=_text_at(record.assigned_date) or "no date",
        what="assigned",
        by=record.assigned_by or "not told",
        detail=f"{named}to {record.ubi_period}: {amount}{months}",
    )


def _decided(decision: DecisionEvidence, master_bill_id: str) -> str:
    bill = restated_of(decision, master_bill_id)
    if bill is None:
        return decision.reason
    return f"{bill.change}: {_usd(bill.before_usd)} -> {_usd(bill.after_usd)}; {decision.reason}"


def _runs(
    rows: Iterable[RowStory], bills: Iterable[BillStory], evidence: Evidence, link_to: LinkTo
) -> Iterator[RunTold]:
    bills = list(bills)
    periods = {row.period for row in rows} | {bill.period for bill in bills}
    seen = set()
    for run in sorted(evidence.runs, key=lambda run: run.at_utc):
        if run.period in periods:
            seen.add(run.run_id)
            yield RunTold(
                run_id=run.run_id,
                period=run.period,
                at_utc=run.at_utc,
                status=run.status,
                assets=run.assets,
                verdict=run.verdict,
                link=link_to(run.run_id),
            )
    named = {bill.published_by_run: bill.period for bill in bills}
    named |= {change.run_id: bill.period for bill in bills for change in bill.changes}
    named |= {decision.run_id: bill.period for bill in bills for decision in bill.decisions}
    for run_id, period in sorted(named.items()):
        if run_id and run_id not in seen:
            # Another instance's run, or one that this one keeps no longer.
            yield RunTold(
                run_id=run_id, period=period, at_utc=None, status="", assets=(), verdict="", link=link_to(run_id)
            )


def counted(number: int, what: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "line"), counted(1200, "line")
        ('1 line', '1,200 lines')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _at(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _text_at(text: str) -> str:
    """A moment as stored, to the second and in UTC where it can be read; else as it is."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if moment.tzinfo is None else _at(moment)


def _usd(amount: Decimal | None) -> str:
    return "nothing" if amount is None else f"${plain(amount)}"
