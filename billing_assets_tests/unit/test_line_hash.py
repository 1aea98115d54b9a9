"""The identity of a line: SPEC.md section 3, byte for byte, on the plain path and on the fast one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_assets.domain.line_hash import VOLATILE, line_hash
from billing_assets.domain.stage4 import StageFourObject
from billing_assets_tests.unit.making import KEY, V1_VOLATILE, V2_VOLATILE, a_line, jsonl, v1, v2

if TYPE_CHECKING:
    from collections.abc import Callable

# Made once, outside this project, with `python -c` and json.dumps(…, sort_keys=True); never to be made by our code.
GOLDEN = [
    ("{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
    ('{"b": 1, "a": "x"}', "385820f0096fd558f4091319e7fa742cebf877dc3baca180981889f1c40eca84"),
    ('{"a": 0.1, "b": 1.10, "c": 100.0}', "90ddac315b146fdda97661ab6dd87bc9b92b9d3921394137cf38424a64b616a1"),
    ('{"a": 1e16}', "df72b24597a4495af9cc16f79357e59a24c03758fb2a7fd7d48c9750c08f9aaf"),
    ('{"a": 1E15}', "534a464af3b4dd719f61a9a3fd9b2b084e6a74965442580c81a097e861c5b249"),
    ('{"a": 1e-7}', "608b20089680892fd54628163a7cbdaaf8f23751e5949994bd175ee872b3e4e0"),
    ('{"a": -0.0}', "2c9df1fc0151b8a92aaf22f0c34d0e004f3302c83078d4c5ae9fb9e3e0aa9588"),
    ('{"a": -0}', "25b24058ee62959733d6de44c94bcf2a8bf8e448b368d90a6f7a1e704f4c9dd5"),
    (
        '{"a": 18446744073709551616, "b": -9223372036854775809}',
        "50503b09c4a068f73b7731c553ae58c3e5022c15b12c08e2363fbfe16cdda38b",
    ),
    ('{"a": 123456789012345678901234567890}', "c6c0bf2d517c865eca1b3c0f40b2a69a1a5d0318f6cae179658980d54f49de48"),
    ('{"a": 0.1000000000000000055511151231257827}', "67479ac0298cb17a0f1e9f581de51fa4d915c918cb04503f45f26cf92ac0fa7c"),
    (
        r'{"a": "\"\\\/\b\f\n\r\t\u0000\u007f\u2028"}',
        "028efe538e80ae7e23c0534e11a23bedacf89ca931908b065aea38ced8f37412",
    ),
    ('{"ä": "Überfluß €"}', "1830d340b6cb8e69ad0b46d6067328acbb84bca95c840902560da846d13e8bf1"),
    ('{"a": "😀", "😀": "𝄞"}', "0df62dca767fd11c7b9160a4c70a0907eec4d0fe156512661c49edf0c0a9af76"),
    (r'{"a": "\ud83d\ude00"}', "584fb7ef2a897b2fd0d46a0e4461ea35a087048a1b75a6d9d4ee1467ea5f7197"),
    (
        '{"b": {"z": [1, {"y": 2.50, "x": null}], "a": true}, "a": false}',
        "7aad7e9243e7c75a3465a468ee2a5b0d05b63fd8a69043f8885aff1b5db604d2",
    ),
    (r'{"a": "\ud800", "b": "x\udc00y"}', "b6c97c65f7c33e9f857f5912703741cf3ddb4a044100ee29daa95daafad76520"),
    (r'{"\ud800": 1}', "fce0fe1513e3d1e350d6ecd81da61f2fe5393a52340df0a898242996e38a159a"),
    ('{"a": NaN, "b": [Infinity, -Infinity]}', "4acd7b2c3a9bb410dfcc66232d68202d1dae995f451b05719da9e24f6f1af5c6"),
    ('{"a": 1e400}', "a1a207efc43f9b84dc14b3bb457ae5b6af3547305a1dedf9694904781cac7430"),
    ('{"a": 1, "a": 2}', "e5a9d5b0300e0f50d372e5a9ddfa24208aac9a940ce9a36f247387221ae205fe"),
    (
        '{"Zebra": 1, "apple": 2, "Äpfel": 3, "_": 4}',
        "831fd295ac0cd69d57ef5773b5700f905ce367c9a670aa85fb01c7350d2ed541",
    ),
    (
        '{"a": "N/A", "Charge Code": "W", "Status": "Posted"}',
        "59684babe388bdc24605b19d31316cd98639dd04fa3c486a1125c556063f1734",
    ),
]


@pytest.mark.parametrize(("text", "digest"), GOLDEN)
def test_a_line_is_known_by_another_hash_than_the_apps(text: str, digest: str) -> None:
    """Tricky values hash to the digest that Python's json.dumps gave them."""
    assert line_hash(json.loads(text), "v1") == digest


@pytest.mark.parametrize(("text", "digest"), GOLDEN)
def test_a_line_with_tricky_values_is_not_found(text: str, digest: str) -> None:
    """The line is found by its digest in an object, whichever path is taken, and by no other."""
    lines = StageFourObject(KEY, jsonl(text))
    (named,) = lines.named_by({digest})[digest]
    picked = lines.pick(digest, None)
    assert (named.position, named.version) == (0, "v1")
    assert picked is None or (picked.position, picked.version, picked.item) == (0, "v1", named.item)
    others = [other for _, other in GOLDEN if other != digest]
    assert not any(lines.named_by(others).values())
    assert all(lines.pick(other, 0) is None for other in others)


def test_a_posted_line_is_another_line() -> None:
    """What later stages write onto a line leaves its v2 hash, and changes its v1 hash."""
    posted = {"a": "N/A", "Charge Code": "W", "Status": "Posted"}
    assert line_hash(posted, "v1") == "59684babe388bdc24605b19d31316cd98639dd04fa3c486a1125c556063f1734"
    assert line_hash(posted, "v2") == "9f2544ba0cc2576aab80c93c0c30de4291a19be990c0aea03c01525ec34a3701"


def test_a_volatile_field_was_added_or_forgotten() -> None:
    """Both sets are those of the specification, letter for letter."""
    assert sorted(VOLATILE["v1"]) == sorted(V1_VOLATILE)
    assert sorted(VOLATILE["v2"]) == sorted(V2_VOLATILE)
    assert (len(V1_VOLATILE), len(V2_VOLATILE)) == (12, 29)


@pytest.mark.parametrize("name", V2_VOLATILE)
def test_an_edited_line_is_another_line(name: str) -> None:
    """A field that people or later stages may edit leaves the hashes that it is volatile for, and no other."""
    before, after = a_line(), a_line({name: "edited"})
    assert line_hash(before, "v2") == line_hash(after, "v2")
    assert (line_hash(before, "v1") == line_hash(after, "v1")) == (name in V1_VOLATILE)


@pytest.mark.parametrize("name", ["charge code", "Status ", "PostedBY", "ubi_period_", "EnrichedPropertyID", ""])
def test_another_line_is_the_same_line(name: str) -> None:
    """Any other field changes both hashes."""
    assert line_hash(a_line(), "v1") != line_hash(a_line({name: "edited"}), "v1")
    assert line_hash(a_line(), "v2") != line_hash(a_line({name: "edited"}), "v2")


texts = st.text(max_size=4) | st.text(alphabet="\ud800\udc00\udfffa", max_size=3) | st.sampled_from(V2_VOLATILE)
numbers = st.integers() | st.integers(2**63 - 2, 2**66) | st.floats() | st.just(-0.0)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
lines = st.dictionaries(texts, values, max_size=6)


@given(lines)
def test_a_hash_differs_from_json_dumps(line: dict[str, Any]) -> None:
    """Both versions equal the specification's own expression."""
    assert (line_hash(line, "v1"), line_hash(line, "v2")) == (v1(line), v2(line))


@given(
    of_object=st.lists(lines, min_size=1, max_size=3),
    hint=st.none() | st.integers(0, 3),
    ascii_only=st.booleans(),
    hash_of=st.sampled_from([v1, v2]),
    wanted=st.integers(0, 2),
)
def test_a_line_is_named_by_the_hash_of_another(
    of_object: list[dict[str, Any]],
    hint: int | None,
    ascii_only: bool,
    hash_of: Callable[[dict[str, Any]], str],
    wanted: int,
) -> None:
    """Fast or plain, a hash names exactly the lines that json.dumps says it names; a picked line is one of them."""
    encoded = [json.dumps(line, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") for line in of_object]
    if any(b"\xed" in line for line in encoded):
        # A lone surrogate can only be written escaped.
        encoded = [json.dumps(line).encode() for line in of_object]
    lines = StageFourObject(KEY, jsonl(*encoded))
    read = [json.loads(line) for line in encoded]
    stored = hash_of(read[wanted % len(read)])
    expected = [position for position, line in enumerate(read) if stored in (v1(line), v2(line))]
    named = lines.named_by({stored})[stored]
    assert [line.position for line in named] == expected
    assert [line.version for line in named] == ["v1" if v1(read[at]) == stored else "v2" for at in expected]
    assert lines.pick(stored, hint) in (None, *named)
