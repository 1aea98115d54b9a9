"""The four tables are there, with our columns, before anything is exported; they are never altered from here.

Source: SPEC.md section 7.3. What the columns are lives in `tables`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.errors import AccessDeniedError, BillingError, ConfigurationError
from billing_assets.stores.snowflake.statements import select_columns
from billing_assets.stores.snowflake.tables import EXPORTED_TABLES, ddl_statements, differences, type_of

if TYPE_CHECKING:
    from billing_assets.stores.snowflake.connection import Session


def ensure_tables(session: Session) -> list[str]:
    """Create the tables that are absent.

    Returns:
        The names of those that were created.

    Raises:
        ConfigurationError: A table has other columns; all differences are named, each with the ALTER that mends it.
        AccessDeniedError: A table is absent and the role may not create it; the DDL is in the remedy.
    """
    target = session.target
    found = found_columns(session)
    faults = [
        fault
        for table in EXPORTED_TABLES
        if table.name in found
        for fault in differences(table, target, found[table.name])
    ]
    if faults:
        raise ConfigurationError(
            "tables in Snowflake have other columns than the export writes",
            where=f"Snowflake {target.sql}",
            found="\n".join(fault.found for fault in faults),
            rule="tables are never altered silently, since others may read these columns",
            remedy="let their owner run the following, then export the periods again with force:\n"
            + "\n".join(fault.mend for fault in faults),
        )
    missing = [table for table in EXPORTED_TABLES if table.name not in found]
    for table in missing:
        try:
            session.execute(table.ddl(target), doing=f"creating {table.name}")
        except AccessDeniedError as error:
            raise _not_allowed(error, session, table.name) from None
    return [table.name for table in missing]


def found_columns(session: Session) -> dict[str, dict[str, str]]:
    """Type by column, by table; a table that the role may not see is absent."""
    names = tuple(table.name for table in EXPORTED_TABLES)
    sql = select_columns(session.target, tables=len(names))
    found: dict[str, dict[str, str]] = {}
    for table, column, *kind in session.rows(sql, (session.target.schema_name, *names), doing="looking at the tables"):
        found.setdefault(table, {})[column] = type_of(*kind)
    return found


def _not_allowed(error: BillingError, session: Session, table: str) -> AccessDeniedError:
    statements = ";\n".join(ddl_statements(session.target))
    return AccessDeniedError(
        f"{table} is absent, and may not be created by this role",
        where=error.where,
        found=error.found,
        rule="tables are created only where they are absent",
        remedy="let the schema's owner run the following and GRANT SELECT, INSERT, UPDATE, DELETE on the tables:\n"
        f"{statements};",
    )
