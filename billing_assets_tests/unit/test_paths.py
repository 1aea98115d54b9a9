"""Every way of resolving gives the same rows, byte for byte: fast or plain hashes, usual or exact lines, hints or none.

The shortcuts are switched off one by one, and what comes of the sample is compared with what comes of all of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain import fast_hash, stage4
from billing_assets.domain.assignments import PartitionRange, TableReading
from billing_assets.domain.json_text import NumberText, decode_exactly
from billing_assets.domain.line_items import FLAGS, SPELLINGS, LineItem
from billing_assets.domain.periods import Month
from billing_assets.domain.resolved import resolve
from billing_assets.domain.usual_lines import LearningDecoder, item_of, usual_line
from billing_assets.local.sample import Sample, generate
from billing_assets_tests.unit.making import KEY, InMemoryObjects, an_assignment, jsonl, row_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets.domain.assignments import Assignment

_FIELDS = sorted({field for fields in (*SPELLINGS.values(), *FLAGS.values()) for field in fields})
_values = st.none() | st.booleans() | st.text(max_size=6) | st.sampled_from([" n/A ", "$1.00", "(2.50)", "TRUE", "1"])
_odd_values = _values | st.integers() | st.floats() | st.lists(st.integers(), max_size=1) | st.just("\ud800")
_lines = st.dictionaries(st.sampled_from(_FIELDS), _values, max_size=12)
_odd_lines = st.dictionaries(st.sampled_from([*_FIELDS, "Status", "x"]), _odd_values, max_size=12)


@pytest.fixture(scope="module")
def sample() -> Sample:
    """A twentieth of the sample, with all its imperfections."""
    return generate(last_period="2026-06", scale=0.05, seed=5)


def _nothing(*_: object) -> None:
    return None


def _assignments(sample: Sample, period: str) -> list[Assignment]:
    partitions = PartitionRange(Month(2024, 1), Month(2027, 6))
    records = [{name: _as_read(value) for name, value in record.items()} for record in sample.assignments]
    return TableReading.of(records, partitions, period).assignments


def _as_read(value: Any) -> Any:
    return value if value is None or isinstance(value, str | bool) else NumberText(str(value))


def _rows(sample: Sample, period: str, hint: Callable[[Assignment], int | None]) -> list[bytes]:
    """Everything that is known of each row but its hint, which is what is varied."""
    hinted = [_with_hint(each, hint(each)) for each in _assignments(sample, period)]
    rows, _ = resolve(hinted, InMemoryObjects(sample.objects))
    return [msgspec.json.encode((row.status, row.reason, row.line, row.found_key, row.billed_usd)) for row in rows]


def _with_hint(assignment: Assignment, hint: int | None) -> Assignment:
    return msgspec.structs.replace(assignment, line_index=hint)


@pytest.mark.parametrize("switched_off", ["matched", "joined values", "fast hashes", "usual lines", "all shortcuts"])
def test_a_shortcut_bills_another_line(switched_off: str, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """With or without a shortcut every assignment has the same line, status and amount."""
    usual = {period: _rows(sample, period, lambda record: record.line_index) for period in sample.periods}
    if switched_off == "matched":
        monkeypatch.setattr(fast_hash, "matched", _nothing)
    if switched_off in {"joined values", "all shortcuts"}:
        monkeypatch.setattr(fast_hash, "matched", _nothing)
        monkeypatch.setattr(fast_hash, "joined", _nothing)
    if switched_off in {"fast hashes", "all shortcuts"}:
        monkeypatch.setattr(fast_hash, "hashes", _nothing)
    if switched_off in {"usual lines", "all shortcuts"}:
        monkeypatch.setattr(stage4, "usual_line", _nothing)
    for period, rows in usual.items():
        assert _rows(sample, period, lambda record: record.line_index) == rows


def test_without_hints_other_lines_are_billed(sample: Sample) -> None:
    """Where no two records want equal lines a hint saves time and changes nothing: dollars and statuses stay."""
    for period in sample.periods[:4]:
        hinted = [json.loads(row) for row in _rows(sample, period, lambda record: record.line_index)]
        blind = [json.loads(row) for row in _rows(sample, period, lambda _: None)]
        same = sum(a == b for a, b in zip(hinted, blind, strict=True))
        # Equal lines of one object differ by the hint alone.
        assert same >= 0.9 * len(hinted)
        assert sorted(str(row[0]) for row in hinted) == sorted(str(row[0]) for row in blind)


def test_plain_hashes_are_never_needed_for_usual_lines(sample: Sample) -> None:
    """The shortcut works at all: most lines of the sample are hashed by joining their values."""
    texts = [line for body in list(sample.objects.values())[:50] for line in body.split(b"\n") if line[:1] == b"{"]
    joined = [text for text in texts if (known := fast_hash.hashes(text)) and fast_hash.matched(text, known[0])]
    assert len(joined) > 0.8 * len(texts)


@given(_lines)
def test_a_usual_line_is_read_otherwise(line: dict[str, Any]) -> None:
    """Texts, flags and nulls are read as ever, and always by the short way."""
    text = json.dumps(line)
    usual = usual_line(text.encode())
    assert usual is not None
    assert item_of(usual) == LineItem.from_line(decode_exactly(text))


@given(_lines, _lines)
def test_the_order_of_the_first_lines_fields_changes_what_others_say(
    first: dict[str, Any], line: dict[str, Any]
) -> None:
    """Whatever stood in the first line, and after one that can't be decoded, a line is read as ever."""
    decoder = LearningDecoder()
    with pytest.raises(ValueError, match="malformed"):
        decoder.decode(b'{"Property ID": x}')
    decoder.decode(json.dumps(first).encode())
    text = json.dumps(line)
    assert item_of(decoder.decode(text.encode())) == LineItem.from_line(decode_exactly(text))


@given(_odd_lines, st.booleans())
def test_an_unusual_line_is_read_otherwise(line: dict[str, Any], ascii_only: bool) -> None:
    """A line that isn't usual is left alone, or is read as ever."""
    text = json.dumps(line, ensure_ascii=ascii_only or "\ud800" in line.values())
    usual = usual_line(text.encode())
    assert usual is None or item_of(usual) == LineItem.from_line(decode_exactly(text))


@pytest.mark.parametrize("hint", [None, 0, 1, 2, 9])
@pytest.mark.parametrize("written", [{"ensure_ascii": False}, {"separators": (",", ":")}, {"indent": None}])
def test_a_line_written_otherwise_is_overlooked_for_its_twin(hint: int | None, written: dict[str, Any]) -> None:
    """Of equal lines the hinted one is billed, else the first, however each of them is written."""
    line = {"Line Item Charge": "$1.00", "Line Item Description": "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "b": [1, 2]}
    other = {**line, "Line Item Description": "tea"}
    body = jsonl(other, json.dumps({**line, "Charge Code": "FIRST"}, **written), {**line, "Charge Code": "SECOND"})
    row = row_of(an_assignment(line, line_index=None if hint is None else NumberText(str(hint))), {KEY: body})
    assert row.line is not None
    assert row.line.position == (2 if hint == 2 else 1)
