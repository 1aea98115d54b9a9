"""The story of a row: an assignment, its line, its rivals and shares, and whether what is published holds it.

Pure: made of `evidence`, in the words of `story`. What is told of a bill lives in `bill_story`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.master_bills import MasterBillKey
from billing_assets.domain.periods import PeriodError
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets.domain.rivals import Rival, rivals_of
from billing_assets.domain.stage4 import ObjectFamily
from billing_assets.domain.status_rules import amount_rule_of, remedy_of, rule_of
from billing_assets.domain.story import AssignmentTold, PlaceTold, RivalTold, RowStory, ShareTold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from billing_assets.domain.assignments import Assignment
    from billing_assets.domain.evidence import Evidence, PublishedEvidence
    from billing_assets.domain.master_bills import MasterBill, SourceLineItem
    from billing_assets.domain.period_tables import ResolvedPeriod

PUBLISHED_ONLY = "published only"

PublishedLine = tuple["MasterBill", int, "SourceLineItem"]
"""A bill, the line's place in it, and the line."""


def bill_id_of(row: ResolvedLineItem) -> str:
    """The bill that a row's line belongs to, whether it is billed or not; `""` where its line has no key."""
    item = row.item
    if item is None or not item.property_id or not item.charge_code:
        return ""
    try:
        period = row.assignment.period
    except PeriodError:
        return ""
    return MasterBillKey(
        item.property_id, item.charge_code, item.utility_name, period.first, period.last
    ).master_bill_id


def row_stories(evidence: Evidence, period: str, line_hashes: Iterable[str]) -> Iterator[RowStory]:
    """Every row of a period that holds one of the hashes, then the lines that are published without a row."""
    wanted = frozenset(line_hashes)
    table, published = evidence.tables.get(period), evidence.published.get(period)
    rows = [row for row in table.rows if row.assignment.line_hash in wanted] if table is not None else []
    lines = _published_lines(published, wanted)
    given = _published_as(rows, lines)
    for row in rows:
        if table is not None:
            yield _row_story(evidence, table, row, given.pop(id(row), None))
    yield from (_published_only(evidence, period, line) for line in lines)


def told(record: Assignment) -> AssignmentTold:
    """A record as a story tells it."""
    return AssignmentTold(**{name: getattr(record, name) for name in AssignmentTold.__dataclass_fields__})


def is_archived(evidence: Evidence, period: str, line_hash: str) -> bool:
    """Whether the archive holds a record of the line in this period."""
    return any(record.line_hash == line_hash and _partition_of(record) == period for record in evidence.archived)


def _row_story(
    evidence: Evidence, table: ResolvedPeriod, row: ResolvedLineItem, given: PublishedLine | None
) -> RowStory:
    line = row.line
    return RowStory(
        period=table.partition,
        read_at_utc=table.read_at_utc,
        status=row.status.value,
        reason=row.reason,
        detail=row.detail,
        rule=rule_of(row),
        amount_rule=amount_rule_of(row),
        remedy=remedy_of(row.status),
        assignment=told(row.assignment),
        assigned_usd=row.assigned_usd,
        billed_usd=row.billed_usd,
        place=None
        if line is None
        else PlaceTold(
            s3_key=row.found_key,
            position=line.position,
            hash_version=line.version,
            line_identity=line.identity,
            relocated=row.relocated,
        ),
        line=row.item,
        rivals=tuple(_rival(rival) for rival in rivals_of(row, table.rows)),
        other_shares=tuple(_other_shares(evidence, table.partition, row)),
        master_bill_id=given[0].master_bill_id if given else bill_id_of(row),
        ordinal=given[1] if given else None,
        standing=_standing(row, given, evidence.published.get(table.partition)),
        archived_since=is_archived(evidence, table.partition, row.assignment.line_hash),
    )


def _published_only(evidence: Evidence, period: str, published: PublishedLine) -> RowStory:
    bill, ordinal, line = published
    archived = is_archived(evidence, period, line.line_hash)
    since = "it stands in the archive now" if archived else "it is not in the archive, so it was taken back or moved"
    return RowStory(
        period=period,
        read_at_utc=None,
        status=PUBLISHED_ONLY,
        reason="",
        detail="",
        rule="What is published of a closed period, or of a bill that is no draft, changes by decision only; an open "
        "one changes with its next run.",
        amount_rule="",
        remedy="`billing-assets bills PERIOD --diff` shows what a run now would change".replace("PERIOD", period),
        assignment=None,
        assigned_usd=None,
        billed_usd=line.amount,
        place=PlaceTold(
            s3_key=line.s3_key, position=line.line_index, hash_version="", line_identity="", relocated=False
        ),
        line=None,
        rivals=(),
        other_shares=(),
        master_bill_id=bill.master_bill_id,
        ordinal=ordinal,
        standing=f"Published in {bill.master_bill_id}, but the last read of the period has no assignment for it: "
        f"{since}.",
        archived_since=archived,
    )


def _published_lines(published: PublishedEvidence | None, wanted: frozenset[str]) -> list[PublishedLine]:
    return [
        (bill, ordinal, line)
        for bill in (() if published is None else published.bills)
        for ordinal, line in enumerate(bill.source_line_items)
        if line.line_hash in wanted
    ]


def _published_as(rows: list[ResolvedLineItem], lines: list[PublishedLine]) -> dict[int, PublishedLine]:
    """Which published line is which row's; what is told is taken out of `lines`.

    The same place counts first, then the same bill and amount, then the amount; rows that aren't billable come last.
    """
    given: dict[int, PublishedLine] = {}
    order = sorted(rows, key=lambda row: row.status is not Status.BILLABLE)
    for closeness in (3, 2, 1, 0):
        for row in order:
            if id(row) in given or (closeness == 0 and row.status is Status.DUPLICATE):
                continue
            found = next((line for line in lines if _closeness(row, line) >= closeness), None)
            if found is not None:
                given[id(row)] = found
                lines.remove(found)
    return given


def _closeness(row: ResolvedLineItem, published: PublishedLine) -> int:
    bill, _, line = published
    if row.assignment.line_hash != line.line_hash:
        return -1
    if row.status is not Status.BILLABLE:
        return 0
    same_amount = row.billed_usd == line.amount
    if same_amount and row.line is not None and (row.found_key, row.line.position) == (line.s3_key, line.line_index):
        return 3
    return 2 if same_amount and bill_id_of(row) == bill.master_bill_id else int(same_amount)


def _standing(row: ResolvedLineItem, given: PublishedLine | None, published: PublishedEvidence | None) -> str:
    is_billable = row.status is Status.BILLABLE
    if given is not None and is_billable and given[2].amount == row.billed_usd:
        return f"Published in this bill, line {given[1]}."
    if given is not None:
        now = f"${row.billed_usd} now" if is_billable else f"{row.status.value} now"
        return f"Published with ${given[2].amount}, but its row is {now}: the published bill has not followed."
    if not is_billable:
        return "Not billed, and in no published bill."
    if published is None:
        return "Not published: the period's master bills have not been materialized."
    return "Billable, but not in what is published: the last run of master_bills_json did not publish it."


def _rival(rival: Rival) -> RivalTold:
    record, line = rival.row.assignment, rival.row.line
    return RivalTold(
        assignment_id=record.assignment_id,
        assigned_by=record.assigned_by,
        assigned_date=record.assigned_date,
        line_hash=record.line_hash,
        status=rival.row.status.value,
        position=-1 if line is None else line.position,
        same_line=rival.same_line,
        billed_usd=rival.row.billed_usd,
        why=rival.why,
    )


def _other_shares(evidence: Evidence, period: str, row: ResolvedLineItem) -> Iterator[ShareTold]:
    if row.line is None:
        return
    family = ObjectFamily.of(row.found_key).identity
    for other_period in sorted(evidence.tables):
        for other in evidence.tables[other_period].rows if other_period != period else ():
            if other.line is None or other.line.slot != row.line.slot:
                continue
            if ObjectFamily.of(other.found_key).identity == family:
                yield ShareTold(
                    period=other_period,
                    status=other.status.value,
                    months=other.assignment.months,
                    billed_usd=other.billed_usd,
                    line_hash=other.assignment.line_hash,
                    assignment_id=other.assignment.assignment_id,
                )


def _partition_of(record: Assignment) -> str:
    try:
        return record.period.partition
    except PeriodError:
        return ""
