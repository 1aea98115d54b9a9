"""The commands of Dagster's own that the README names, from a shell that has the contract's variables and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from billing_assets.stores.publication import read_published
from billing_assets_tests.graph.conftest import CHAIN

if TYPE_CHECKING:
    from billing_assets_tests.graph.conftest import World

BIN = Path(sys.executable).parent
PROJECT = Path(__file__).parents[2]


def _run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [str(BIN / words[0]), *words[1:]],
        cwd=folder,
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_period_runs_from_a_bare_shell(loaded: World, tmp_path: Path) -> None:
    """`dagster asset materialize` needs nothing but AWS_, BILLING_ and SNOWFLAKE_ variables."""
    names = ("AWS_", "BILLING_", "SNOWFLAKE_")
    variables = {name: value for name, value in os.environ.items() if name.startswith(names)}
    period = loaded.sample.periods[-1]
    run = _run(
        tmp_path,
        *("dagster", "asset", "materialize", "-m", "billing_assets.definitions"),
        *("--select", ",".join(CHAIN), "--partition", period),
        **variables | {"BILLING_MASTER_BILLS_PREFIX": "from-a-shell/", "BILLING_MASTER_BILLS_KEY": "from-a-shell.json"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    location = type(loaded.location)(loaded.settings.bucket, "from-a-shell.json", "from-a-shell/")
    published = read_published(loaded.clients.s3, location, period)
    assert published is not None
    assert published.bills


def test_the_definitions_are_valid_to_both_of_dagsters_commands() -> None:
    """`dagster definitions validate` and `dg check defs` accept the project as it stands."""
    for words in (("dagster", "definitions", "validate"), ("dg", "check", "defs")):
        checked = _run(PROJECT, *words)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_failed_command_ends_with_the_letter(loaded: World, tmp_path: Path) -> None:
    """A missing table: the letter and its remedy are in the output, and the exit code is not 0."""
    names = ("AWS_", "BILLING_", "SNOWFLAKE_")
    variables = {name: value for name, value in os.environ.items() if name.startswith(names)}
    run = _run(
        tmp_path,
        *("dagster", "asset", "materialize", "-m", "billing_assets.definitions"),
        *("--select", "ubi_assignments", "--partition", loaded.sample.periods[-1]),
        **variables | {"BILLING_ASSIGNMENTS_TABLE": "no-such-table"},
    )
    assert run.returncode != 0
    assert "remedy: set BILLING_ASSIGNMENTS_TABLE" in run.stdout + run.stderr
