"""dagster-snowflake's resource without what it imports beside: three quarters of its import, which every export pays.

Its module imports Snowpark and Snowflake's object API at the top, for methods that nothing here calls: three seconds of
four. While it is imported, stand-ins take their places; afterwards they are gone, so that whoever wants Snowpark itself
gets it. Pinned with dagster-snowflake <0.30; a test says when it no longer imports this way.
"""

import sys
import threading
import types
from typing import Any

_UNUSED = (
    "snowflake.snowpark",
    "snowflake.core",
    *(f"snowflake.core.{name}" for name in ("database", "pipe", "schema", "stage", "table", "view")),
)

_one_at_a_time = threading.Lock()


class _StandIn(types.ModuleType):
    """A module of which every name is a class."""

    def __getattr__(self, name: str) -> type:
        """The class of that name."""
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__module__": self.__name__})


def snowflake_resource_class() -> Any:
    """`dagster_snowflake.SnowflakeResource`; its methods for Snowpark don't work in this process."""
    with _one_at_a_time:
        absent = [name for name in _UNUSED if name not in sys.modules]
        sys.modules.update({name: _StandIn(name) for name in absent})
        try:
            from dagster_snowflake import SnowflakeResource  # noqa: PLC0415  # takes a second to import
        finally:
            for name in absent:
                del sys.modules[name]
        return SnowflakeResource
