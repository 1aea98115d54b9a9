"""`billing-assets …`: what people type. Each command's work is done elsewhere; here are words, options and exit codes.

Exit codes: 0 done, 1 something is wrong and the text says what to do, 2 the command was not understood, 130 stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from billing_assets.domain.errors import BillingError
from billing_assets.domain.periods import Month, PeriodError
from billing_assets.local.errors import StackError
from billing_assets.local.signals import StopRequestedError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="""Master bills from UBI assignments, month by month.

    \b
    Exit codes:
      0    done; doctor: nothing that is needed is missing
      1    something is wrong, and the text says what to do
      2    the command was not understood
      130  stopped by Ctrl-C
    """,
)


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        raise typer.BadParameter("a number such as 0.05, 1 or 10") from None
    if not 0.01 <= scale <= 100:
        raise typer.BadParameter("between 0.01 and 100")
    return scale


def _period(text: str) -> str:
    try:
        return Month.from_key(text).key
    except PeriodError as error:
        raise typer.BadParameter(str(error)) from None


Scale = Annotated[float | None, typer.Option(parser=_scale, help="Size of the sample: 1 is 10,275 assignments.")]
LastPeriod = Annotated[
    str | None, typer.Option(parser=_period, help="Last of the sample's 14 periods, YYYY-MM; default this month.")
]
State = Annotated[Path, typer.Option(help="Folder of the embedded stack.")]


@app.command(short_help="Run the whole chain on this machine, with invented data.")
def demo(
    scale: Scale = None,
    last_period: LastPeriod = None,
    state: State = Path(".billing/stack"),
) -> None:
    """Run the whole chain on the embedded stack with invented data, and print what came out.

    Example: billing-assets demo --scale 0.05
    """
    from billing_assets.local.demo import run_demo  # noqa: PLC0415  # imports Dagster

    run_demo(state, scale=scale, last_period=last_period)


@app.command(short_help="The Dagster UI over it, until Ctrl-C.")
def dev(
    scale: Scale = None,
    last_period: LastPeriod = None,
    state: State = Path(".billing/stack"),
    port: Annotated[int, typer.Option(help="Port of the Dagster UI on 127.0.0.1.")] = 3000,
) -> None:
    """Run the Dagster UI over the embedded stack until Ctrl-C.

    Example: billing-assets dev --port 3001
    """
    from billing_assets.local.dev import run_dev  # noqa: PLC0415  # imports the emulators

    raise typer.Exit(run_dev(state, scale=scale, last_period=last_period, port=port))


@app.command(short_help="A period's bills, or what generating them now would change.")
def bills(  # noqa: PLR0913  # one option for each way to look at the same bills
    period: Annotated[str, typer.Argument(parser=_period, metavar="YYYY-MM", help="The UBI period.")],
    *,
    bill: Annotated[str | None, typer.Option(metavar="ID", help="One bill, with its lines.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="The lines of every bill.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="What a run now would change; writes nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, numbers exact.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV: a row a bill, or a line with --lines or --bill.")] = False,
    stack: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Read the embedded stack in this folder instead of AWS.")
    ] = None,
) -> None:
    """Show a period's published bills, or what generating them now would change.

    \b
    Examples:
      billing-assets bills 2025-01
      billing-assets bills 2025-01 --bill 'P1|WTR|Water|01/2025|01/2025'
      billing-assets bills 2025-01 --lines --csv > lines.csv
      billing-assets bills 2025-01 --diff
      billing-assets bills 2025-01 --stack .billing/stack     (after `make demo`)
    """  # noqa: D301  # the backspace keeps the lines apart
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    if diff and (bill or lines):
        raise typer.BadParameter("--diff compares whole bills: leave --bill and --lines out")
    from billing_assets.commands import bills as reading  # noqa: PLC0415  # imports the stores
    from billing_assets.commands import bills_printed as printed  # noqa: PLC0415  # imports rich

    with reading.stores_of(stack):
        if diff:
            printed.show_difference(reading.computed_difference, period, as_json=as_json, as_csv=as_csv)
            return
        found = reading.published_bills(period)
        chosen = found.published.bills if bill is None else (reading.only(bill, found),)
        printed.show_bills(found, chosen, lines=lines or bill is not None, as_json=as_json, as_csv=as_csv)


@app.command(short_help="What is missing, and what to do; --probe looks at the data.")
def doctor(  # noqa: PLR0913  # one option for each way to look
    *,
    probe: Annotated[
        bool, typer.Option("--probe", help="Hold random assignments of the table against SPEC.md instead; read only.")
    ] = False,
    records: Annotated[int, typer.Option(min=1, max=10_000, help="With --probe: how many assignments.")] = 200,
    seed: Annotated[int, typer.Option(help="With --probe: another seed draws others.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="JSON of a stable form, for programs.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Leave out the two looks that write.")] = False,
    stack: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Look at the embedded stack in this folder instead of AWS.")
    ] = None,
) -> None:
    """Look at everything that the pipeline needs, and say what is missing and what to do.

    Who we are in AWS, tables, index, bucket, rights, accounts to track, master bills, Snowflake, Dagster. Two objects
    of our own with `doctor` in their name are written and deleted, one under the master bills' prefix, one where
    intermediate data live; nothing else is written.

    \b
    Exit codes:
      0  nothing that is needed is missing (warnings may be); with --probe: SPEC.md fits
      1  something is missing, forbidden or wrong; with --probe: SPEC.md does not fit the data
      2  the command was not understood

    \b
    Examples:
      billing-assets doctor
      billing-assets doctor --json | jq '.findings[] | select(.outcome == "failed")'
      billing-assets doctor --probe --records 500 --seed 2
      billing-assets doctor --stack .billing/stack     (after `make demo`)
    """  # noqa: D301  # the backspace keeps the lines apart
    from billing_assets.commands.bills import stores_of  # noqa: PLC0415  # imports the stores

    with stores_of(stack):
        if probe:
            from billing_assets.commands.probe import run_probe  # noqa: PLC0415  # the same

            raise typer.Exit(run_probe(records=records, seed=seed, as_json=as_json))
        from billing_assets.commands.doctor import run_doctor  # noqa: PLC0415  # the same

        raise typer.Exit(run_doctor(as_json=as_json, read_only=read_only, is_stack=stack is not None))


@app.command(short_help="The whole story of a dollar: a line, a bill or an account.")
def explain(
    subject: Annotated[
        str,
        typer.Argument(metavar="BILL|HASH|PERIOD", help="A master_bill_id, a line hash or 8 digits of it, a month."),
    ],
    account_number: Annotated[str, typer.Argument(metavar="ACCOUNT", help="With a month: an account number.")] = "",
    *,
    account: Annotated[str, typer.Option(metavar="NUMBER", help="The same as an option.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, numbers exact.")] = False,
    stack: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Read the embedded stack in this folder instead of AWS.")
    ] = None,
) -> None:
    """Tell the whole story of a dollar: assignment, line, rule, bill, export and runs, from what is stored.

    \b
    Examples:
      billing-assets explain 'P001|WATER|Water|01/2025|01/2025'
      billing-assets explain 3fa4c9d2e1b0
      billing-assets explain 2025-01 --account 1234567
      billing-assets explain 3fa4c9d2e1b0 --json
      billing-assets explain 3fa4c9d2e1b0 --stack .billing/stack     (after `make demo`)
    """  # noqa: D301  # the backspace keeps the lines apart
    from billing_assets.domain.subjects import SubjectError, parse_subject  # noqa: PLC0415  # only here

    if account and account_number and account != account_number:
        raise typer.BadParameter(f"one account, not {account_number!r} and {account!r}")
    try:
        wanted = parse_subject(subject, account or account_number)
    except SubjectError as error:
        raise typer.BadParameter(str(error)) from None
    from billing_assets.commands import bills as reading  # noqa: PLC0415  # imports the stores
    from billing_assets.commands import explain as explaining  # noqa: PLC0415  # the same
    from billing_assets.commands import explain_printed as printed  # noqa: PLC0415  # imports rich
    from billing_assets.commands.spinner import spinner  # noqa: PLC0415  # the same

    with reading.stores_of(stack):
        with spinner("loading") as say:
            story = explaining.explain(wanted, say)
        printed.show_story(story, as_json=as_json)


def main() -> None:
    """Run a command; an error of ours is a letter on stderr and exit code 1, never a traceback."""
    try:
        app()
    except (BillingError, StackError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    except StopRequestedError:
        print("Stopped.", file=sys.stderr)
        raise SystemExit(130) from None
