"""What completion reads of the stored tables, column by column: the accounts, and which accounts' bills a period has.

Source: DESIGN.md decisions 5 and 12. What it means is a rule of the domain (`completion`, `completion_grid`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_assets.domain.completion import ASSIGNING, AccountBills, BilledRow, bills_by_account
from billing_assets.domain.resolved import Status
from billing_assets.domain.stage4 import ObjectFamily
from billing_assets.stores.parquet import decode_accounts, header_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from billing_assets.domain.period_tables import AccountsToTrack
    from billing_assets.stores.intermediate import IntermediateStore

_FOLDER = "resolved_line_items"
_ACCOUNTS = "accounts_to_track.parquet"
_COLUMNS = ["property_id", "account_number", "status", "found_s3_key", "billed_amount"]
_THREADS = 8


@dataclass(slots=True)
class StoredBills:
    """The bills of stored periods, by partition key."""

    bills: dict[str, list[AccountBills]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    """Files that are no table of resolved line items as we write them now; running their periods again mends them."""


def read_accounts(store: IntermediateStore) -> AccountsToTrack | None:
    """The accounts as they were read last; None if they never were, or the file is none of ours."""
    import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used

    content = store.read(_ACCOUNTS)
    try:
        return None if content is None else decode_accounts(content)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None


def read_bills(store: IntermediateStore, wanted: Callable[[str], bool] = lambda _: True) -> StoredBills:
    """The bills of the stored periods whose partition key is wanted, each in order of property and number."""
    found = StoredBills()
    names = [name for name in store.names(_FOLDER) if name.endswith(".parquet") and wanted(_partition_of(name))]
    with ThreadPoolExecutor(_THREADS) as pool:
        # Decoding in the threads' order, one at a time, keeps no more than a few files in memory.
        for name, content in zip(names, pool.map(store.read, names), strict=True):
            rows = None if content is None else _rows_in(content)
            if rows is not None:
                found.bills[_partition_of(name)] = bills_by_account(rows)
            elif content is not None:
                found.unreadable.append(name)
    return found


def _partition_of(name: str) -> str:
    return name.removeprefix(f"{_FOLDER}/").removesuffix(".parquet")


def _rows_in(content: bytes) -> Iterable[BilledRow] | None:
    """The assigning rows of one file; None if it is no table of ours."""
    import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        if not set(_COLUMNS) <= set(file.schema_arrow.names):
            return None
        header_of(file.schema_arrow)
        table = file.read(columns=_COLUMNS, use_threads=False)
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None
    assigning = pa.array(sorted(status.value for status in ASSIGNING))
    return _rows_of(table.filter(pc.is_in(table["status"], value_set=assigning)))


def _rows_of(table: pa.Table) -> Iterable[BilledRow]:
    families: dict[str, str] = {}
    columns = (table[name].to_pylist() for name in _COLUMNS)
    for property_id, number, status, key, billed in zip(*columns, strict=True):
        family = families.get(key)
        if family is None:
            family = families[key] = repr(ObjectFamily.of(key).identity)
        yield BilledRow(property_id or "", number or "", Status(status), family, billed)
