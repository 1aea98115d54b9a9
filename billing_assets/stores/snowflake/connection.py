"""One session with Snowflake: opened from outside, set up here, and always rolled back and closed.

Lives here: settings of the session, running statements, the end of a session. Lives elsewhere: credentials and the
making of connections (`billing_assets.defs.resources`, through dagster-snowflake), the words of errors (`failures`).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing_assets.domain.errors import BillingError
from billing_assets.stores.snowflake.failures import opening_failed, statement_failed
from billing_assets.stores.snowflake.statements import ROLLBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snowflake.connector import SnowflakeConnection

    from billing_assets.stores.snowflake.identifiers import SnowflakeTarget

Connect = Callable[[], "AbstractContextManager[SnowflakeConnection]"]
"""Opens a connection of its own for each call; give it a `network_timeout`, or a lost server is waited for for ever."""

_LOG = logging.getLogger(__name__)
_TAG_CHARACTERS = re.compile(r"[^\w .:/-]", re.ASCII)
_TAG_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session asks of Snowflake; by default a lock is waited for for 12 hours, a statement runs for 2 days."""

    lock_timeout_seconds: int = 600
    statement_timeout_seconds: int = 3600
    run_id: str = ""
    """Shown in Snowflake's query history, with the periods."""
    periods: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """The session's parameters as SQL values; LOCK_TIMEOUT first, where the emulator looks for it."""
        tag = {"app": "billing_assets", "run_id": self.run_id, "periods": self.periods}
        tag = {name: _TAG_CHARACTERS.sub("_", text)[: _TAG_LENGTH // 3] for name, text in tag.items()}
        return {
            "LOCK_TIMEOUT": str(int(self.lock_timeout_seconds)),
            "STATEMENT_TIMEOUT_IN_SECONDS": str(int(self.statement_timeout_seconds)),
            "ABORT_DETACHED_QUERY": "TRUE",
            "TIMEZONE": "'UTC'",
            "QUERY_TAG": f"'{json.dumps(tag)}'",
        }


class Session:
    """Runs statements on one connection, and tells failures as the domain's errors."""

    def __init__(self, connection: SnowflakeConnection, target: SnowflakeTarget) -> None:
        self.connection = connection
        self.target = target

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, doing: str) -> int:
        """Run a statement.

        Args:
            sql: With `%s` for each bound value.
            parameters: The values.
            doing: What it is for, for the reader of an error ("deleting bills").

        Returns:
            How many rows it wrote, or selected.

        Raises:
            BillingError: It failed.
        """
        with self.telling(doing), self.connection.cursor() as cursor:
            cursor.execute(self._bindable(sql), tuple(parameters) or None)
            return cursor.rowcount or 0

    def rows(self, sql: str, parameters: Sequence[Any] = (), *, doing: str) -> list[tuple[Any, ...]]:
        """Run a query and return all of its rows; fails as `execute` does."""
        with self.telling(doing), self.connection.cursor() as cursor:
            cursor.execute(self._bindable(sql), tuple(parameters) or None)
            return [tuple(row) for row in cursor.fetchall()]

    @contextmanager
    def telling(self, doing: str) -> Iterator[None]:
        """Tell whatever the driver raises inside as an error of ours."""
        try:
            yield
        except BillingError:
            raise
        except Exception as error:  # noqa: BLE001  # the driver lets errors of its libraries through
            raise statement_failed(error, self.target, doing=doing) from None

    def _bindable(self, sql: str) -> str:
        """Our texts in the connection's own style of binding, which whoever made it chose."""
        return sql if self.connection.is_pyformat else sql.replace("%s", "?")


@contextmanager
def open_session(connect: Connect, target: SnowflakeTarget, settings: SessionSettings) -> Iterator[Session]:
    """A session in the target's schema, in UTC and with autocommit, so that only our BEGIN opens a transaction.

    However the block ends, what was not committed is rolled back and the connection closed.

    Raises:
        AccessDeniedError: Snowflake refuses the login, or the schema.
        StoreUnavailableError: Snowflake can't be reached.
        ConfigurationError: The connection's settings are wrong.
    """
    try:
        opened = connect()
        connection = opened.__enter__()
    except BillingError:
        raise
    except Exception as error:  # noqa: BLE001  # keys are parsed here too, by other libraries
        raise opening_failed(error, target) from None
    session = Session(connection, target)
    try:
        _set_up(session, settings)
        yield session
    except BaseException as error:
        _leave(session, error)
        raise
    else:
        with session.telling("closing the connection"):
            connection.close()
            # dagster-snowflake's context only closes, and only after a success: nothing is left for it to do.
            opened.__exit__(None, None, None)


def _set_up(session: Session, settings: SessionSettings) -> None:
    session.execute("ALTER SESSION SET AUTOCOMMIT = TRUE", doing="setting up the session")
    parameters = [f"{name} = {value}" for name, value in settings.parameters.items()]
    try:
        session.execute(f"ALTER SESSION SET {' '.join(parameters)}", doing="setting up the session")
    except BillingError:
        # A server that does not know one of them refuses all: give it those that it takes, and say which it doesn't.
        for parameter in parameters:
            try:
                session.execute(f"ALTER SESSION SET {parameter}", doing="setting up the session")
            except BillingError as refused:
                if refused.retryable:
                    raise
                _LOG.warning("Snowflake refused %s for this session: %s", parameter.partition(" ")[0], refused.found)
    # Staging tables and the driver's own stage for uploads are named without a schema.
    session.execute(f"USE SCHEMA {session.target.sql}", doing="entering the schema")


def _leave(session: Session, error: BaseException) -> None:
    """Roll back and close while another error is on its way; what fails here is noted on it."""
    for doing, leave in (("rolling back", _roll_back), ("closing the connection", _close)):
        try:
            leave(session)
        except Exception as failure:  # noqa: BLE001  # the first error is the one to tell
            error.add_note(
                f"{doing} failed as well ({type(failure).__name__}): Snowflake does it when the session ends"
            )


def _roll_back(session: Session) -> None:
    if not session.connection.is_closed():
        session.execute(ROLLBACK, doing="rolling back")


def _close(session: Session) -> None:
    session.connection.close()
