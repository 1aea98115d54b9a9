"""The demo's two processes: each imports Dagster and Snowflake's connector once, and runs period after period.

A process for each run would cost seconds of imports each (DESIGN.md decision 17). The process that watches imports none
of it. What a run does lives in `runs`, reading back what came out in `outcome`.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from billing_assets.domain.errors import BillingError
from billing_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_assets.local.outcome import PeriodOutcome
    from billing_assets.local.runs import ChainRunner

_PROCESSES = min(2, os.cpu_count() or 1)


class RunFailedError(BillingError):
    """A run of the demo failed."""


def run_everything(periods: Sequence[str], on_done: Callable[[], None]) -> tuple[dict[str, float], list[PeriodOutcome]]:
    """Run the accounts, every period's chain and completion; each period's seconds, and what stands in the stores then.

    Raises:
        RunFailedError: A run failed; those that had not begun are not run.
    """
    seconds: dict[str, float] = {}
    pool = ProcessPoolExecutor(_PROCESSES, mp_context=multiprocessing.get_context("spawn"))
    try:
        opened = pool.submit(_open_instance)
        pool.submit(_import_all)
        # Processes that open a new instance at once would race to create its files.
        opened.result()
        # Completion compares a period with the accounts and with the periods before it, so it comes when all are there.
        seconds |= _finished({pool.submit(_run, "ACCOUNTS", None): "accounts"}, on_done)
        seconds |= _finished({pool.submit(_run, "CHAIN", period): period for period in periods}, on_done)
        _finished({pool.submit(_run, "TRACKER", period): period for period in periods}, on_done)
        _finished({pool.submit(_run, "GRID", None): "grid"}, on_done)
        outcomes = pool.submit(_outcomes, list(periods)).result()
        # A process that waits for work would tell the terminal of a signal: Dagster takes SIGTERM for Ctrl-C.
        pool.shutdown()
        return seconds, outcomes  # noqa: TRY300  # what follows is for failures
    except BrokenProcessPool:
        raise RunFailedError(
            "a process that runs periods ended by itself",
            found="no error of its own; the system may have been short of memory",
            remedy="run again; what was published stays, and a period is published whole or not at all",
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
            process.join()


def _finished(runs: dict[Future[tuple[float, str]], str], on_done: Callable[[], None]) -> dict[str, float]:
    """The seconds of each, when all are done."""
    seconds = {}
    for run in as_completed(runs):
        seconds[runs[run]], letter = run.result()
        if letter:
            raise RunFailedError(letter, remedy="`make dev` shows the run; mend what it names, then run again")
        on_done()
    return seconds


def _open_instance() -> None:
    from billing_assets.local.runs import open_instance  # noqa: PLC0415  # imports Dagster

    open_instance()


def _import_all() -> None:
    import dagster_snowflake  # noqa: F401, PLC0415  # takes seconds, which pass while the other process opens

    import billing_assets.local.runs  # noqa: F401, PLC0415


def _run(what: str, period: str | None) -> tuple[float, str]:
    """The assets of one name in `runs`: the seconds, and the letter of a failed run."""
    from billing_assets.local import runs  # noqa: PLC0415  # imports Dagster

    try:
        return _runner_of_this_process().run(*getattr(runs, what), partition=period), ""
    except BillingError as error:
        return 0.0, error.letter()


def _outcomes(periods: list[str]) -> list[PeriodOutcome]:
    from billing_assets.local.outcome import outcomes_of  # noqa: PLC0415  # imports Snowflake's connector

    return outcomes_of(periods, Settings.from_environment())


@functools.cache
def _runner_of_this_process() -> ChainRunner:
    from billing_assets.local.runs import ChainRunner  # noqa: PLC0415  # imports Dagster

    return ChainRunner(Settings.from_environment())
