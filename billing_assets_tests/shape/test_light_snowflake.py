"""The stand-ins under dagster-snowflake's import: they cover all that it brings beside, and leave nothing behind."""

from __future__ import annotations

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


def test_snowpark_is_imported_by_every_export_or_replaced_for_good() -> None:
    """dagster-snowflake still imports as the stand-ins expect, and who wants Snowpark itself gets it afterwards."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
