"""What can be explained, as a person names it: a bill, a line by its hash, or a period's account."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.periods import Month, PeriodError

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST_HEX_DIGITS = 8
"""Of a line hash; fewer would name too many lines."""

_HASH = re.compile(rf"[0-9a-f]{{{LEAST_HEX_DIGITS},64}}", re.ASCII)
_BILL = re.compile(r"(?P<values>[^|]+\|[^|]+\|[^|]*)\|(?P<first>[^|]+)\|(?P<last>[^|]+)")


class SubjectError(ValueError):
    """A text that names nothing which can be explained; `str(error)` says what can."""


@dataclass(frozen=True, slots=True)
class BillSubject:
    """A master bill."""

    master_bill_id: str
    period: str
    """The partition of its first month."""


@dataclass(frozen=True, slots=True)
class LineSubject:
    """A line, by at least eight hex digits that its hash begins with."""

    prefix: str


@dataclass(frozen=True, slots=True)
class AccountSubject:
    """An account's assignments in one period."""

    period: str
    account: str


Subject = BillSubject | LineSubject | AccountSubject


def parse_subject(text: str, account: str = "") -> Subject:
    """Read what somebody typed.

    Args:
        text: A `master_bill_id`, a line hash or its beginning, or a period (`2025-01` or `01/2025`).
        account: The account number; given with a period, and only with it.

    Raises:
        SubjectError: It is none of these.

    Example:
        >>> parse_subject("01/2025", " 4711 ")
        AccountSubject(period='2025-01', account='4711')
    """
    text, account = text.strip(), account.strip()
    period = _period_of(text)
    if account and not period:
        raise SubjectError(f"an account belongs to a period such as 2025-01, and {text!r} is none")
    if period and not account:
        raise SubjectError(f"{period} is a whole period: name an account too, or use `billing-assets bills {period}`")
    if period:
        return AccountSubject(period, account)
    if "|" in text:
        return _bill_of(text)
    if _HASH.fullmatch(text.lower()):
        return LineSubject(text.lower())
    raise SubjectError(
        f"{text!r} is no master_bill_id (five parts with | between them), no line hash ({LEAST_HEX_DIGITS} to 64 of "
        "0-9 and a-f), and no period YYYY-MM with an account"
    )


def nearest(wanted: str, known: Iterable[str], *, most: int = 5) -> list[str]:
    """The ids that look most like the wanted one; first those of the same property."""
    ids = sorted(set(known))
    begin = wanted.partition("|")[0] + "|"
    alike = difflib.get_close_matches(wanted, ids, n=most, cutoff=0.6)
    same = [name for name in ids if name.startswith(begin) and name not in alike]
    own = [name for name in alike if name.startswith(begin)]
    return [*own, *same, *(name for name in alike if name not in own)][:most]


def _bill_of(text: str) -> BillSubject:
    match = _BILL.fullmatch(text)
    try:
        first, last = (Month.from_app(match[name]) for name in ("first", "last")) if match else (None, None)
    except PeriodError as error:
        raise SubjectError(f"{text!r} is no master_bill_id: {error}") from None
    if match is None or first is None or last is None:
        raise SubjectError(
            f"{text!r} is no master_bill_id: property|charge code|utility|MM/YYYY|MM/YYYY, in single quotes"
        )
    return BillSubject(f"{match['values']}|{first.app}|{last.app}", first.key)


def _period_of(text: str) -> str:
    for read in (Month.from_key, Month.from_app):
        try:
            return read(text).key
        except PeriodError:
            continue
    return ""
