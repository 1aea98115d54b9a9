"""(b) boto3 with 32 threads: each object once, all its lines hashed once, one index per object."""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from benchmarks.workload import BUCKET, Wanted, agreed, answer
from billing_assets.domain.line_hash import line_hash

if TYPE_CHECKING:
    from benchmarks.task import Task

_THREADS = 32
Found = list[tuple[Wanted, int, dict[str, Any]]]


def prepare(task: Task) -> tuple[Any, list[Wanted]]:
    """The client and the assignments."""
    client = boto3.client("s3", config=Config(max_pool_connections=_THREADS))
    return client, task.workload.wanted(task.most_objects)


def run(_: Task, state: tuple[Any, list[Wanted]]) -> Found:
    """Find every line."""
    s3, assignments = state
    by_object: dict[str, list[Wanted]] = defaultdict(list)
    for wanted in assignments:
        by_object[wanted.s3_key].append(wanted)

    def read(key: str) -> Found:
        body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        index: dict[str, tuple[int, dict[str, Any]]] = {}
        for position, text in enumerate(text for text in body.split(b"\n") if text.strip()):
            line = json.loads(text)
            index.setdefault(line_hash(line, "v1"), (position, line))
            index.setdefault(line_hash(line, "v2"), (position, line))
        return [(wanted, *index[wanted.line_hash]) for wanted in by_object[key]]

    with ThreadPoolExecutor(_THREADS) as pool:
        return [each for of_object in pool.map(read, by_object) for each in of_object]


def answers(_: Task, __: object, found: Found) -> tuple[str, int, str]:
    """What was found."""
    return agreed([answer(*each) for each in found]), len(found), ""
