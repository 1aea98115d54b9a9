"""The doctor's findings as people and programs read them: a table, then what to do, or JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from billing_assets.domain.findings import Outcome, something_is_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_assets.domain.findings import Finding

SCHEMA_VERSION = 1
_WIDTH_OF_A_FILE = 160
_SIGNS = {
    Outcome.OK: ("ok", "green"),
    Outcome.ABSENT: ("absent", "cyan"),
    Outcome.WARNING: ("warning", "yellow"),
    Outcome.NOT_CHECKED: ("not checked", "dim"),
    Outcome.FAILED: ("FAILED", "bold red"),
}
_AREAS = {"aws": "AWS", "dynamodb": "DynamoDB", "s3": "S3", "storage": "Storage", "snowflake": "Snowflake"}


def console() -> Console:
    """Standard output: colours in a terminal unless NO_COLOR is set; elsewhere neither colours nor a cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def findings_json(findings: Sequence[Finding], *, seconds: float) -> str:
    """One object; `schema` grows when a field changes its meaning, never when one is added."""
    content = {
        "schema": SCHEMA_VERSION,
        "ok": not something_is_missing(findings),
        "seconds": round(seconds, 2),
        "counts": _counts(findings),
        "findings": [
            {
                "check": finding.check,
                "area": finding.area,
                "subject": finding.subject,
                "outcome": finding.outcome.value,
                "found": finding.found,
                "remedy": finding.remedy,
                "figures": dict(finding.figures),
            }
            for finding in findings
        ],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def print_findings(findings: Sequence[Finding], *, seconds: float) -> None:
    """A row for each, then the remedies of all that are not as they should be, the worst first."""
    out = console()
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold")
    area = ""
    for finding in findings:
        word, style = _SIGNS[finding.outcome]
        named = _AREAS.get(finding.area, finding.area.capitalize())
        table.add_row(
            Text("" if named == area else named, style="bold"),
            safe(finding.subject),
            Text(word, style=style),
            safe(finding.found),
        )
        area = named
    out.print(table)
    _print_remedies(out, findings)
    counts = ", ".join(f"{count} {_SIGNS[Outcome(outcome)][0]}" for outcome, count in _counts(findings).items())
    out.print(Text(f"\n{counts}; {seconds:.1f} s", style="bold"))


def _print_remedies(out: Console, findings: Sequence[Finding]) -> None:
    bad = (Outcome.FAILED, Outcome.WARNING, Outcome.ABSENT)
    for outcome in bad:
        for finding in findings:
            if finding.outcome is outcome and finding.remedy:
                word, style = _SIGNS[outcome]
                out.print(Text.assemble("\n", (word, style), "  ", safe(finding.subject)))
                first, *rest = finding.remedy.splitlines()
                out.print(Text("  remedy: ").append_text(safe(first)), soft_wrap=False)
                for line in rest:
                    out.print(Text("    ").append_text(safe(line)))


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    counts = {outcome: sum(finding.outcome is outcome for finding in findings) for outcome in Outcome}
    return {outcome.value: count for outcome, count in counts.items() if count}


def safe(value: str) -> Text:
    """Other people's text: never markup, and nothing that a terminal would obey."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in value))
