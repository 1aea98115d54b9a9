"""Stores whose absence a story says instead of failing: the archive, Snowflake, and Dagster's history.

They are opened while the first stores are read, and asked when it is known for what; each under a time limit.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from billing_assets.commands.background import Background
from billing_assets.domain.errors import BillingError, ConfigurationError
from billing_assets.domain.evidence import ExportedEvidence, RunSeen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from billing_assets.domain.assignments import Assignment
    from billing_assets.settings import Settings
    from billing_assets.stores.aws import AwsClients

T = TypeVar("T")

ARCHIVE, SNOWFLAKE, DAGSTER = "the archive", "Snowflake", "Dagster"
SECONDS = 15.0
"""For all of them together."""
_LEAST_SECONDS = 2.0
"""For each of them, whatever the others took."""
_SNOWFLAKE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class OtherEvidence:
    """What they hold."""

    archived: tuple[Assignment, ...]
    exported: ExportedEvidence
    runs: tuple[RunSeen, ...]
    absent: dict[str, str]


class OtherStores:
    """The archive, Snowflake and Dagster, of one command."""

    def __init__(self, settings: Settings, clients: AwsClients) -> None:
        self._settings = settings
        self._clients = clients
        self._opening: Background[Any] | None = None

    def begin(self) -> None:
        """Import what takes longest, beside everything else."""
        modules = ("dagster", "snowflake.connector") if self._has_snowflake else ("dagster",)
        self._opening = Background(DAGSTER, partial(_import_vendors, modules))

    def ask(self, periods: Collection[str], ids: Collection[str], line_hashes: Collection[str]) -> OtherEvidence:
        """What they hold of some periods, bills and lines; who does not answer is absent, with the reason."""
        deadline = time.monotonic() + SECONDS
        archive = Background(ARCHIVE, partial(self._archived, line_hashes))
        if self._opening is not None:
            self._opening.result()
        snowflake = Background(SNOWFLAKE, partial(self._exported, ids, line_hashes))
        dagster = Background(DAGSTER, partial(self._runs, periods))
        absent: dict[str, str] = {}

        def answer(of: Background[T], name: str, instead: T) -> T:
            try:
                return of.result(max(_LEAST_SECONDS, deadline - time.monotonic()))
            except BillingError as error:
                absent[name] = error.summary if error.found is None else f"{error.summary} ({error.found})"
                return instead

        return OtherEvidence(
            archived=answer(archive, ARCHIVE, ()),
            exported=answer(snowflake, SNOWFLAKE, ExportedEvidence()),
            runs=answer(dagster, DAGSTER, ()),
            absent=absent,
        )

    @property
    def _has_snowflake(self) -> bool:
        return bool(self._settings.variables_set)

    def _archived(self, line_hashes: Collection[str]) -> tuple[Assignment, ...]:
        from billing_assets.stores.archive import archived_records  # noqa: PLC0415  # while others import

        return tuple(archived_records(self._clients.dynamodb, self._settings.archived_table, line_hashes))

    def _exported(self, ids: Collection[str], line_hashes: Collection[str]) -> ExportedEvidence:
        from billing_assets.defs.snowflake_resource import SnowflakeExportResource  # noqa: PLC0415  # imports Dagster
        from billing_assets.stores.snowflake import (  # noqa: PLC0415
            SessionSettings,
            exported_history,
            open_session,
        )

        if not self._has_snowflake:
            raise ConfigurationError("no SNOWFLAKE_ variable is set", remedy="set them (docs/operations.md)")
        resource = SnowflakeExportResource.from_variables(self._settings.variables_set)
        login = resource.process_config_and_initialize()
        limits = SessionSettings(
            lock_timeout_seconds=_SNOWFLAKE_SECONDS, statement_timeout_seconds=_SNOWFLAKE_SECONDS, run_id="explain"
        )
        connect = partial(login.connect_to_look, _SNOWFLAKE_SECONDS)
        with open_session(connect, login.target, limits) as session:
            return exported_history(session, ids, line_hashes)

    def _runs(self, periods: Collection[str]) -> tuple[RunSeen, ...]:
        import dagster as dg  # noqa: PLC0415  # takes a second to import

        from billing_assets.defs.run_history import runs_of_periods  # noqa: PLC0415

        home = Path(os.environ.get("DAGSTER_HOME") or Path.cwd())
        if not (home / "dagster.yaml").is_file():
            raise ConfigurationError(
                "DAGSTER_HOME names no folder with a dagster.yaml", remedy="set it, or work in the project's folder"
            )
        with dg.DagsterInstance.from_config(str(home)) as instance:
            return tuple(runs_of_periods(instance, periods))


def _import_vendors(modules: Sequence[str]) -> None:
    """Import one after the other what two threads would wait for each other for."""
    for module in modules:
        import_module(module)
