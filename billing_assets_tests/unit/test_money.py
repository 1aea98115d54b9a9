"""Exact dollars: SPEC.md section 4."""

from __future__ import annotations

from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.money import EXACT, MoneyError, exact_number, parse_money, plain, share_in_cents, total

MOST = Decimal("9999999999999999.99")
amounts = st.decimals(min_value=-MOST, max_value=MOST, allow_nan=False, allow_infinity=False, places=2)
fine_amounts = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=6)


def _grouped(amount: Decimal) -> str:
    return f"{abs(amount):,f}"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        # The specification's own examples.
        *(("79.40", "79.40"), ("$1,234.56", "1234.56"), ("-12.00", "-12.00"), ("(12.00)", "-12.00")),
        *(("12.00-", "-12.00"), ("12.00 CR", "-12.00"), ("$ 33.10", "33.10")),
        # One sign, in each of its places, with and without a dollar.
        *(("-$12", "-12"), ("$-12", "-12"), ("- $ 12", "-12"), ("($12)", "-12"), ("$(12)", "-12"), ("$12-", "-12")),
        *(("$12cr", "-12"), ("12 Cr", "-12"), ("12cR", "-12"), ("( 12.50 )", "-12.50")),
        # Blanks are ignored.
        *((" 1 234 . 50 ", "1234.50"), ("\t5.00\n", "5.00"), ("1, 234", "1234"), ("12.00 C R", "-12.00")),
        *(("\u00a05.00", "5.00"),),
        # Commas between groups of three.
        *(("1,234", "1234"), ("12,345,678.9", "12345678.9"), ("1234567.89", "1234567.89"), ("123,456", "123456")),
        *(("(1,234.56)", "-1234.56"), ("-1,234.56", "-1234.56"), ("1,234.56CR", "-1234.56")),
        # Digits are kept.
        *(("0012.10", "12.10"), (".5", "0.5"), ("5.", "5"), ("0.125", "0.125"), ("$.99", "0.99")),
        *(("9999999999999999.99", "9999999999999999.99"), ("(9,999,999,999,999,999.99)", "-9999999999999999.99")),
        *(("0", "0"), ("-0.00", "0"), ("(0)", "0"), ("0.00 CR", "0"), ("0." + "0" * 39 + "1", "1E-40")),
    ],
)
def test_money_is_read_wrongly(text: str, amount: str) -> None:
    """Every way in which bills print money is read exactly."""
    read = parse_money(text)
    assert read == Decimal(amount)
    assert not (read.is_zero() and read.is_signed())


_NO_MONEY = [
    *(
        "",
        " ",
        "$",
        "-",
        "()",
        "CR",
        ".",
        "-.",
        "$.",
        ",",
        "N/A",
        "ten",
        "12.00 DR",
        "12.00 USD",
        "€5",
        "12.00C",
        "$$1",
    ),
    # Two signs, or half of one.
    *("--1", "-1-", "(-1)", "-(1)", "(1)-", "1-CR", "-1 CR", "(1) CR", "1CRCR", "$-1-", "-$-1", "(1", "1)", "((1))"),
    *("1CR-", "CR 1", "(1)$", "1$", "1-$", "$(1", "-($1)", "-$(1)", "$-(1)", "($-1)"),
    # No plus, exponent, NaN, infinity.
    *("+1", "+$1", "1+", "1e3", "1E3", "1e-2", "NaN", "nan", "Infinity", "-inf", "0x10", "1_000"),
    # Commas only between groups of three.
    *("1,23", "1,2345", "1234,567", ",123", "1,", "1,,234", "1,234,56", "12.345,67", "1.234.567", "1.1,000", "0,12"),
    *("1,234,", "1,234567"),
    # Only ASCII.
    *("١٢", "１２", "²", "−12", "12．00", "1٫5"),  # noqa: RUF001
    # More than dollars can be.
    *("10000000000000000", "-10000000000000000", "9999999999999999.991", "0." + "0" * 40 + "1"),
]


@pytest.mark.parametrize("text", _NO_MONEY)
def test_a_text_that_is_no_money_is_billed(text: str) -> None:
    """Everything else is refused, and the error names the text."""
    with pytest.raises(MoneyError) as caught:
        parse_money(text)
    assert str(caught.value).startswith(repr(text))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ten", "'ten' is no amount of money"),
        ("10000000000000000", "'10000000000000000' is too large to be an amount of dollars"),
        ("0." + "0" * 40 + "1", f"'0.{'0' * 40}1' has too many decimals to be an amount of dollars"),
    ],
)
def test_refused_money_does_not_say_why(text: str, error: str) -> None:
    """The error names the text and the rule."""
    with pytest.raises(MoneyError) as caught:
        parse_money(text)
    assert str(caught.value) == error


@given(amounts)
def test_a_cent_is_lost_between_printing_and_reading(amount: Decimal) -> None:
    """Plain and grouped text, with any one sign, reads back as the same amount."""
    digits = _grouped(amount)
    negative = [f"-{digits}", f"-${digits}", f"$-{digits}", f"({digits})", f"{digits}-", f"{digits} CR", f"(${digits})"]
    texts = negative if amount < 0 else [digits, f"$ {digits}"]
    assert {parse_money(text) for text in [*texts, plain(amount)]} == {amount}


@given(amounts)
def test_an_amount_is_printed_with_an_exponent(amount: Decimal) -> None:
    """Printed amounts hold digits, one point and one sign, and keep their digits."""
    assert set(plain(amount)) <= set("0123456789.-")
    assert Decimal(plain(amount)).as_tuple() == amount.as_tuple()


def test_a_large_amount_is_printed_with_an_exponent() -> None:
    """Exponents of the source are written out."""
    assert plain(Decimal("1E+3")) == "1000"
    assert plain(Decimal("1E-7")) == "0.0000001"


@given(st.text(alphabet="0123456789.,$-()+ CRcreE\u0661", max_size=9))
def test_two_readings_of_one_text_are_possible(text: str) -> None:
    """Whatever reads as money says so in its digits: reading never changes, adds or drops one."""
    try:
        amount = parse_money(text)
    except MoneyError:
        return
    digits = "".join(letter for letter in text if letter in "0123456789.")
    assert amount.copy_abs() == Decimal(digits)
    bare = "".join(text.split()).lower()
    signs = bare.count("-") + bare.count("(") + bare.count("cr")
    assert signs <= 1
    assert amount == 0 or (amount < 0) == (signs == 1)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(("12.10", "12.10"), ("-0.0", "0"), ("-0", "0"), ("1e2", "100"), ("1.25E2", "125"), ("5E-3", "0.005")),
        *(("0e99", "0"), ("0e-99", "0"), ("1e15", "1000000000000000"), ("9999999999999999.99", "9999999999999999.99")),
        ("79.400000000000000000000000000000000001", "79.400000000000000000000000000000000001"),
    ],
)
def test_a_number_is_read_wrongly(text: str, amount: str) -> None:
    """A number is exact, and its exponent is allowed."""
    read = exact_number(text)
    assert read == Decimal(amount)
    assert plain(read) == plain(Decimal(amount)) or read == 0


def test_a_number_with_an_exponent_is_kept_with_one() -> None:
    """An amount is whole dollars or has decimals, so that it is stored and printed like any other."""
    assert exact_number("1.25e2").as_tuple() == Decimal(125).as_tuple()
    assert exact_number("1e1").as_tuple() == Decimal(10).as_tuple()
    assert exact_number("1e3").as_tuple() == Decimal(1000).as_tuple()
    assert exact_number("1").as_tuple() == Decimal(1).as_tuple()
    assert exact_number("-0.000").as_tuple() == Decimal("0.00").as_tuple()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e17", "1e-41", "sNaN", "one", ""])
def test_a_number_that_is_no_money_is_billed(text: str) -> None:
    """NaN, infinity and what no bill can ask for are refused, and the error names them."""
    with pytest.raises(MoneyError) as caught:
        exact_number(text)
    assert str(caught.value).startswith(repr(text))


def test_a_refused_number_does_not_say_why() -> None:
    """The error says that it is no number."""
    with pytest.raises(MoneyError) as caught:
        exact_number("one")
    assert str(caught.value) == "'one' is no number"


@pytest.mark.parametrize(
    ("amount", "months", "cents"),
    [
        *(
            ("0.125", 1, "0.12"),
            ("0.135", 1, "0.14"),
            ("0.145", 1, "0.14"),
            ("-0.125", 1, "-0.12"),
            ("-0.135", 1, "-0.14"),
        ),
        *(("0.005", 1, "0.00"), ("0.015", 1, "0.02"), ("-0.005", 1, "0.00"), ("0.0050000001", 1, "0.01")),
        # Half a cent only together with the division: rounding the quotient first would lose it.
        *(("0.01", 2, "0.00"), ("0.03", 2, "0.02"), ("0.05", 2, "0.02"), ("100", 3, "33.33"), ("200", 3, "66.67")),
        *(("-100", 3, "-33.33"), ("0.0149999999999999999999999999999999999999", 1, "0.01"), ("7", 1, "7.00")),
        *(("0.0250000000000000000000000000000000000001", 1, "0.03"), ("0.07500", 3, "0.02"), ("0", 1, "0.00")),
        *(("0", 5, "0.00"), ("9999999999999999.99", 1, "9999999999999999.99"), ("10.1", 1, "10.10")),
    ],
)
def test_a_share_is_rounded_the_wrong_way(amount: str, months: int, cents: str) -> None:
    """Shares are rounded half-even to whole cents, once, from the exact quotient."""
    share = share_in_cents(Decimal(amount), months)
    assert str(share) == cents


def test_an_amount_is_divided_without_being_asked() -> None:
    """Without months an amount is one whole share."""
    assert share_in_cents(Decimal("10.10")) == Decimal("10.10")
    assert share_in_cents(Decimal("0.015")) == Decimal("0.02")
    assert str(share_in_cents(Decimal("-0"))) == "0.00"


@given(fine_amounts, st.integers(1, 60))
def test_a_share_is_further_from_the_truth_than_half_a_cent(amount: Decimal, months: int) -> None:
    """A share is the nearest whole cent, the even one of two that are equally near, and never a negative zero."""
    exact = Fraction(amount) * 100 / months
    share = share_in_cents(amount, months)
    cents = Fraction(share) * 100
    assert share.as_tuple().exponent == -2
    assert cents.denominator == 1
    assert abs(cents - exact) <= Fraction(1, 2)
    if abs(cents - exact) == Fraction(1, 2):
        assert cents % 2 == 0
    assert str(share) != "-0.00"


@given(amounts, st.integers(1, 60))
def test_a_split_charge_loses_more_than_half_a_cent_a_month(amount: Decimal, months: int) -> None:
    """All shares of a charge together are the charge, within half a cent a month."""
    shares = [share_in_cents(amount, months)] * months
    assert abs(Fraction(total(shares)) - Fraction(amount)) <= Fraction(months, 200)


@given(fine_amounts)
def test_an_amount_is_rounded_twice(amount: Decimal) -> None:
    """Rounding what is already rounded changes nothing, and a credit is rounded like its charge."""
    share = share_in_cents(amount)
    assert share_in_cents(share) == share
    assert share_in_cents(-amount) == -share


@given(st.lists(fine_amounts))
def test_a_sum_loses_a_digit_or_depends_on_its_order(terms: list[Decimal]) -> None:
    """Sums are exact in any order, and never narrower than cents."""
    added = total(terms)
    assert Fraction(added) == sum(map(Fraction, terms), Fraction(0))
    assert total(reversed(terms)) == added
    assert Decimal(str(added)).as_tuple().exponent in {-2, -6}


def test_a_sum_of_large_and_small_amounts_loses_the_small_ones() -> None:
    """The widest amounts that are accepted add up without loss, where 28 digits would not do."""
    assert total([MOST, Decimal("1E-40"), -MOST]) == Decimal("1E-40")
    assert str(total([])) == "0.00"


def test_a_loss_of_digits_goes_unseen() -> None:
    """A sum too wide to be exact raises instead of rounding."""
    with pytest.raises(Inexact):
        total([Decimal("1E+90"), Decimal("1E-90")])
    assert EXACT.traps[Inexact]


@pytest.mark.parametrize(("amount", "months", "cents"), [("12345.6", 1, "12345.60"), ("99999.99", 3, "33333.33")])
def test_a_precision_that_a_library_sets_changes_an_amount(amount: str, months: int, cents: str) -> None:
    """Amounts are exact whatever the process's own decimal context says."""
    with localcontext(prec=3):
        assert str(share_in_cents(Decimal(amount), months)) == cents
