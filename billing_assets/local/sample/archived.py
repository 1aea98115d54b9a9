"""Archived assignments: finished work of months past. Their lines and objects are not part of the sample."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing_assets.local.sample.bills import STAGE_4
from billing_assets.local.sample.model import month_after, spelled
from billing_assets.local.sample.names import REVIEWERS

if TYPE_CHECKING:
    from random import Random

_MONTHS_BACK = 18
_MONTHS_IN_SAMPLE = 4


def archived_assignments(first_period: str, number: int, rng: Random) -> list[dict[str, Any]]:
    """So many of the months before the sample and of its first ones, each of a line of its own."""
    archived = []
    for n in range(number):
        period = month_after(first_period, rng.randrange(-_MONTHS_BACK, _MONTHS_IN_SAMPLE))
        stamp = period.replace("-", "")
        archived.append(
            {
                "assignment_id": f"ar-{n + 1:07d}",
                "line_hash": hashlib.sha256(f"archived line {n}".encode()).hexdigest(),
                "ubi_period": spelled(period),
                "s3_key": f"{STAGE_4}/yyyy={period[:4]}/mm={period[5:]}/dd=09/old-{n // 5:06d}_{stamp}09T101500Z.jsonl",
                "line_index": n % 5,
                "amount": Decimal(rng.randrange(600, 20000)).scaleb(-2),
                "months": 1,
                "assigned_by": REVIEWERS[n % len(REVIEWERS)],
            }
        )
    return archived
