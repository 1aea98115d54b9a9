"""UBI assignments: one record is one share of one bill line billed to one UBI period.

Source: SPEC.md sections 1.1 and 2. A record that can't be used keeps its place, with the reason in `fault`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal  # a Struct's annotations can be asked for
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.json_text import NumberText, storable
from billing_assets.domain.money import MoneyError, exact_number, parse_money
from billing_assets.domain.periods import Month, PeriodError, UbiPeriod

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WHOLE = re.compile(r"([0-9]+)(?:\.0*)?", re.ASCII)
_LARGEST_WHOLE = 2**63 - 1

BAD_MONTHS = "bad_months"
BAD_AMOUNT = "bad_amount"
MISSING_LINE_HASH = "missing_field:line_hash"
MISSING_S3_KEY = "missing_field:s3_key"


class Assignment(msgspec.Struct, frozen=True, gc=False):
    """One assignment record as it was read; texts are `""` where the record says nothing."""

    assignment_id: str
    line_hash: str
    ubi_period: str
    """The period as the record spells it."""
    s3_key: str
    bill_id: str
    line_index: int | None
    """Where the line stood when it was assigned: a hint."""
    amount: Decimal | None
    """Exact dollars billed to this period; None if absent or no money."""
    amount_text: str
    """The amount as stored, `""` if absent."""
    months: int
    """Into how many periods the line is split; 1 if the record's text can't be read."""
    months_text: str
    assigned_by: str
    assigned_date: str
    notes: str
    fault: str
    """Why the record is unusable, `""` if it isn't."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Assignment:
        """Read a record whose numbers are `NumberText`; nothing in a record is an error here, only a fault."""
        amount_text, amount, bad_amount = _amount_of(record.get("amount"))
        months_text, months = _months_of(record)
        line_hash, s3_key = _text(record.get("line_hash")).strip(), _text(record.get("s3_key"))
        faults = (
            (not line_hash, MISSING_LINE_HASH),
            (not s3_key.strip(), MISSING_S3_KEY),
            (months is None, BAD_MONTHS),
            (bad_amount, BAD_AMOUNT),
        )
        return cls(
            assignment_id=_text(record.get("assignment_id")),
            line_hash=line_hash,
            ubi_period=period_text(record),
            s3_key=s3_key,
            bill_id=_scalar_text(record.get("bill_id")),
            line_index=_hint_of(record.get("line_index")),
            amount=amount,
            amount_text=amount_text,
            months=months or 1,
            months_text=months_text,
            assigned_by=_scalar_text(record.get("assigned_by")),
            assigned_date=_scalar_text(record.get("assigned_date")),
            notes=_scalar_text(record.get("notes")),
            fault=next((fault for found, fault in faults if found), ""),
        )

    @property
    def period(self) -> UbiPeriod:
        """The period that the record names.

        Raises:
            PeriodError: It names none; such a record belongs to no partition.
        """
        return UbiPeriod.parse(self.ubi_period)

    @property
    def order(self) -> tuple[Any, ...]:
        """A total order of records that doesn't depend on how they were read."""
        hint = -1 if self.line_index is None else self.line_index
        return (
            *(self.s3_key, hint, self.line_hash, self.assignment_id, self.ubi_period, self.amount_text),
            *(self.months_text, self.assigned_date, self.bill_id, self.assigned_by, self.notes),
        )


@dataclass(frozen=True, slots=True)
class PartitionRange:
    """The months that are partitions, both ends included."""

    first: Month
    last: Month

    def partition_of(self, text: str) -> str | None:
        """The partition key of a period text; None if it belongs to no partition."""
        try:
            period = UbiPeriod.parse(text)
        except PeriodError:
            return None
        return period.partition if self.first <= period.first <= self.last else None


@dataclass(slots=True)
class TableReading:
    """What one read of the assignments table says of one partition and of the whole.

    The law: the records of all partitions and the records of no partition add up to `records_scanned`.
    """

    partition: str | None
    assignments: list[Assignment] = field(default_factory=list)
    records_by_partition: Counter[str] = field(default_factory=Counter)
    no_partition: list[Assignment] = field(default_factory=list)
    records_scanned: int = 0
    whole_table: bool = True
    """False if only the partition's own records were read, by the index."""

    @classmethod
    def of(
        cls,
        records: Iterable[Mapping[str, Any]],
        partitions: PartitionRange,
        partition: str | None,
        *,
        whole_table: bool = True,
    ) -> TableReading:
        """Sort records into the wanted partition, the other ones, and none."""
        reading = cls(partition, whole_table=whole_table)
        partition_of_text: dict[str, str | None] = {}
        for record in records:
            reading.records_scanned += 1
            text = period_text(record)
            if text not in partition_of_text:
                partition_of_text[text] = partitions.partition_of(text)
            found = partition_of_text[text]
            if found is None:
                reading.no_partition.append(Assignment.from_record(record))
                continue
            reading.records_by_partition[found] += 1
            if found == partition:
                reading.assignments.append(Assignment.from_record(record))
        reading.assignments.sort(key=lambda assignment: assignment.order)
        reading.no_partition.sort(key=lambda assignment: assignment.order)
        return reading

    @property
    def all_accounted_for(self) -> bool:
        """Whether every record read belongs to a partition or is listed as belonging to none."""
        return self.records_accounted_for == self.records_scanned

    @property
    def records_accounted_for(self) -> int:
        """Records in all partitions and in none; equals `records_scanned` unless one was lost."""
        return sum(self.records_by_partition.values()) + len(self.no_partition)


def period_text(record: Mapping[str, Any]) -> str:
    """The period as the record spells it; what is no text is shown as one, which is never a period."""
    value = record.get("ubi_period")
    if isinstance(value, NumberText):
        return f"number {value}"
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, NumberText) or not isinstance(value, str):
        return ""
    return storable(value)


def _scalar_text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def _amount_of(value: Any) -> tuple[str, Decimal | None, bool]:
    """The amount's text, its exact value, and whether it is there but no money."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "", None, False
    if not isinstance(value, str):
        return storable(str(value)), None, True
    try:
        amount = exact_number(value) if isinstance(value, NumberText) else parse_money(value)
    except MoneyError:
        return storable(value), None, True
    return str(value), amount, False


def _months_of(record: Mapping[str, Any]) -> tuple[str, int | None]:
    """The months' text and their number; None if the text is no whole number of 1 or more."""
    for name in ("months", "months_total"):
        value = record.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        months = _whole(value)
        return storable(str(value)), months or None
    return "", 1


def _hint_of(value: Any) -> int | None:
    return None if value is None else _whole(value)


def _whole(value: Any) -> int | None:
    if not isinstance(value, str):
        return None
    text = value.strip()
    if isinstance(value, NumberText):
        return _whole_number(text)
    match = _WHOLE.fullmatch(text)
    # A text of many digits is no count of months; int() refuses it beyond a few thousand.
    if match is None or len(match[1]) > 19 or int(match[1]) > _LARGEST_WHOLE:
        return None
    return int(match[1])


def _whole_number(text: str) -> int | None:
    try:
        number = exact_number(text)
    except MoneyError:
        return None
    return int(number) if number >= 0 and number == int(number) else None
