"""Every way of resolving gives the same rows, byte for byte: fast or plain hashes, usual or exact lines, hints or none.

The shortcuts are switched off one by one, and what comes of the sample is compared with what comes of all of them.
"""

from __future__ import annotations

import json
import math
import shutil
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing_assets.domain import fast_hash, line_readers
from billing_assets.domain.assignments import PartitionRange, TableReading
from billing_assets.domain.json_text import NumberText, decode_exactly
from billing_assets.domain.line_hash import line_hash
from billing_assets.domain.line_items import FLAGS, SPELLINGS, LineItem
from billing_assets.domain.line_reader import LinePlan, Reader, Reading
from billing_assets.domain.line_readers import LineReaders
from billing_assets.domain.periods import Month
from billing_assets.domain.plain_line_reader import LineReader as PlainReader
from billing_assets.domain.plain_line_reader import PlainReading
from billing_assets.domain.read_lines import PlainReadLines
from billing_assets.domain.resolved import resolve
from billing_assets.local.sample import Sample, generate
from billing_assets_tests.unit.making import KEY, InMemoryObjects, an_assignment, jsonl, row_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_assets.domain.assignments import Assignment

_FIELDS = sorted({field for fields in (*SPELLINGS.values(), *FLAGS.values()) for field in fields})
_values = st.none() | st.booleans() | st.text(max_size=6) | st.sampled_from([" n/A ", "$1.00", "(2.50)", "TRUE", "1"])
_odd_values = _values | st.integers() | st.floats() | st.lists(st.integers(), max_size=1) | st.just("\ud800")
_odd_lines = st.dictionaries(st.sampled_from([*_FIELDS, "Status", "x"]), _odd_values, max_size=12)


@pytest.fixture(scope="module")
def sample() -> Sample:
    """A twentieth of the sample, with all its imperfections."""
    return generate(last_period="2026-06", scale=0.05, seed=5)


READERS: list[Callable[[LinePlan], Reader]] = list(dict.fromkeys((PlainReader, line_readers.FastestReader)))


@pytest.fixture(params=READERS, ids=lambda make: make.__module__.rpartition(".")[2])
def readers(request: pytest.FixtureRequest) -> LineReaders:
    """Of either kind, with nothing learnt."""
    return LineReaders(request.param)


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


@pytest.mark.parametrize(
    "switched_off", ["compiled readers", "compiled lines", "readers", "matched", "fast hashes", "all shortcuts"]
)
def test_a_shortcut_bills_another_line(switched_off: str, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """With or without a shortcut every assignment has the same line, status and amount."""
    usual = {period: _rows(sample, period, lambda record: record.line_index) for period in sample.periods}
    if switched_off in {"compiled readers", "matched"}:
        monkeypatch.setattr(line_readers, "readers", LineReaders(PlainReader))
    if switched_off in {"compiled lines", "all shortcuts"}:
        monkeypatch.setattr(line_readers, "FastestLines", PlainReadLines)
    if switched_off in {"readers", "all shortcuts"}:
        monkeypatch.setattr(LineReaders, "read", _nothing)
    if switched_off == "matched":
        monkeypatch.setattr(PlainReading, "matched", _nothing)
    if switched_off in {"fast hashes", "all shortcuts"}:
        monkeypatch.setattr(fast_hash, "hashes", _nothing)
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


def test_plain_hashes_are_never_needed_for_usual_lines(sample: Sample, readers: LineReaders) -> None:
    """The shortcut works at all: nearly all lines of the sample are read as they stand."""
    texts = [line for body in list(sample.objects.values())[:80] for line in body.split(b"\n") if line[:1] == b"{"]
    matched = [
        text
        for text in texts
        if (known := fast_hash.hashes(text)) and (reading := readers.read(text)) and reading.matched(known[0])
    ]
    assert len(matched) > 0.8 * len(texts)


@given(_odd_lines, st.booleans(), st.lists(st.sampled_from(range(8)), max_size=8))
@example(line={"Account Number": None, "AccountNumber": math.inf}, ascii_only=True, others=[])
@example(line={"Account Number": math.nan}, ascii_only=True, others=[])
def test_a_line_is_read_otherwise(line: dict[str, Any], ascii_only: bool, others: list[int]) -> None:
    """Its fields are those of the exact way, by either reader, whatever stood in lines of the same fields before."""
    text = json.dumps(line, ensure_ascii=ascii_only or "\ud800" in line.values())
    try:
        plan = LinePlan(tuple(line))
    except ValueError:
        return
    for make in READERS:
        reader = make(plan)
        for other in others:
            reader.read(json.dumps(dict.fromkeys(line, f"{other}.00")).encode())
        reading = reader.read(text.encode())
        assert reading is None or reading.item() == LineItem.from_line(decode_exactly(text))
        if text.isascii():
            # Written as the app writes lines.
            assert reading is not None or any(_may_be_refused(value, make) for value in line.values())
        if text.isascii() and reading is not None:
            assert (reading.v1_hash(), reading.v2_hash()) == (line_hash(line, "v1"), line_hash(line, "v2"))


def _may_be_refused(value: object, make: Callable[[LinePlan], Reader]) -> bool:
    """By msgspec, and by either reader where a text has to be decoded."""
    is_no_number = isinstance(value, float) and not math.isfinite(value)
    return value == "\ud800" or (make is PlainReader and is_no_number)


@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 3))
def test_a_broken_line_is_read(noise: bytes, at: int, kept: int) -> None:
    """A line into which anything was written is left alone, unless it is a line all the same; nothing else is read."""
    line = {"Line Item Charge": "1.00", "x": [1, {"y": "}"}], "Status": 2, "__id__": "a\\", "Charge Code": None}
    whole = json.dumps(line).encode()
    text = whole[:at] + noise + whole[at + kept :]
    for make in READERS:
        reading = make(LinePlan(tuple(line))).read(text)
        if reading is None or reading.item() is None:
            continue
        try:
            decoded = json.loads(text)
        except ValueError:
            # Nobody can have stored a hash of it, and this one is not made of it.
            assert not _is_canonical(reading)
            continue
        if text == json.dumps(decoded).encode():
            assert (reading.v1_hash(), reading.v2_hash()) == (line_hash(decoded, "v1"), line_hash(decoded, "v2"))
        assert reading.item() == LineItem.from_line(decode_exactly(text.decode()))


@pytest.mark.parametrize(
    "value", [b"", b" ", b"x", b"01", b"1 2", b'"a', b"{", b"\x00", b"\xff", b'"\n"', b"NaNa", b"-"]
)
@pytest.mark.parametrize("field", [*_FIELDS, "Status", "other"])
def test_a_line_with_a_broken_value_is_billed(field: str, value: bytes) -> None:
    """A line that `json` can't read has no hash, whether or not the field is part of one, and whoever reads it."""
    line = {"Line Item Charge": "1.00", "Line Item Description": "water", "a": 1, "b": 2} | {field: "VALUE"}
    broken = json.dumps(line).encode().replace(b'"VALUE"', value)
    for make in READERS:
        reading = make(LinePlan(tuple(line))).read(broken)
        assert reading is None or reading.item() is None or not _is_canonical(reading)


def _is_canonical(reading: Reading) -> bool:
    """Whether its hash may be a stored one: what it is made of is what `json` would write."""
    try:
        return json.dumps(json.loads(reading.v2_text), sort_keys=True).encode() == reading.v2_text
    except ValueError:
        return False


def test_readers_are_compiled_where_there_is_a_compiler() -> None:
    """Else a broken build would go unseen, as a slower one."""
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if shutil.which("cc") is None or not headers.exists():
        pytest.skip("no compiler, or no headers of Python, to build with")
    assert line_readers.IS_COMPILED


_contents = st.lists(
    st.sampled_from([b"", b" \t\r", b"\x0b\x0c", b"\x1c", b"x", b"{", b'{"a": 1}', b"\xff", b"\xe2\x80\xa8"])
    | st.builds(
        lambda charge, more: json.dumps({"Line Item Charge": charge, "x": more, "Status": 1}).encode(),
        st.sampled_from(["1.00", "2.00"]),
        _values,
    ),
    max_size=8,
)


@given(_contents, st.booleans(), st.lists(st.integers(0, 7), max_size=6))
def test_the_compiled_lines_are_others(lines: list[bytes], ends: bool, asked: list[int]) -> None:
    """Both know the same lines, whichever is asked for first, and which of those in front may be equal to it."""
    content = b"\n".join(lines) + b"\n" * ends
    learnt = LineReaders(line_readers.FastestReader)
    for line in [json.dumps({"Line Item Charge": "1.00", "x": 1, "Status": 1}).encode()] * 4:
        learnt.read(line)
    plain, fastest = PlainReadLines(content, learnt), line_readers.FastestLines(content, learnt)
    assert len(plain) == len(fastest) == sum(bool(line.strip()) for line in lines)
    assert [fastest.text_at(position) for position in range(len(plain))] == [line for line in lines if line.strip()]
    for position in asked:
        readings = [each.reading_at(position) for each in (plain, fastest)] if position < len(plain) else []
        assert (
            len(
                {
                    reading and (reading.tells, reading.item(), (reading.v1_hash(), reading.v2_hash()))
                    for reading in readings
                }
            )
            <= 1
        )
        stored = (readings[0].v1_hash(), readings[0].v2_hash()) if readings and readings[0] else ["x"]
        for stored_hash in stored:
            assert plain.hinted(stored_hash, position) == fastest.hinted(stored_hash, position)
        if readings:
            assert plain.perhaps_equal(position) == fastest.perhaps_equal(position)
    for outside in (-1, len(plain), 2**64):
        assert plain.hinted("x", outside) is fastest.hinted("x", outside) is None


def test_threads_share_a_reader(readers: LineReaders) -> None:
    """Lines that several threads read at once are not mixed up: what is found in one is kept nowhere else."""
    lines = [{"Line Item Charge": f"{n}.00", "Line Item Description": f"{n} \\u00e9 {n}" * 9} for n in range(400)]
    texts = [json.dumps(line).encode() for line in lines]
    [readers.read(text) for text in texts[:8]]
    with ThreadPoolExecutor(8) as pool:
        readings = list(pool.map(readers.read, texts * 5))
    for text, reading in zip(texts * 5, readings, strict=True):
        assert reading is not None
        assert reading.item() == LineItem.from_line(decode_exactly(text.decode()))


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
