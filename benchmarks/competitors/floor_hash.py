"""(e) The floor, the other half: every line of every object decoded and hashed, by both versions, from memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain import fast_hash

if TYPE_CHECKING:
    from benchmarks.task import Task


def prepare(task: Task) -> list[bytes]:
    """The objects."""
    return list(task.workload.objects().values())


def run(_: Task, bodies: list[bytes]) -> int:
    """Hash their lines."""
    hashed = 0
    for body in bodies:
        for text in body.split(b"\n"):
            line = fast_hash.decode(text) if text else None
            if line is not None and fast_hash.hashes(line) is not None:
                hashed += 1
    return hashed


def answers(_: Task, __: list[bytes], hashed: int) -> tuple[str, int, str]:
    """How many."""
    return "", hashed, f"{hashed:,} lines"
