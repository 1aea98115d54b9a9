"""Stage 4 objects: their families, their lines, and finding a line by its hash.

Source: SPEC.md sections 1.2 and 3. Fetching an object lives in `billing_assets.stores.objects`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain.json_text import decode_exactly
from billing_assets.domain.line_hash import VOLATILE, HashVersion, line_hash
from billing_assets.domain.line_items import LineItem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MAX_OBJECT_BYTES = 256 * 1024 * 1024
"""A larger object (or one that unpacks to more) is no Stage 4 output, and is called unreadable."""

_TIMESTAMPED = re.compile(r"(?P<family>(?:.*/)?[^/]+)_(?P<timestamp>[0-9]{8}T[0-9]{6}Z)\.jsonl(?:\.gz)?", re.DOTALL)
_BOM = b"\xef\xbb\xbf"


class UnreadableObjectError(ValueError):
    """An object that can't be split into lines; `str(error)` says why."""


@dataclass(frozen=True, slots=True)
class ObjectFamily:
    """All timestamps of one folder and base name; `timestamp` is None for a key that is a family of its own."""

    name: str
    timestamp: str | None

    @classmethod
    def of(cls, key: str) -> ObjectFamily:
        """The family of a key.

        Example:
            >>> ObjectFamily.of("a/b_20250101T000000Z.jsonl.gz")
            ObjectFamily(name='a/b', timestamp='20250101T000000Z')
        """
        match = _TIMESTAMPED.fullmatch(key)
        return cls(key, None) if match is None else cls(match["family"], match["timestamp"])

    @property
    def prefix(self) -> str:
        """Under which S3 lists the family (and perhaps other families with a longer name)."""
        return f"{self.name}_"


def newer_siblings(key: str, keys: list[str]) -> list[str]:
    """Those of `keys` that are of the key's family with the same or a greater timestamp, newest first."""
    own = ObjectFamily.of(key)
    if own.timestamp is None:
        return []
    families = ((ObjectFamily.of(other), other) for other in keys if other != key)
    siblings = [
        (family.timestamp, other)
        for family, other in families
        if family.name == own.name and family.timestamp is not None and family.timestamp >= own.timestamp
    ]
    return [other for _, other in sorted(sorted(siblings, key=itemgetter(1)), key=itemgetter(0), reverse=True)]


@dataclass(frozen=True, slots=True)
class NamedLine:
    """A line that a stored hash names."""

    position: int
    """Its place in the object, counting non-blank lines from 0."""
    slot: tuple[str, int]
    """Which charge of its family it is: the v2 hash that equal lines share, and how many of them stand before it.

    Two records with one slot compete for one charge.
    """
    version: HashVersion
    item: LineItem


class StageFourObject:
    """The lines of one object, each decoded and hashed only when it is asked for."""

    __slots__ = ("_lines", "_passed_over")

    def __init__(self, key: str, body: bytes) -> None:
        self._lines = [line for line in _content_of(key, body).split(b"\n") if line.strip()]
        self._passed_over: set[int] = set()

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def passed_over(self) -> int:
        """Lines met while looking that are no JSON object."""
        return len(self._passed_over)

    def pick(self, stored_hash: str, hint: int | None) -> NamedLine | None:
        """The line of a record with which nobody competes: the hinted one if the hash names it, else the first.

        Its slot is its position, which tells lines of one object apart but not of two. The hinted line is hashed
        first; a fast hash that differs proves nothing, so a None is to be confirmed by `named_by`.
        """
        for position in self._hint_first(hint):
            version = _fast_version(self._lines[position], stored_hash)
            if version is not None:
                return NamedLine(position, ("", position), version, self._item(position))
        return None

    def named_by(self, stored_hashes: Collection[str]) -> dict[str, tuple[NamedLine, ...]]:
        """For each hash every line that it names, in order; hashed as the app does, without any shortcut."""
        named: dict[str, list[NamedLine]] = {stored_hash: [] for stored_hash in stored_hashes}
        equal_before: Counter[str] = Counter()
        for position in range(len(self._lines)):
            hashes = self._hashes(position)
            if hashes is None:
                continue
            v1, v2 = hashes
            slot = v2, equal_before[v2]
            equal_before[v2] += 1
            for stored_hash in {v1, v2} & named.keys():
                version: HashVersion = "v1" if v1 == stored_hash else "v2"
                named[stored_hash].append(NamedLine(position, slot, version, self._item(position)))
        return {stored_hash: tuple(lines) for stored_hash, lines in named.items()}

    def item_at(self, position: int | None) -> LineItem | None:
        """The line at a position, whatever its hash; None if there is none or it is no JSON object."""
        if position is None or not 0 <= position < len(self._lines) or self._hashes(position) is None:
            return None
        return self._item(position)

    def _hint_first(self, hint: int | None) -> Iterator[int]:
        count = len(self._lines)
        if hint is not None and 0 <= hint < count:
            yield hint
        yield from (position for position in range(count) if position != hint)

    def _hashes(self, position: int) -> tuple[str, str] | None:
        try:
            line = _plain_object(self._lines[position])
            return line_hash(line, "v1"), line_hash(line, "v2")
        except (ValueError, RecursionError):
            self._passed_over.add(position)
            return None

    def _item(self, position: int) -> LineItem:
        return LineItem.from_line(decode_exactly(self._lines[position].decode()))


def _content_of(key: str, body: bytes) -> bytes:
    if len(body) > MAX_OBJECT_BYTES:
        raise UnreadableObjectError(f"larger than {MAX_OBJECT_BYTES:,} bytes")
    if key.endswith(".gz"):
        body = _unpacked(body)
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise UnreadableObjectError(f"not UTF-8 at byte {error.start}") from None
    return body.removeprefix(_BOM)


def _unpacked(body: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            content = packed.read(MAX_OBJECT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableObjectError(f"bad gzip: {error}") from None
    if len(content) > MAX_OBJECT_BYTES:
        raise UnreadableObjectError(f"unpacks to more than {MAX_OBJECT_BYTES:,} bytes")
    return content


def _plain_object(line: bytes) -> dict[str, Any]:
    decoded = json.loads(line.decode())
    if not isinstance(decoded, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # callers ask one question: is it a line or not
    return decoded


_decode_fast = msgspec.json.Decoder(dict[str, Any]).decode
_dump = json.JSONEncoder(sort_keys=True).encode
_Template = tuple["itemgetter[Any]", tuple[str, ...]]
_templates: dict[tuple[HashVersion, tuple[str, ...]], _Template] = {}
_MAX_TEMPLATES = 4096


def _fast_version(line: bytes, stored_hash: str) -> HashVersion | None:
    """Which version of the line's hash is the stored one, in half the time of `line_hash`.

    A hash that msgspec's reading of a number changes can't equal a stored one, so a wrong answer is always None.
    """
    try:
        decoded = _decode_fast(line)
        names = tuple(decoded)
        for version in VOLATILE:
            if hashlib.sha256(_fast_canonical(decoded, names, version)).hexdigest() == stored_hash:
                return version
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return None


def _fast_canonical(line: dict[str, Any], names: tuple[str, ...], version: HashVersion) -> bytes:
    template = _templates.get((version, names))
    if template is None:
        template = _template_of(names, version)
    values_of, openings = template
    parts = [
        opening + (encode_basestring_ascii(value) if type(value) is str else _dump(value))
        for opening, value in zip(openings, values_of(line), strict=True)
    ]
    return ("{" + ", ".join(parts) + "}").encode()


def _template_of(names: tuple[str, ...], version: HashVersion) -> _Template:
    """How a line with these fields, in this order, is written: made once, since a parser writes alike."""
    stable = sorted(set(names) - VOLATILE[version])
    if len(stable) < 2:
        # itemgetter of one name gives no tuple; such a line is left to the plain path.
        raise ValueError("too few fields for a template")
    if len(_templates) >= _MAX_TEMPLATES:
        _templates.clear()
    template = itemgetter(*stable), tuple(f"{encode_basestring_ascii(name)}: " for name in stable)
    _templates[version, names] = template
    return template
