"""docs/recordings/explain.txt: what a terminal shows of `billing-assets explain`, of its three kinds, after a demo.

Run it from the project's folder:

    python -m billing_assets_tests.browser.recording

It makes a demo of its own in a temporary folder (or uses `--home` of one that was made), picks a relocated
line, a duplicate, a bill and an account from the sample's own oracle, and names no path of this machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from billing_assets.local.sample import generate
from billing_assets_tests.browser.conftest import PROJECT, SCALE, Home, demo_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_assets.local.sample import ExpectedFate, Sample

RECORDING = PROJECT / "docs" / "recordings" / "explain.txt"
_STACK = (".billing", "stack")


def subjects() -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is explained, and why it is worth a look; chosen by the oracle, so that it stays the same."""
    sample = generate(last_period=SCALE[3], scale=float(SCALE[1]))
    bills = Counter(fate.master_bill_id for fate in sample.expected)
    billed = _first(sample, lambda fate: fate.relocated and fate.status == "billable")
    yield "A billed line, found under a newer timestamp than it was assigned in.", (_hash_of(sample, billed)[:12],)
    lost = _first(sample, lambda fate: fate.status == "duplicate")
    yield "Two equal lines and three records: one of them is a duplicate.", (_hash_of(sample, lost)[:12],)
    several = _first(sample, lambda fate: bills[fate.master_bill_id] > 2 and f"{fate.found_key}".endswith("l"))
    yield "A master bill.", (f"{several.master_bill_id}",)
    lines = [line for line in sample.objects[f"{several.found_key}"].splitlines() if line.strip()]
    line = json.loads(lines[several.found_index or 0])
    yield "An account in a period.", (f"{several.partition}", "--account", line["Account Number"])


def record(home: Home) -> str:
    """The whole recording."""
    parts = []
    for title, words in subjects():
        ended = home.run("explain", *words, "--stack", "/".join(_STACK))
        if ended.returncode:
            raise RuntimeError(ended.stderr)
        typed = " ".join(f"'{word}'" if "|" in word else word for word in words)
        shown = "\n".join(line.rstrip() for line in ended.stdout.splitlines())
        parts.append(f"# {title}\n$ billing-assets explain {typed}\n{shown}\n")
    return "\n\n".join(parts)


def _first(sample: Sample, wanted: Callable[[ExpectedFate], bool]) -> ExpectedFate:
    return next(fate for fate in sample.expected if fate.partition and wanted(fate))


def _hash_of(sample: Sample, fate: ExpectedFate) -> str:
    (record,) = [found for found in sample.assignments if found["assignment_id"] == fate.assignment_id]
    return str(record["line_hash"])


def main() -> None:
    """Write the recording."""
    parser = argparse.ArgumentParser(description="Write docs/recordings/explain.txt.")
    parser.add_argument("--home", type=Path, help="a folder with dagster.yaml where `demo --scale 0.05` has run")
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="recording-"))
    try:
        home = Home.of(arguments.home) if arguments.home else demo_home(scratch)
        RECORDING.parent.mkdir(parents=True, exist_ok=True)
        RECORDING.write_text(record(home))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
