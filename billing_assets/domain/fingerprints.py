"""A period's fingerprint: equal for the same assignment records in any order, another one for any change of them.

An amount edited under an old date, a record removed and a record moved to another period all change it, and a record
that is restored restores it. It speaks of records, not of bills: a note that is edited changes it too.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from billing_assets.domain.assignments import Assignment, period_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from billing_assets.domain.assignments import PartitionRange

VERSION = "1"
"""Of what is hashed and how. Fingerprints of another version are never compared, or every period would look changed."""

_DIGEST_BYTES = 16
_SHOWN = 16
_encode = msgspec.json.Encoder().encode


def fingerprint(assignments: Iterable[Assignment]) -> str:
    """The fingerprint of a period's records, in any order.

    Example:
        >>> fingerprint([])
        '1-e3b0c44298fc1c14'
    """
    return _joined(map(_digest, assignments))


EMPTY = "1-e3b0c44298fc1c14"
"""Of a period without any record."""


def fingerprints(records: Iterable[Mapping[str, Any]], partitions: PartitionRange) -> dict[str, str]:
    """The fingerprint of every partition that has a record; records of no partition are passed over.

    They are counted by the whole-table check.
    """
    digests: defaultdict[str, list[bytes]] = defaultdict(list)
    of_text: dict[str, str | None] = {}
    for record in records:
        text = period_text(record)
        if text not in of_text:
            of_text[text] = partitions.partition_of(text)
        if (partition := of_text[text]) is not None:
            digests[partition].append(_digest(Assignment.from_record(record)))
    return {partition: _joined(found) for partition, found in digests.items()}


def is_comparable(text: str) -> bool:
    """Whether a fingerprint is of this version."""
    return text.startswith(f"{VERSION}-")


def _digest(row: Assignment) -> bytes:
    # Named one by one: a field that the class gains later must not make every period look changed.
    fields = (
        *(row.assignment_id, row.line_hash, row.ubi_period, row.s3_key, row.bill_id, row.line_index, row.amount_text),
        *(row.months_text, row.assigned_by, row.assigned_date, row.notes),
    )
    return hashlib.sha256(_encode(fields)).digest()[:_DIGEST_BYTES]


def _joined(digests: Iterable[bytes]) -> str:
    # Sorted, not added or xored: two equal records are not none.
    return f"{VERSION}-{hashlib.sha256(b''.join(sorted(digests))).hexdigest()[:_SHOWN]}"
