"""Fingerprints of content: equal rows give equal hashes, whatever file or moment they came from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

_encode = msgspec.json.Encoder(order="deterministic").encode


def content_sha256(rows: Iterable[Any]) -> str:
    """SHA-256 of rows (dataclasses of plain values), in their order: the data version of a table."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(_encode(row))
        digest.update(b"\n")
    return digest.hexdigest()
