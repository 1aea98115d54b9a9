"""The environment of a demo: the embedded stack's variables in place of whatever the user's shell holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from billing_assets.local.stack import FOREIGN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping


def demo_environment(stack_environment: Mapping[str, str]) -> dict[str, str]:
    """The user's environment with every client led to the stack, and our own settings at their defaults."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN_VARIABLES and not name.startswith("BILLING_")
    }
    # Dagster deletes the history of an instance without a home.
    home = kept.get("DAGSTER_HOME") or str(Path.cwd())
    return kept | dict(stack_environment) | {"DAGSTER_HOME": home}


def enter(environment: Mapping[str, str]) -> None:
    """Make it this process's environment, for the SDKs that read it themselves."""
    os.environ.clear()
    os.environ.update(environment)
