"""What becomes of every assignment: one row each, with a status that says whether and why it is billed.

Source: SPEC.md sections 3 to 6. Locating the lines lives in `resolution`; grouping the billable rows in `master_bills`.
"""

from __future__ import annotations

from decimal import Context, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from billing_assets.domain.assignments import BAD_AMOUNT, Assignment
from billing_assets.domain.missing_line import Explainer
from billing_assets.domain.money import share_in_cents
from billing_assets.domain.resolution import LINE_NOT_FOUND, Located, ObjectSource, ReadingFigures, Resolution
from billing_assets.domain.stage4 import NamedLine  # a Struct's annotations can be asked for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_assets.domain.line_items import LineItem

MISSING_PROPERTY_ID = "missing_property_id"
MISSING_CHARGE_CODE = "missing_charge_code"

_QUOTIENT = Context(prec=60)
"""A charge divided by its months may never end; its raw value is kept to sixty digits."""


class Status(StrEnum):
    """What became of an assignment, in the order in which it is decided."""

    INVALID = "invalid"
    UNRESOLVED = "unresolved"
    DUPLICATE = "duplicate"
    EXCLUDED = "excluded"
    UNBILLABLE = "unbillable"
    BILLABLE = "billable"


UNBILLED = (Status.INVALID, Status.UNRESOLVED, Status.UNBILLABLE)
"""What people have to mend; the others are as they should be."""


class ResolvedLineItem(msgspec.Struct, frozen=True, gc=False):
    """One assignment, the line it was given, and what becomes of it."""

    assignment: Assignment
    status: Status
    reason: str
    detail: str
    """For a person: why an object can't be read, or what stands where the line was."""
    line: NamedLine | None
    """The line that it is billed with; for a duplicate, one that it names and another record has."""
    found_key: str
    """The object that holds the line, `""` without one."""
    assigned_usd: Decimal | None
    """The raw amount: the record's own, else the line's charge divided by the months; never rounded to cents."""
    billed_usd: Decimal | None
    """The same in whole cents; None where there is no readable amount. Only billable rows are billed."""

    @property
    def relocated(self) -> bool:
        """Whether the line was found under another key than the record's."""
        return self.line is not None and self.found_key != self.assignment.s3_key

    @property
    def item(self) -> LineItem | None:
        """The fields of the line, if there is one."""
        return None if self.line is None else self.line.item


def resolve(assignments: Sequence[Assignment], source: ObjectSource) -> tuple[list[ResolvedLineItem], ReadingFigures]:
    """Give every assignment of one partition its line and its status.

    The law: as many rows as assignments, in their order, whatever the order in which objects arrive. A line is given
    to one record only.

    Args:
        assignments: In a fixed order, all of one partition.
        source: Where objects come from; its exceptions pass through, so that a partial period is never called whole.
    """
    resolution = Resolution(assignments)
    rows = [_invalid(record) if record.fault else None for record in assignments]
    explainer = Explainer()
    for search in resolution.run(source):
        if search.picks:
            for place, record, line in zip(search.places, search.records, search.picks, strict=True):
                rows[place] = _given(record, line, search.picked_from)
            continue
        shared = share_out(search.records, search.located)
        for place, record, located, given in zip(search.places, search.records, search.located, shared, strict=True):
            rows[place] = _left(record, located, explainer) if given is None else _given(record, given, located.key)
    found = [row for row in rows if row is not None]
    if len(found) != len(assignments):
        raise RuntimeError(f"{len(found)} of {len(assignments)} assignments were located")
    return found, resolution.figures


def share_out(records: Sequence[Assignment], located: Sequence[Located]) -> list[NamedLine | None]:
    """Give each charge of a family to one of the records that name it; None for those left without.

    First come the records whose hint is the place of a line that they name and that is free, then the others, each
    taking the first free line that it names.
    """
    given: list[NamedLine | None] = [None] * len(records)
    taken: set[tuple[str, int]] = set()
    order = _order_of_precedence(records)
    for by_hint in (True, False):
        for index in order:
            if given[index] is not None:
                continue
            hint = records[index].line_index
            for line in located[index].lines:
                if line.slot not in taken and (not by_hint or line.position == hint):
                    given[index] = line
                    taken.add(line.slot)
                    break
    return given


def _order_of_precedence(records: Sequence[Assignment]) -> list[int]:
    def identity(index: int) -> tuple[object, ...]:
        record = records[index]
        no_hint = record.line_index is None
        return record.assignment_id, record.s3_key, no_hint, record.line_index or 0, record.order

    def claim(index: int) -> tuple[bool, str]:
        return records[index].amount is not None, records[index].assigned_date

    # The second sort is stable: among records of one date the smallest identity stays in front.
    return sorted(sorted(range(len(records)), key=identity), key=claim, reverse=True)


def _invalid(record: Assignment) -> ResolvedLineItem:
    return ResolvedLineItem(
        assignment=record,
        status=Status.INVALID,
        reason=record.fault,
        detail=f"amount is {record.amount_text!r}" if record.fault == BAD_AMOUNT else "",
        line=None,
        found_key="",
        assigned_usd=record.amount,
        billed_usd=None if record.amount is None else share_in_cents(record.amount),
    )


def _given(record: Assignment, line: NamedLine, found_key: str) -> ResolvedLineItem:
    """The row of a record that has been given its line."""
    billed = _billed_usd(record, line.item)
    status, reason, detail = _status_of(line.item, billed)
    return ResolvedLineItem(
        assignment=record,
        status=status,
        reason=reason,
        detail=detail,
        line=line,
        found_key=found_key,
        assigned_usd=_assigned_usd(record, line.item),
        billed_usd=billed,
    )


def _left(record: Assignment, located: Located, explainer: Explainer) -> ResolvedLineItem:
    """The row of a record without a line of its own: its line wasn't found, or another record has it."""
    line = next(iter(located.lines), None)
    item = None if line is None else line.item
    status, reason, detail = Status.DUPLICATE, "", "another record of the period has this line"
    if located.fault is not None:
        status, reason = Status.UNRESOLVED, located.fault.reason
        detail = located.fault.detail or "no line stands at the hinted position"
    if reason == LINE_NOT_FOUND:
        detail = explainer.explain(record.line_hash, located.nearest, located.former)
    return ResolvedLineItem(
        assignment=record,
        status=status,
        reason=reason,
        detail=detail,
        line=line,
        found_key=located.key if line else "",
        assigned_usd=_assigned_usd(record, item),
        billed_usd=_billed_usd(record, item),
    )


def _status_of(item: LineItem, billed: Decimal | None) -> tuple[Status, str, str]:
    if item.excluded:
        return Status.EXCLUDED, item.exclusion_reason, ""
    if not item.property_id:
        return Status.UNBILLABLE, MISSING_PROPERTY_ID, ""
    if not item.charge_code:
        return Status.UNBILLABLE, MISSING_CHARGE_CODE, ""
    if billed is None:
        text = item.current_amount if item.amount_overridden else item.line_charge
        return Status.UNBILLABLE, BAD_AMOUNT, f"the record has no amount, and the line's is {text!r}"
    return Status.BILLABLE, "", ""


def _assigned_usd(record: Assignment, item: LineItem | None) -> Decimal | None:
    if record.amount is not None:
        return record.amount
    if item is None or item.charge_usd is None:
        return None
    return item.charge_usd if record.months == 1 else _QUOTIENT.divide(item.charge_usd, Decimal(record.months))


def _billed_usd(record: Assignment, item: LineItem | None) -> Decimal | None:
    if record.amount is not None:
        return share_in_cents(record.amount)
    # From the undivided charge, since the stored quotient may itself be rounded.
    return None if item is None or item.charge_usd is None else share_in_cents(item.charge_usd, record.months)
