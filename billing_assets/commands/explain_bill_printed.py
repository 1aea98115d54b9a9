"""The printed story of a master bill: published, listed, decided, exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from billing_assets.commands.explain_words import STATUS_STYLES, dollars, facts, moment, safe, table_of
from billing_assets.domain.telling import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from billing_assets.domain.story import BillStory

_MOST_LINES = 40


def print_bill(bill: BillStory, out: Console, *, whole: bool) -> None:
    """One bill; with all its lines if it is what was asked for."""
    amount = "not published" if bill.amount_usd is None else dollars(bill.amount_usd)
    heading = Text("\n").append(safe(f"Bill {bill.master_bill_id}: {amount}").plain, style="bold")
    out.print(heading.append(f"  {bill.status}", style="bold") if bill.status else heading)
    out.print(facts(_facts_of(bill)))
    if whole:
        _print_lines(bill, out)
    if bill.changes:
        changes = table_of("change log, UTC", "change", ">before", ">after", "status", "run", "reason")
        for change in bill.changes:
            status = " -> ".join(dict.fromkeys(filter(None, (change.status_before, change.status_after))))
            changes.add_row(
                moment(change.exported_at_utc).removesuffix(" UTC"),
                change.change,
                dollars(change.before_usd),
                dollars(change.after_usd),
                safe(status),
                change.run_id[:8],
                safe(change.reason),
            )
        out.print(changes)


def print_bills_of_account(bills: Sequence[BillStory], out: Console) -> None:
    """A row a bill: the whole of each is told by its own command."""
    table = table_of("bill", ">amount", "status", "standing", "Snowflake")
    for bill in bills:
        table.add_row(
            safe(bill.master_bill_id),
            dollars(bill.amount_usd),
            safe(bill.status),
            safe(bill.standing),
            safe(bill.exported_standing),
        )
    out.print(Text("\nIts bills", style="bold"))
    out.print(table)


def _facts_of(bill: BillStory) -> list[tuple[str, str]]:
    made = f"{counted(bill.line_count, 'line')}; made {bill.created_utc} by {bill.created_by}" if bill.published else ""
    run = f"by {f'run {bill.published_by_run}' if bill.published_by_run else 'no run of ours'}"
    published = f"{run}, from assignments read at {moment(bill.read_at_utc) or 'an unknown time'}" if bill.uri else ""
    left_out = ", ".join(f"{count} {status}" for status, count in bill.left_out)
    return [
        ("property", bill.property_name),
        ("holds", made),
        ("standing", bill.standing),
        ("object", bill.uri),
        ("published", published),
        ("left out", f"{left_out} of the same key" if left_out else ""),
        ("period", f"{bill.period} is {'closed' if bill.is_closed else 'open'}"),
        *((decision.decision, f"{decision.at_utc} by {decision.by}: {decision.reason}") for decision in bill.decisions),
        ("app's list", _listed(bill)),
        ("Snowflake", _exported(bill)),
    ]


def _listed(bill: BillStory) -> str:
    listed = bill.listed
    if listed is None:
        return "not in the combined list: run the job `republish`" if bill.published else "not in the combined list"
    if listed.same_content:
        return f"stands there with the same content, status {listed.status}"
    times = f"{listed.times} times, " if listed.times > 1 else ""
    return f"stands there {times}with {dollars(listed.amount_usd)}, status {listed.status}: not what is published"


def _exported(bill: BillStory) -> str:
    row = bill.exported
    if row is None:
        return bill.exported_standing
    lines = counted(row.line_items, "line")
    return (
        f"{bill.exported_standing} {dollars(row.amount_usd)}, {lines}, status {row.status}, exported "
        f"{moment(row.exported_at_utc)} by run {row.run_id}"
    )


def _print_lines(bill: BillStory, out: Console) -> None:
    if not bill.lines:
        return
    lines = table_of(">line", "line hash", "account", "description", ">amount", "now")
    for line in bill.lines[:_MOST_LINES]:
        archived = ", archived since" if line.archived_since else ""
        now = Text(f"{line.now}{archived}", style=STATUS_STYLES.get(line.now, ""))
        account, description = safe(line.account_number), safe(line.description)
        lines.add_row(str(line.ordinal), line.line_hash[:12], account, description, dollars(line.amount_usd), now)
    out.print(lines)
    if len(bill.lines) > _MOST_LINES:
        out.print(f"  ... and {len(bill.lines) - _MOST_LINES:,} lines more: --json has all")
    if bill.lines:
        out.print(f"  billing-assets explain {bill.lines[0].line_hash[:12]}   tells of the first line", style="dim")
