"""`make demo`: the whole chain on the embedded stack, every period as a Dagster run of the project's own instance.

Lives here: the order of things and what is printed. Lives elsewhere: the stack (`stack`), the data (`sample`), what a
run does (`billing_assets.definitions`).
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from billing_assets.domain.errors import BillingError
from billing_assets.local.environment import demo_environment, enter
from billing_assets.local.sample_data import ensure_sample
from billing_assets.local.stack import EmbeddedStack

if TYPE_CHECKING:
    from pathlib import Path

    from billing_assets.local.outcome import PeriodOutcome
    from billing_assets.settings import Settings

CONSOLE = Console(highlight=False)


def this_month(now: dt.datetime) -> str:
    """The month of a moment as `YYYY-MM`."""
    return f"{now:%Y-%m}"


def run_demo(state: Path, *, scale: float, last_period: str | None) -> None:
    """Start, load once, materialize everything, print the totals.

    Raises:
        BillingError: Something did not come out as it must; the text says what to do.
    """
    last = last_period or this_month(dt.datetime.now(dt.UTC))
    began = time.monotonic()
    CONSOLE.print("Starting the embedded stack (DynamoDB, S3 and Snowflake on loopback) ...")
    with EmbeddedStack.start(state) as stack:
        enter(demo_environment(stack.environment()))
        from billing_assets.local.outcome import outcomes_of  # noqa: PLC0415  # imports Dagster, once the stack is up
        from billing_assets.local.runs import ChainRunner  # noqa: PLC0415

        with _progress() as progress:
            periods = ensure_sample(state, scale=scale, last_period=last, progress=progress)
            seconds = _materialize(ChainRunner(), periods, progress)
        from billing_assets.settings import Settings  # noqa: PLC0415

        outcomes = outcomes_of(periods, Settings.from_environment())
    _print_table(outcomes, seconds)
    _verify(outcomes)
    CONSOLE.print(f"\nAll of it took {time.monotonic() - began:.0f} s. Next: `make dev` shows it in the Dagster UI.")
