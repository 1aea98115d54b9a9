"""Why a resolved line item has its status, as sentences for a person: the rule, the amount, and what to do now.

Source: SPEC.md sections 4 and 5. Deciding the status lives in `resolved`; nothing is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.assignments import BAD_AMOUNT, BAD_MONTHS, MISSING_LINE_HASH, MISSING_S3_KEY
from billing_assets.domain.resolution import LINE_NOT_FOUND, OBJECT_MISSING, OBJECT_UNREADABLE
from billing_assets.domain.resolved import MISSING_CHARGE_CODE, MISSING_PROPERTY_ID, Status

if TYPE_CHECKING:
    from billing_assets.domain.resolved import ResolvedLineItem

_RULES: dict[tuple[Status, str], str] = {
    (Status.INVALID, MISSING_LINE_HASH): "A record whose `line_hash` is absent or blank names no line, so it is "
    "invalid and bills nothing.",
    (Status.INVALID, MISSING_S3_KEY): "A record whose `s3_key` is absent or blank says in no object where its line is, "
    "so it is invalid and bills nothing.",
    (Status.INVALID, BAD_MONTHS): "A record's `months` must be a whole number of 1 or more, else nobody knows the "
    "share, so it is invalid and bills nothing.",
    (Status.INVALID, BAD_AMOUNT): "An `amount` that is there must be readable money; it is never guessed from the "
    "line, so the record is invalid and bills nothing.",
    (Status.UNRESOLVED, OBJECT_MISSING): "The record's object is gone, and no object of its family with the same or a "
    "newer timestamp holds the line, so nothing is billed.",
    (Status.UNRESOLVED, OBJECT_UNREADABLE): "The record's object can't be read, and no object of its family with the "
    "same or a newer timestamp holds the line, so nothing is billed.",
    (Status.UNRESOLVED, LINE_NOT_FOUND): "No line of the record's object, nor of a newer one of its family, has this "
    "hash by either version, so nothing is billed.",
    (Status.DUPLICATE, ""): "A line is billed once a period: the records that name it compete, and those left without "
    "a line are duplicates.",
    (Status.UNBILLABLE, MISSING_PROPERTY_ID): "A line without a property belongs to no master bill, so it can't be "
    "billed until the property is filled in.",
    (Status.UNBILLABLE, MISSING_CHARGE_CODE): "A line without a charge code (`N/A` counts as none) belongs to no "
    "master bill, so it can't be billed until the charge code is filled in.",
    (Status.UNBILLABLE, BAD_AMOUNT): "The record has no amount of its own, and the line's money text is blank or can't "
    "be read, so there is nothing to bill.",
}
_EXCLUDED = "A line that either of its exclusion fields marks is not billed to residents, whoever assigned it."
_BILLABLE = (
    "The record is usable, its line was found and given to it, is not excluded, and has a property, a charge code and "
    "an amount: it is billed once."
)
_REMEDIES = {
    Status.INVALID: "correct or delete the assignment in the app, then run the period",
    Status.UNRESOLVED: "assign the line again in the app, from the file that holds it now, then run the period",
    Status.DUPLICATE: "nothing; delete the surplus assignment in the app",
    Status.EXCLUDED: "nothing, unless it should be billed: then take the exclusion off in the app and run the period",
    Status.UNBILLABLE: "complete the line in the app, then run the period",
    Status.BILLABLE: "nothing: it is in a master bill",
}


def rule_of(row: ResolvedLineItem) -> str:
    """The rule that gave a row its status, in a sentence.

    Example:
        >>> from billing_assets.domain.status_rules import _RULES
        >>> _RULES[Status.DUPLICATE, ""][:35]
        'A line is billed once a period: the'
    """
    if row.status is Status.BILLABLE:
        return _BILLABLE
    # An excluded line's reason is whatever somebody wrote.
    return _EXCLUDED if row.status is Status.EXCLUDED else _RULES[row.status, row.reason]


def amount_rule_of(row: ResolvedLineItem) -> str:
    """Where a row's dollars come from, in a sentence; `""` where it has no readable amount."""
    record, item = row.assignment, row.item
    if row.billed_usd is None:
        return ""
    if record.amount is not None:
        share = "the share of this period already, never divided again" if record.months > 1 else "as it stands"
        return f"The record's own amount, {share}; rounded half-even to cents once."
    of = "override" if item is not None and item.amount_overridden else "charge"
    divided = f", divided by {record.months} months" if record.months > 1 else ""
    return f"The record has no amount: the line's {of}{divided}; rounded half-even to cents once."


def remedy_of(status: Status) -> str:
    """What a person does about a row of this status."""
    return _REMEDIES[status]
