"""What every test may ask for: a running embedded stack, started once per test process and only if asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from billing_assets.local.stack import EmbeddedStack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """Both emulators, empty at first; shared by all tests of the process, so each test takes names of its own."""
    with EmbeddedStack.start(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def stack_environment(stack: EmbeddedStack) -> dict[str, str]:
    """Return the variables that lead to the stack."""
    return stack.environment()
