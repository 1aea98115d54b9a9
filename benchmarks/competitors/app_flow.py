"""(a) The source document's flow as the app does it: an object, then each of its assignments, line by line.

Every line is parsed and hashed again for each assignment until its hash is met. boto3, one object after the other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks.workload import BUCKET, Wanted, agreed, answer
from billing_assets.domain.line_hash import line_hash

if TYPE_CHECKING:
    from benchmarks.task import Task

Found = list[tuple[Wanted, int, dict[str, Any]]]


def prepare(task: Task) -> tuple[Any, list[Wanted]]:
    """The client and the assignments."""
    return boto3.client("s3"), task.workload.wanted(task.most_objects)


def run(_: Task, state: tuple[Any, list[Wanted]]) -> Found:
    """Find every line."""
    s3, assignments = state
    by_object: dict[str, list[Wanted]] = defaultdict(list)
    for wanted in assignments:
        by_object[wanted.s3_key].append(wanted)
    found: Found = []
    for key, of_object in by_object.items():
        body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
        for wanted in of_object:
            for position, text in enumerate(text for text in body.split("\n") if text.strip()):
                line = json.loads(text)
                if wanted.line_hash in (line_hash(line, "v2"), line_hash(line, "v1")):
                    found.append((wanted, position, line))
                    break
    return found


def answers(_: Task, __: object, found: Found) -> tuple[str, int, str]:
    """What was found."""
    return agreed([answer(*each) for each in found]), len(found), ""
