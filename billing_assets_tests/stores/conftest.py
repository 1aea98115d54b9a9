"""Which Snowflake the store tests run against: the emulator always, a real account where somebody asks for it.

The live suite is the same tests. Each makes a schema of its own in SNOWFLAKE_DATABASE and drops it:

    BILLING_ASSETS_LIVE_SNOWFLAKE=1 pytest billing_assets_tests/stores -k live

The role needs CREATE SCHEMA on the database. It costs minutes of the smallest warehouse.
"""

from __future__ import annotations

import os

import pytest

from billing_assets.settings import SNOWFLAKE_VARIABLES

ASKED = "BILLING_ASSETS_LIVE_SNOWFLAKE"
LIVE = "live"
_LIVE_SECONDS = 3600
# As the shell has it: other tests lead this process's variables to the emulator.
_SHELL = {
    name: value for name, value in os.environ.items() if name in SNOWFLAKE_VARIABLES or name.startswith((ASKED, "AWS_"))
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A round trip to a real account takes a tenth of a second, and some tests make thousands."""
    for item in items:
        if isinstance(item, pytest.Function) and LIVE in getattr(item, "callspec", _NoParameters).params.values():
            item.add_marker(pytest.mark.timeout(_LIVE_SECONDS))


class _NoParameters:
    params: dict[str, object] = {}  # noqa: RUF012  # never written


@pytest.fixture(params=["emulator", LIVE])
def snowflake_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that lead to a Snowflake."""
    if request.param == LIVE:
        return live_environment(_SHELL)
    environment: dict[str, str] = request.getfixturevalue("stack_environment")
    return environment


def live_environment(shell: dict[str, str]) -> dict[str, str]:
    """The real account's variables; skips the test, with the reason, where they aren't asked for or set."""
    if shell.get(ASKED) != "1":
        pytest.skip(f"set {ASKED}=1 and the SNOWFLAKE_ variables to run this against a real account")
    if shell.get("SNOWFLAKE_HOST"):
        pytest.skip("SNOWFLAKE_HOST is set: that is an emulator, no real account")
    if not shell.get("SNOWFLAKE_SECRET_ID"):
        missing = [
            name
            for name in ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_WAREHOUSE", "SNOWFLAKE_DATABASE")
            if not shell.get(name)
        ]
        if missing:
            pytest.skip(f"{ASKED} is set, and these are not: {', '.join(missing)}")
    return shell
