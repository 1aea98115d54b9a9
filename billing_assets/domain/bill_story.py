"""The story of a master bill: what is published, listed, decided and exported, and what the stored rows say now.

Pure: made of `evidence`, in the words of `story`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from billing_assets.domain.listed_bills import order_of
from billing_assets.domain.money import plain, total
from billing_assets.domain.resolved import Status
from billing_assets.domain.row_story import bill_id_of, is_archived
from billing_assets.domain.story import BillLineTold, BillStory, ListedTold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from decimal import Decimal

    from billing_assets.domain.evidence import (
        DecisionEvidence,
        Evidence,
        ExportedBill,
        PublishedEvidence,
        RestatedEvidence,
    )
    from billing_assets.domain.master_bills import MasterBill
    from billing_assets.domain.resolved import ResolvedLineItem

GONE = "gone"


def partition_of_bill(master_bill_id: str) -> str:
    """The partition of an id of ours."""
    first = order_of(master_bill_id)[3]
    return first if isinstance(first, str) else first.key


def bill_story(evidence: Evidence, master_bill_id: str, *, only_lines: Collection[str] | None = None) -> BillStory:
    """Tell of one bill.

    Args:
        evidence: What the stores hold of its period.
        master_bill_id: Of our form; it need not be published.
        only_lines: Hashes; None tells of all lines.
    """
    period = partition_of_bill(master_bill_id)
    published = evidence.published.get(period)
    bill = _bill_of(published, master_bill_id)
    rows = _rows_of(evidence, period, master_bill_id)
    billable = [row for row in rows if row.status is Status.BILLABLE]
    rows_usd = total(row.billed_usd for row in billable if row.billed_usd is not None)
    decisions = tuple(_decisions_on(evidence, period, master_bill_id))
    exported = next((each for each in evidence.exported.bills if each.master_bill_id == master_bill_id), None)
    return BillStory(
        master_bill_id=master_bill_id,
        period=period,
        uri=published.uri if published else "",
        published=bill is not None,
        property_name=bill.property_name if bill else "",
        amount_usd=bill.utility_amount if bill else None,
        status=bill.status if bill else "",
        created_utc=bill.created_utc if bill else "",
        created_by=bill.created_by if bill else "",
        published_by_run=published.run_id if published else "",
        read_at_utc=published.read_at_utc if published else None,
        content_hash=bill.content_hash if bill else "",
        line_count=len(bill.source_line_items) if bill else 0,
        lines=tuple(_lines_of(evidence, period, bill, rows, only_lines)) if bill else (),
        left_out=_left_out(rows),
        rows_usd=rows_usd,
        standing=_standing(published, bill, billable, decisions, period in evidence.tables),
        is_closed=_is_closed(evidence.decisions.get(period, ())),
        decisions=decisions,
        listed=_listed(evidence, master_bill_id, bill),
        exported=exported,
        exported_standing=_exported_standing(evidence, bill, exported),
        changes=tuple(each for each in evidence.exported.changes if each.master_bill_id == master_bill_id),
    )


def restated_of(decision: DecisionEvidence, master_bill_id: str) -> RestatedEvidence | None:
    """What a restatement did to the bill; None if it left it alone."""
    return next((bill for bill in decision.bills if bill.master_bill_id == master_bill_id), None)


def _bill_of(published: PublishedEvidence | None, master_bill_id: str) -> MasterBill | None:
    bills = () if published is None else published.bills
    return next((bill for bill in bills if bill.master_bill_id == master_bill_id), None)


def _rows_of(evidence: Evidence, period: str, master_bill_id: str) -> list[ResolvedLineItem]:
    table = evidence.tables.get(period)
    return [] if table is None else [row for row in table.rows if bill_id_of(row) == master_bill_id]


def _left_out(rows: Sequence[ResolvedLineItem]) -> tuple[tuple[str, int], ...]:
    counts = Counter(row.status.value for row in rows if row.status is not Status.BILLABLE)
    return tuple(sorted(counts.items()))


def _lines_of(
    evidence: Evidence,
    period: str,
    bill: MasterBill,
    rows: Sequence[ResolvedLineItem],
    only_lines: Collection[str] | None,
) -> Iterator[BillLineTold]:
    # Counted, since equal lines are several charges.
    left = Counter((row.assignment.line_hash, row.status) for row in rows)
    for ordinal, line in enumerate(bill.source_line_items):
        now = _now(left, line.line_hash)
        if only_lines is None or line.line_hash in only_lines:
            yield BillLineTold(
                ordinal=ordinal,
                line_hash=line.line_hash,
                account_number=line.account_number,
                vendor_name=line.vendor_name,
                description=line.description,
                amount_usd=line.amount,
                s3_key=line.s3_key,
                line_index=line.line_index,
                now=now,
                archived_since=is_archived(evidence, period, line.line_hash),
            )


def _now(left: Counter[tuple[str, Status]], line_hash: str) -> str:
    for status in (Status.BILLABLE, *(other for other in Status if other is not Status.BILLABLE)):
        if left[line_hash, status] > 0:
            left[line_hash, status] -= 1
            return status.value
    return GONE


def _standing(
    published: PublishedEvidence | None,
    bill: MasterBill | None,
    billable: Sequence[ResolvedLineItem],
    decisions: Sequence[DecisionEvidence],
    is_stored: bool,
) -> str:
    if published is None:
        return "The period was never published: materialize master_bills_json for it."
    if bill is None and decisions and any(decision.bills for decision in decisions):
        return "No longer published: a restatement took it away."
    if bill is None:
        return "Not published: the stored rows would make it, but the last run did not publish it."
    if not is_stored:
        return "Published; the period's resolved line items are not stored any more."
    made: Counter[tuple[str, Decimal | None]] = Counter((row.assignment.line_hash, row.billed_usd) for row in billable)
    lines = bill.source_line_items
    held: Counter[tuple[str, Decimal | None]] = Counter((line.line_hash, line.amount) for line in lines)
    if made == held:
        return "Published, and equal to the stored rows."
    rows_usd = total(row.billed_usd for row in billable if row.billed_usd is not None)
    gone, new = (held - made).total(), (made - held).total()
    return (
        f"Published with ${plain(bill.utility_amount)}; the stored rows would bill ${plain(rows_usd)} "
        f"({_are(gone, 'published line')} gone or changed, {_are(new, 'row')} new or changed)."
    )


def _are(number: int, what: str) -> str:
    return f"{number:,} {what} is" if number == 1 else f"{number:,} {what}s are"


def _decisions_on(evidence: Evidence, period: str, master_bill_id: str) -> Iterator[DecisionEvidence]:
    for decision in evidence.decisions.get(period, ()):
        if not decision.bills or restated_of(decision, master_bill_id) is not None:
            yield decision


def _is_closed(decisions: Sequence[DecisionEvidence]) -> bool:
    return any(decision.decision == "closed" for decision in decisions)


def _listed(evidence: Evidence, master_bill_id: str, bill: MasterBill | None) -> ListedTold | None:
    found = evidence.listed.get(master_bill_id, ())
    if not found:
        return None
    first = found[0]
    same = bill is not None and len(found) == 1 and first.content_hash == bill.content_hash
    return ListedTold(times=len(found), amount_usd=first.amount_usd, status=first.status, same_content=same)


def _exported_standing(evidence: Evidence, bill: MasterBill | None, exported: ExportedBill | None) -> str:
    if "Snowflake" in evidence.absent:
        return f"Snowflake was not looked at: {evidence.absent['Snowflake']}."
    if exported is None:
        return "Not in Snowflake: export the period." if bill else "Not in Snowflake."
    if bill is None:
        return "Still in Snowflake, though it is not published: export the period."
    if (exported.content_hash, exported.status) == (bill.content_hash, bill.status):
        return "In Snowflake with the content and status that are published."
    return "In Snowflake with another content or status than is published: export the period."
