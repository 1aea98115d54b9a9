"""Mends that make fakesnow 0.12.1 (on duckdb 2.0.0) answer as Snowflake does, where our work depends on it.

Each mend stands with its reason. When fakesnow is upgraded, try without them one by one:
`billing_assets_tests/stores/test_embedded_snowflake.py` tells which are still needed.
Lives here: parsing, types and error answers. Lives elsewhere: transactions and locks (`snowflake_transactions`).
"""

from __future__ import annotations

import gzip
import json
import re
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Self

import duckdb
import fakesnow.arrow
import fakesnow.copy_into
import fakesnow.transforms
import pyarrow as pa
from fakesnow.conn import FakeSnowflakeConnection
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.dialect import parse_one
from fakesnow.instance import FakeSnow
from snowflake.connector.errors import OperationalError, ProgrammingError
from sqlglot import exp

from billing_assets.local.snowflake_transactions import Client, SessionTransaction, TableLocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

# Settings of a session that only tune a real account; fakesnow refuses them all but AUTOCOMMIT.
_IDLE_SETTINGS = r"^\s*ALTER\s+SESSION\s+(SET|UNSET)\s+(?!AUTOCOMMIT)"
_LOCK_TIMEOUT = re.compile(r"^\s*ALTER\s+SESSION\s+SET\s+LOCK_TIMEOUT\s*=\s*(\d+)", re.IGNORECASE)
_DDL = (exp.Create, exp.Alter, exp.Drop, exp.Comment, exp.TruncateTable)
# Snowflake's own numbers where it has the same error, so that a client's handling of them is tried out.
_NUMBERS: tuple[tuple[type[duckdb.Error], int, str], ...] = (
    (duckdb.ConstraintException, 100072, "22000"),  # NULL result in a non-nullable column
    (duckdb.TransactionException, 625, "57014"),  # a conflict with, or the abort of, a transaction
    (duckdb.OutOfRangeException, 100039, "22003"),
    (duckdb.IOException, 91016, "22000"),
)


class MendedSnow(FakeSnow):
    """The one database engine behind all sessions."""

    def __init__(self, databases: Path, live_clients: Callable[[], set[Client | None]]) -> None:
        super().__init__(db_path=databases, nop_regexes=[_IDLE_SETTINGS])
        self._locks = TableLocks(live_clients)

    def connect(
        self,
        database: str | None = None,
        schema: str | None = None,
        nop_regexes: list[str] | None = None,
        **kwargs: Any,
    ) -> MendedConnection:
        """Open a session; one at a time, since a first session creates its database and schema."""
        with self._locks.catalog:
            return MendedConnection(
                self._locks,
                self.duck_conn.cursor(),
                self.results_cache,
                database,
                schema,
                db_path=self.db_path,
                nop_regexes=nop_regexes or self.nop_regexes,
                **kwargs,
            )


class MendedConnection(FakeSnowflakeConnection):
    """A session whose transaction follows Snowflake's rules."""

    def __init__(self, locks: TableLocks, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.locks = locks
        self.transaction = SessionTransaction(self._duck_conn)

    def cursor(self, *_: Any, **__: Any) -> MendedCursor:
        """Return a mended cursor, whatever class was asked for: the server asks for none."""
        return MendedCursor(conn=self, duck_conn=self._duck_conn)

    def read_parameters(self, login_body: bytes, encoding: str | None) -> None:
        """Take LOCK_TIMEOUT from a login; fakesnow reads only what it needs itself."""
        body = json.loads(gzip.decompress(login_body) if encoding == "gzip" else login_body)
        if seconds := body["data"]["SESSION_PARAMETERS"].get("LOCK_TIMEOUT"):
            self.transaction.lock_timeout_seconds = float(seconds)

    def close(self, retry: bool = True) -> None:  # noqa: FBT002 - fakesnow's signature
        """Undo what was not committed, as Snowflake does with a session that ends."""
        self.locks.end(self.transaction, undo=True)
        super().close(retry)


class MendedCursor(FakeSnowflakeCursor):
    """A cursor that locks, commits and fails as Snowflake does."""

    _conn: MendedConnection

    def execute(
        self, command: str, params: Sequence[Any] | dict[Any, Any] | None = None, *args: Any, **kwargs: Any
    ) -> Self:
        """Run one statement under the locks that Snowflake would take for it."""
        locks, transaction = self._conn.locks, self._conn.transaction
        with snowflake_errors(), transaction.turn():
            if timeout := _LOCK_TIMEOUT.match(command):
                transaction.lock_timeout_seconds = float(timeout[1])
            statement = parse_one(command)
            if not isinstance(statement, exp.Rollback):
                transaction.refuse_if_aborted()
            try:
                self._prepare(statement, locks, transaction)
                # DuckDB's catalog takes one writer at a time, Snowflake's many.
                with locks.catalog if isinstance(statement, _DDL) else nullcontext():
                    super().execute(command, params, *args, **kwargs)
            except Exception:
                transaction.has_failed = transaction.is_open
                raise
            finally:
                if isinstance(statement, exp.Commit | exp.Rollback):
                    transaction.closed()
                if not (transaction.is_open or self._conn._in_transaction):  # noqa: SLF001 - set where autocommit is off
                    locks.release(transaction)
        return self

    def _prepare(self, statement: exp.Expr, locks: TableLocks, transaction: SessionTransaction) -> None:
        """Do what Snowflake does before the statement itself."""
        if isinstance(statement, exp.Transaction):
            transaction.is_open = True
        elif isinstance(statement, exp.Commit):
            transaction.refuse_if_failed()
        elif isinstance(statement, exp.Update | exp.Delete | exp.Merge) and (table := statement.find(exp.Table)):
            locks.acquire(table.name.upper(), transaction)
        elif isinstance(statement, _DDL):
            # Snowflake commits before DDL.
            locks.end(transaction, undo=False)

    def _transform(self, expression: exp.Expr, params: Any) -> exp.Expr:
        """Drop PRIMARY KEY and UNIQUE: Snowflake accepts and ignores them, DuckDB would hide a race from the tests."""
        if isinstance(expression, exp.Create):
            for constraint in list(expression.find_all(exp.ColumnConstraint)):
                if isinstance(constraint.kind, exp.PrimaryKeyColumnConstraint | exp.UniqueColumnConstraint):
                    constraint.pop()
            for key in list(expression.find_all(exp.PrimaryKey, exp.UniqueColumnConstraint)):
                key.pop()
        return super()._transform(expression, params)

    def _describe_last_sql(self) -> list[Any]:
        """Describe the result; runs outside of `execute`, so its errors need the same answer."""
        with snowflake_errors():
            return super()._describe_last_sql()


class Sessions(dict[str, FakeSnowflakeConnection]):
    """The server's sessions by token; fakesnow drops a closed one with its transaction still open."""

    def __delitem__(self, token: str) -> None:
        self[token].close()
        super().__delitem__(token)


@contextmanager
def snowflake_errors() -> Iterator[None]:
    """Turn every failure of a statement into an error answer; as HTTP 500 the connector would retry it for minutes."""
    try:
        yield
    except (ProgrammingError, OperationalError):
        raise
    except Exception as error:
        errno, sqlstate = next(((n, s) for kind, n, s in _NUMBERS if isinstance(error, kind)), (9999, "99999"))
        raise ProgrammingError(msg=f"{type(error).__name__}: {error}", errno=errno, sqlstate=sqlstate) from error


def mend_modules() -> None:
    """Replace the functions of fakesnow that no subclass reaches."""
    fakesnow.copy_into._from_source = _from_quoted_source  # noqa: SLF001
    fakesnow.arrow.timestamp_to_sf_struct = _timestamps_with_nulls
    fakesnow.transforms.numeric_agg_implicit_cast = _exact_sums


_from_source = fakesnow.copy_into._from_source  # noqa: SLF001
_timestamp_to_sf_struct = fakesnow.arrow.timestamp_to_sf_struct
_numeric_agg_implicit_cast = fakesnow.transforms.numeric_agg_implicit_cast


def _from_quoted_source(expr: exp.Copy) -> str:
    """Accept `FROM (SELECT … FROM '@"stage"')`, which is how the connector's write_pandas writes it."""
    source = expr.args["files"][0].this
    if isinstance(source, exp.Select):
        stage = source.args["from_"].this.this
        if isinstance(stage, exp.Literal) and stage.name.startswith("@"):
            return stage.name
    return _from_source(expr)


def _timestamps_with_nulls(ts: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Keep NULL timestamps NULL; fakesnow sends them as 1970-01-01."""
    whole = ts.combine_chunks() if isinstance(ts, pa.ChunkedArray) else ts
    structs = _timestamp_to_sf_struct(whole.fill_null(0))
    return pa.StructArray.from_arrays(structs.flatten(), fields=list(structs.type), mask=whole.is_null())


def _exact_sums(expression: exp.Expr) -> exp.Expr:
    """Add up NUMBER exactly; fakesnow casts to a float first, so that a SUM of texts works as well."""
    summed = expression.this if isinstance(expression, exp.Sum) else None
    named = _numeric_agg_implicit_cast(expression)
    if summed is not None:
        (named.this if isinstance(named, exp.Alias) else named).set("this", summed)
    return named
