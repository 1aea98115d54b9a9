"""The probe's report as people and programs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.table import Table
from rich.text import Text

from billing_assets.commands.doctor_printed import console, safe
from billing_assets.domain.money import plain
from billing_assets.domain.resolved import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from billing_assets.domain.probe import Misfit, ProbeReport

SCHEMA_VERSION = 1
_MOST_KINDS = 12
_WOULD = {
    Status.BILLABLE: "would be billed",
    Status.EXCLUDED: "excluded by their line",
    Status.DUPLICATE: "another record has their line",
    Status.UNBILLABLE: "their line lacks something",
    Status.UNRESOLVED: "no line found",
    Status.INVALID: "unusable themselves",
}


def report_json(report: ProbeReport, *, seed: int) -> str:
    """One object; `schema` grows when a field changes its meaning, never when one is added."""
    content = {
        "schema": SCHEMA_VERSION,
        "ok": not report.rules,
        "seed": seed,
        "table": {"name": report.table.name, "records": report.table.records, "size_bytes": report.table.size_bytes},
        "records": report.records,
        "no_partition": report.no_partition,
        "statuses": {
            status.value: {"records": totals.rows, "billed_usd": plain(totals.billed_usd)}
            for status, totals in report.statuses.items()
        },
        "facts": {subject: dict(counts.most_common()) for subject, counts in report.facts.items()},
        "misfits": [_misfit(one) for one in (*report.rules, *report.exceptions)],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def _misfit(one: Misfit) -> dict[str, object]:
    return {
        "section": one.section,
        "sentence": one.sentence,
        "found": one.found,
        "records": one.count,
        "of": one.of,
        "example": one.example,
        "remedy": one.remedy,
        "is_rule": one.is_rule,
    }


def print_report(report: ProbeReport, *, seed: int) -> None:
    """What was counted, what would be billed, and where SPEC.md does not fit."""
    out = console()
    table = report.table
    out.print(
        Text(f"{report.records:,} of {table.records:,} records of {table.name}, drawn with seed {seed}", style="bold")
    )
    out.print(_facts(report))
    out.print(_statuses(report))
    _print_misfits(out, report.rules, title="SPEC.md does not fit the data", style="bold red")
    title = "Exceptions, for which SPEC.md has a status or a place"
    _print_misfits(out, report.exceptions, title=title, style="bold yellow")
    if not report.rules:
        out.print(Text("\nSPEC.md fits the sample.", style="bold green"))


def _facts(report: ProbeReport) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("", "kind"):
        table.add_column(heading, overflow="fold")
    for heading in ("count", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    for subject, counts in report.facts.items():
        total, shown = sum(counts.values()), counts.most_common(_MOST_KINDS)
        if not counts:
            table.add_row(Text(subject, style="bold"), Text("none", style="dim"), "0", "")
        for number, (kind, count) in enumerate(shown):
            named = Text("" if number else subject, style="bold")
            table.add_row(named, safe(kind), f"{count:,}", _share(count, report.records, total))
        if len(counts) > len(shown):
            rest = total - sum(count for _, count in shown)
            table.add_row("", Text(f"{len(counts) - len(shown)} more kinds", style="dim"), f"{rest:,}", "")
    return table


def _share(count: int, records: int, total: int) -> str:
    # A line has many fields and a record many attributes: their counts are of records each.
    of = min(total, records)
    return f"{count / of:.1%}"


def _statuses(report: ProbeReport) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("what would be billed", no_wrap=True)
    for heading in ("records", "dollars"):
        table.add_column(heading, justify="right", no_wrap=True)
    for status, words in _WOULD.items():
        totals = report.statuses[status]
        table.add_row(Text(f"{status.value}: {words}"), f"{totals.rows:,}", f"{totals.billed_usd:,f}")
    table.add_row("of no partition", f"{report.no_partition:,}", "")
    return table


def _print_misfits(out: Console, misfits: Sequence[Misfit], *, title: str, style: str) -> None:
    if not misfits:
        return
    out.print(Text(f"\n{title}", style=style))
    for one in misfits:
        out.print(Text.assemble(("  section ", "dim"), (one.section, "bold"), "  ", safe(one.sentence)))
        out.print(Text("    found:   ").append_text(safe(f"{one.found} ({one.count:,} of {one.of:,})")))
        out.print(Text("    example: ").append_text(safe(one.example)))
        if one.remedy:
            out.print(Text("    remedy:  ").append_text(safe(one.remedy)))
