"""(d) polars: every line of every object is a row; hashes by Python, joined, and fields taken out by polars.

polars can't make the hash: canonical JSON with Python's own escapes is beyond its expressions, and its JSON readers
don't keep a line's text. So the objects are fetched with obstore as fast as it can, and a Python function is mapped
over the rows. All bytes are in memory at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.competitors.fetching import by_event_loop, new_store
from benchmarks.workload import Wanted, agreed
from billing_assets.domain.line_hash import line_hash

if TYPE_CHECKING:
    from obstore.store import S3Store

    from benchmarks.task import Task

FIELDS = ("EnrichedPropertyID", "Charge Code", "Utility Type", "Line Item Charge", "Line Item Description")
_IN_FLIGHT = 256


def prepare(task: Task) -> tuple[S3Store, list[Wanted]]:
    """The client and the assignments."""
    return new_store(task.endpoint), task.workload.wanted(task.most_objects)


def run(_: Task, state: tuple[S3Store, list[Wanted]]) -> pl.DataFrame:
    """Find every line."""
    store, assignments = state
    wanted = pl.DataFrame(
        [(each.assignment_id, each.s3_key, each.line_hash) for each in assignments],
        schema=["assignment_id", "s3_key", "line_hash"],
        orient="row",
    )
    keys: list[str] = []
    bodies: list[str] = []

    def use(key: str, body: bytes) -> None:
        keys.append(key)
        bodies.append(body.decode())

    by_event_loop(store, wanted["s3_key"].unique().to_list(), _IN_FLIGHT, use)
    lines = (
        pl.DataFrame({"s3_key": keys, "line": bodies})
        .with_columns(pl.col("line").str.strip_chars_end("\n").str.split("\n"))
        .explode("line")
        .with_columns(pl.int_range(pl.len()).over("s3_key").alias("position"))
    )
    hashed = [[line_hash(line, "v1"), line_hash(line, "v2")] for line in map(json.loads, lines["line"])]
    named = lines.with_columns(pl.Series("line_hash", [list(set(each)) for each in hashed])).explode("line_hash")
    found = wanted.join(named, on=["s3_key", "line_hash"], how="inner")
    schema = pl.Struct(dict.fromkeys(FIELDS, pl.String))
    return found.select("assignment_id", "position", pl.col("line").str.json_decode(schema)).unnest("line")


def answers(_: Task, __: object, found: pl.DataFrame) -> tuple[str, int, str]:
    """What was found."""
    rows = found.select("assignment_id", "position", *FIELDS).rows()
    return agreed(rows), len(rows), ""
