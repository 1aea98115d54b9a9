"""Sentences of SPEC.md section 1.2 about keys: where objects stand, how they are named, and whether they are there."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from billing_assets.domain.probe.misfits import Misfit, Probed, misfit, shown_key
from billing_assets.domain.resolution import OBJECT_MISSING, OBJECT_UNREADABLE
from billing_assets.domain.stage4 import ObjectFamily

if TYPE_CHECKING:
    from collections.abc import Sequence

_STAGE = re.compile(r"Bill_Parser_[0-9]+_[^/]+/")
_DAY = re.compile(r"yyyy=[0-9]{4}/mm=[0-9]{2}/dd=[0-9]{2}/")
_SUFFIX = re.compile(r"\.jsonl(?:\.gz)?$")
_OTHER_TIMESTAMP = re.compile(
    r"[-_.](?:[0-9]{4}-?[0-9]{2}-?[0-9]{2}[-T_]?[0-9:]{4,8}Z?|[0-9]{10}|[0-9]{13}|[0-9]{14})\."
)
_MOST_WITHOUT_TIMESTAMP = 0.25
_MOST_MISSING = 0.1
_MOST_UNREADABLE = 0.05


def key_pattern(key: str, stage4_prefix: str) -> str:
    """What kind of key it is, for counting: place, day folders, timestamp, suffix."""
    match = _STAGE.match(key)
    place = stage4_prefix if key.startswith(stage4_prefix) else match[0] if match else f"{key.partition('/')[0][:40]}/"
    day = "yyyy=/mm=/dd=/" if _DAY.search(key) else ""
    stamp = "_<timestamp>" if ObjectFamily.of(key).timestamp else ""
    suffix = _SUFFIX.search(key)
    return f"{place}…{day}<base>{stamp}{suffix[0] if suffix else '<other>'}"


def key_misfits(probed: Sequence[Probed], stage4_prefix: str) -> list[Misfit]:
    """Every sentence about keys that these break."""
    keyed = [one for one in probed if one.row.assignment.s3_key.strip()]
    by_fault: dict[str, list[str]] = defaultdict(list)
    for one in keyed:
        for fault in _faults(one.row.assignment.s3_key, stage4_prefix):
            by_fault[fault].append(shown_key(one.row.assignment.s3_key))
    sentence = f"keys look like {stage4_prefix}yyyy=/mm=/dd=/<base>_<yyyymmddThhmmssZ>.jsonl"
    remedy = "say how the app writes keys; a rewritten file is followed by that pattern alone"
    misfits = [
        found
        for fault, broken in sorted(by_fault.items())
        for found in misfit("1.2", sentence, fault, broken, len(keyed), remedy=remedy)
    ]
    plain = [shown_key(key) for one in keyed if not ObjectFamily.of(key := one.row.assignment.s3_key).timestamp]
    misfits += misfit(
        "1.2",
        "a rewrite of a file has a newer timestamp in its key",
        "keys without a timestamp, whose rewrites can't be followed",
        plain,
        len(keyed),
        share=_MOST_WITHOUT_TIMESTAMP,
    )
    return misfits + _there(keyed)


def _faults(key: str, stage4_prefix: str) -> list[str]:
    faults = []
    if key.startswith("s3:"):
        faults.append("an address with its bucket in place of a key")
    elif key.startswith("/"):
        faults.append("keys that begin with a slash")
    elif "%2F" in key or "%3D" in key:
        faults.append("keys that are URL-encoded")
    elif not key.startswith(stage4_prefix) and not _STAGE.match(key):
        faults.append("keys of another place")
    if not _SUFFIX.search(key):
        faults.append("keys that don't end with .jsonl or .jsonl.gz")
    if ObjectFamily.of(key).timestamp is None and _OTHER_TIMESTAMP.search(key.rpartition("/")[2]):
        faults.append("timestamps of another form")
    return faults


def _there(keyed: Sequence[Probed]) -> list[Misfit]:
    misfits = []
    for reason, sentence, share in (
        (OBJECT_MISSING, "the object that an assignment names, or a newer one of its family, is there", _MOST_MISSING),
        (OBJECT_UNREADABLE, "objects are UTF-8 text, or gzip of it if their key ends with .gz", _MOST_UNREADABLE),
    ):
        broken = [
            f"{shown_key(one.row.assignment.s3_key)}" + (f": {one.row.detail}" if reason == OBJECT_UNREADABLE else "")
            for one in keyed
            if one.row.reason == reason
        ]
        remedy = "check BILLING_BUCKET and the keys above: what can't be read is `unresolved` and not billed"
        found = "objects that are not there" if reason == OBJECT_MISSING else "objects that can't be read"
        misfits += misfit("1.2", sentence, found, broken, len(keyed), remedy=remedy, share=share)
    return misfits
