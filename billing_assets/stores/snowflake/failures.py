"""What the driver raises, told as the domain's errors: which thing is wrong, and the one thing to do now.

The driver's own exception never travels on as a cause: a login's or an upload's may carry addresses with keys in them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from billing_assets.domain.errors import (
    AccessDeniedError,
    BillingError,
    ConfigurationError,
    ExportError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from billing_assets.stores.snowflake.identifiers import SnowflakeTarget

_ABSENT = frozenset({2003, 2043})
_RIGHTS = frozenset({3001, 390189, 390403})
_LOGIN = frozenset({390100, 390101, 390102, 390144, 390195, 390422, 394300, 394304})
_NO_WAREHOUSE = frozenset({606, 90073, 90109})
_BUSY = frozenset({604, 625, 630, 90072, 1205})
_CONNECTION = range(250000, 255000)
_CONFIGURATION = range(251001, 251030)
_EXCERPT = 400
_ADDRESS = re.compile(r"\S*://\S*")
_SECRET = re.compile(r"(?i)\b(password|passphrase|token|secret|signature|private[_ ]?key|credential)s?\b\W{0,4}\S+")


class AbsentOrHiddenError(AccessDeniedError):
    """An object does not exist, or the role may not see it: Snowflake says the same of both."""


def opening_failed(error: Exception, target: SnowflakeTarget) -> BillingError:
    """Why no connection could be opened; the driver's text stays out, since it may quote what it was given."""
    from snowflake.connector import errors  # noqa: PLC0415  # takes a second to import

    where, number = f"Snowflake {target.sql}", getattr(error, "errno", None)
    found = type(error).__name__ + (f" {number}" if isinstance(number, int) and number > 0 else "")
    if isinstance(
        error, errors.OperationalError | errors.InternalServerError | errors.OtherHTTPRetryableError | OSError
    ):
        return StoreUnavailableError(
            "Snowflake can't be reached",
            where=where,
            found=found,
            remedy="check SNOWFLAKE_ACCOUNT and the network (and that an emulator runs), then run the export again",
        )
    is_refusal = isinstance(error, errors.DatabaseError) and number not in _CONFIGURATION
    if is_refusal or isinstance(error, errors.ForbiddenError):
        return AccessDeniedError(
            "Snowflake refused the login",
            where=where,
            found=found,
            remedy="check SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, SNOWFLAKE_ROLE and that the user's public key "
            "is the one of SNOWFLAKE_PRIVATE_KEY (or the password is right)",
        )
    return ConfigurationError(
        "a connection to Snowflake can't be configured",
        where=where,
        found=found,
        remedy="check the SNOWFLAKE_ variables: the account, the user, a private key in PEM form, its passphrase",
    )


def statement_failed(error: Exception, target: SnowflakeTarget, *, doing: str) -> BillingError:
    """Why a statement or an upload failed."""
    number = getattr(error, "errno", None) or 0
    query_id = getattr(error, "sfqid", None)
    where = f"Snowflake {target.sql}, {doing}" + (f", query {query_id}" if query_id else "")
    kind, rule, remedy = _kind_of(error, number, target)
    return kind(f"Snowflake failed while {doing}", where=where, found=_excerpt(error), rule=rule, remedy=remedy)


def of_period(error: BillingError, period: str) -> BillingError:
    """The same error, said of one period whose transaction was rolled back."""
    return type(error)(
        f"{period} was not exported: {error.summary}",
        where=error.where,
        found=error.found,
        rule=error.rule or "a period is exported whole or not at all; Snowflake holds what it held before",
        remedy=error.remedy,
    )


def _kind_of(error: Exception, number: int, target: SnowflakeTarget) -> tuple[type[BillingError], str | None, str]:
    from snowflake.connector import errors  # noqa: PLC0415  # takes a second to import

    if number in _ABSENT:
        grants = (
            f"GRANT USAGE ON SCHEMA {target.sql} TO ROLE …; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN …"
        )
        return (
            AbsentOrHiddenError,
            "Snowflake says the same of an object that is absent and of one that the role may not use",
            f"check SNOWFLAKE_DATABASE, SNOWFLAKE_SCHEMA and SNOWFLAKE_ROLE; create what is absent, or grant: {grants}",
        )
    if number in _RIGHTS:
        return AccessDeniedError, None, "grant the role of SNOWFLAKE_ROLE the right that is named, then export again"
    if number in _LOGIN or isinstance(error, errors.ForbiddenError):
        return (
            AccessDeniedError,
            None,
            "the session is no longer accepted: check the user and its key, then export again",
        )
    if number in _NO_WAREHOUSE:
        return ConfigurationError, None, "set SNOWFLAKE_WAREHOUSE to a warehouse that the role may use and that can run"
    if number in _BUSY:
        return (
            StoreUnavailableError,
            "two exports of one period wait for each other, so that neither is mixed with the other",
            "export the period again when the other export, or the long query, has ended",
        )
    if number in _CONNECTION or isinstance(error, errors.OperationalError | errors.InterfaceError | OSError):
        return StoreUnavailableError, None, "export again; what was committed before stays, and is skipped"
    return ExportError, None, "mend what is named, then export again; nothing of this period was changed"


def _excerpt(error: Exception) -> str:
    text = str(getattr(error, "raw_msg", None) or error)
    first = " ".join(text.split())
    cleaned = _SECRET.sub(r"\1 …", _ADDRESS.sub("<address>", first))
    number, state = getattr(error, "errno", None), getattr(error, "sqlstate", None)
    code = f" {number}" if number and number > 0 else ""
    return f"{type(error).__name__}{code}{f' ({state})' if state else ''}: {cleaned[:_EXCERPT]}"
