"""The fields of a line: SPEC.md section 1.2."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.json_text import NumberText, decode_exactly, storable, text_of
from billing_assets.domain.line_items import LineItem, money_of
from billing_assets.domain.money import MoneyError, parse_money
from billing_assets_tests.unit.making import a_line, item_of

# SPEC.md section 1.2, row by row.
TEXTS = {
    "property_id": ("EnrichedPropertyID", "Property ID"),
    "property_name": ("EnrichedPropertyName", "Property Name"),
    "vendor_id": ("EnrichedVendorID",),
    "vendor_name": ("EnrichedVendorName", "Vendor Name"),
    "account_number": ("Account Number", "AccountNumber", "Line Item Account Number"),
    "charge_code": ("Charge Code",),
    "utility_name": ("Utility Type", "Utility Name"),
    "gl_code": ("EnrichedGLAccountNumber", "GL Account Number"),
    "gl_code_name": ("EnrichedGLAccountName", "GL Account Name"),
    "description": ("Line Item Description",),
    "line_charge": ("Line Item Charge",),
    "current_amount": ("Current Amount",),
    "amount_override_reason": ("Amount Override Reason",),
    "charge_code_override_reason": ("Charge Code Override Reason",),
    "exclusion_reason": ("Exclusion Reason", "exclusion_reason"),
    "service_start": ("Bill Period Start",),
    "service_end": ("Bill Period End",),
    "bill_date": ("Bill Date",),
    "invoice_number": ("Invoice Number",),
    "pdf_key": ("source_input_key", "PDF_LINK"),
}
FLAGS = {
    "amount_overridden": ("Amount Overridden",),
    "charge_code_overridden": ("Charge Code Overridden",),
    "excluded": ("Is Excluded From UBI", "is_excluded_from_ubi"),
}
SPELLED = [(name, rank, spelling) for name, spellings in TEXTS.items() for rank, spelling in enumerate(spellings)]
FLAGGED = [(name, spelling) for name, spellings in FLAGS.items() for spelling in spellings]


@pytest.mark.parametrize(("name", "rank", "spelling"), SPELLED)
def test_a_field_is_not_read_under_one_of_its_spellings(name: str, rank: int, spelling: str) -> None:
    """Each spelling gives its field, trimmed, in its case, and no other field."""
    item = item_of({spelling: "  MiXed \n"})
    assert getattr(item, name) == "MiXed"
    assert [other for other in TEXTS if getattr(item, other)] == [name]
    assert rank < len(TEXTS[name])


@pytest.mark.parametrize(("name", "rank", "spelling"), SPELLED)
@pytest.mark.parametrize("blank", ["", "  ", "N/A", " n/a ", "N/a", None, [], ["x"], {}, {"x": "y"}])
def test_a_blank_spelling_hides_the_next_one(name: str, rank: int, spelling: str, blank: Any) -> None:
    """The first spelling that isn't blank wins; N/A, null, lists and objects are blank."""
    spellings = TEXTS[name]
    line = {**dict.fromkeys(spellings[:rank], blank), **{later: f"at {later}" for later in spellings[rank:]}}
    assert getattr(item_of(line), name) == f"at {spelling}"
    assert getattr(item_of(dict.fromkeys(spellings, blank)), name) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(('"N/A x"', "N/A x"), ('"NA"', "NA"), ('"n / a"', "n / a"), ('"\\u00a0x\\u2003"', "x")),
        # A number where a text is expected is its JSON text, digit by digit.
        *(("12.10", "12.10"), ("1e3", "1e3"), ("-0.0", "-0.0"), ("007e0", None), ("0", "0")),
        *(("123456789012345678901234567890", "123456789012345678901234567890"), ("NaN", "NaN")),
        *(("true", "true"), ("false", "false"), ("null", "")),
        # Lone surrogates can't be stored; pairs can.
        *(('"a\\ud800b"', "a\ufffdb"), ('"\\udc00"', "\ufffd"), ('"\\ud83d\\ude00"', "\U0001f600")),
        *(('"\\ude00\\ud83d"', "\ufffd\ufffd"), ('"\\ud83d\\ud83d\\ude00"', "\ufffd\U0001f600")),
    ],
)
def test_a_text_is_not_kept_as_it_was_written(value: str, text: str | None) -> None:
    """Texts are trimmed only; numbers keep their digits; a lone surrogate becomes U+FFFD."""
    line = f'{{"Account Number": {value}}}'
    if text is None:
        with pytest.raises(ValueError, match="delimiter"):
            item_of(line)
    else:
        assert item_of(line).account_number == text


@pytest.mark.parametrize(("name", "spelling"), FLAGGED)
@pytest.mark.parametrize("value", ["true", "1", "1.0", "1e0", '"1"', '"true"', '" TRUE "', '"Yes"', '"yEs\\n"'])
def test_a_flag_that_is_set_is_overlooked(name: str, spelling: str, value: str) -> None:
    """True, 1 and the three texts in any case set a flag, and no other flag."""
    item = item_of(f'{{"{spelling}": {value}}}')
    assert [flag for flag in FLAGS if getattr(item, flag)] == [name]


@pytest.mark.parametrize(("name", "spelling"), FLAGGED)
@pytest.mark.parametrize(
    "value",
    [
        *("false", "0", "2", "-1", "11", "1.5", "null", "[true]", '{"a": true}', "NaN", "1e999"),
        *('""', '"0"', '"no"', '"false"', '"y"', '"t"', '"on"', '"1.0"', '"true!"'),
    ],
)
def test_a_flag_is_set_by_something_else(name: str, spelling: str, value: str) -> None:
    """Nothing else sets a flag."""
    assert getattr(item_of(f'{{"{spelling}": {value}}}'), name) is False


@pytest.mark.parametrize(
    ("one", "other"), [(True, False), (False, True), ("no", "YES"), (1, "N/A"), (None, 1), (True, True)]
)
def test_one_spelling_of_exclusion_overrules_the_other(one: Any, other: Any) -> None:
    """A line is excluded if either spelling is true."""
    assert item_of({"Is Excluded From UBI": one, "is_excluded_from_ubi": other}).excluded
    assert not item_of({"Is Excluded From UBI": "no", "is_excluded_from_ubi": False}).excluded


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        *(('"$1,234.56"', "1234.56"), ('"(12.00)"', "-12.00"), ('" 12.00 CR "', "-12.00"), ('"0"', "0")),
        *(("79.40", "79.40"), ("-12", "-12"), ("1.25e2", "125"), ("5E-3", "0.005"), ("0.10", "0.10"), ("-0.0", "0")),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        *(('""', None), ('"N/A"', None), ('" n/a "', None), ("null", None), ('"1e3"', None), ('"about 5"', None)),
        *(("true", None), ("false", None), ("[1]", None), ('{"a": 1}', None), ("NaN", None), ("Infinity", None)),
        *(("1e400", None), ("99999999999999999999", None), ('"\\ud800"', None)),
    ],
)
@pytest.mark.parametrize(("field", "overridden"), [("Line Item Charge", "no"), ("Current Amount", "yes")])
def test_a_charge_is_read_inexactly(value: str, amount: str | None, field: str, overridden: str) -> None:
    """A money text or a JSON number is exact, exponents in numbers only; anything else is no amount."""
    item = item_of(f'{{"{field}": {value}, "Amount Overridden": "{overridden}"}}')
    assert item.charge_usd == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("fields", "amount"),
    [
        ({}, "10.00"),
        ({"Current Amount": "7"}, "10.00"),
        ({"Current Amount": "7", "Amount Overridden": "no"}, "10.00"),
        ({"Current Amount": "7", "Amount Overridden": True}, "7"),
        ({"Current Amount": "0", "Amount Overridden": True}, "0"),
        ({"Current Amount": "7", "Charge Code Overridden": True}, "10.00"),
        # An override that can't be read is not replaced by the charge that a person rejected.
        ({"Current Amount": "", "Amount Overridden": True}, None),
        ({"Amount Overridden": True}, None),
    ],
)
def test_an_overridden_amount_is_ignored_or_invented(fields: dict[str, Any], amount: str | None) -> None:
    """The current amount counts if the amount was overridden, else the charge."""
    assert item_of(a_line(fields)).charge_usd == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("fields", "overridden", "reason"),
    [
        ({}, False, ""),
        ({"Amount Overridden": 1, "Amount Override Reason": "leak"}, True, "leak"),
        ({"Charge Code Overridden": 1, "Charge Code Override Reason": "sewer"}, True, "sewer"),
        (
            {"Amount Overridden": 1, "Charge Code Override Reason": "sewer", "Amount Override Reason": "leak"},
            True,
            "leak | sewer",
        ),
    ],
)
def test_an_override_is_not_shown(fields: dict[str, Any], overridden: bool, reason: str) -> None:
    """Overridden is amount or charge code; both reasons are joined, the amount's first."""
    item = item_of(a_line(fields))
    assert (item.overridden, item.override_reason) == (overridden, reason)


def test_a_date_that_is_no_date_fails_the_line() -> None:
    """Dates are kept as text, whatever they say."""
    item = item_of({"Bill Period Start": "2025-13-45", "Bill Period End": "soon", "Bill Date": "01/31/2025"})
    assert (item.service_start, item.service_end, item.bill_date) == ("2025-13-45", "soon", "01/31/2025")


def test_an_empty_line_fails() -> None:
    """A line without any known field has blank texts and false flags."""
    item = item_of({"unknown": 1})
    assert not any(getattr(item, name) for name in (*TEXTS, *FLAGS))
    assert item.charge_usd is None


def test_a_number_passes_through_a_binary_float() -> None:
    """Decoding keeps each number's own text, and tells it from a text."""
    assert decode_exactly('[12.10, 1e3, -0, 1E400, "12.10"]') == ["12.10", "1e3", "-0", "1E400", "12.10"]
    kinds = [type(value) for value in decode_exactly('[12.10, 7, NaN, "12.10", true, null]')]
    assert kinds == [NumberText, NumberText, NumberText, str, bool, type(None)]
    with pytest.raises(ValueError, match="Expecting value"):
        decode_exactly("")


@given(st.text(alphabet="\ud800\udc00\udfff\ue000\ud7ffa\U0001f600"))
def test_a_text_can_not_be_written(text: str) -> None:
    """Any text can be written as UTF-8 once stored; only what can't be written is replaced, one for one."""
    stored = storable(text)
    stored.encode()
    assert len(stored) == len(text)
    assert all(
        new in {old, "\ufffd"} and (new == old) != ("\ud800" <= old <= "\udfff")
        for new, old in zip(stored, text, strict=True)
    )


@given(st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.text(), max_size=2))
def test_a_value_breaks_the_reading_of_a_line(value: Any) -> None:
    """Any JSON value under any name gives a line, with texts that are trimmed and can be written."""
    line = json.dumps(dict.fromkeys([*(spelling for _, _, spelling in SPELLED), *(name for _, name in FLAGGED)], value))
    item = LineItem.from_line(decode_exactly(line))
    for name in TEXTS:
        text = getattr(item, name)
        assert text == text.strip()
        assert text.upper() != "N/A"
        text.encode()


@given(st.text(alphabet="0123456789.,$-() CR", max_size=8))
def test_a_charge_differs_from_its_text(text: str) -> None:
    """A charge is what its text says as money, and nothing where that is no money."""
    try:
        expected: Decimal | None = parse_money(text)
    except MoneyError:
        expected = None
    assert money_of(text) == expected
    assert text_of(text) == text.strip()
