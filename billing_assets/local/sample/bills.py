"""Bills as the parser stores them: a key with a timestamp, lines, and the ways in which an object can be odd.

Every way here leaves the bill's lines findable; objects that are gone or broken are planted by `unbilled`.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from billing_assets.local.sample.model import Deck, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from billing_assets.local.sample.names import Account

STAGE_4: Final = "Bill_Parser_4_Enriched_Outputs"
STAGE_7: Final = "Bill_Parser_7_PreEntrata_Submission"
STAGE_8: Final = "Bill_Parser_8_UBI_Assigned"
BROKEN_LINE: Final = '{"Line Item Description": "cut off here, "Line Item Ch'
SHARES: Final = {
    "gzip": 1,
    "crlf": 1,
    "byte_order_mark": 1,
    "blank_lines": 1,
    "broken_line": 1,
    "raw_utf8": 2,
    "moved": 1,
    "moved_and_rewritten": 1,
    "both_timestamps": 1,
    "only_in_newer": 1,
    "moved_to_gzip": 1,
    "unreadable_sibling": 1,
    "unreadable_but_newer": 1,
    "stage_8_key": 1,
    "stage_7_key": 1,
    "key_without_timestamp": 1,
    "odd_key": 1,
}


@dataclass(slots=True)
class Bill:
    """A bill not yet stored."""

    bill_id: str
    account: Account
    base: str
    parsed_at: datetime
    stage: str = STAGE_4
    lines: list[Line] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """The object's folder, by the day when the bill was first parsed."""
        return f"{self.stage}/{self.parsed_at:yyyy=%Y/mm=%m/dd=%d}"

    def key(self, rewritten: int = 0, suffix: str = ".jsonl", extra: str = "") -> str:
        """The object's key after so many rewrites (negative: before the first), each a day and a bit later."""
        moment = self.parsed_at + timedelta(hours=29, seconds=7) * rewritten
        return f"{self.folder}/{self.base}{extra}_{moment:%Y%m%dT%H%M%SZ}{suffix}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stored bill's lines stand, and where its assignments say that they stand."""

    s3_key: str
    found_key: str
    shift: int = 0
    """Position of the first line in the object where it is found."""
    hinted_shift: int = 0
    kinds: frozenset[str] = frozenset()
    bill_id: str = ""

    @property
    def relocated(self) -> bool:
        """Whether the lines are found under another key than the assignments say."""
        return self.s3_key != self.found_key


def body_of(lines: Sequence[Line | str], *, newline: str = "\n", raw: bool = False) -> bytes:
    """An object's bytes. Text that is no line, such as a blank or a broken one, is written as it is."""
    texts = []
    for line in lines:
        if isinstance(line, str):
            texts.append(line)
        else:
            escaped = not raw or "lone_surrogate" in line.kinds
            texts.append(json.dumps(line.fields, ensure_ascii=escaped))
    return "".join(text + newline for text in texts).encode()


def gzipped(body: bytes) -> bytes:
    """The same bytes every time: no clock in the header."""
    return gzip.compress(body, compresslevel=6, mtime=0)


class Shelf:
    """Stores bills in ways dealt from a deck, and keeps all objects."""

    def __init__(self, rng: Random) -> None:
        self.objects: dict[str, bytes] = {}
        self._deck = Deck(rng, SHARES, plain="", size=60)

    def deal(self, bill: Bill) -> Place:
        """Store a bill in one way or another."""
        return self.store(bill, self._deck.draw())

    def store(self, bill: Bill, kind: str = "") -> Place:
        """Store a bill in the way named; a plain one if none is."""
        place = _WAYS[kind](self, bill)
        kinds = frozenset({kind}) if kind else frozenset()
        return Place(place.s3_key, place.found_key, place.shift, place.hinted_shift, kinds, bill.bill_id)

    def put(self, key: str, body: bytes) -> Place:
        """Store an object whose lines stand where its assignments say."""
        self.objects[key] = body
        return Place(key, key)


def _broken_line(shelf: Shelf, bill: Bill) -> Place:
    key = bill.key()
    shelf.put(key, body_of([BROKEN_LINE, "[1, 2]", *bill.lines]))
    return Place(key, key, shift=2, hinted_shift=2)


def _moved(shelf: Shelf, bill: Bill) -> Place:
    shelf.put(bill.key(1), body_of(bill.lines))
    return Place(bill.key(), bill.key(1))


def _moved_and_rewritten(shelf: Shelf, bill: Bill) -> Place:
    """A line came in front and reviewers changed the status: the old hint now points at the line before."""
    first = bill.lines[0].twin(**{"Meter Number": f"{bill.base}-new", "Line Item Charge": "1.00"})
    for line in bill.lines:
        line.fields["Charge Code Source"] = "reviewer"
    shelf.put(bill.key(2), body_of([first, *bill.lines]))
    return Place(bill.key(), bill.key(2), shift=1)


def _both(shelf: Shelf, bill: Bill) -> Place:
    """The newer object bills the same lines under another charge code: the assignments' own key must win."""
    shelf.put(bill.key(1), body_of([line.twin(**{"Charge Code": "NEW"}) for line in bill.lines]))
    return shelf.put(bill.key(), body_of(bill.lines))


def _only_in_newer(shelf: Shelf, bill: Bill) -> Place:
    other = bill.lines[0].twin(**{"Meter Number": f"{bill.base}-old"})
    shelf.put(bill.key(), body_of([other]))
    shelf.put(bill.key(1), body_of(bill.lines))
    return Place(bill.key(), bill.key(1))


def _moved_to_gzip(shelf: Shelf, bill: Bill) -> Place:
    key = bill.key(suffix=".jsonl.gz")
    shelf.put(key, gzipped(body_of(bill.lines)))
    return Place(bill.key(), key)


def _unreadable_sibling(shelf: Shelf, bill: Bill) -> Place:
    shelf.put(bill.key(2, ".jsonl.gz"), gzipped(body_of(bill.lines))[:-20])
    shelf.put(bill.key(1), body_of(bill.lines))
    return Place(bill.key(), bill.key(1))


def _unreadable_but_newer(shelf: Shelf, bill: Bill) -> Place:
    shelf.put(bill.key(), body_of(bill.lines) + b'{"Line Item Description": "A\xf1o"}\n')
    shelf.put(bill.key(1), body_of(bill.lines))
    return Place(bill.key(), bill.key(1))


def _staged(shelf: Shelf, bill: Bill, stage: str) -> Place:
    bill.stage = stage
    key = bill.key()
    for line in bill.lines:
        line.fields |= {"ubi_assigned_by": "reviewer-1", "ubi_period_count": 1, "__stage8_key__": key}
    return shelf.put(key, body_of(bill.lines))


def _odd_key(shelf: Shelf, bill: Bill) -> Place:
    bill.base = f"{bill.base} N\N{DEGREE SIGN}2 + 50% #1 caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    return shelf.put(bill.key(), body_of(bill.lines))


_WAYS: Final[dict[str, Callable[[Shelf, Bill], Place]]] = {
    "": lambda shelf, bill: shelf.put(bill.key(), body_of(bill.lines)),
    "gzip": lambda shelf, bill: shelf.put(bill.key(suffix=".jsonl.gz"), gzipped(body_of(bill.lines))),
    "crlf": lambda shelf, bill: shelf.put(bill.key(), body_of(bill.lines, newline="\r\n")),
    "byte_order_mark": lambda shelf, bill: shelf.put(bill.key(), b"\xef\xbb\xbf" + body_of(bill.lines)),
    "blank_lines": lambda shelf, bill: shelf.put(bill.key(), body_of(["", *bill.lines, "  ", ""])),
    "broken_line": _broken_line,
    "raw_utf8": lambda shelf, bill: shelf.put(bill.key(), body_of(bill.lines, raw=True)),
    "moved": _moved,
    "moved_and_rewritten": _moved_and_rewritten,
    "both_timestamps": _both,
    "only_in_newer": _only_in_newer,
    "moved_to_gzip": _moved_to_gzip,
    "unreadable_sibling": _unreadable_sibling,
    "unreadable_but_newer": _unreadable_but_newer,
    "stage_8_key": lambda shelf, bill: _staged(shelf, bill, STAGE_8),
    "stage_7_key": lambda shelf, bill: _staged(shelf, bill, STAGE_7),
    "key_without_timestamp": lambda shelf, bill: shelf.put(f"{bill.folder}/{bill.base}.jsonl", body_of(bill.lines)),
    "odd_key": _odd_key,
}


def parsed_at(period: str, rng: Random) -> datetime:
    """A moment in the period's month."""
    start = datetime(int(period[:4]), int(period[5:]), 1, tzinfo=UTC)
    return start + timedelta(days=rng.randrange(28), seconds=rng.randrange(86400))
