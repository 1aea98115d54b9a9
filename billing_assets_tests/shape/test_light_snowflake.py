"""What Snowflake's packages do beside connecting: dagster-snowflake's imports, the connector's look for a cloud."""

from __future__ import annotations

import os
import subprocess
import sys

IMPORTS = """
import sys
from billing_assets.defs.light_snowflake import snowflake_resource_class
resource = snowflake_resource_class()
assert resource.__name__ == "SnowflakeResource", resource
heavy = [name for name in sys.modules if name.startswith(("snowflake.snowpark", "snowflake.core"))]
assert not heavy, heavy
import snowflake.snowpark
assert isinstance(snowflake.snowpark.Session, type) and snowflake.snowpark.__file__
import snowflake.connector
assert resource(account="a", user="u", password="p").get_connection
"""

_DETECTION = "snowflake.connector.platform_detection"
_SWITCH = "SNOWFLAKE_DISABLE_PLATFORM_DETECTION"


def test_snowpark_is_imported_by_every_export_or_replaced_for_good() -> None:
    """dagster-snowflake still imports as the stand-ins expect, and who wants Snowpark itself gets it afterwards."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_a_login_asks_the_metadata_addresses_of_every_cloud() -> None:
    """The connector looks for no cloud once our package is imported, unless whoever runs it wants that."""
    detects = f"from {_DETECTION} import detect_platforms; print(detect_platforms(0.001))"
    # This process has imported the package, so its children would have the variable anyway.
    unset = {name: value for name, value in os.environ.items() if name != _SWITCH}
    assert _told(f"import billing_assets; {detects}", unset) == "['disabled']"
    assert _told(f"import billing_assets, os; print(os.environ['{_SWITCH}'])", unset | {_SWITCH: "false"}) == "false"


def _told(code: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
