"""The Parquet form of what passes from asset to asset, there and back without loss.

One column list for each table says its names, types and meanings; the assets' pages show the same list.
"""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing_assets.domain.accounts import AccountToTrack
from billing_assets.domain.assignments import Assignment
from billing_assets.domain.line_items import FLAGS, SPELLINGS, LineItem
from billing_assets.domain.money import plain
from billing_assets.domain.period_tables import (
    AccountsToTrack,
    AssignmentsOfPeriod,
    CompletionOfPeriod,
    GridOfPeriods,
    ResolvedPeriod,
)
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets.domain.stage4 import NamedLine
from billing_assets.stores.columns import Column
from billing_assets.stores.completion_columns import (
    COMPLETION_COLUMNS,
    GRID_COLUMNS,
    completion_values,
    grid_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa


ASSIGNMENT_COLUMNS = (
    Column("assignment_id", "text", "key of the record where the table has one"),
    Column("line_hash", "text", "identity of the bill line, as assigned"),
    Column("ubi_period", "text", "UBI period, as the record spells it"),
    Column("s3_key", "text", "object that held the line when it was assigned"),
    Column("bill_id", "text", "bill identifier"),
    Column("line_index", "whole", "position of the line when it was assigned: a hint"),
    Column("amount", "text", "exact US dollars billed to this period; null if absent or unreadable"),
    Column("amount_text", "text", "the amount as stored"),
    Column("months", "whole", "into how many UBI periods the line is split"),
    Column("months_text", "text", "the months as stored"),
    Column("assigned_by", "text", "who assigned it"),
    Column("assigned_date", "text", "when, as stored"),
    Column("notes", "text", "their notes"),
    Column("fault", "text", "why the record is unusable, blank if it isn't"),
)
_LINE_TEXTS = tuple(Column(name, "text", f"from {', '.join(fields)}") for name, fields in SPELLINGS.items())
_LINE_FLAGS = tuple(Column(name, "flag", f"from {', '.join(fields)}") for name, fields in FLAGS.items())
RESOLVED_COLUMNS = (
    Column("status", "text", "what became of the assignment: only `billable` is billed"),
    Column("reason", "text", "why it is not billed"),
    Column("detail", "text", "what helps a person to mend it"),
    Column("billed_amount", "cents", "US dollars, rounded half-even to cents once; billed if the status is `billable`"),
    Column("assigned_amount", "text", "the exact amount before rounding"),
    Column("found_s3_key", "text", "object where the line was found"),
    Column("position", "whole", "where it was found, counting non-blank lines from 0"),
    Column("hash_version", "text", "which of the two hashes the record holds"),
    Column("line_identity", "text", "the line in every period: its v2 hash, #, and how many equal lines precede it"),
    Column("relocated", "flag", "found under another key than the record's"),
    *ASSIGNMENT_COLUMNS,
    *_LINE_TEXTS,
    *_LINE_FLAGS,
    Column("charge", "text", "the line's override or charge as exact dollars, undivided; null if unreadable"),
)
ACCOUNT_COLUMNS = (
    Column("account_number", "text", "account at the vendor"),
    Column("property_id", "text", "property; blank matches by number alone where that is unique"),
    Column("property_name", "text", "shown, never matched"),
    Column("vendor_id", "text", "vendor"),
    Column("vendor_name", "text", "shown, never matched"),
    Column("gl_account_number", "text", "general ledger account"),
    Column("gl_account_name", "text", "its name"),
    Column("days_between_bills", "whole", "days; null if unknown"),
    Column("is_tracked", "flag", "on the tracker"),
    Column("is_ubi", "flag", "billed to residents"),
)

_ASSIGNMENT_FIELDS = tuple(column.name for column in ASSIGNMENT_COLUMNS if column.name != "amount")
_ITEM_FIELDS = (*SPELLINGS, *FLAGS)
_AMOUNT = Assignment.__struct_fields__.index("amount")
_OWN_FIELDS = tuple(column.name for column in RESOLVED_COLUMNS[:9])
_LINE_FIELDS = tuple("charge" if name == "charge_usd" else name for name in LineItem.__struct_fields__)
_MOSTLY_DIFFERENT = frozenset({"assignment_id", "line_hash", "line_identity"})
_ROWS_AT_ONCE = 2048
"""A reader holds so many rows in Parquet's form and no more, in a file of any size."""

_assignment: Callable[..., Assignment] = Assignment
_line_item: Callable[..., LineItem] = LineItem
_READ_AT = b"read_at_utc"
_PARTITION = b"partition"


def encode(
    table: AssignmentsOfPeriod | ResolvedPeriod | AccountsToTrack | CompletionOfPeriod | GridOfPeriods,
) -> bytes:
    """One Parquet file, serialised whole; equal input gives equal bytes."""
    if isinstance(table, CompletionOfPeriod):
        completion = table.completion
        return _bytes_of(COMPLETION_COLUMNS, completion_values(completion), completion.period, table.read_at_utc)
    if isinstance(table, GridOfPeriods):
        columns = (*GRID_COLUMNS, *(Column(period, "text", "") for period in table.grid.periods))
        return _bytes_of(columns, grid_values(table.grid), "", table.read_at_utc)
    if isinstance(table, AccountsToTrack):
        values = {name: [getattr(row, name) for row in table.accounts] for name in _names(ACCOUNT_COLUMNS)}
        return _bytes_of(ACCOUNT_COLUMNS, values, "", table.read_at_utc)
    if isinstance(table, AssignmentsOfPeriod):
        values = _assignment_values(table.assignments)
        return _bytes_of(ASSIGNMENT_COLUMNS, values, table.partition, table.read_at_utc)
    values = _assignment_values([row.assignment for row in table.rows]) | _resolved_values(table.rows)
    return _bytes_of(RESOLVED_COLUMNS, values, table.partition, table.read_at_utc)


def decode_assignments(content: bytes) -> AssignmentsOfPeriod:
    """What `encode` wrote."""
    columns = _Columns(content)
    return AssignmentsOfPeriod(*columns.header, list(_assignments_of(columns)))


def decode_resolved(content: bytes) -> ResolvedPeriod:
    """What `encode` wrote."""
    columns = _Columns(content)
    rows = map(_row_of, _assignments_of(columns), columns.rows(_OWN_FIELDS), columns.rows(_LINE_FIELDS))
    return ResolvedPeriod(*columns.header, list(rows))


def decode_accounts(content: bytes) -> AccountsToTrack:
    """What `encode` wrote."""
    columns = _Columns(content)
    names = _names(ACCOUNT_COLUMNS)
    accounts = [AccountToTrack(**dict(zip(names, row, strict=True))) for row in columns.rows(names)]
    return AccountsToTrack(columns.header[1], accounts)


def _names(columns: Sequence[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _assignment_values(assignments: Sequence[Assignment]) -> dict[str, list[Any]]:
    values = {name: [getattr(assignment, name) for assignment in assignments] for name in _ASSIGNMENT_FIELDS}
    values["amount"] = [_text_of(assignment.amount) for assignment in assignments]
    return values


def _assignments_of(columns: _Columns) -> Iterator[Assignment]:
    """Equal texts and amounts are held once."""
    decimals: dict[str | None, Decimal | None] = {None: None}
    for values in columns.rows(Assignment.__struct_fields__):
        amount = values[_AMOUNT]
        if amount not in decimals:
            decimals[amount] = _decimal_of(amount)
        yield _assignment(*values[:_AMOUNT], decimals[amount], *values[_AMOUNT + 1 :])


def _resolved_values(rows: Sequence[ResolvedLineItem]) -> dict[str, list[Any]]:
    items = [row.item for row in rows]
    values: dict[str, list[Any]] = {
        "status": [row.status.value for row in rows],
        "reason": [row.reason for row in rows],
        "detail": [row.detail for row in rows],
        "billed_amount": [row.billed_usd for row in rows],
        "assigned_amount": [_text_of(row.assigned_usd) for row in rows],
        "found_s3_key": [row.found_key for row in rows],
        "position": [None if row.line is None else row.line.position for row in rows],
        "hash_version": [None if row.line is None else row.line.version for row in rows],
        "line_identity": [None if row.line is None else row.line.identity for row in rows],
        "relocated": [row.relocated for row in rows],
        "charge": [None if item is None else _text_of(item.charge_usd) for item in items],
    }
    values |= {name: [None if item is None else getattr(item, name) for item in items] for name in _ITEM_FIELDS}
    return values


def _row_of(assignment: Assignment, own: tuple[Any, ...], of_line: tuple[Any, ...]) -> ResolvedLineItem:
    status, reason, detail, billed, assigned, found_key, position, version, identity = own
    line = None
    if position is not None:
        item = _line_item(*of_line[:-1], _decimal_of(of_line[-1]))
        line = NamedLine(position, *NamedLine.slot_of(identity), version, item)
    return ResolvedLineItem(
        assignment=assignment,
        status=Status(status),
        reason=reason,
        detail=detail,
        line=line,
        found_key=found_key,
        assigned_usd=_decimal_of(assigned),
        billed_usd=billed,
    )


def _text_of(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _decimal_of(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _schema(columns: Sequence[Column], metadata: dict[bytes, bytes]) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used

    types = {"text": pa.string(), "whole": pa.int64(), "flag": pa.bool_(), "cents": pa.decimal128(18, 2)}
    fields = [pa.field(column.name, types[column.kind]) for column in columns]
    return pa.schema(fields, metadata=metadata)


def _bytes_of(
    columns: Sequence[Column], values: dict[str, list[Any]], partition: str, read_at_utc: dt.datetime
) -> bytes:
    import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used
    import pyarrow.parquet as pq  # noqa: PLC0415

    metadata = {_PARTITION: partition.encode(), _READ_AT: read_at_utc.isoformat().encode()}
    schema = _schema(columns, metadata)
    arrays = [pa.array(values[field.name], type=field.type) for field in schema]
    buffer = io.BytesIO()
    table = pa.Table.from_arrays(arrays, schema=schema)
    pq.write_table(table, buffer, row_group_size=_ROWS_AT_ONCE, compression="zstd")
    return buffer.getvalue()


class _Columns:
    """A file's columns, a batch at a time: all that is read never stands beside all that is made of it."""

    def __init__(self, content: bytes) -> None:
        import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used
        import pyarrow.parquet as pq  # noqa: PLC0415

        # `read_table` would import pyarrow's datasets, and with them pandas.
        self._file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
        self.header = header_of(self._file.schema_arrow)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The values of some columns, row by row; equal values of a column are one object."""
        held: list[dict[Any, Any]] = [{} for _ in names]
        for batch in self._file.iter_batches(_ROWS_AT_ONCE, columns=list(names), use_threads=False):
            columns = []
            for name, known in zip(names, held, strict=True):
                values = batch.column(name).to_pylist()
                columns.append(values if name in _MOSTLY_DIFFERENT else list(map(known.setdefault, values, values)))
            yield from zip(*columns, strict=True)


def header_of(schema: pa.Schema) -> tuple[str, dt.datetime]:
    """A file's partition, and when what it holds was read.

    Raises:
        KeyError: The file is none of ours.
    """
    metadata = schema.metadata or {}
    return metadata[_PARTITION].decode(), dt.datetime.fromisoformat(metadata[_READ_AT].decode())
