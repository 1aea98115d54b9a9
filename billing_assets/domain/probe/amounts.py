"""Sentences of SPEC.md sections 1.1 and 4 about money: a record's amount against the charge of its line."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from billing_assets.domain.assignments import BAD_MONTHS
from billing_assets.domain.line_items import SPELLINGS
from billing_assets.domain.money import EXACT, plain
from billing_assets.domain.probe.misfits import Misfit, Probed, misfit, shown
from billing_assets.domain.shares import HALF_A_CENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_assets.domain.line_items import LineItem

SHARE, UNDIVIDED, DIVIDED_TWICE, CENTS, OTHER = "the share", "undivided", "divided twice", "cents", "something else"
_SENTENCE = "`amount` is dollars billed to this period: the share, already divided by `months`"
_FINDINGS = {
    UNDIVIDED: ("the whole charge, although it is split", "records of several months would bill it several times"),
    DIVIDED_TWICE: ("the share, divided once more", "lines would be billed too low"),
    CENTS: ("amounts in cents", "lines would be billed a hundredfold"),
    OTHER: ("amounts that are not the line's charge divided by `months`", "the record's own amount is billed"),
}
_SHARES = {UNDIVIDED: 0.1, DIVIDED_TWICE: 0.1, CENTS: 0.1, OTHER: 0.25}


def amount_kind(one: Probed) -> str | None:
    """What a record's own amount is, beside its line's charge; None where one of them is not known.

    A charge of nothing tells nothing, and neither does an explicit amount of nothing.
    """
    own, item, months = one.row.assignment.amount, one.row.item, one.row.assignment.months
    if own is None or item is None or not item.charge_usd or not own or one.fault == BAD_MONTHS:
        return None
    charge = item.charge_usd
    if _is_share(own, charge, months):
        return SHARE
    if months > 1 and own == charge:
        return UNDIVIDED
    if months > 1 and _is_about(EXACT.multiply(own, Decimal(months)), charge, months):
        return DIVIDED_TWICE
    return CENTS if _is_share(own, EXACT.multiply(charge, Decimal(100)), months) else OTHER


def amount_misfits(probed: Sequence[Probed]) -> list[Misfit]:
    """Every sentence about money that these break."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    compared = split = 0
    for one in probed:
        kind = amount_kind(one)
        if kind is None:
            continue
        compared += 1
        split += one.row.assignment.months > 1
        by_kind[kind].append(_compared(one))
    misfits = []
    for kind, (found, harm) in _FINDINGS.items():
        of = split if kind in {UNDIVIDED, DIVIDED_TWICE} else compared
        remedy = f"say what `amount` is: as it is read, {harm}"
        misfits += misfit("1.1", _SENTENCE, found, by_kind[kind], of, remedy=remedy, share=_SHARES[kind], least=2)
    return misfits + _charges(probed)


def _charges(probed: Sequence[Probed]) -> list[Misfit]:
    texts = [(one, _charge_text(one.row.item)) for one in probed if one.row.item]
    having = [(one, text) for one, text in texts if text]
    broken = [
        f"{one.name}: {shown(text)!r}" for one, text in having if one.row.item and one.row.item.charge_usd is None
    ]
    sentence = f"`{SPELLINGS['line_charge'][0]}` is money text such as 79.40, $1,234.56, (12.00) or 12.00 CR"
    remedy = "say what the text means: a record without an amount of its own can't be billed from it"
    return misfit("4", sentence, "another notation", broken, len(having), remedy=remedy)


def _charge_text(item: LineItem) -> str:
    return item.current_amount if item.amount_overridden else item.line_charge


def _is_share(own: Decimal, charge: Decimal, months: int) -> bool:
    """Compared undivided, since a quotient may never end; half a cent a month is what rounding may leave."""
    count = Decimal(months)
    difference = EXACT.subtract(EXACT.multiply(own, count), charge).copy_abs()
    return difference <= EXACT.multiply(HALF_A_CENT, EXACT.multiply(count, count))


def _is_about(share: Decimal, charge: Decimal, months: int) -> bool:
    """As `_is_share`, for a share that was multiplied from whole cents: it may be off by as much for each month."""
    difference = EXACT.subtract(EXACT.multiply(share, Decimal(months)), charge).copy_abs()
    return difference <= EXACT.multiply(HALF_A_CENT, Decimal(months * months))


def _compared(one: Probed) -> str:
    own, item = one.row.assignment.amount, one.row.item
    charge = "" if item is None or item.charge_usd is None else plain(item.charge_usd)
    amount = "" if own is None else plain(own)
    return f"{one.name}: amount {amount}, months {one.row.assignment.months}, charge {charge}"
