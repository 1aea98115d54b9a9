"""A story as people read it in a terminal of 100 columns, and as programs do: JSON with exact numbers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.text import Text

from billing_assets.commands.explain_bill_printed import print_bill, print_bills_of_account
from billing_assets.commands.explain_words import STATUS_STYLES, dollars, facts, moment, safe, table_of

if TYPE_CHECKING:
    from billing_assets.domain.story import RowStory, Story

_WIDTH = 100
_encode = msgspec.json.Encoder(decimal_format="number").encode


def show_story(story: Story, *, as_json: bool) -> None:
    """The story in the form that was asked for."""
    if as_json:
        sys.stdout.write(story_json(story))
        return
    print_story(story, Console(highlight=False, width=_width()))


def story_json(story: Story) -> str:
    """All of it, numbers exact."""
    return msgspec.json.format(_encode(story), indent=2).decode() + "\n"


def print_story(story: Story, out: Console) -> None:
    """All of it, section by section: what a person asks first stands first."""
    if story.kind == "account":
        _print_account(story, out)
    else:
        for row in story.rows:
            _print_row(row, out, several=len(story.rows) > 1)
    if story.kind == "account":
        print_bills_of_account(story.bills, out)
    else:
        for bill in story.bills:
            print_bill(bill, out, whole=story.kind == "bill")
    _print_archived(story, out)
    _print_timeline(story, out)
    _print_runs(story, out)
    for store, why in story.absent.items():
        out.print(safe(f"Not looked at: {store}: {why}"), style="yellow")


def _width() -> int:
    return min(_WIDTH, Console().width) if sys.stdout.isatty() else _WIDTH


def _heading(out: Console, text: str, *, status: str = "") -> None:
    heading = Text("\n").append(safe(text).plain, style="bold")
    if status:
        heading.append("  ").append(status, style=f"bold {STATUS_STYLES.get(status, 'default')}")
    out.print(heading)


def _print_row(row: RowStory, out: Console, *, several: bool) -> None:
    amount = "no amount" if row.billed_usd is None else dollars(row.billed_usd)
    line_hash = "" if row.assignment is None else f" of line {row.assignment.line_hash[:12]}"
    _heading(out, f"{amount}{line_hash} in {row.period}", status=row.status)
    out.print(facts([*_why(row), *_assignment(row), *_place(row), *_line(row), *_outcome(row)]))
    if row.rivals:
        rivals = table_of("rival", ">assigned", "status", ">position", ">amount", "why")
        for rival in row.rivals:
            who = ", ".join(filter(None, (rival.assignment_id, rival.assigned_by))) or "not told"
            same = str(rival.position) if rival.same_line else f"{rival.position}, equal"
            rivals.add_row(
                safe(who),
                safe(rival.assigned_date),
                _status(rival.status),
                same,
                dollars(rival.billed_usd),
                safe(rival.why or "was given a charge, too"),
            )
        out.print(rivals)
    if row.other_shares:
        shares = table_of("other period", "status", ">months", ">amount", "line hash")
        for share in row.other_shares:
            amount = dollars(share.billed_usd)
            shares.add_row(share.period, _status(share.status), str(share.months), amount, share.line_hash[:12])
        out.print(shares)
    if several:
        out.print()


def _why(row: RowStory) -> list[tuple[str, str]]:
    reason = f"{row.reason}. " if row.reason else ""
    found = [("why", f"{reason}{row.rule}")]
    found += [("seen", row.detail)] if row.detail else []
    return [*found, ("to do", row.remedy)]


def _assignment(row: RowStory) -> list[tuple[str, str]]:
    record = row.assignment
    if record is None:
        return []
    by = f"by {record.assigned_by or 'somebody not told'}, {record.assigned_date or 'no date'}"
    named = f"{record.assignment_id} " if record.assignment_id else ""
    months = f"1 of {record.months} months" if record.months > 1 else "1 month"
    amount = record.amount_text or "none of its own"
    found = [("assignment", f"{named}{by}; to {record.ubi_period}, {months}")]
    billed = "billed" if row.status == "billable" else "would be"
    raw = "" if row.assigned_usd is None else f"; raw {row.assigned_usd:f}, {billed} {dollars(row.billed_usd)}"
    found += [("amount", f"{amount}{raw}. {row.amount_rule}".strip())]
    found += [("notes", record.notes)] if record.notes else []
    read = moment(row.read_at_utc)
    return [*found, ("bill id", record.bill_id), ("line hash", record.line_hash), ("read", read)]


def _place(row: RowStory) -> list[tuple[str, str]]:
    record, place = row.assignment, row.place
    if place is None:
        return [("assigned in", record.s3_key)] if record is not None else []
    hint = record.line_index if record is not None else place.position
    hinted = "" if hint == place.position else f" (assigned at {'no position' if hint is None else hint})"
    version = f", hash {place.hash_version}" if place.hash_version else ""
    found = [("found in", place.s3_key), ("position", f"{place.position}{hinted}{version}")]
    if place.relocated and record is not None:
        found += [("relocated", f"yes, from {record.s3_key}")]
    return found


def _line(row: RowStory) -> list[tuple[str, str]]:
    line = row.line
    if line is None:
        return []
    charge = f"{line.line_charge or 'no charge'}"
    if line.amount_overridden:
        charge += f", overridden to {line.current_amount} ({line.amount_override_reason or 'no reason'})"
    code = line.charge_code or "no charge code"
    if line.charge_code_overridden:
        code += f", overridden ({line.charge_code_override_reason or 'no reason'})"
    named = f"{line.property_name} ({line.property_id})" if line.property_name else line.property_id or "no property"
    return [
        ("line", f"{line.description}; charge {charge}"),
        ("property", f"{named}; {code}; {line.utility_name or 'no utility'}"),
        ("account", f"{line.account_number or 'none'}; {line.vendor_name}; invoice {line.invoice_number or 'none'}"),
        ("service", f"{line.service_start} to {line.service_end}; bill of {line.bill_date}"),
        ("gl", f"{line.gl_code} {line.gl_code_name}".strip()),
    ]


def _outcome(row: RowStory) -> list[tuple[str, str]]:
    since = [("archived", "a record of it stands in the archive now")] if row.archived_since else []
    outside = " (not in it)" if row.master_bill_id and row.ordinal is None else ""
    return [("bill", f"{row.master_bill_id}{outside}"), ("published", row.standing), *since]


def _print_account(story: Story, out: Console) -> None:
    _heading(out, f"Account {story.subject}")
    rows = table_of("line hash", "status", "reason", ">amount", "description", "bill")
    for row in story.rows:
        line_hash = "" if row.assignment is None else row.assignment.line_hash[:12]
        description = "" if row.line is None else row.line.description
        rows.add_row(
            line_hash,
            _status(row.status),
            safe(row.reason),
            dollars(row.billed_usd),
            safe(description),
            safe(row.master_bill_id),
        )
    out.print(rows)
    out.print("  billing-assets explain HASH   tells the whole story of a line", style="dim")


def _print_archived(story: Story, out: Console) -> None:
    if not story.archived:
        return
    _heading(out, "In the archive")
    archived = table_of("line hash", "period", "assigned", "by", ">amount")
    for record in story.archived:
        archived.add_row(
            record.line_hash[:12],
            safe(record.ubi_period),
            safe(record.assigned_date),
            safe(record.assigned_by),
            safe(record.amount_text),
        )
    out.print(archived)


def _print_timeline(story: Story, out: Console) -> None:
    if not story.timeline:
        return
    _heading(out, "What happened")
    events = table_of("when (UTC)", "what", "by", "detail")
    for event in story.timeline:
        events.add_row(safe(event.at_utc), safe(event.what), safe(event.by), safe(event.detail))
    out.print(events)


def _print_runs(story: Story, out: Console) -> None:
    if not story.runs:
        return
    _heading(out, "Dagster runs")
    for run in story.runs:
        status = run.status.lower() or "not kept by this instance"
        verdict = f"; {run.verdict}" if run.verdict else ""
        out.print(safe(f"  {run.period}  {moment(run.at_utc)}  {status}{verdict}"))
        if run.status:
            out.print(safe(f"  made {', '.join(run.assets) or 'nothing'}"))
        # One piece, so that a terminal makes it a link and a person can copy it.
        out.print(Text(f"  {run.link}", style="underline" if out.is_terminal else ""), soft_wrap=True)


def _status(status: str) -> Text:
    return Text(status, style=STATUS_STYLES.get(status, ""))
