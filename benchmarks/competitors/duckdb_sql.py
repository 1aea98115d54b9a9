"""(d) DuckDB: every line of every object is a row; hashes by a Python function, the join and the fields in SQL.

DuckDB can't make the hash: its JSON functions don't write Python's canonical form. Its own reading over HTTP is an
extension that would have to be downloaded, so the objects are fetched with obstore as fast as it can. All bytes are in
memory at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from benchmarks.competitors.fetching import by_event_loop, new_store
from benchmarks.workload import Wanted, agreed
from billing_assets.domain.line_hash import line_hash

if TYPE_CHECKING:
    from obstore.store import S3Store

    from benchmarks.task import Task

_IN_FLIGHT = 256
_SQL = """
WITH split AS (
    SELECT s3_key, unnest(string_split(rtrim(body, chr(10)), chr(10))) AS line,
           generate_subscripts(string_split(rtrim(body, chr(10)), chr(10)), 1) - 1 AS position
    FROM objects
), named AS (
    SELECT s3_key, position, line, hashes_of(line) AS hashes FROM split
)
SELECT assignment_id, position, line ->> '$."EnrichedPropertyID"', line ->> '$."Charge Code"',
       line ->> '$."Utility Type"', line ->> '$."Line Item Charge"', line ->> '$."Line Item Description"'
FROM wanted
JOIN named ON wanted.s3_key = named.s3_key
          AND (wanted.line_hash = substr(hashes, 1, 64) OR wanted.line_hash = substr(hashes, 65))
"""


def prepare(task: Task) -> tuple[S3Store, list[Wanted]]:
    """The client and the assignments."""
    return new_store(task.endpoint), task.workload.wanted(task.most_objects)


def run(_: Task, state: tuple[S3Store, list[Wanted]]) -> list[tuple[Any, ...]]:
    """Find every line."""
    store, assignments = state
    keys: list[str] = []
    bodies: list[str] = []

    def use(key: str, body: bytes) -> None:
        keys.append(key)
        bodies.append(body.decode())

    by_event_loop(store, sorted({each.s3_key for each in assignments}), _IN_FLIGHT, use)
    with duckdb.connect() as connection:
        columns = {
            name: [getattr(each, name) for each in assignments] for name in ("assignment_id", "s3_key", "line_hash")
        }
        connection.register("wanted", pa.table(columns))
        connection.register("objects", pa.table({"s3_key": keys, "body": bodies}))
        connection.create_function("hashes_of", _hashes_of, ["VARCHAR"], "VARCHAR")
        return connection.execute(_SQL).fetchall()


def answers(_: Task, __: object, found: list[tuple[Any, ...]]) -> tuple[str, int, str]:
    """What was found."""
    return agreed(found), len(found), ""


def _hashes_of(text: str) -> str:
    line = json.loads(text)
    return line_hash(line, "v1") + line_hash(line, "v2")
