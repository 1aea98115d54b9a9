"""Growth: ours without a network, on `option` copies of a workload, each under keys and in families of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet  # noqa: F401  # imported before the memory is taken
from msgspec.structs import replace

from billing_assets.domain.resolved import ResolvedLineItem, Status, resolve

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from benchmarks.task import Task
    from benchmarks.workload import Workload
    from billing_assets.domain.assignments import Assignment
    from billing_assets.domain.stage4 import ObjectFamily

State = tuple["_Copies", "list[Assignment]"]


class _Copies:
    """An `ObjectSource` that holds the bodies once, however many keys lead to them."""

    def __init__(self, workload: Workload) -> None:
        self._objects = workload.objects()

    def fetch(self, keys: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Each key's body."""
        for key in keys:
            yield key, self._objects[key.partition("/")[2]]

    def siblings(self, families: Collection[ObjectFamily]) -> Iterator[tuple[ObjectFamily, list[str]]]:
        """None are asked for: every line stands where its record says."""
        raise AssertionError(families)


def prepare(task: Task) -> State:
    """The objects once, the assignments as often as asked."""
    own = task.workload.table().assignments
    copies = [replace(each, s3_key=f"{copy:03d}/{each.s3_key}") for copy in range(int(task.option)) for each in own]
    return _Copies(task.workload), copies


def run(_: Task, state: State) -> list[ResolvedLineItem]:
    """Give every assignment its line and its status."""
    source, assignments = state
    return resolve(assignments, source)[0]


def answers(_: Task, __: State, rows: list[ResolvedLineItem]) -> tuple[str, int, str]:
    """How many are billed; all are."""
    assert all(row.status is Status.BILLABLE for row in rows)
    return "", len(rows), ""
