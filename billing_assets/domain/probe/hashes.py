"""Sentences of SPEC.md section 3 about the line hash: which of its versions the stored ones are, or which other recipe.

A stored hash that neither version makes of any line of its object is tried with other recipes: other separators, order,
escaping and digests, other volatile fields, and each line with one or two fields more left out. A recipe that fits is
proof, since no two texts have one SHA-256; one that was only not found is proof of nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from billing_assets.domain.line_hash import VOLATILE, line_hash
from billing_assets.domain.probe.misfits import Misfit, Probed, misfit, shown, shown_key
from billing_assets.domain.resolution import LINE_NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

EITHER, V1, V2, NEITHER, NOT_LOOKED = "v1 and v2 alike", "v1 alone", "v2 alone", "neither", "object not read"
_MOST_RECORDS = 25
_MOST_LINES = 12
_MOST_PAIRED = 3
_MOST_FIELDS = 80
_NEITHER_SHARE = 0.05
_DIGESTS: dict[str, Callable[[bytes], Any]] = {
    "SHA-256": hashlib.sha256,
    "SHA-1": lambda text: hashlib.sha1(text, usedforsecurity=False),
    "MD5": lambda text: hashlib.md5(text, usedforsecurity=False),
}
_SENTENCE = "a line hash is SHA-256 of json.dumps(sort_keys=True) without the volatile fields of v1 or of v2"


def hash_versions(probed: Sequence[Probed], text_of: Callable[[Probed], bytes | None]) -> Counter[str]:
    """By which version the records' lines were found.

    Args:
        probed: The records.
        text_of: The text of a record's line, as it stands in its object.
    """
    return Counter(_version(one, text_of(one)) for one in probed if one.row.assignment.line_hash)


def _version(one: Probed, text: bytes | None) -> str:
    if one.row.line is None or text is None:
        return NEITHER if one.row.reason == LINE_NOT_FOUND else NOT_LOOKED
    line, stored = json.loads(text), one.row.assignment.line_hash
    fits = [version for version in VOLATILE if line_hash(line, version) == stored]
    return EITHER if len(fits) == len(VOLATILE) else V1 if fits == ["v1"] else V2


def hash_misfits(probed: Sequence[Probed], lines_of: Callable[[Probed], Sequence[bytes]]) -> list[Misfit]:
    """What the hashes are that neither version makes.

    Args:
        probed: The records.
        lines_of: The lines of a record's own object, the hinted one first; none if it could not be read.
    """
    read = [one for one in probed if one.row.line is not None or one.row.reason == LINE_NOT_FOUND]
    lost = [one for one in read if one.row.line is None]
    by_recipe: dict[str, list[str]] = {}
    for number, one in enumerate(lost[:_MOST_RECORDS]):
        recipe = other_recipe(one.row.assignment.line_hash, lines_of(one), pairs=number < _MOST_PAIRED)
        if recipe:
            by_recipe.setdefault(recipe, []).append(_example(one))
    misfits = [
        found
        for recipe, examples in sorted(by_recipe.items())
        for found in misfit(
            "3", _SENTENCE, f"another recipe: {recipe}", examples, len(read), remedy=_REMEDY, share=0, least=1
        )
    ]
    if not misfits:
        found = "hashes that neither version, nor any other recipe that was tried, makes of a line of their object"
        examples = [_example(one) for one in lost]
        misfits = misfit("3", _SENTENCE, found, examples, len(read), remedy=_REMEDY, share=_NEITHER_SHARE)
    return misfits


_REMEDY = "say how the app makes the hash (its source's line); until then these records are `unresolved` and not billed"


def _example(one: Probed) -> str:
    return f"{one.row.assignment.line_hash[:16]}… in {shown_key(one.row.assignment.s3_key)}"


def other_recipe(stored: str, lines: Sequence[bytes], *, pairs: bool) -> str:
    """The recipe by which a stored hash is one of these lines'; `""` if none that is tried fits.

    Args:
        stored: The hash.
        lines: As they stand in the object; the first dozen are tried.
        pairs: Whether each two fields more are left out, too: thousands of hashes a line.
    """
    wanted = stored.strip().lower()
    for text in lines[:_MOST_LINES]:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            candidates = itertools.chain(
                _written(text), _dumped(line), _left_out(line, 1), _left_out(line, 2) if pairs else ()
            )
            for recipe, digest in candidates:
                if digest == wanted:
                    return recipe
    return ""


def _written(text: bytes) -> Iterator[tuple[str, str]]:
    for name, digest in _DIGESTS.items():
        yield f"{name} of the line as it is written", digest(text.strip()).hexdigest()
        yield f"{name} of the line as it is written, with its line end", digest(text.strip() + b"\n").hexdigest()


def _dumped(line: dict[str, Any]) -> Iterator[tuple[str, str]]:
    volatile: dict[str, frozenset[str]] = {
        "no field left out": frozenset(),
        **{f"volatile fields of {v}": s for v, s in VOLATILE.items()},
    }
    ways = itertools.product(volatile.items(), (True, False), (True, False), (True, False), _DIGESTS.items())
    for (left_out, names), is_sorted, is_ascii, is_spaced, (name, digest) in ways:
        kept = {field: value for field, value in line.items() if field not in names}
        separators = None if is_spaced else (",", ":")
        text = json.dumps(kept, sort_keys=is_sorted, ensure_ascii=is_ascii, separators=separators)
        words = [
            name,
            left_out,
            "" if is_sorted else "fields unsorted",
            "" if is_ascii else "not escaped",
            "" if is_spaced else "no blanks",
        ]
        yield ", ".join(filter(None, words)), digest(text.encode(errors="replace")).hexdigest()


def _left_out(line: dict[str, Any], count: int) -> Iterator[tuple[str, str]]:
    """Each version with so many fields more called volatile; the parts are joined, not dumped again."""
    for version, volatile in VOLATILE.items():
        parts = {
            name: f"{json.dumps(name)}: {json.dumps(line[name], sort_keys=True)}"
            for name in sorted(line)
            if name not in volatile
        }
        if len(parts) > _MOST_FIELDS:
            continue
        for names in itertools.combinations(parts, count):
            text = "{" + ", ".join(part for name, part in parts.items() if name not in names) + "}"
            yield (
                f"{version} without {' and '.join(map(repr, map(shown, names)))} as well",
                hashlib.sha256(text.encode()).hexdigest(),
            )
