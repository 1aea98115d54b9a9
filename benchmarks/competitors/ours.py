"""(c) Ours: what the asset `resolved_line_items` does with the assignments that it is handed, through its own parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.httpsession  # noqa: F401  # imported before the memory is taken, as by every competitor
import pyarrow.parquet  # noqa: F401
import pycurl  # noqa: F401

from benchmarks.workload import BUCKET, agreed
from billing_assets.defs.resources import BucketResource, aws_clients
from billing_assets.domain.resolved import ResolvedLineItem, Status, resolve
from billing_assets.settings import Settings
from billing_assets.stores import aws_session  # noqa: F401  # boto3, likewise
from billing_assets.stores.timed_objects import TimedObjects

if TYPE_CHECKING:
    from benchmarks.task import Task
    from billing_assets.domain.assignments import Assignment
    from billing_assets.stores.objects import StageFourObjects

State = tuple["StageFourObjects", TimedObjects, "list[Assignment]"]


def prepare(task: Task) -> State:
    """The process's clients, as earlier assets of the run have made them, and the table that the asset is handed."""
    settings = Settings.from_environment()
    _ = aws_clients().s3_single_try
    bucket = BucketResource(
        bucket=BUCKET, requests=int(task.option or settings.s3_requests), retry_seconds=settings.retry_seconds
    )
    source = bucket.objects()
    assignments = task.workload.table().assignments
    if task.most_objects is not None:
        kept = {each.s3_key for each in task.workload.wanted(task.most_objects)}
        assignments = [each for each in assignments if each.s3_key in kept]
    return source, TimedObjects(source), assignments


def run(_: Task, state: State) -> list[ResolvedLineItem]:
    """Give every assignment its line and its status."""
    _, timed, assignments = state
    rows, _ = resolve(assignments, timed)
    return rows


def answers(_: Task, state: State, rows: list[ResolvedLineItem]) -> tuple[str, int, str]:
    """What was found; rows that the others don't tell of would be missing here."""
    source, timed, _ = state
    found: list[tuple[object, ...]] = []
    for row in rows:
        assert row.status is Status.BILLABLE, row
        assert row.line is not None
        item = row.line.item
        fields = (item.property_id, item.charge_code, item.utility_name, item.line_charge, item.description)
        found.append((row.assignment.assignment_id, row.line.position, *fields))
    detail = f"waited {timed.fetch_seconds:.2f} s, hashed {timed.hash_seconds:.2f} s, {source.figures.requests:,} GETs"
    return agreed(found), len(found), detail
