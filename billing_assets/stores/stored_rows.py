"""Single rows among all stored periods, found by hash: narrow columns of every file, whole tables of a few.

Source: DESIGN.md decision 12. What a row's story is lives in `billing_assets.domain.row_story`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_assets.stores.parquet import decode_resolved

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from billing_assets.domain.period_tables import ResolvedPeriod
    from billing_assets.stores.intermediate import IntermediateStore

_RESOLVED = "resolved_line_items"
_ASSIGNMENTS = "ubi_assignments"
_THREADS = 8
_HASH, _IDENTITY = "line_hash", "line_identity"


@dataclass(slots=True)
class HashMatches:
    """Which stored periods hold a line."""

    hashes: set[str] = field(default_factory=set)
    """The line hashes that begin so; where there are none, those of records whose line has such a v2 hash."""
    periods: set[str] = field(default_factory=set)
    """With a row of those hashes, or another share of their lines."""
    looked_through: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Files that are no table of resolved line items as we write them now."""


@dataclass(frozen=True, slots=True)
class _Narrow:
    period: str
    hashes: list[str]
    identities: list[str | None]


def matches_of(store: IntermediateStore, prefix: str) -> HashMatches:
    """Look for a hash, or its beginning, in all stored periods.

    Args:
        store: The intermediate Parquet.
        prefix: Lower-case hex digits.
    """
    found = HashMatches()
    tables = []
    for name, narrow in _narrow_tables(store, _RESOLVED, (_HASH, _IDENTITY)):
        if narrow is None:
            found.unreadable.append(name)
            continue
        tables.append(narrow)
        found.looked_through.append(narrow.period)
    pairs = [pair for narrow in tables for pair in zip(narrow.hashes, narrow.identities, strict=True)]
    found.hashes = {line_hash for line_hash, _ in pairs if line_hash.startswith(prefix)}
    if not found.hashes:
        found.hashes = {line_hash for line_hash, identity in pairs if identity and identity.startswith(prefix)}
    identities = {identity for line_hash, identity in pairs if line_hash in found.hashes and identity}
    for narrow in tables:
        rows = zip(narrow.hashes, narrow.identities, strict=True)
        if any(line_hash in found.hashes or identity in identities for line_hash, identity in rows):
            found.periods.add(narrow.period)
    return found


def periods_that_only_read(store: IntermediateStore, prefix: str) -> list[str]:
    """Periods whose assignments hold the hash; asked where no resolved row does: they wait for being resolved."""
    tables = _narrow_tables(store, _ASSIGNMENTS, (_HASH,))
    return [
        narrow.period
        for _, narrow in tables
        if narrow is not None and any(line_hash.startswith(prefix) for line_hash in narrow.hashes)
    ]


def stored_periods(store: IntermediateStore) -> list[str]:
    """The periods whose resolved line items are stored."""
    return [_period_of(name) for name in _files(store, _RESOLVED)]


def resolved_periods(store: IntermediateStore, periods: Iterable[str]) -> dict[str, ResolvedPeriod]:
    """The whole tables of some periods; a period without a file is left out."""
    wanted = sorted(periods)
    with ThreadPoolExecutor(_THREADS) as pool:
        contents = pool.map(store.read, [f"{_RESOLVED}/{period}.parquet" for period in wanted])
        return {
            period: decode_resolved(content)
            for period, content in zip(wanted, contents, strict=True)
            if content is not None
        }


def _narrow_tables(store: IntermediateStore, folder: str, columns: tuple[str, ...]) -> list[tuple[str, _Narrow | None]]:
    """Some columns of every file of a folder; None for a file that is no table of ours."""
    names = _files(store, folder)
    with ThreadPoolExecutor(_THREADS) as pool:
        contents = zip(names, pool.map(store.read, names), strict=True)
        return [(name, _narrow(name, content, columns)) for name, content in contents if content is not None]


def _narrow(name: str, content: bytes, columns: tuple[str, ...]) -> _Narrow | None:
    import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table: pa.Table = pq.ParquetFile(pa.BufferReader(content)).read(columns=list(columns), use_threads=False)
        values = [table[column].to_pylist() for column in columns]
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None
    hashes = [text or "" for text in values[0]]
    return _Narrow(_period_of(name), hashes, values[1] if len(values) > 1 else [None] * len(hashes))


def _files(store: IntermediateStore, folder: str) -> list[str]:
    return [name for name in store.names(folder) if name.endswith(".parquet")]


def _period_of(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".parquet")
