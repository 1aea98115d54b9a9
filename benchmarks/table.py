"""An assignments table as DynamoDB would send it, page by page, for the server in memory.

Pages end at 1 MB, a Scan comes in four segments, a Query in one; what a page holds is encoded once. No emulator holds
100,000 records and answers at a speed that would say anything about the reader.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

NAME = "jrk-bill-ubi-assignments"
SEGMENTS = 4
_PAGE_BYTES = 1_000_000
_FILE = "table.tsv"


def write_table(folder: Path, records: int, in_period: int | None = None) -> None:
    """Invent so many records of fourteen months, `in_period` of them in the last one (a fourteenth, if None)."""
    folder.mkdir(parents=True)
    own = records // 14 if in_period is None else in_period
    with (folder / _FILE).open("w") as file:
        for number in range(records):
            period = "01/2026" if number < own else f"{number % 12 + 1:02d}/2025"
            file.write(f"{period}\t{_item(number, period)}\n")


def _item(number: int, period: str) -> str:
    key = f"Bill_Parser_4_Enriched_Outputs/yyyy=2026/mm=01/dd=09/V-{number // 5:06d}_20260109T101500Z.jsonl"
    values = {
        "assignment_id": {"S": f"ua-{number:07d}"},
        "line_hash": {"S": f"{number * 2654435761 % 2**64:064x}"},
        "ubi_period": {"S": period},
        "s3_key": {"S": key},
        "bill_id": {"S": f"bill-{number // 5:06d}"},
        "line_index": {"N": str(number % 5)},
        "amount": {"N": f"{number % 9000 / 100 + 6:.2f}"},
        "months": {"N": "1"},
        "assigned_by": {"S": f"reviewer-{number % 9}"},
        "assigned_date": {"S": f"2026-02-{number % 28 + 1:02d}T09:{number % 60:02d}:00Z"},
    }
    return json.dumps(values, separators=(",", ":"))


class ServedTable:
    """The answers that a table gives.

    Args:
        items: Each with its period in front, and a tab between.
    """

    def __init__(self, items: list[str]) -> None:
        by_period: dict[str, list[str]] = {}
        encoded = []
        for item in items:
            period, _, text = item.partition("\t")
            by_period.setdefault(period, []).append(text)
            encoded.append(text)
        self._records = len(items)
        self._size_bytes = sum(map(len, encoded))
        self._segments = [_pages(encoded[segment::SEGMENTS]) for segment in range(SEGMENTS)]
        self._by_period = {period: _pages(texts) for period, texts in by_period.items()}

    @classmethod
    def is_in(cls, folder: Path) -> bool:
        """Whether a folder holds one."""
        return (folder / _FILE).is_file()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What `write_table` wrote."""
        return cls((folder / _FILE).read_text().splitlines())

    def answer(self, operation: str, request: dict[str, Any]) -> bytes:
        """The body of the answer to an operation, its name in small letters."""
        if operation == "describetable":
            table = {"TableName": NAME, "ItemCount": self._records, "TableSizeBytes": self._size_bytes}
            return json.dumps({"Table": {**table, "TableStatus": "ACTIVE"}}).encode()
        page = int(request.get("ExclusiveStartKey", {}).get("page", {}).get("N", "0"))
        if operation == "scan":
            return self._segments[request["Segment"]][page]
        pages = self._by_period.get(request["ExpressionAttributeValues"][":period"]["S"], _pages([]))
        return pages[page]


def _pages(items: list[str]) -> list[bytes]:
    parts: list[list[str]] = [[]]
    size = 0
    for item in items:
        if size + len(item) > _PAGE_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += len(item)
    return [_page(part, number + 1 if number + 1 < len(parts) else None) for number, part in enumerate(parts)]


def _page(items: list[str], following: int | None) -> bytes:
    units = sum(map(len, items)) / 4096
    rest = "" if following is None else f',"LastEvaluatedKey":{{"page":{{"N":"{following}"}}}}'
    capacity = f'"ConsumedCapacity":{{"TableName":"{NAME}","CapacityUnits":{units:.1f}}}'
    counts = f'"Count":{len(items)},"ScannedCount":{len(items)}'
    return f'{{{capacity},{counts},"Items":[{",".join(items)}]{rest}}}'.encode()
