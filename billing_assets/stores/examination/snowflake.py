"""Snowflake as the export meets it: login, role, warehouse, database, schema, temporary table and stage, four tables.

One session, opened the way the export opens it. Nothing that outlives the session is made.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from billing_assets.domain.errors import BillingError, StoreUnavailableError
from billing_assets.domain.findings import Finding, Outcome
from billing_assets.stores.snowflake.connection import Session
from billing_assets.stores.snowflake.creation import found_columns
from billing_assets.stores.snowflake.failures import AbsentOrHiddenError, opening_failed
from billing_assets.stores.snowflake.identifiers import quoted
from billing_assets.stores.snowflake.reading import read_periods
from billing_assets.stores.snowflake.tables import EXPORTED_TABLES, differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_assets.stores.snowflake.connection import Connect
    from billing_assets.stores.snowflake.identifiers import SnowflakeTarget

LOGIN, PLACE = "snowflake.login", "snowflake.schema"
ROLE, STAGING, TABLES, PERIODS = "snowflake.role", "snowflake.staging", "snowflake.tables", "snowflake.periods"
SUBJECTS = {
    LOGIN: "login",
    ROLE: "role and warehouse",
    PLACE: "database and schema",
    STAGING: "right to a temporary table and stage",
    TABLES: "the four tables",
    PERIODS: "exported periods",
}
_GRANTS = "docs/operations.md, Snowflake grants"


def look_at_snowflake(connect: Connect, target: SnowflakeTarget) -> list[Finding]:
    """One finding for each of `SUBJECTS`, in their order; what can't be looked at for an earlier one says so."""
    findings: list[Finding] = []
    try:
        with _session(connect, target) as session:
            for check, look in _LOOKS.items():
                findings.append(_looked(check, look, session))
                if findings[-1].outcome is Outcome.FAILED and check in {LOGIN, PLACE}:
                    break
    except BillingError as error:
        findings.append(Finding.of_error(LOGIN, SUBJECTS[LOGIN], error))
    seen = {finding.check for finding in findings}
    first = SUBJECTS[findings[-1].check]
    return findings + [
        Finding(check, subject, Outcome.NOT_CHECKED, f"{first} comes first")
        for check, subject in SUBJECTS.items()
        if check not in seen
    ]


@contextmanager
def _session(connect: Connect, target: SnowflakeTarget) -> Iterator[Session]:
    """A session that has entered no schema yet, so that each thing can be missed by its own name."""
    try:
        opened = connect()
        connection = opened.__enter__()
    except BillingError:
        raise
    except Exception as error:  # noqa: BLE001  # keys are parsed here too, by other libraries
        raise opening_failed(error, target) from None
    session = Session(connection, target)
    try:
        yield session
    finally:
        # Only reads came before: a session that can't say goodbye ends by itself.
        with suppress(BillingError), session.telling("closing the connection"):
            connection.close()


def _looked(check: str, look: Callable[[Session], Finding], session: Session) -> Finding:
    try:
        return look(session)
    except StoreUnavailableError as error:
        return Finding.of_error(check, SUBJECTS[check], error, remedy="run the doctor again when Snowflake answers")
    except BillingError as error:
        return Finding.of_error(check, SUBJECTS[check], error)


def _login(session: Session) -> Finding:
    [(user, version)] = session.rows("SELECT CURRENT_USER(), CURRENT_VERSION()", doing="asking who we are")
    return Finding.ok(LOGIN, SUBJECTS[LOGIN], f"user {user}, Snowflake {version}", user=str(user))


def _role(session: Session) -> Finding:
    # As Snowflake answered the login: a warehouse that the role may not use is missing there.
    role, warehouse = session.connection.role, session.connection.warehouse
    if not warehouse:
        remedy = "set SNOWFLAKE_WAREHOUSE to a warehouse on which the role has USAGE"
        return Finding.failed(ROLE, SUBJECTS[ROLE], f"role {role}, no warehouse", remedy)
    return Finding.ok(ROLE, SUBJECTS[ROLE], f"{role} on {warehouse}", role=str(role), warehouse=str(warehouse))


def _place(session: Session) -> Finding:
    target, subject = session.target, SUBJECTS[PLACE]
    for use, ddl in (
        (f"USE DATABASE {quoted(target.database_name)}", f"CREATE DATABASE {quoted(target.database_name)};"),
        (f"USE SCHEMA {target.sql}", f"CREATE SCHEMA {target.sql};"),
    ):
        try:
            session.execute(use, doing=use)
        except AbsentOrHiddenError as error:
            kind = use.split()[1].lower()
            remedy = (
                f"let its owner run `{ddl}`, or GRANT USAGE ON {kind.upper()} to the role, or correct "
                f"SNOWFLAKE_{kind.upper()}"
            )
            found = f"there is no such {kind}, or the role may not use it: {error.found}"
            return Finding.failed(PLACE, subject, found, remedy)
    return Finding.ok(PLACE, subject, target.sql)


def _staging(session: Session) -> Finding:
    """Both end with the session, so neither is dropped."""
    name = quoted(f"BILLING_DOCTOR_{secrets.token_hex(4).upper()}")
    for kind in ("TABLE", "STAGE"):
        columns = ' ("N" NUMBER(38,0))' if kind == "TABLE" else ""
        try:
            session.execute(f"CREATE TEMPORARY {kind} {name}{columns}", doing=f"creating a temporary {kind.lower()}")
        except StoreUnavailableError:
            raise
        except BillingError as error:
            right = "CREATE TEMPORARY TABLE" if kind == "TABLE" else "CREATE STAGE"
            remedy = f"GRANT {right} ON SCHEMA {session.target.sql} TO the role ({_GRANTS})"
            return Finding.of_error(STAGING, SUBJECTS[STAGING], error, remedy=remedy)
    return Finding.ok(STAGING, SUBJECTS[STAGING], "both may be made")


def _tables(session: Session) -> Finding:
    found, subject = found_columns(session), SUBJECTS[TABLES]
    missing = [table for table in EXPORTED_TABLES if table.name not in found]
    faults = [
        fault
        for table in EXPORTED_TABLES
        if table.name in found
        for fault in differences(table, session.target, found[table.name])
    ]
    if faults:
        remedy = "let their owner run:\n" + "\n".join(fault.mend for fault in faults)
        return Finding.failed(TABLES, subject, "; ".join(fault.found for fault in faults), remedy)
    if missing:
        names = ", ".join(table.name for table in missing)
        ddl = "\n".join(f"{table.ddl(session.target)};" for table in missing)
        remedy = f"the first export creates them; if the role may not, let the schema's owner run:\n{ddl}"
        return Finding(TABLES, subject, Outcome.ABSENT, f"not there yet: {names}", remedy)
    return Finding.ok(TABLES, subject, "there, with our columns")


def _periods(session: Session) -> Finding:
    subject = SUBJECTS[PERIODS]
    try:
        rows = read_periods(session)
    except AbsentOrHiddenError:
        return Finding(PERIODS, subject, Outcome.ABSENT, "none yet")
    if not rows:
        return Finding(PERIODS, subject, Outcome.ABSENT, "none yet")
    last = max(row.exported_at_utc for row in rows.values())
    bills = sum(row.bill_count for row in rows.values())
    found = f"{len(rows)} periods, {bills:,} bills; the last export was at {last:%Y-%m-%d %H:%M} UTC"
    return Finding.ok(PERIODS, subject, found, periods=len(rows), bills=bills)


_LOOKS: dict[str, Callable[[Session], Finding]] = {
    LOGIN: _login,
    ROLE: _role,
    PLACE: _place,
    STAGING: _staging,
    TABLES: _tables,
    PERIODS: _periods,
}
