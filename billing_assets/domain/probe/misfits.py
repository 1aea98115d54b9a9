"""A misfit: a sentence of SPEC.md that some of the data do not keep, how many, and one of them.

A few records that break a sentence are exceptions, for which SPEC.md has a status and a reason. So many that they can't
be slips are another rule than the one that was written down, and have to be settled before anything is billed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing_assets.domain.json_text import NumberText, storable
from billing_assets.domain.stage4 import ObjectFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from billing_assets.domain.resolved import ResolvedLineItem

_LONGEST_SHOWN = 60
_LAST = 4
_LEAST = 3
_USUAL_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Misfit:
    """A sentence, and what was found instead."""

    section: str
    """Of SPEC.md."""
    sentence: str
    """What it says, shortly."""
    found: str
    count: int
    of: int
    """Out of how many that could have kept it."""
    example: str
    remedy: str = ""
    is_rule: bool = True
    """Whether the data follow another rule; else these are exceptions that SPEC.md provides for."""


@dataclass(frozen=True, slots=True)
class Probed:
    """One record of the sample with what became of it."""

    record: Mapping[str, Any]
    row: ResolvedLineItem
    """As resolved; a record that is itself unusable is looked for all the same, see `fault`."""
    fault: str
    """Why the record itself is unusable, `""` if it isn't."""
    partition: str | None
    """None if it belongs to no partition."""
    line: Mapping[str, Any] | None
    """The line found, every number as `NumberText`."""

    @property
    def name(self) -> str:
        """How a person finds the record again."""
        assignment = self.row.assignment
        if assignment.assignment_id:
            return f"assignment {assignment.assignment_id[:_LONGEST_SHOWN]}"
        return f"line_hash {assignment.line_hash[:12]}…" if assignment.line_hash else "a record without line_hash"


def is_rule(count: int, of: int, *, share: float = _USUAL_SHARE, least: int = _LEAST) -> bool:
    """Whether so many of so many are another rule, and no slips; of very few, all of them are."""
    return count >= max(min(least, of), math.ceil(share * of)) > 0


def misfit(  # noqa: PLR0913  # a sentence, what breaks it, and how much of it is a rule
    section: str,
    sentence: str,
    found: str,
    broken: Iterable[str],
    of: int,
    *,
    remedy: str = "",
    share: float = _USUAL_SHARE,
    least: int = _LEAST,
) -> list[Misfit]:
    """The misfit of a sentence that these break, each given as an example; none if nothing does."""
    examples = list(broken)
    if not examples:
        return []
    rule = is_rule(len(examples), of, share=share, least=least)
    return [Misfit(section, sentence, found, len(examples), of, min(examples), remedy, rule)]


def shape(text: str) -> str:
    """A text with its letters and digits made alike: what two spellings have in common.

    Example:
        >>> shape("January 2025"), shape("01/2025")
        ('A 9999', '99/9999')
    """
    return shown(re.sub(r"[^\W\d_]+", "A", re.sub(r"[0-9]", "9", text)))


def shown(value: Any) -> str:
    """A value for people, cut short; nothing that could name a resident is given here."""
    text = storable(str(value))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def shown_key(key: str) -> str:
    """A key whose name is cut to its last four characters, since names hold account numbers.

    Example:
        >>> shown_key("a/b/V-12-44-0161_20250101T000000Z.jsonl")
        'a/b/…0161_20250101T000000Z.jsonl'
    """
    folder, _, name = key.rpartition("/")
    family = ObjectFamily.of(key)
    base = family.name.rpartition("/")[2] if family.timestamp else name.partition(".")[0]
    rest = name[len(base) :]
    hidden = f"…{base[-_LAST:]}" if len(base) > _LAST else base
    return storable(f"{folder}/{hidden}{rest}" if folder else f"{hidden}{rest}")


def kind_of(value: Any) -> str:
    """A value's DynamoDB type."""
    if isinstance(value, NumberText):
        return "N"
    if isinstance(value, str):
        return "S"
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "BOOL"
    return next(iter(value), "M") if isinstance(value, dict) else "L"
