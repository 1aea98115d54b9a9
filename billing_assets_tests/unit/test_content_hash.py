"""A bill's content hash is what its definition says, however fast it is made, and tells content from circumstance."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.content_hash import defined_hash_of
from billing_assets.domain.master_bills import MasterBill, SourceLineItem
from billing_assets_tests.unit.made_bills import bill, line

if TYPE_CHECKING:
    from collections.abc import Sequence

# Texts that json and msgspec might write differently, next to ordinary ones and each other's prefixes.
TEXTS = st.one_of(
    st.text(st.sampled_from('ab"\\/ ,:[]{}\b\f\n\r\t\x00\x1f\x7f\x80é\u2028\ufffd😀<&u0'), max_size=6),
    st.text(max_size=4),
    st.sampled_from(["", "a", "aa", "\\u0041", "\ud800", "null"]),
)
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15)


@st.composite
def lines(draw: st.DrawFn) -> SourceLineItem:
    """A line of any texts."""
    texts = {
        name: draw(TEXTS)
        for name in SourceLineItem.__struct_fields__
        if name not in {"amount", "line_index", "overridden"}
    }
    return SourceLineItem(
        **texts, amount=draw(AMOUNTS), line_index=draw(st.integers(0, 9)), overridden=draw(st.booleans())
    )


@st.composite
def bills(draw: st.DrawFn) -> MasterBill:
    """A bill of any texts, with lines of which some are nearly equal."""
    some = draw(st.lists(lines(), max_size=3))
    nearly = [msgspec.structs.replace(item, override_reason=draw(TEXTS)) for item in some]
    return msgspec.structs.replace(
        bill(lines=(*some, *nearly)), property_name=draw(TEXTS), utility_name=draw(TEXTS), utility_amount=draw(AMOUNTS)
    )


def _as_first_defined(made: MasterBill) -> str:
    """The definition as it was when the first bills were published, in words of its own."""
    content = {
        name: getattr(made, name)
        for name in MasterBill.__struct_fields__
        if name not in {"created_utc", "created_by", "status"}
    }
    content["utility_amount"] = f"{made.utility_amount:f}"
    content["source_line_items"] = sorted(
        (
            {
                name: f"{item.amount:f}" if name == "amount" else getattr(item, name)
                for name in SourceLineItem.__struct_fields__
                if name not in {"s3_key", "line_index"}
            }
            for item in made.source_line_items
        ),
        key=json.dumps,
    )
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@given(bills())
def test_the_fast_hash_is_the_defined_one(made: MasterBill) -> None:
    """Whatever the texts: hashes that were published and exported stay equal, so nothing is exported anew."""
    assert made.content_hash == defined_hash_of(made) == _as_first_defined(made)


@given(bills(), st.randoms(use_true_random=False))
def test_where_lines_were_found_does_not_count(made: MasterBill, random: object) -> None:
    """Order, key and position of lines, author, time and status leave the hash as it is."""
    items: Sequence[SourceLineItem] = made.source_line_items
    moved = [msgspec.structs.replace(item, s3_key="elsewhere", line_index=99) for item in items]
    random.shuffle(moved)  # type: ignore[attr-defined]
    other = msgspec.structs.replace(
        made, source_line_items=tuple(moved), created_utc="later", created_by="other", status="approved"
    )
    assert other.content_hash == made.content_hash


@pytest.mark.parametrize(
    "name", [name for name in SourceLineItem.__struct_fields__ if name not in {"s3_key", "line_index"}]
)
def test_every_field_that_is_billed_counts(name: str) -> None:
    """A change of any one of them is another content."""
    item = line()
    value = {"amount": Decimal("0.01"), "overridden": True}.get(name, "changed")
    changed = msgspec.structs.replace(item, **{name: value})
    assert bill(lines=(item,)).content_hash != bill(lines=(changed,)).content_hash


@pytest.mark.parametrize(
    ("description", "golden"),
    [
        ('Water, "metered"', "2c9f8b3fad18fa9ebf8ffb46530dba00dfa0cfacdcbbd6e1d8b4615db1bf7335"),
        ("Water \u2013 base", "ecaa051086d31504e12dab0fbbd7481b66172a7506e2af0c060929bee9284b45"),
    ],
    ids=["by msgspec", "by the definition"],
)
def test_the_hash_is_the_one_that_stands_in_snowflake(description: str, golden: str) -> None:
    """Another one would have every bill exported anew."""
    items = tuple(msgspec.structs.replace(line(name=name), description=description) for name in ("b", "a"))
    assert bill(lines=items).content_hash == golden
