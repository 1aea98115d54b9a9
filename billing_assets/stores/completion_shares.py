"""How complete each stored period is, read from two columns of what completion keeps; no error if it keeps nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from billing_assets.domain.errors import UnreadableInputError
from billing_assets.domain.period_status import Completed, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_assets.stores.intermediate import IntermediateStore

NAME = "completion_tracker"
_PERIOD, _STATE, _MISSING = "ubi_period", "state", "missing"


def completed_periods(store: IntermediateStore) -> dict[str, Completed | Unknown]:
    """By partition key; a file that can't be read as such a table is `Unknown` under its period.

    One file a period, or one of all periods, as completion likes.

    Raises:
        UnreadableInputError: The one file of all periods is no such table.
    """
    found: dict[str, Completed | Unknown] = {}
    for name in (f"{NAME}.parquet", *store.names(NAME)):
        content = store.read(name) if name.endswith(".parquet") else None
        if content is None:
            continue
        own = "" if name == f"{NAME}.parquet" else name.removeprefix(f"{NAME}/").removesuffix(".parquet")
        try:
            found |= dict(_shares(content, own))
        except ValueError as error:
            if not own:
                raise UnreadableInputError(
                    f"{NAME} can't be read",
                    where=store.uri_of(name),
                    found=str(error),
                    remedy=f"materialize {NAME} again",
                ) from error
            found[own] = Unknown(str(error))
    return found


def _shares(content: bytes, own: str) -> Iterator[tuple[str, Completed]]:
    import pyarrow as pa  # noqa: PLC0415  # vendor, imported when used
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        if not {_PERIOD, _STATE} <= set(file.schema_arrow.names):
            raise ValueError(f"{NAME} has no column {_PERIOD} or {_STATE}")
        table = file.read(columns=[_PERIOD, _STATE], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{NAME} can't be read") from error
    counts: Counter[tuple[str, bool]] = Counter()
    for period, state in zip(table[_PERIOD].to_pylist(), table[_STATE].to_pylist(), strict=True):
        counts[period, state != _MISSING] += 1
    for period in {own} - {""} | {period for period, _ in counts}:
        assigned = counts[period, True]
        yield period, Completed(assigned, assigned + counts[period, False])
