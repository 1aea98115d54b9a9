"""The environment of a demo: the embedded stack's variables in place of whatever the user's shell holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from billing_assets.domain.errors import ConfigurationError
from billing_assets.local.stack import FOREIGN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping


def demo_environment(stack_environment: Mapping[str, str]) -> dict[str, str]:
    """The user's environment with every client led to the stack, and our own settings at their defaults."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN_VARIABLES and not name.startswith(("BILLING_", "SNOWFLAKE_"))
    }
    return kept | dict(stack_environment) | {"DAGSTER_HOME": str(dagster_home())}


def enter(environment: Mapping[str, str]) -> None:
    """Make it this process's environment, for the SDKs that read it themselves."""
    os.environ.clear()
    os.environ.update(environment)


def dagster_home() -> Path:
    """The folder of the instance: DAGSTER_HOME, else the one that we work in."""
    return Path(os.environ.get("DAGSTER_HOME") or Path.cwd())


def home_is_usable() -> None:
    """Say so if the instance's folder holds no `dagster.yaml`: the runs would be kept nowhere.

    Raises:
        ConfigurationError: It doesn't.
    """
    if not (dagster_home() / "dagster.yaml").is_file():
        raise ConfigurationError(
            "the folder of the Dagster instance holds no dagster.yaml",
            where=str(dagster_home()),
            remedy="run from the project's folder (`make demo`), or set DAGSTER_HOME to it",
        )
