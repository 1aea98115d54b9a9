"""What the assignments table holds now, a fingerprint a period: by one Scan, or by the index of a large table.

Source: SPEC.md section 1.1. What is compared with what is decided in `billing_assets.domain.watched_periods`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.fingerprints import EMPTY, fingerprints
from billing_assets.stores.dynamodb import ReadFigures

if TYPE_CHECKING:
    from collections.abc import Collection

    from billing_assets.domain.assignments import PartitionRange
    from billing_assets.stores.dynamodb import AssignmentsTable


def fingerprints_of_all(
    table: AssignmentsTable, partitions: PartitionRange, known: Collection[str]
) -> tuple[dict[str, str], ReadFigures]:
    """The fingerprint of every period that has records, and of those known that have none any more.

    Strongly consistent: what the app wrote before is seen.
    """
    figures = ReadFigures(path="scan")
    found = fingerprints(table.records(figures), partitions)
    return dict.fromkeys(known, EMPTY) | found, figures


def fingerprints_of(
    table: AssignmentsTable, partitions: PartitionRange, wanted: Collection[str]
) -> tuple[dict[str, str], ReadFigures]:
    """The fingerprints of some periods by the index, which may lag behind by a moment."""
    figures = ReadFigures(path="index")
    found = fingerprints(table.records_of(wanted, figures), partitions)
    return {period: found.get(period, EMPTY) for period in wanted}, figures
