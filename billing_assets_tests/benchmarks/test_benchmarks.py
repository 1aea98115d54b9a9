"""The benchmarks work, and everybody finds the same lines; how long anything takes is never asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from benchmarks import laden_chain
from benchmarks.period_run import CHAIN
from billing_assets.definitions import defs

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a small run writes; it fails by itself where two competitors disagree."""
    output = tmp_path_factory.mktemp("benchmarks") / "results.md"
    command = [sys.executable, "-m", "benchmarks", "--small", "--output", str(output)]
    command += ["--only", "resolve", "--only", "dynamodb", "--only", "growth"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return output.read_text()


def test_competitors_disagree_or_a_benchmark_is_broken(printed: str) -> None:
    """Every competitor ran, found the same lines and records, and every promise has a figure."""
    for name in (
        "(a) the app's flow",
        "(b) boto3",
        "(c) ours",
        "(d) polars",
        "(d) DuckDB",
        "(e) fetch all",
        "(e) hash",
    ):
        assert name in printed, name
    for heading in ("## Resolving", "## DynamoDB", "## Growth"):
        assert heading in printed, heading
    assert "signed by hand" in printed


def test_a_small_runs_figures_are_taken_for_results(printed: str) -> None:
    """A small run says that its figures say nothing."""
    assert "a small run: its figures say nothing" in printed.splitlines()[0]


def test_the_chain_without_work_carries_other_checks_than_the_chain() -> None:
    """As many checks run with the four assets that only import as with ours."""
    run = [
        len(dg.AssetSelection.assets(*names).resolve_checks(each.resolve_asset_graph()))
        for each, names in ((laden_chain.defs, laden_chain.NAMES), (defs, CHAIN))
    ]
    assert run == [laden_chain.CHECKS, laden_chain.CHECKS]
