"""Stage 4 objects: their families, their lines, and finding a line by its hash.

Source: SPEC.md sections 1.2 and 3. Fetching an object lives in `billing_assets.stores.objects`, the shortcuts in
`line_readers` and `fast_hash`.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from billing_assets.domain import fast_hash, line_readers
from billing_assets.domain.joined_lines import JoinedLines
from billing_assets.domain.json_text import decode_exactly
from billing_assets.domain.line_hash import HashVersion, line_hash
from billing_assets.domain.line_items import LineItem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


MAX_OBJECT_BYTES = 256 * 1024 * 1024
"""A larger object (or one that unpacks to more) is no Stage 4 output, and is called unreadable."""

_TIMESTAMPED = re.compile(r"(?P<family>(?:.*/)?[^/]+)_(?P<timestamp>[0-9]{8}T[0-9]{6}Z)\.jsonl(?:\.gz)?", re.DOTALL)
_BOM = b"\xef\xbb\xbf"


class UnreadableObjectError(ValueError):
    """An object that can't be split into lines; `str(error)` says why."""


class ObjectFamily(msgspec.Struct, frozen=True, gc=False):
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
    def identity(self) -> ObjectFamily:
        """The same for all timestamps; a key without one is no member of the family whose name it spells."""
        return ObjectFamily(self.name, None if self.timestamp is None else "any")

    @property
    def prefix(self) -> str:
        """Under which S3 lists the family (and perhaps other families with a longer name)."""
        return f"{self.name}_"


def newer_siblings(key: str, keys: list[str]) -> list[str]:
    """Those of `keys` that are of the key's family with the same or a greater timestamp, newest first."""
    own = ObjectFamily.of(key).timestamp or ""
    siblings = [(at, other) for at, other in _siblings(key, keys) if at >= own]
    return [other for _, other in sorted(sorted(siblings, key=itemgetter(1)), key=itemgetter(0), reverse=True)]


def older_siblings(key: str, keys: list[str]) -> list[str]:
    """Those of `keys` that are of the key's family with a smaller timestamp, newest first."""
    own = ObjectFamily.of(key).timestamp or ""
    return [other for at, other in sorted(_siblings(key, keys), reverse=True) if at < own]


def _siblings(key: str, keys: list[str]) -> list[tuple[str, str]]:
    own = ObjectFamily.of(key)
    if own.timestamp is None:
        return []
    families = ((ObjectFamily.of(other), other) for other in keys if other != key)
    return [(of.timestamp, other) for of, other in families if of.name == own.name and of.timestamp is not None]


class NamedLine(msgspec.Struct, frozen=True, gc=False):
    """A line that a stored hash names."""

    position: int
    """Its place in the object, counting non-blank lines from 0."""
    equal: str
    """The v2 hash, which equal lines share."""
    before: int
    """How many equal lines stand before it."""
    version: HashVersion
    item: LineItem

    @property
    def slot(self) -> tuple[str, int]:
        """Which charge of its family it is.

        Two records of one period with one slot compete for one charge, and over all periods the records with one family
        and slot share one charge.
        """
        return self.equal, self.before

    @property
    def identity(self) -> str:
        """The slot as text, which tells the lines of a family apart in every period."""
        return f"{self.equal}#{self.before}"

    @staticmethod
    def slot_of(identity: str) -> tuple[str, int]:
        """The slot that an identity was made of."""
        equal, _, before = identity.rpartition("#")
        return equal, int(before)


class StageFourObject:
    """The lines of one object, each decoded and hashed only when it is asked for."""

    __slots__ = ("_hashed", "_joined", "_lines", "_passed_over")

    def __init__(self, key: str, body: bytes) -> None:
        self._lines = line_readers.lines_of(_content_of(key, body))
        self._passed_over: set[int] = set()
        self._hashed: dict[int, fast_hash.Hashes | None] = {}
        self._joined: JoinedLines | None = None

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def passed_over(self) -> int:
        """Lines met while looking that are no JSON object."""
        return len(self._passed_over)

    def pick(self, stored_hash: str, hint: int | None) -> NamedLine | None:
        """The line of a record with which nobody competes: the hinted one if the hash names it, else the first.

        The hinted line is hashed first; a fast hash that differs proves nothing, so a None is to be confirmed by
        `named_by`, which gives the same slot.
        """
        if hint is not None and (hinted := self._named_at(hint, stored_hash)) is not None:
            return hinted
        if (position := self._joined_for_sure(stored_hash, hint)) is not None:
            return self._named_at(position, stored_hash)
        for position in self._hint_first(hint):
            hashes = self._fast(position)
            if hashes is None:
                # Only the plain path can tell whether the hash names this line, which would come first.
                return None
            if stored_hash in hashes:
                return self._named(position, hashes[1], "v1" if hashes[0] == stored_hash else "v2")
        return None

    def _named_at(self, position: int, stored_hash: str) -> NamedLine | None:
        """The line there if as it stands it has the hash; else nothing is known."""
        found = self._lines.hinted(stored_hash, position)
        if found is None:
            return None
        v2, version, item, has_rivals = found
        return NamedLine(position, v2, self._equal_before(position, v2) if has_rivals else 0, version, item)

    def _joined_for_sure(self, stored_hash: str, hint: int | None) -> int | None:
        """Where a line as it stands has the hash, if no line that comes before it can be named too."""
        if self._joined is None:
            self._joined = JoinedLines(len(self._lines))
        found = self._joined.find(stored_hash, hint, self._lines.reading_at)
        if found is None or self._lines.perhaps_equal(found):
            return None
        hint_may_be_named = hint is not None and 0 <= hint < len(self._lines) and self._tells_the_same(hint, found)
        return None if hint_may_be_named else found

    def _named(self, position: int, v2: str, version: HashVersion) -> NamedLine | None:
        item = self._item(position)
        return None if item is None else NamedLine(position, v2, self._equal_before(position, v2), version, item)

    def named_by(self, stored_hashes: Collection[str]) -> dict[str, tuple[NamedLine, ...]]:
        """For each hash every line that it names, in order; hashed as the app does, without any shortcut."""
        named: dict[str, list[NamedLine]] = {stored_hash: [] for stored_hash in stored_hashes}
        equal_before: Counter[str] = Counter()
        for position in range(len(self._lines)):
            hashes = self._hashes(position)
            if hashes is None:
                continue
            v1, v2 = hashes
            before = equal_before[v2]
            equal_before[v2] += 1
            for stored_hash in {v1, v2} & named.keys():
                version: HashVersion = "v1" if v1 == stored_hash else "v2"
                if (item := self._item(position)) is not None:
                    named[stored_hash].append(NamedLine(position, v2, before, version, item))
        return {stored_hash: tuple(lines) for stored_hash, lines in named.items()}

    def item_at(self, position: int | None) -> LineItem | None:
        """The line at a position, whatever its hash; None if there is none or it is no JSON object."""
        if position is None or not 0 <= position < len(self._lines) or self._hashes(position) is None:
            return None
        return self._item(position)

    def text_at(self, position: int) -> bytes:
        """The line at a position, as it stands in the object."""
        return self._lines.text_at(position)

    def _equal_before(self, position: int, v2: str) -> int:
        """How many of the lines in front have the v2 hash of this one.

        Most differ in a field that every line has, and are decoded but not hashed.
        """
        return sum(self._v2(other) == v2 for other in self._lines.perhaps_equal(position))

    def _tells_the_same(self, one: int, other: int) -> bool:
        """Whether two lines may be equal, for all that their readings say."""
        readings = self._lines.reading_at(one), self._lines.reading_at(other)
        return readings[0] is None or readings[1] is None or readings[0].tells == readings[1].tells

    def _v2(self, position: int) -> str:
        """A line's v2 hash, by the shortcut where that is sure; blank for a line that can't be hashed."""
        fast = self._fast(position)
        if fast is not None:
            return fast[1]
        try:
            return line_hash(_plain_object(self.text_at(position)), "v2")
        except (ValueError, RecursionError):
            return ""

    def _fast(self, position: int) -> fast_hash.Hashes | None:
        if position not in self._hashed:
            self._hashed[position] = fast_hash.hashes(self.text_at(position))
        return self._hashed[position]

    def _hint_first(self, hint: int | None) -> Iterator[int]:
        count = len(self._lines)
        if hint is not None and 0 <= hint < count:
            yield hint
        yield from (position for position in range(count) if position != hint)

    def _hashes(self, position: int) -> tuple[str, str] | None:
        try:
            line = _plain_object(self.text_at(position))
            return line_hash(line, "v1"), line_hash(line, "v2")
        except (ValueError, RecursionError):
            self._passed_over.add(position)
            return None

    def _item(self, position: int) -> LineItem | None:
        reading = self._lines.reading_at(position)
        if reading is not None and (item := reading.item()) is not None:
            return item
        try:
            return LineItem.from_line(decode_exactly(self.text_at(position).decode()))
        except (ValueError, RecursionError):
            # Something in it that no hash is made of is no JSON; or, at one depth of nesting, it can still be hashed
            # but not be read again with exact numbers.
            self._passed_over.add(position)
            return None


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
