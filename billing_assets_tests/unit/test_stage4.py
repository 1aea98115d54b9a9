"""Stage 4 objects: SPEC.md sections 1.2 and 3, families, oddities of the bytes, and naming lines."""

from __future__ import annotations

import gc
import hashlib
import json
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain import stage4
from billing_assets.domain.stage4 import ObjectFamily, StageFourObject, UnreadableObjectError, newer_siblings
from billing_assets_tests.unit.making import KEY, NEWER, NEWEST, OLDER, a_line, gz, jsonl, v1, v2

if TYPE_CHECKING:
    from collections.abc import Callable

BOM = b"\xef\xbb\xbf"
FIRST, SECOND = a_line({"id": 1}), a_line({"id": 2})


def _positions(lines: StageFourObject, stored_hash: str) -> list[int]:
    return [line.position for line in lines.named_by({stored_hash})[stored_hash]]


def _slots(lines: StageFourObject, stored_hash: str) -> list[tuple[str, int]]:
    return [line.slot for line in lines.named_by({stored_hash})[stored_hash]]


@pytest.mark.parametrize(
    ("key", "name", "timestamp"),
    [
        ("a/b_20250101T000000Z.jsonl", "a/b", "20250101T000000Z"),
        ("a/b_20250101T000000Z.jsonl.gz", "a/b", "20250101T000000Z"),
        ("b_20250101T000000Z.jsonl", "b", "20250101T000000Z"),
        ("a/b_c_20250101T000000Z.jsonl", "a/b_c", "20250101T000000Z"),
        ("a/b_20240101T000000Z_20250101T000000Z.jsonl", "a/b_20240101T000000Z", "20250101T000000Z"),
        ("Bill_Parser_7_X/yyyy=2025/b\nc_20250101T000000Z.jsonl", "Bill_Parser_7_X/yyyy=2025/b\nc", "20250101T000000Z"),
        # Keys without a timestamp are families of their own.
        ("a/b.jsonl", "a/b.jsonl", None),
        ("a/b_20250101T000000Z.jsonl.bz2", "a/b_20250101T000000Z.jsonl.bz2", None),
        ("a/b_20250101T000000Z.json", "a/b_20250101T000000Z.json", None),
        ("a/b_20250101T000000.jsonl", "a/b_20250101T000000.jsonl", None),
        ("a/b_20250101t000000z.jsonl", "a/b_20250101t000000z.jsonl", None),
        ("a/b-20250101T000000Z.jsonl", "a/b-20250101T000000Z.jsonl", None),
        ("a/b_2025010T1000000Z.jsonl", "a/b_2025010T1000000Z.jsonl", None),
        ("a/b_20250101T000000Z/c.jsonl", "a/b_20250101T000000Z/c.jsonl", None),
        ("a/_20250101T000000Z.jsonl", "a/_20250101T000000Z.jsonl", None),
        ("a/b_20250101T000000Z.jsonl\n", "a/b_20250101T000000Z.jsonl\n", None),
        ("a/b_20250101T000000Zxjsonl", "a/b_20250101T000000Zxjsonl", None),
        ("a/b_20250101T000000Z.jsonlxgz", "a/b_20250101T000000Z.jsonlxgz", None),
    ],
)
def test_a_key_is_put_into_the_wrong_family(key: str, name: str, timestamp: str | None) -> None:
    """A family is folder and base; only `<base>_<yyyymmddThhmmssZ>.jsonl`, with or without `.gz`, has a timestamp."""
    family = ObjectFamily.of(key)
    assert (family.name, family.timestamp) == (name, timestamp)
    if timestamp is not None:
        assert key.startswith(family.prefix)


def test_a_rewritten_object_is_not_found_or_an_older_one_is() -> None:
    """The same or a greater timestamp of the same folder and base, newest first, never the key itself."""
    keys = [OLDER, KEY, f"{KEY}.gz", NEWER, f"{NEWER}.gz", NEWEST]
    assert newer_siblings(KEY, keys) == [NEWEST, NEWER, f"{NEWER}.gz", f"{KEY}.gz"]
    assert newer_siblings(KEY, keys[::-1]) == newer_siblings(KEY, keys)
    assert newer_siblings(f"{KEY}.gz", keys) == [NEWEST, NEWER, f"{NEWER}.gz", KEY]
    assert newer_siblings(OLDER, keys)[-2:] == [KEY, f"{KEY}.gz"]
    assert newer_siblings(NEWEST, keys) == []


def test_a_line_is_looked_for_in_a_strangers_object() -> None:
    """Another folder, a longer base, and keys without a timestamp are other families."""
    strangers = [
        NEWER.replace("dd=21", "dd=22"),
        NEWER.replace("/bill_", "/bill_2_"),
        NEWER.replace("/bill_", "/Bill_"),
        KEY.replace(".jsonl", ".json"),
        KEY.replace("_20251021T101010Z", ""),
    ]
    assert newer_siblings(KEY, strangers) == []
    assert newer_siblings("a/b.jsonl", ["a/b_20250101T000000Z.jsonl", "a/b.jsonl.gz", "a/b.jsonl"]) == []


@pytest.mark.parametrize(
    "body",
    [
        jsonl(FIRST, SECOND),
        jsonl(FIRST, SECOND).removesuffix(b"\n"),
        jsonl(FIRST, SECOND, newline=b"\r\n"),
        BOM + jsonl(FIRST, SECOND),
        BOM + b"\n" + jsonl(FIRST, SECOND),
        jsonl(b"", b" \t", FIRST, b"", b"\r", SECOND, b"", b"  "),
        jsonl(b"  " + json.dumps(FIRST).encode() + b" ", SECOND),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_an_oddity_of_the_file_hides_or_shifts_a_line(body: bytes, end: str) -> None:
    """CRLF, a BOM, blank lines and gzip change neither the lines nor their positions."""
    lines = StageFourObject(KEY + end, gz(body) if end else body)
    assert len(lines) == 2
    assert (_positions(lines, v2(FIRST)), _positions(lines, v2(SECOND))) == ([0], [1])
    assert lines.passed_over == 0


@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"17",
        b"{} {}",
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": "\t"}',
        b"\xc2\xa0",
        b"[" * 9999,
    ],
)
def test_a_broken_line_moves_the_lines_behind_it(broken: bytes) -> None:
    """A line that is no JSON object is passed over and counted, and keeps its position."""
    lines = StageFourObject(KEY, jsonl(FIRST, broken, SECOND))
    assert _positions(lines, v2(SECOND)) == [2]
    assert (len(lines), lines.passed_over) == (3, 1)
    assert lines.item_at(1) is None
    picked = lines.pick(v2(SECOND), None)
    assert picked is None or picked.position == 2


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"x":', "}")])
def test_a_line_nested_almost_too_deep_ends_the_run(opening: str, closing: str) -> None:
    """Whatever its depth, a line is found or passed over; it raises nothing."""
    for depth in range(900, 970):
        text = f'{{"a":1,"b":{opening * depth}1{closing * depth}}}'
        stored = hashlib.sha256(f'{{"a": 1, "b": {text[11:-1].replace(":", ": ")}}}'.encode()).hexdigest()
        lines = StageFourObject(KEY, jsonl(text))
        picked, item = lines.pick(stored, None), lines.item_at(0)
        assert picked is None or picked.item == item or item is None
        assert len(lines.named_by({stored})[stored]) + lines.passed_over == 1


def test_a_broken_line_is_counted_twice() -> None:
    """A line that is met several times is one line."""
    lines = StageFourObject(KEY, jsonl(b"{", FIRST, b"}"))
    for _ in range(2):
        lines.named_by({v2(FIRST)})
        assert lines.item_at(0) is None
    assert lines.passed_over == 2


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\u000b", "\u000c", "\u001c", "\u001e"])
def test_a_line_is_cut_in_two_at_another_separator(separator: str) -> None:
    """Only a line feed ends a line; what Python also calls a line boundary may stand inside a text."""
    line = a_line({"Line Item Description": f"water{separator}usage"})
    body = jsonl(json.dumps(line, ensure_ascii=separator < " "), FIRST)
    lines = StageFourObject(KEY, body)
    assert (_positions(lines, v2(line)), _positions(lines, v2(FIRST))) == ([0], [1])


def test_a_byte_order_mark_inside_a_file_is_read_as_nothing() -> None:
    """Only at the very beginning is a BOM no part of the text; a second one breaks its line."""
    lines = StageFourObject(KEY, BOM + BOM + jsonl(FIRST) + BOM + jsonl(SECOND) + jsonl(FIRST))
    assert (_positions(lines, v2(FIRST)), _positions(lines, v2(SECOND)), lines.passed_over) == ([2], [], 2)


@pytest.mark.parametrize(
    ("key", "body", "why"),
    [
        (KEY, jsonl(FIRST) + b"\xff", "not UTF-8 at byte "),
        (KEY, b"\xc3", "not UTF-8 at byte 0"),
        (KEY, jsonl(b'"\xed\xa0\x80"'), "not UTF-8 at byte 1"),
        (KEY, gz(jsonl(FIRST)), "not UTF-8 at byte 1"),
        (f"{KEY}.gz", jsonl(FIRST), "bad gzip: "),
        (f"{KEY}.gz", gz(jsonl(FIRST))[:-9], "bad gzip: "),
        (f"{KEY}.gz", gz(jsonl(FIRST))[:-8] + b"12345678", "bad gzip: "),
        (f"{KEY}.gz", gz(jsonl(FIRST)) + b"tail", "bad gzip: "),
        (f"{KEY}.gz", gz(jsonl(FIRST))[:12] + b"\xff\xff\xff\xff", "bad gzip: "),
        (f"{KEY}.gz", gz(b"\xff"), "not UTF-8 at byte 0"),
        ("a/no-timestamp.gz", b"no gzip", "bad gzip: "),
    ],
)
def test_a_damaged_object_is_read_as_if_it_were_whole(key: str, body: bytes, why: str) -> None:
    """What is not UTF-8 or no gzip can't be read, and the error says why."""
    with pytest.raises(UnreadableObjectError) as caught:
        StageFourObject(key, body)
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize("key", [KEY, f"{KEY}.gz"])
def test_an_object_that_would_fill_the_memory_is_read(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object beyond the limit, packed or unpacked, is unreadable; one at the limit is read."""
    body = jsonl(FIRST)
    packed = gz(body) if key.endswith(".gz") else body
    monkeypatch.setattr(stage4, "MAX_OBJECT_BYTES", len(body))
    assert len(StageFourObject(key, packed)) == 1
    monkeypatch.setattr(stage4, "MAX_OBJECT_BYTES", len(body) - 1)
    with pytest.raises(UnreadableObjectError, match=f"more than|larger than {len(body) - 1} bytes"):
        StageFourObject(key, packed)


def test_an_empty_object_is_an_error() -> None:
    """An object without lines holds no line, which is no fault of its bytes."""
    lines = StageFourObject(KEY, b"")
    assert (len(lines), lines.named_by({"x"}), lines.pick("x", 0), lines.item_at(0)) == (0, {"x": ()}, None, None)


def test_equal_lines_are_taken_for_one_charge() -> None:
    """Equal lines are several charges: a v2 hash names all of them, a v1 hash those whose hash it is."""
    draft, posted = a_line(), a_line({"Status": "Posted"})
    lines = StageFourObject(KEY, jsonl(draft, SECOND, posted, draft))
    assert _positions(lines, v2(posted)) == [0, 2, 3]
    assert _positions(lines, v1(posted)) == [2]
    assert _slots(lines, v2(posted)) == [(v2(draft), 0), (v2(draft), 1), (v2(draft), 2)]
    assert _slots(lines, v1(posted)) == [(v2(draft), 1)]
    # A line without later stages' fields has one hash for both versions.
    assert [line.version for line in lines.named_by({v2(draft)})[v2(draft)]] == ["v1", "v2", "v1"]


def test_a_line_in_front_makes_an_equal_line_another_charge() -> None:
    """The n-th of equal lines is the same charge in every object of the family, wherever it stands."""
    before = StageFourObject(KEY, jsonl(FIRST, FIRST))
    after = StageFourObject(NEWER, jsonl(SECOND, FIRST, b"{", FIRST))
    assert _slots(before, v2(FIRST)) == _slots(after, v2(FIRST))
    assert _positions(after, v2(FIRST)) == [1, 3]


@pytest.mark.parametrize(("hint", "position"), [(None, 0), (0, 0), (2, 2), (1, 0), (9, 0)])
def test_the_hint_is_trusted_over_the_hash_or_ignored(hint: int | None, position: int) -> None:
    """The hinted line is taken if the hash names it, else the first that it names."""
    lines = StageFourObject(KEY, jsonl(FIRST, SECOND, FIRST))
    picked = lines.pick(v2(FIRST), hint)
    assert picked is not None
    assert picked.position == position


def test_a_hash_that_names_nothing_picks_a_line() -> None:
    """A hash that is nobody's gives no line, hinted or not."""
    lines = StageFourObject(KEY, jsonl(FIRST, SECOND))
    assert lines.pick("0" * 64, 0) is None
    assert lines.named_by({"0" * 64, v2(FIRST)})["0" * 64] == ()


ODD_VOLATILE = [
    '{"id": 1, "k": "", "Status": NaN}',
    r'{"id": 1, "k": "", "Charge Code": "\ud800"}',
    '{"id": 1, "k": "", "Status": 1e999}',
]


@pytest.mark.parametrize("odd", ODD_VOLATILE)
@pytest.mark.parametrize("hint", [None, 0])
def test_the_second_of_equal_lines_is_billed_where_the_first_holds_an_odd_number(odd: str, hint: int | None) -> None:
    """The first (or hinted) line that the hash names is picked, or none; never a later one that is faster to read."""
    plain = '{"id": 1, "k": ""}'
    lines = StageFourObject(KEY, jsonl(odd, plain))
    stored = v2(json.loads(plain))
    assert _positions(lines, stored) == [0, 1]
    picked = lines.pick(stored, hint)
    assert picked is None or picked.position == 0


@pytest.mark.parametrize("position", [None, -1, 2, 99])
def test_a_line_beside_the_object_is_shown(position: int | None) -> None:
    """A hint that points beside the object shows no line."""
    assert StageFourObject(KEY, jsonl(FIRST, SECOND)).item_at(position) is None


def test_the_line_at_the_hint_is_another() -> None:
    """What is shown to a person is the line at the position, whatever its hash."""
    item = StageFourObject(KEY, jsonl(b"{", a_line({"Line Item Description": "Trash"}))).item_at(1)
    assert item is not None
    assert item.description == "Trash"


_lines = st.lists(
    st.sampled_from(
        [b'{"a":1,"b":2}', b'{"a":1,"b":2,"Status":3}', b'{"b":2,"a":1}', b'{"a":1}', b"{}", b"{", b"7", b""]
    ),
    max_size=5,
)


@given(
    _lines,
    st.none() | st.integers(-1, 6),
    st.sampled_from([{"a": 1, "b": 2}, {"a": 1}, {}, {"a": 1, "b": 2, "Status": 3}]),
)
def test_the_fast_path_picks_another_line_than_the_plain_one_would_give(
    of_object: list[bytes], hint: int | None, wanted: dict[str, int]
) -> None:
    """A pick is the hinted line if it is named, else the first that is named."""
    for stored in (v1(wanted), v2(wanted)):
        lines = StageFourObject(KEY, jsonl(*of_object))
        named = lines.named_by({stored})[stored]
        expected = next((line for line in named if line.position == hint), named[0] if named else None)
        assert lines.pick(stored, hint) in (None, expected)


@given(
    contents=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    records=st.lists(
        st.tuples(st.integers(0, 3), st.none() | st.integers(-1, 11), st.sampled_from([v1, v2])), min_size=1, max_size=6
    ),
)
def test_what_one_record_looked_for_changes_what_the_next_one_finds(
    contents: list[int], records: list[tuple[int, int | None, Callable[[dict[str, Any]], str]]]
) -> None:
    """Each record, asked for one after the other, finds the hinted line if its hash names it, else the first."""
    # Two and two are alike in what tells most lines apart.
    read = [a_line({"id": content, "Line Item Charge": f"${content // 2}.00"}) for content in contents]
    lines = StageFourObject(KEY, jsonl(*read))
    for content, hint, hash_of in records:
        stored = hash_of(a_line({"id": content, "Line Item Charge": f"${content // 2}.00"}))
        named = [position for position, other in enumerate(contents) if other == content]
        picked = lines.pick(stored, hint)
        assert (picked and picked.position) == (hint if hint in named else next(iter(named), None))
        assert picked is None or picked == lines.named_by({stored})[stored][named.index(picked.position)]


def test_an_object_is_kept_after_it_was_looked_at() -> None:
    """It goes at once, also where a hint was wrong: thousands pass through before cycles are looked for."""

    class Watched(StageFourObject):
        """One that can be watched."""

    gc.disable()
    try:
        lines = Watched(KEY, jsonl(FIRST, SECOND))
        assert lines.pick(v2(SECOND), 0) is not None
        is_there = weakref.ref(lines)
        del lines
        assert is_there() is None
    finally:
        gc.enable()
