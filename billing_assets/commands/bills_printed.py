"""Bills and differences as people and programs read them: tables, JSON with exact numbers, CSV."""

from __future__ import annotations

import csv
import io
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from billing_assets.domain.json_list import rendered
from billing_assets.domain.master_bills import MasterBill, SourceLineItem, encode_bill
from billing_assets.domain.money import plain, total
from billing_assets.domain.restatement import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from billing_assets.commands.bills import ComputedDifference, PublishedBills
    from billing_assets.domain.restatement import BillChange

_WIDTH_OF_A_FILE = 200
_LINES = ("master_bill_id", "line_ordinal", *SourceLineItem.__struct_fields__)
_BILLS = (*(name for name in MasterBill.__struct_fields__ if name != "source_line_items"), "line_item_count")
_CHANGES = ("master_bill_id", "change", "before_usd", "after_usd", "status", "lines_gone", "archived_since")
_encode = msgspec.json.Encoder(decimal_format="number").encode

_WOULD = {
    Verdict.PUBLISH: "publish this",
    Verdict.UNCHANGED: "change nothing",
    Verdict.PENDING: "publish nothing: it would wait as a pending restatement (`restate` with a `reason` publishes it)",
    Verdict.REFUSED: "fail at the shrink guard and publish nothing (`restate` with a `reason` publishes it)",
    Verdict.STALE: "publish nothing: a run that read later has published",
}


def console() -> Console:
    """Standard output: colours and the terminal's width in a terminal; elsewhere neither, so that nothing is cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def progress_bar() -> Progress:
    """A bar on standard error, so that what is printed can go elsewhere."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)


def show_bills(found: PublishedBills, bills: Sequence[MasterBill], *, lines: bool, as_json: bool, as_csv: bool) -> None:
    """Bills, or their lines, in the form that was asked for."""
    if as_json:
        sys.stdout.write(bills_json(bills))
    elif as_csv:
        sys.stdout.write(lines_csv(bills) if lines else bills_csv(bills))
    elif lines:
        print_lines(found, bills)
    else:
        print_bills(found, bills)


def show_difference(
    compute: Callable[[str, Callable[[int, int], None]], ComputedDifference],
    period: str,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """What a run would change, with a bar while it is computed."""
    with progress_bar() as progress:
        task = progress.add_task(f"reading {period}", total=None)
        computed = compute(period, lambda done, of: progress.update(task, completed=done, total=of))
    if as_json:
        sys.stdout.write(difference_json(computed))
    elif as_csv:
        sys.stdout.write(difference_csv(computed))
    else:
        print_difference(computed)


def print_bills(found: PublishedBills, bills: Sequence[MasterBill]) -> None:
    """A row a bill, with the period's totals."""
    table = _table("property", "charge code", "utility", "months", ">lines", ">amount", "status", "bill")
    for bill in bills:
        named = f"{bill.property_name} ({bill.property_id})" if bill.property_name else bill.property_id
        months = bill.master_bill_id.rsplit("|", 2)[1:]
        table.add_row(
            *map(_text, (named, bill.ar_code_mapping, bill.utility_name, " to ".join(dict.fromkeys(months)))),
            str(len(bill.source_line_items)),
            _dollars(bill.utility_amount),
            _text(bill.status),
            _text(bill.master_bill_id),
        )
    out = console()
    out.print(table)
    _print_summary(out, found, bills)


def print_lines(found: PublishedBills, bills: Sequence[MasterBill]) -> None:
    """A row a bill line, bill by bill."""
    out = console()
    for bill in bills:
        out.print(_text(f"{bill.master_bill_id}   {bill.property_name}   {bill.status}"), style="bold")
        table = _table("account", "vendor", "description", "service", ">amount", "overridden", "object", ">position")
        for line in bill.source_line_items:
            table.add_row(
                *map(_text, (line.account_number, line.vendor_name, line.description)),
                _text(f"{line.service_start} - {line.service_end}".strip(" -")),
                _dollars(line.amount),
                _text(line.override_reason or ("yes" if line.overridden else "")),
                _text(line.s3_key.rsplit("/", 1)[-1]),
                str(line.line_index),
            )
        table.add_row("", "", "", "", _dollars(bill.utility_amount), "", "", "", style="bold")
        out.print(table)
    _print_summary(out, found, bills)


def print_difference(computed: ComputedDifference) -> None:
    """A row a bill that would be another, and what a run would do."""
    report = computed.report
    difference = report.difference
    out = console()
    if difference.touched:
        table = _table("bill", "change", ">before", ">after", "status", ">lines gone", "archived since")
        for change in difference.touched:
            table.add_row(
                _text(change.master_bill_id),
                change.change.value,
                *("" if usd is None else _dollars(usd) for usd in (change.before_usd, change.after_usd)),
                _text(change.status),
                str(len(change.lines_gone) or ""),
                _since(change, computed),
            )
        out.print(table)
    counts = ", ".join(f"{count:,} {change.value}" for change, count in difference.counts().items())
    is_closed = "closed" if report.closed else "open"
    amounts = f"${_dollars(difference.before_usd)} before, ${_dollars(difference.after_usd)} after"
    out.print(_text(f"{report.period} ({is_closed}): {counts}; {amounts}"))
    out.print(_text(f"A run now would {would(computed)}."), style="bold")


def would(computed: ComputedDifference) -> str:
    """What a run would do, for people."""
    if computed.too_much_unbilled:
        return f"stop: {computed.unbilled.text()} can't be billed, more than BILLING_MAX_UNBILLED"
    return _WOULD[computed.report.verdict]


def bills_json(bills: Iterable[MasterBill]) -> str:
    """The bills as they are published, numbers exact."""
    return rendered([encode_bill(bill) for bill in bills]).decode()


def bills_csv(bills: Iterable[MasterBill]) -> str:
    """A row a bill."""
    fields = _BILLS[:-1]
    rows = ([_plain(getattr(bill, name)) for name in fields] + [len(bill.source_line_items)] for bill in bills)
    return _csv(_BILLS, rows)


def lines_csv(bills: Iterable[MasterBill]) -> str:
    """A row a bill line."""
    rows = (
        [bill.master_bill_id, ordinal, *map(_plain, msgspec.structs.astuple(line))]
        for bill in bills
        for ordinal, line in enumerate(bill.source_line_items)
    )
    return _csv(_LINES, rows)


def difference_json(computed: ComputedDifference) -> str:
    """The difference as one object; unchanged bills are counted, not listed."""
    report = computed.report
    content = {
        "period": report.period,
        "verdict": "too much unbilled" if computed.too_much_unbilled else report.verdict.value,
        "closed": report.closed,
        "before_usd": report.difference.before_usd,
        "after_usd": report.difference.after_usd,
        "bills": {change.value: count for change, count in report.difference.counts().items()},
        "changes": [
            dict(zip(_CHANGES, _change_row(change, computed), strict=True)) for change in report.difference.touched
        ],
    }
    return msgspec.json.format(_encode(content), indent=2).decode() + "\n"


def difference_csv(computed: ComputedDifference) -> str:
    """A row a bill that would be another."""
    rows = (map(_plain, _change_row(change, computed)) for change in computed.report.difference.touched)
    return _csv(_CHANGES, rows)


def _change_row(change: BillChange, computed: ComputedDifference) -> tuple[object, ...]:
    archived, _ = change.archived_since(computed.report.archived)
    return (
        change.master_bill_id,
        change.change.value,
        change.before_usd,
        change.after_usd,
        change.status,
        len(change.lines_gone),
        archived,
    )


def _since(change: BillChange, computed: ComputedDifference) -> str:
    count, amount = change.archived_since(computed.report.archived)
    return f"{count} (${_dollars(amount)})" if count else ""


def _print_summary(out: Console, found: PublishedBills, bills: Sequence[MasterBill]) -> None:
    published, closed = found.published, found.closed
    lines = sum(len(bill.source_line_items) for bill in bills)
    amount = total(bill.utility_amount for bill in bills)
    out.print(_text(f"{published.period}: {len(bills):,} bills, {lines:,} lines, ${_dollars(amount)}"), style="bold")
    read_at = "unknown" if published.read_at is None else f"{published.read_at:%Y-%m-%d %H:%M} UTC"
    run = published.run_id or "no run of ours"
    state = "open" if closed is None else f"closed by {closed.closed_by} at {closed.closed_utc}"
    out.print(_text(f"published by {run}, assignments read at {read_at}; {state}"))


def _table(*headings: str) -> Table:
    table = Table()
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.lstrip(">"), justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table


def _text(value: str) -> Text:
    """Other people's text: never markup, and nothing that a terminal would obey."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in value))


def _dollars(amount: Decimal) -> str:
    return f"{amount:,f}"


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else value


def _csv(headings: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)
    return text.getvalue()
