"""Snowflake's table locks for the emulator, whose DuckDB has none.

In Snowflake an UPDATE, DELETE or MERGE waits until other transactions that changed the table have ended, then sees
what they committed. DuckDB fails at once with a conflict instead, so that two exports of one period, one of which
should simply wait, could not be tried out here. With locks taken before DuckDB's transaction takes its snapshot
(it does so at the first statement that touches a table), both behave alike.

Lives here: who holds which table, waiting, and undoing what a dead client left. Lives elsewhere: which statement
takes which lock (`snowflake_mend`).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb
from snowflake.connector.errors import ProgrammingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Client = tuple[str, int]

# Snowflake's default is 12 hours; a waiting client of the emulator would have given up long before.
_LOCK_TIMEOUT_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.1
_ABANDONED_AFTER_SECONDS = 1.0


class SessionTransaction:
    """What a session holds: its open transaction, its turn, its client's address."""

    def __init__(self, duck_conn: duckdb.DuckDBPyConnection) -> None:
        self.duck_conn = duck_conn
        self.is_open = False
        self.has_failed = False
        self.lock_timeout_seconds = _LOCK_TIMEOUT_SECONDS
        self.client: Client | None = None
        self._aborted = False
        self._turn = threading.RLock()
        self._last_used = time.monotonic()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Run one statement at a time, and keep others from undoing the transaction meanwhile."""
        with self._turn:
            try:
                yield
            finally:
                self._last_used = time.monotonic()

    def refuse_if_aborted(self) -> None:
        """Refuse to go on, outside of a transaction, with the second half of one that was undone."""
        if self._aborted:
            raise _refusal("Its client had gone, so the transaction was undone: ROLLBACK, then begin anew.")

    def refuse_if_failed(self) -> None:
        """Refuse a COMMIT that could not keep its promise; DuckDB would answer it with success, and keep nothing.

        Snowflake undoes a failed statement alone, DuckDB its whole transaction.
        """
        if self.has_failed:
            self.undo()
            raise _refusal("A statement of the transaction had failed, and the emulator can't keep the others: undone.")

    def closed(self) -> None:
        """Note that no transaction is open any more, however it ended."""
        self.is_open = self.has_failed = self._aborted = False

    def undo(self) -> None:
        """Roll back, if there is anything to."""
        self.closed()
        with suppress(duckdb.Error):
            self.duck_conn.rollback()

    def commit(self) -> None:
        """Commit, if there is anything to; a transaction that DuckDB has given up is an error."""
        self.closed()
        try:
            self.duck_conn.commit()
        except duckdb.TransactionException as error:
            if "no transaction is active" not in str(error):
                raise

    def undo_if_abandoned(self, live_clients: set[Client | None]) -> bool:
        """Undo a transaction whose client's connection has gone; Snowflake does so too, hours later."""
        if self.client is None or self.client in live_clients or not self._turn.acquire(blocking=False):
            return False
        try:
            if time.monotonic() - self._last_used < _ABANDONED_AFTER_SECONDS:
                return False
            self.undo()
            self._aborted = True
            return True
        finally:
            self._turn.release()


def _refusal(text: str) -> ProgrammingError:
    """Give Snowflake's number for a statement that lost to another transaction."""
    return ProgrammingError(msg=text, errno=625, sqlstate="57014")


class TableLocks:
    """Which session's transaction holds which table."""

    def __init__(self, live_clients: Callable[[], set[Client | None]]) -> None:
        self.catalog = threading.RLock()
        self._live_clients = live_clients
        self._holders: dict[str, SessionTransaction] = {}
        self._changed = threading.Condition()

    def acquire(self, table: str, session: SessionTransaction) -> None:
        """Wait for the table's other writer to end, at most for the session's LOCK_TIMEOUT."""
        deadline = time.monotonic() + session.lock_timeout_seconds
        with self._changed:
            while (holder := self._holders.setdefault(table, session)) is not session:
                if holder.undo_if_abandoned(self._live_clients()):
                    self.release(holder)
                elif time.monotonic() >= deadline:
                    raise _refusal(
                        f"Statement was aborted: another transaction has locked table {table!r} and has not ended "
                        f"within LOCK_TIMEOUT ({session.lock_timeout_seconds:g} s)."
                    )
                else:
                    self._changed.wait(_LOOK_AGAIN_SECONDS)

    def release(self, session: SessionTransaction) -> None:
        """Let the next writer go on."""
        with self._changed:
            self._holders = {table: holder for table, holder in self._holders.items() if holder is not session}
            self._changed.notify_all()

    def end(self, session: SessionTransaction, *, undo: bool) -> None:
        """End the session's transaction and give its tables back."""
        if undo:
            session.undo()
        else:
            session.commit()
        self.release(session)
