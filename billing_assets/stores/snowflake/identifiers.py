"""Names of Snowflake objects: checked before any SQL is made of them, then quoted.

Source: SPEC.md section 9. A plain name is upper-cased, as Snowflake does; a name in double quotes is taken as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from billing_assets.domain.errors import ConfigurationError

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,254}", re.ASCII)
# Less than Snowflake allows: a quote, backslash or percent sign would mean something to the driver's own SQL.
_INSIDE_QUOTES = re.compile(r"[\w $.-]{1,255}")


def bare_name(name: str, *, setting: str) -> str:
    """The object's name as Snowflake stores it, without quotes.

    Raises:
        ConfigurationError: It is no plain name, and no name in double quotes of letters, digits, blanks and `_$.-`.

    Example:
        >>> bare_name("finance", setting="SNOWFLAKE_SCHEMA"), bare_name('"Finance 1"', setting="SNOWFLAKE_SCHEMA")
        ('FINANCE', 'Finance 1')
    """
    if _PLAIN.fullmatch(name):
        return name.upper()
    inside = name[1:-1]
    if len(name) > 2 and name[0] == name[-1] == '"' and _INSIDE_QUOTES.fullmatch(inside):
        return inside
    raise ConfigurationError(
        "a Snowflake name can't be used",
        where=setting,
        found=repr(name[:100]),
        rule="a name is letters, digits, _ and $ (then upper-cased), or stands in double quotes and holds letters, "
        "digits, blanks and _$.- (then taken as it is), so that no name can carry SQL",
        remedy=f"correct {setting}",
    )


def quoted(bare: str) -> str:
    """A checked name as it stands in SQL."""
    return f'"{bare}"'


@dataclass(frozen=True)
class SnowflakeTarget:
    """The database and schema that hold the exported tables; both exist already.

    Raises:
        ConfigurationError: A name can't be used.

    Example:
        >>> SnowflakeTarget("billing", '"Finance 1"').qualified("MASTER_BILLS")
        '"BILLING"."Finance 1"."MASTER_BILLS"'
    """

    database: str
    schema: str

    def __post_init__(self) -> None:
        _ = self.database_name, self.schema_name

    @cached_property
    def database_name(self) -> str:
        """The database as Snowflake stores its name."""
        return bare_name(self.database, setting="SNOWFLAKE_DATABASE")

    @cached_property
    def schema_name(self) -> str:
        """The schema as Snowflake stores its name."""
        return bare_name(self.schema, setting="SNOWFLAKE_SCHEMA")

    @property
    def sql(self) -> str:
        """Database and schema as they stand in SQL."""
        return f"{quoted(self.database_name)}.{quoted(self.schema_name)}"

    def qualified(self, table: str) -> str:
        """One of our own tables as it stands in SQL."""
        return f"{self.sql}.{quoted(table)}"
