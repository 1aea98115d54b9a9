"""Exact US dollars: reading money text, rounding once, adding without loss.

Source: SPEC.md section 4. No binary float ever holds money.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CENT = Decimal("0.01")
ZERO = Decimal("0.00")

MAX_DOLLARS = Decimal("9999999999999999.99")
"""The most that Snowflake's NUMBER(18,2) holds; an amount beyond it is no utility bill."""

MAX_DECIMALS = 40
"""DynamoDB keeps 38 digits; a number with more decimals than this is no amount of dollars."""

EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, Overflow])
"""Adds and compares without rounding; a loss would raise `decimal.Inexact`."""

_DIGITS = r"(?P<digits>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)"
_UNSIGNED = re.compile(rf"\$?{_DIGITS}", re.ASCII)
_USUAL = re.compile(r"[0-9]{1,13}\.[0-9]{2}", re.ASCII)
"""Most amounts, which need no further look."""
_NEGATIVE = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"(?:-\$?|\$-){_DIGITS}",
        rf"(?:\(\$?|\$\(){_DIGITS}\)",
        rf"\$?{_DIGITS}(?:-|CR)",
    )
)


class MoneyError(ValueError):
    """A text that is no exact amount of money; the error names the text."""


def parse_money(text: str) -> Decimal:
    """Read an amount as bills print it: `79.40`, `$1,234.56`, `-12.00`, `(12.00)`, `12.00-`, `12.00 CR`.

    Blanks are ignored, wherever they stand.

    Raises:
        MoneyError: Any other text, among them exponents, a plus sign, two signs, NaN and infinity, and amounts too
            large or too fine to be dollars.

    Example:
        >>> parse_money("$ 1,234.50 cr")
        Decimal('-1234.50')
    """
    if _USUAL.fullmatch(text):
        return Decimal(text) or ZERO
    bare = "".join(text.split())
    if match := _UNSIGNED.fullmatch(bare):
        return _checked(Decimal(match["digits"].replace(",", "")), text)
    upper = bare.upper()
    for pattern in _NEGATIVE:
        if match := pattern.fullmatch(upper):
            return _checked(EXACT.minus(Decimal(match["digits"].replace(",", ""))), text)
    raise MoneyError(f"{text!r} is no amount of money")


def exact_number(text: str) -> Decimal:
    """Read a JSON or DynamoDB number (its text) as an exact amount; exponents are allowed here.

    Raises:
        MoneyError: NaN, infinity, no number at all, or too large or too fine to be dollars.

    Example:
        >>> exact_number("1.25e2")
        Decimal('125')
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise MoneyError(f"{text!r} is no number") from None
    return _checked(number, text)


def _checked(number: Decimal, text: str) -> Decimal:
    if not number.is_finite() or number.copy_abs() > MAX_DOLLARS:
        raise MoneyError(f"{text!r} is too large to be an amount of dollars")
    if number == 0:
        return ZERO
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MAX_DECIMALS:
        raise MoneyError(f"{text!r} has too many decimals to be an amount of dollars")
    return number if exponent <= 0 else Decimal(int(number))


def share_in_cents(amount: Decimal, months: int = 1) -> Decimal:
    """An amount divided by `months`, rounded half-even to whole cents: the only place where money is rounded.

    The quotient is taken exactly first, so that no digit is rounded twice.

    Example:
        >>> share_in_cents(Decimal("100"), 3), share_in_cents(Decimal("0.125"))
        (Decimal('33.33'), Decimal('0.12'))
    """
    # An amount that is already whole cents is the usual case, and costs no fraction.
    if months == 1 and amount.same_quantum(CENT):
        return amount or ZERO
    cents = round(Fraction(amount) * 100 / months)
    return Decimal(cents).scaleb(-2, context=EXACT)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, at least two decimals wide.

    Example:
        >>> total([Decimal("0.1"), Decimal("0.2")])
        Decimal('0.30')
    """
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def plain(amount: Decimal) -> str:
    """The amount as text without an exponent, so that reading it gives the same digits back."""
    return f"{amount:f}"
