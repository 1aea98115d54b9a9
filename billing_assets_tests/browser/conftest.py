"""A home of its own for the two commands of the README, at a twentieth of the sample's size."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "billing_assets")
SCALE = ("--scale", os.environ.get("BILLING_ASSETS_SCREENSHOT_SCALE", "0.05"), "--last-period", "2026-06")
"""The pictures of docs/images are of a full sample: set it to 1."""


@dataclass(frozen=True)
class Home:
    """A folder with the project's Dagster files, where a demo has run."""

    folder: Path
    environment: dict[str, str]
    first_output: str

    @classmethod
    def of(cls, folder: Path) -> Home:
        """A folder that has them, in a shell without our variables."""
        ours = ("DAGSTER_", "BILLING_")
        return cls(folder, {name: value for name, value in os.environ.items() if not name.startswith(ours)}, "")

    @property
    def state(self) -> Path:
        """The embedded stack's state."""
        return self.folder / ".billing" / "stack"

    def command(self, *words: str) -> list[str]:
        """`billing-assets …`, as a process."""
        return [*COMMAND, *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """After the first demo."""
    return demo_home(tmp_path_factory.mktemp("home"))


def demo_home(folder: Path) -> Home:
    """Run a demo in an empty folder."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, folder / name)
    fresh = Home.of(folder)
    first = fresh.run("demo", *SCALE)
    assert first.returncode == 0, first.stdout + first.stderr
    return Home(folder, fresh.environment, first.stdout)
