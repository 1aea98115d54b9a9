"""What the stored periods bill, read column by column: only the shares that a period at hand is compared with.

Source: DESIGN.md decision 12. The comparisons themselves are rules of the domain (`shares`, `duplicated_invoices`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing_assets.domain.resolved import Status
from billing_assets.domain.shares import BilledShare
from billing_assets.stores.parquet import header_of

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa

    from billing_assets.stores.intermediate import IntermediateStore

_FOLDER = "resolved_line_items"
_THREADS = 8
_INVOICE = ("account_number", "service_start", "service_end", "utility_name")
_SEPARATOR = "\x1f"
_COLUMNS = {
    "found_s3_key": "found_s3_key",
    "position": "position",
    "line_identity": "line_identity",
    "line_hash": "line_hash",
    "assignment_id": "assignment_id",
    "assigned_amount": "share_usd",
    "billed_amount": "billed_usd",
    "months": "months",
    "charge": "charge_usd",
    **{name: name for name in (*_INVOICE, "line_charge")},
}
"""The columns of a stored period, and what a share calls them."""


@dataclass(slots=True)
class StoredShares:
    """Shares of other periods that a period is to be compared with."""

    shares: list[BilledShare] = field(default_factory=list)
    periods: list[str] = field(default_factory=list)
    """The periods that were looked through."""
    unreadable: list[str] = field(default_factory=list)
    """Files that are no table of resolved line items as we write them now; running their periods again mends them."""


def shares_beside(store: IntermediateStore, own: Collection[BilledShare], partition: str) -> StoredShares:
    """The billed shares of all other stored periods that have a line or an invoice in common with `own`.

    A little more may come: two families may hold lines of one hash, and an invoice is recognised here without its
    amount. The domain looks closely.

    Args:
        store: The intermediate Parquet.
        own: What the period at hand bills.
        partition: The period at hand, whose stored table is about to be replaced.
    """
    found = StoredShares()
    if not own:
        return found
    names = [name for name in store.names(_FOLDER) if name.endswith(".parquet") and name != _name_of(partition)]
    wanted = _wanted_by(own)
    with ThreadPoolExecutor(_THREADS) as pool:
        for name, content in zip(names, pool.map(store.read, names), strict=True):
            if content is None:
                continue
            shares = _shares_in(content, wanted)
            if shares is None:
                found.unreadable.append(name)
            else:
                found.periods.append(name.removeprefix(f"{_FOLDER}/").removesuffix(".parquet"))
                found.shares.extend(shares)
    return found


@dataclass(frozen=True, slots=True)
class _Wanted:
    identities: pa.Array
    invoices: pa.Array


def _wanted_by(own: Collection[BilledShare]) -> _Wanted:
    import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used

    texts = {share.line_identity for share in own}, {_invoice_of(share) for share in own}
    return _Wanted(*(pa.array(sorted(of_kind), type=pa.string()) for of_kind in texts))


def _name_of(partition: str) -> str:
    return f"{_FOLDER}/{partition}.parquet"


def _invoice_of(share: BilledShare) -> str:
    return _SEPARATOR.join(getattr(share, name) for name in _INVOICE)


def _shares_in(content: bytes, wanted: _Wanted) -> list[BilledShare] | None:
    """The shares of one file that are wanted; None if it is no table of ours."""
    import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        if not {*_COLUMNS, "status"} <= set(file.schema_arrow.names):
            return None
        partition, read_at = header_of(file.schema_arrow)
        table = file.read(columns=["status", *_COLUMNS], use_threads=False)
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None
    table = table.filter(pc.equal(table["status"], Status.BILLABLE.value))
    invoices = pc.binary_join_element_wise(*(table[name] for name in _INVOICE), _SEPARATOR)
    same_line = pc.is_in(table["line_identity"], value_set=wanted.identities)
    alike = pc.or_(same_line, pc.is_in(invoices, value_set=wanted.invoices))
    return [BilledShare(partition, read_at, **_fields_of(row)) for row in table.filter(alike).to_pylist()]


def _fields_of(row: dict[str, Any]) -> dict[str, Any]:
    fields = {name: row[column] for column, name in _COLUMNS.items()}
    fields["share_usd"] = Decimal(row["assigned_amount"])
    fields["charge_usd"] = None if row["charge"] is None else Decimal(row["charge"])
    return fields
