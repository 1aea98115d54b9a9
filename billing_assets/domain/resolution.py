"""Locating the lines that a period's records name, in whichever object of a family they stand now.

Source: SPEC.md sections 3 and 5. Nothing is fetched here: an `ObjectSource` brings the objects, in any order, and the
answer doesn't depend on that order. Reading one object lives in `stage4`, sharing out equal lines and judging a record
in `resolved`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import msgspec

from billing_assets.domain.assignments import Assignment  # a Struct's annotations can be asked for
from billing_assets.domain.missing_line import FormerLine, HintedLine
from billing_assets.domain.stage4 import (
    NamedLine,
    ObjectFamily,
    StageFourObject,
    UnreadableObjectError,
    newer_siblings,
    older_siblings,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

OBJECT_MISSING = "object_missing"
OBJECT_UNREADABLE = "object_unreadable"
LINE_NOT_FOUND = "line_not_found"

_MAX_LISTINGS = 3
"""How often a family is listed when a sibling vanishes between listing and reading: the app rewrites files."""

_MOST_OLDER_OBJECTS = 20
"""So many older objects are read for a period, only to say how lines that aren't found have changed."""


@dataclass(frozen=True, slots=True)
class ObjectFault:
    """Why an object gives no lines."""

    reason: str
    detail: str = ""


class ObjectSource(Protocol):
    """Where objects come from; a fault that a retry may heal is an exception there, never an `ObjectFault`."""

    def fetch(self, keys: Collection[str]) -> Iterable[tuple[str, bytes | ObjectFault]]:
        """Each key once, in any order."""

    def siblings(self, families: Collection[ObjectFamily]) -> Iterable[tuple[ObjectFamily, list[str]]]:
        """The keys that now stand under each family's prefix."""


class Located(msgspec.Struct, frozen=True, gc=False):
    """Where a record's line was looked for, and what was found."""

    key: str
    """Where the line was found; the record's own key if it wasn't."""
    lines: tuple[NamedLine, ...]
    """The lines that the record names there, none if it wasn't found."""
    fault: ObjectFault | None = None
    nearest: HintedLine | None = None
    """For a hash that wasn't found: the line that stands at the record's hint."""
    former: FormerLine | None = None
    """For a hash that wasn't found: the line as an older object of the family holds it."""


@dataclass(slots=True)
class ReadingFigures:
    """What resolving took."""

    objects_read: int = 0
    bytes_read: int = 0
    lines_read: int = 0
    lines_passed_over: int = 0
    families_listed: int = 0


class Found(msgspec.Struct, frozen=True):
    """What the objects of a family tell, read in the plain way."""

    named: dict[str, dict[str, tuple[NamedLine, ...]]] = msgspec.field(default_factory=dict)
    """By key and hash: the lines that it names there, also if there are none."""
    nearest: dict[tuple[str, int | None], HintedLine | None] = msgspec.field(default_factory=dict)
    former: dict[str, FormerLine] = msgspec.field(default_factory=dict)
    """By hash: the newest line of an object that is not the record's own; such a record is not found or relocated."""


_NOTHING_FOUND = Found()


class FamilySearch(msgspec.Struct):
    """The records of one period that stand in one object family: only they can compete for a line."""

    family: str
    own_keys: tuple[str, ...] = ()
    """The keys that the records name; a key again where its records don't follow each other."""
    records: list[Assignment] = msgspec.field(default_factory=list)
    places: list[int] = msgspec.field(default_factory=list)
    """Where each of them stands among the period's."""
    picks: list[NamedLine] = msgspec.field(default_factory=list)
    """One for each record, if one object has ended the search: no other record wants any of these lines."""
    picked_from: str = ""
    """That object's key."""
    located: list[Located] = msgspec.field(default_factory=list)
    """One for each record, once the search has ended otherwise: what is left to share out."""
    found: Found = _NOTHING_FOUND
    """What objects have told that did not end the search; most searches end with the first."""

    @property
    def not_found(self) -> list[int]:
        """Which of the records name a line that their object was read for in vain."""
        faults = (located.fault for located in self.located)
        return [index for index, fault in enumerate(faults) if fault is not None and fault.reason == LINE_NOT_FOUND]

    def read(self, key: str, lines: StageFourObject) -> bool:
        """Look for every record's line in one object of the family; whether that ends the search."""
        if self.own_keys.count(key) == len(self.own_keys) and self._pick_apart(key, lines):
            return True
        if self.found is _NOTHING_FOUND:
            self.found = Found()
        found = self.found
        found.named[key] = lines.named_by({record.line_hash for record in self.records})
        for record in self.records:
            named = found.named[key][record.line_hash]
            if record.s3_key == key and not named:
                found.nearest[key, record.line_index] = HintedLine.at(record.line_index, lines)
            elif record.s3_key != key and named:
                candidates = FormerLine.of(key, named[0], lines), found.former.get(record.line_hash)
                found.former[record.line_hash] = max(filter(None, candidates), key=lambda former: former.age)
        return False

    def _pick_apart(self, key: str, lines: StageFourObject) -> bool:
        """Whether each record finds a line that no other record wants: the usual case, and the fast one.

        Sharing out equal lines gives each record the same line then, since every pick is still free.
        """
        picks: dict[int, NamedLine] = {}
        for record in self.records:
            pick = lines.pick(record.line_hash, record.line_index)
            if pick is None or pick.position in picks:
                return False
            picks[pick.position] = pick
        self.picks, self.picked_from = list(picks.values()), key
        return True


class Resolution:
    """The state of locating one period's records: what is known, and which objects are still needed.

    Args:
        assignments: All of one partition, in a fixed order; those with a fault are passed over.
    """

    def __init__(self, assignments: Iterable[Assignment]) -> None:
        self.figures = ReadingFigures()
        self._searches: dict[ObjectFamily, FamilySearch] = {}
        self._identities: dict[str, ObjectFamily] = {}
        self._faults: dict[str, ObjectFault] = {}
        self._siblings: dict[str, list[str]] = {}
        self._listings: dict[str, int] = defaultdict(int)
        search: FamilySearch | None = None
        for place, assignment in enumerate(assignments):
            if assignment.fault:
                continue
            # The records of one key mostly follow each other.
            if search is None or assignment.s3_key != search.own_keys[-1]:
                search = self._search_of(assignment.s3_key)
                search.own_keys += (assignment.s3_key,)
            search.records.append(assignment)
            search.places.append(place)

    def _search_of(self, key: str) -> FamilySearch:
        family = ObjectFamily.of(key)
        identity = self._identities[key] = family.identity
        search = self._searches.get(identity)
        if search is None:
            search = self._searches[identity] = FamilySearch(family.name)
        return search

    def run(self, source: ObjectSource) -> Iterator[FamilySearch]:
        """Read objects until every record is located; each object is fetched once.

        Yields:
            Each family once, its records located. Those that one object settles come with it, and are forgotten here;
            the others follow in the order of their first record.
        """
        needed = {key for search in self._searches.values() for key in search.own_keys}
        while needed:
            yield from self._fetch(needed, source)
            needed = self._settle(source)
        self._look_back(source)
        yield from self._searches.values()

    def _fetch(self, needed: set[str], source: ObjectSource) -> Iterator[FamilySearch]:
        """Read the objects, and empty the set; the searches that each of them ends."""
        wanted = len(needed)
        for key, body in source.fetch(sorted(needed)):
            if key not in needed:
                raise RuntimeError(f"the object source answered {key}, which nobody waits for")
            needed.remove(key)
            family = self._identities.pop(key, None) or ObjectFamily.of(key).identity
            if self._read(key, body, self._searches[family]):
                # No record is left that could ask for the family again.
                yield self._searches.pop(family)
        if needed:
            raise RuntimeError(f"the object source did not answer {len(needed)} of {wanted} keys")

    def _look_back(self, source: ObjectSource) -> None:
        """Find what the missing lines were in older objects, a few of which are read for nothing else."""
        missing = [
            (search, index) for search in self._searches.values() if search.found.named for index in search.not_found
        ]
        # Several records may wait for one object, which counts once.
        unread = dict.fromkeys(self._object_before(search, index) for search, index in missing)
        if older := set(islice(filter(None, unread), _MOST_OLDER_OBJECTS)):
            # They end no search.
            list(self._fetch(older, source))
        for search, index in missing:
            former = search.found.former.get(search.records[index].line_hash)
            search.located[index] = msgspec.structs.replace(search.located[index], former=former)

    def _object_before(self, search: FamilySearch, index: int) -> str | None:
        """The newest older object that may hold a missing line; None if it has been found, or all have been read."""
        record = search.records[index]
        if record.line_hash in search.found.former:
            return None
        older = older_siblings(record.s3_key, self._siblings.get(search.family, []))
        return next((key for key in older if key not in search.found.named and key not in self._faults), None)

    def _read(self, key: str, body: bytes | ObjectFault, search: FamilySearch) -> bool:
        """Look for lines in what came; whether that ends the search."""
        if isinstance(body, ObjectFault):
            self._faults[key] = body
            return False
        self.figures.objects_read += 1
        self.figures.bytes_read += len(body)
        try:
            lines = StageFourObject(key, body)
        except UnreadableObjectError as error:
            self._faults[key] = ObjectFault(OBJECT_UNREADABLE, str(error))
            return False
        has_ended = search.read(key, lines)
        self.figures.lines_read += len(lines)
        self.figures.lines_passed_over += lines.passed_over
        return has_ended

    def _settle(self, source: ObjectSource) -> set[str]:
        """End the searches that can end; the keys that the others need."""
        while True:
            families: dict[str, ObjectFamily] = {}
            keys: set[str] = set()
            for search in self._searches.values():
                if search.located:
                    continue
                steps = [self._locate(search, record) for record in search.records]
                families.update((step.name, step) for step in steps if isinstance(step, ObjectFamily))
                keys.update(step for step in steps if isinstance(step, str))
                located = [step for step in steps if isinstance(step, Located)]
                if len(located) == len(steps):
                    search.located = located
            if not families:
                return keys
            for family, siblings in source.siblings(list(families.values())):
                self._siblings[family.name] = siblings
                self._listings[family.name] += 1
                self.figures.families_listed += 1

    def _locate(self, search: FamilySearch, record: Assignment) -> Located | ObjectFamily | str:
        """Where the record's line is, or else the family to list or the key to read before that is known."""
        own = record.s3_key
        if lines := search.found.named.get(own, {}).get(record.line_hash):
            return Located(own, lines)
        family = ObjectFamily.of(own)
        if family.timestamp is not None and family.name not in self._siblings:
            return family
        for sibling in newer_siblings(own, self._siblings.get(family.name, [])):
            fault = self._faults.get(sibling)
            if fault is None and sibling not in search.found.named:
                return sibling
            if fault is None:
                if lines := search.found.named[sibling][record.line_hash]:
                    return Located(sibling, lines)
            elif fault.reason == OBJECT_MISSING and self._listings[family.name] < _MAX_LISTINGS:
                # It was there when listed: the app has rewritten the file under a still newer timestamp since.
                return family
        fault = self._faults.get(own) or ObjectFault(LINE_NOT_FOUND)
        return Located(own, (), fault, search.found.nearest.get((own, record.line_index)))
