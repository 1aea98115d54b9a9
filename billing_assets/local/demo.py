"""`make demo`: the whole chain on the embedded stack, every period as a Dagster run, and what came out.

Lives here: the order of things and what is printed. Lives elsewhere: the stack (`stack`), the data (`sample`), the runs
(`pool`, `runs`), and the totals read back from each store (`outcome`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from billing_assets.domain.errors import BillingError
from billing_assets.domain.money import total
from billing_assets.domain.resolved import Status
from billing_assets.local.environment import demo_environment, enter, home_is_usable
from billing_assets.local.pool import run_everything
from billing_assets.local.sample_data import chosen_sample, ensure_sample
from billing_assets.local.signals import signals_as_exceptions
from billing_assets.local.stack import EmbeddedStack
from billing_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from billing_assets.local.outcome import PeriodOutcome

_LEAST_WIDTH = 110
"""A file or a pipe has no width, and a table squeezed into 80 columns could not be read."""

CONSOLE = Console(highlight=False, width=max(_LEAST_WIDTH, Console().width))
_HEADINGS = (
    *("records", "billable", "in-\nvalid", "unre-\nsolved", "dupli-\ncate", "ex-\ncluded", "unbill-\nable"),
    *("bills", "JSON\namount", "Snow-\nflake", "Snowflake\namount", "seconds"),
)
_NOT_BILLED = [status for status in Status if status is not Status.BILLABLE]


class TotalsDifferError(BillingError):
    """Two stores disagree about a period."""


def run_demo(state: Path, *, scale: float | None, last_period: str | None) -> None:
    """Start the stack, load the sample once, materialize every period, print the totals.

    Raises:
        BillingError: Something did not come out as it must; the text says what to do.
    """
    began = time.monotonic()
    with signals_as_exceptions(), demo_stack(state):
        settings = Settings.from_environment()
        with progress_bars() as progress:
            periods = load_sample(state, settings, progress, scale=scale, last_period=last_period)
            bar = progress.add_task("materializing", total=2 * len(periods) + 2)
            seconds, outcomes = run_everything(periods, lambda: progress.advance(bar))
    _print_outcomes(outcomes, seconds)
    _require_totals_that_agree(outcomes)
    CONSOLE.print(
        "\nEvery record has its row, and JSON and Snowflake agree to the cent. "
        f"It took {time.monotonic() - began:.0f} s."
        "\nNext: `make dev` opens the Dagster UI over these runs; README.md says what to look at."
    )


@contextlib.contextmanager
def demo_stack(state: Path) -> Iterator[None]:
    """The embedded stack behind this process's environment: the one that runs already, else one of our own."""
    home_is_usable()
    running = EmbeddedStack.attach(state)
    if running is not None:
        CONSOLE.print("Using the embedded stack that is running already.")
        enter(demo_environment(running))
        yield
        return
    CONSOLE.print("Starting the embedded stack: DynamoDB, S3 and Snowflake on loopback.")
    with EmbeddedStack.start(state) as stack:
        enter(demo_environment(stack.environment()))
        yield


@contextlib.contextmanager
def progress_bars() -> Iterator[Progress]:
    """Bars in a terminal; elsewhere nothing moves, and a line says when each is done."""
    columns = TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=CONSOLE) as progress:
        yield progress


def load_sample(
    state: Path, settings: Settings, progress: Progress, *, scale: float | None, last_period: str | None
) -> list[str]:
    """Load the sample unless it is there; its periods."""
    this_month = f"{dt.datetime.now(dt.UTC):%Y-%m}"
    choice = chosen_sample(state, scale=scale, last_period=last_period, this_month=this_month)
    bars: dict[str, object] = {}

    def show(what: str, done: int, of: int) -> None:
        if what not in bars:
            bars[what] = progress.add_task(f"loading {what}", total=of)
        progress.update(bars[what], completed=done, total=of)  # type: ignore[arg-type]  # rich's own task id

    ensure_sample(state, choice, settings, show)
    return choice.periods


def _print_outcomes(outcomes: Sequence[PeriodOutcome], seconds: dict[str, float]) -> None:
    table = Table(title="Master bills by UBI period (US dollars)", box=None, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("period", no_wrap=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        table.add_row(
            outcome.period,
            f"{outcome.records_in:,}",
            *(f"{outcome.by_status[status].rows:,}" for status in (Status.BILLABLE, *_NOT_BILLED)),
            f"{outcome.master_bills:,}",
            f"{outcome.published_usd:,}",
            f"{outcome.snowflake_bills:,}",
            f"{outcome.snowflake_usd:,}",
            f"{seconds[outcome.period]:.1f}",
        )
    table.add_section()
    table.add_row(*_totals_row(outcomes), f"{sum(seconds.values()):.1f}", style="bold")
    CONSOLE.print(table)


def _totals_row(outcomes: Sequence[PeriodOutcome]) -> list[str]:
    by_status = [
        f"{sum(outcome.by_status[status].rows for outcome in outcomes):,}" for status in (Status.BILLABLE, *_NOT_BILLED)
    ]
    return [
        "all",
        f"{sum(outcome.records_in for outcome in outcomes):,}",
        *by_status,
        f"{sum(outcome.master_bills for outcome in outcomes):,}",
        f"{total(outcome.published_usd for outcome in outcomes):,}",
        f"{sum(outcome.snowflake_bills for outcome in outcomes):,}",
        f"{total(outcome.snowflake_usd for outcome in outcomes):,}",
    ]


def _require_totals_that_agree(outcomes: Sequence[PeriodOutcome]) -> None:
    wrong = [outcome.period for outcome in outcomes if not outcome.reconciles]
    if wrong:
        raise TotalsDifferError(
            "the totals of the stores differ",
            where=", ".join(wrong),
            rule="records in = rows out, and the JSON's amount = Snowflake's amount, to the cent",
            remedy="`make dev` shows the runs; if you did not change the stores by hand, this is our error: report it",
        )
