"""Sentences of SPEC.md section 1.1 about the table: its key, and its index by UBI period."""

from __future__ import annotations

from dataclasses import dataclass

from billing_assets.domain.probe.misfits import Misfit

_KEYS = (("line_hash",), ("assignment_id",))
_PERIOD = "ubi_period"


@dataclass(frozen=True, slots=True)
class TableIndex:
    """A secondary index as DynamoDB describes it."""

    name: str
    key: tuple[str, ...]
    projection: str


@dataclass(frozen=True, slots=True)
class TableShape:
    """The table as DynamoDB describes it."""

    name: str
    records: int
    """As DynamoDB last counted them, about every six hours."""
    size_bytes: int
    key: tuple[str, ...]
    indexes: tuple[TableIndex, ...]


def table_misfits(table: TableShape, index_name: str) -> list[Misfit]:
    """What of the table is otherwise.

    Args:
        table: As described.
        index_name: What the settings call the index.
    """
    return [*_key(table), *_index(table, index_name)]


def _key(table: TableShape) -> list[Misfit]:
    if table.key in _KEYS:
        return []
    key = " + ".join(table.key)
    # Nothing relies on the key, so this is worth knowing and no more.
    remedy = "nothing: the key is never relied on"
    return [Misfit("1.1", "the key is `line_hash` or `assignment_id`", "another key", 1, 1, key, remedy, is_rule=False)]


def _index(table: TableShape, name: str) -> list[Misfit]:
    by_name = {index.name: index for index in table.indexes}
    sentence = f"the index {name} is by `{_PERIOD}` and projects ALL attributes"
    if name not in by_name:
        other = next((index.name for index in table.indexes if index.key[:1] == (_PERIOD,)), "")
        remedy = (
            f"set BILLING_ASSIGNMENTS_INDEX={other}" if other else "make it, or keep to Scan: BILLING_SCAN_LIMIT_MB"
        )
        example = ", ".join(f"{index.name} by {' + '.join(index.key)}" for index in table.indexes) or "no index at all"
        return [Misfit("1.1", sentence, "there is no index of that name", 1, 1, example, remedy)]
    index = by_name[name]
    if index.key[:1] != (_PERIOD,) or index.projection != "ALL":
        example = f"{name} by {' + '.join(index.key)}, projection {index.projection}"
        remedy = "make an index by `ubi_period` with projection ALL, or keep to Scan: BILLING_SCAN_LIMIT_MB"
        return [Misfit("1.1", sentence, "an index of another form", 1, 1, example, remedy)]
    return []
