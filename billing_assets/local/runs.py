"""The demo's runs: a period's chain as a Dagster run of the project's own instance, in this process.

The UI shows these runs like any other.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dagster as dg

from billing_assets.definitions import build_definitions
from billing_assets.local.pool import RunFailedError

if TYPE_CHECKING:
    from billing_assets.settings import Settings

CHAIN = ("ubi_assignments", "resolved_line_items", "master_bills_json", "snowflake_master_bills")
ACCOUNTS = ("accounts_to_track",)
TRACKER = ("completion_tracker",)
GRID = ("completion_grid",)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def open_instance() -> None:
    """Open the instance that DAGSTER_HOME names, which creates its files, and leave it."""
    dg.DagsterInstance.get().dispose()


class ChainRunner:
    """Runs assets on the instance that DAGSTER_HOME names."""

    def __init__(self, settings: Settings) -> None:
        self._job = build_definitions(settings).resolve_implicit_global_asset_job_def()
        self._instance = dg.DagsterInstance.get()

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
        remedy=f"it is run {result.run_id}",
    )
