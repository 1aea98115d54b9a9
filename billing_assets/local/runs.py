"""The demo's runs: every period's chain as a Dagster run of the project's own instance, two periods at a time.

A process for each run would cost seconds of imports each (DESIGN.md decision 17), so two processes run all of them; the
UI shows these runs alike.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Self

import dagster as dg

from billing_assets.definitions import build_definitions
from billing_assets.domain.errors import BillingError
from billing_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

CHAIN = ("ubi_assignments", "resolved_line_items", "master_bills_json", "snowflake_master_bills")
_PROCESSES = min(2, os.cpu_count() or 1)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class RunFailedError(BillingError):
    """A run of the demo failed."""


class ChainRunner:
    """Runs assets on the instance that DAGSTER_HOME names; a context manager that closes it."""

    def __init__(self, settings: Settings) -> None:
        self._job = build_definitions(settings).resolve_implicit_global_asset_job_def()
        self._instance = dg.DagsterInstance.get()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._instance.dispose()

    def run(self, *assets: str, partition: str | None = None) -> float:
        """Materialize assets; the seconds that it took.

        Raises:
            RunFailedError: The run failed; its text holds the failed step's own letter.
        """
        began = time.monotonic()
        result = self._job.execute_in_process(
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            partition_key=partition,
            instance=self._instance,
            run_config=_QUIET,
            raise_on_error=False,
        )
        if not result.success:
            raise _failure(result, partition)
        return time.monotonic() - began


def run_periods(periods: Sequence[str], on_done: Callable[[], None]) -> dict[str, float]:
    """Run every period's chain in processes that share this one's environment; the seconds of each.

    Raises:
        RunFailedError: A run failed; those that had not begun are not run.
    """
    # Processes that open a new instance at once would race to create its files.
    dg.DagsterInstance.get().dispose()
    seconds: dict[str, float] = {}
    pool = ProcessPoolExecutor(_PROCESSES, mp_context=multiprocessing.get_context("spawn"))
    try:
        runs = {pool.submit(_run_period, period): period for period in periods}
        for run in as_completed(runs):
            seconds[runs[run]], letter = run.result()
            if letter:
                raise RunFailedError(letter, remedy="`make dev` shows the run; mend what it names, then run again")
            on_done()
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
    return seconds


def _run_period(period: str) -> tuple[float, str]:
    """In a process of the pool: the seconds, and the letter of a failed run."""
    try:
        return _runner_of_this_process().run(*CHAIN, partition=period), ""
    except RunFailedError as error:
        return 0.0, error.letter()


@functools.cache
def _runner_of_this_process() -> ChainRunner:
    return ChainRunner(Settings.from_environment())


def _failure(result: dg.ExecuteInProcessResult, partition: str | None) -> RunFailedError:
    texts = []
    for event in result.get_step_failure_events():
        failure = event.step_failure_data.user_failure_data
        error = event.step_failure_data.error
        texts.append((failure.description if failure else None) or (error.message.strip() if error else "no cause"))
    texts += [
        f"{check.check_name}: {check.description}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.blocking and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    return RunFailedError(
        f"the run of {partition or 'the accounts'} failed",
        found="\n".join(texts) or "no step says why",
        remedy=f"`make dev` shows it; it is run {result.run_id}",
    )
