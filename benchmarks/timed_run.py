"""`dagster asset materialize` of the chain with a stop-watch at each door: `python -m benchmarks.timed_run ARGUMENTS`.

Vendor packages are imported first, so that their cost shows as their own. Prints one JSON object of seconds.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_IMPORTS = {
    # With what keeps its events, which an empty run imports too (SQLAlchemy and Alembic).
    "import dagster": ("dagster", "dagster._cli", "dagster._core.storage.sqlite_storage"),
    "import our definitions": ("billing_assets.definitions",),
    "import boto3, libcurl": ("boto3", "pycurl"),
    "import pyarrow": ("pyarrow", "pyarrow.parquet"),
    "import snowflake.connector (and pandas)": ("snowflake.connector",),
}
_DOORS = (
    ("clients of AWS made", "billing_assets.stores.aws", "AwsClients._client"),
    ("DynamoDB read", "billing_assets.stores.dynamodb", "AssignmentsTable.read_period"),
    ("S3 read and lines hashed", "billing_assets.domain.resolution", "Resolution.run"),
    ("Parquet written", "billing_assets.stores.parquet", "encode"),
    ("Parquet read", "billing_assets.stores.parquet", "decode_assignments"),
    ("Parquet read", "billing_assets.stores.parquet", "decode_resolved"),
    ("other periods' shares read", "billing_assets.stores.stored_periods", "_shares_in"),
    ("master bills published (JSON, S3)", "billing_assets.defs.resources", "MasterBillsResource.publish"),
    ("master bills read again", "billing_assets.defs.resources", "MasterBillsResource.read"),
    ("Snowflake: logging in", "billing_assets.defs.snowflake_resource", "SnowflakeExportResource.connect"),
    ("Snowflake: exporting", "billing_assets.stores.snowflake", "export_periods"),
)


class StopWatch:
    """Seconds by door; what a door within a door takes is the inner one's alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[float] = []

    @contextlib.contextmanager
    def at(self, door: str) -> Iterator[None]:
        """Count what happens inside."""
        began = time.perf_counter()
        self._open.append(0.0)
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.seconds[door] += took - self._open.pop()
            if self._open:
                self._open[-1] += took

    def guard(self, door: str, module: str, path: str) -> None:
        """Put the watch at a function or method, or at each step of a generator."""
        owner: Any = importlib.import_module(module)
        *names, name = path.split(".")
        for each in names:
            owner = getattr(owner, each)
        original = getattr(owner, name)
        setattr(owner, name, self._watched(door, original))
        # Whoever imported the function by its name has it still.
        for loaded in list(sys.modules.values()):
            # Its own names only: asking some modules for a name imports half a package.
            if loaded is not owner and vars(loaded).get(name) is original:
                setattr(loaded, name, getattr(owner, name))

    def _watched(self, door: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.at(door):
                result = function(*args, **kwargs)
            return self._stepped(door, result) if hasattr(result, "__next__") else result

        return watched

    def _stepped(self, door: str, steps: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.at(door):
                try:
                    step = next(steps)
                except StopIteration:
                    return
            yield step


def main() -> None:
    """Import, guard the doors, run Dagster's own command."""
    began = time.perf_counter()
    watch = StopWatch()
    for name, modules in _IMPORTS.items():
        with watch.at(name):
            for module in modules:
                importlib.import_module(module)
    with watch.at("import dagster-snowflake, without Snowpark"):
        importlib.import_module("billing_assets.defs.light_snowflake").snowflake_resource_class()
    for door in _DOORS:
        watch.guard(*door)
    from dagster._cli import create_dagster_cli  # noqa: PLC0415  # its import is timed above

    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        create_dagster_cli()(["asset", "materialize", *sys.argv[1:]], standalone_mode=False)
    watch.seconds["Dagster: run, events, checks, all else"] = time.perf_counter() - began - sum(watch.seconds.values())
    print(json.dumps(watch.seconds))


if __name__ == "__main__":
    main()
