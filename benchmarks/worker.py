"""One competitor in a process of its own: `python -m benchmarks.worker TASK` prints what the run took.

The clock begins when clients and input are ready, since a process makes them once; the memory begins when the imports
are done, so that the input counts.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.task import Measured, Task

_STATUS = Path("/proc/self/status")
_KB_PER_MB = 1024


def main() -> None:
    """Run and print one JSON object."""
    task = Task.from_text(sys.argv[1])
    os.environ |= {
        "AWS_ENDPOINT_URL": task.endpoint,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    competitor = importlib.import_module(f"benchmarks.competitors.{task.competitor}")
    gc.collect()
    imported_kb = _memory_kb("VmRSS")
    # The peak so far is the imports' own.
    Path("/proc/self/clear_refs").write_text("5")
    state = competitor.prepare(task)
    began, began_cpu = time.perf_counter(), time.process_time()
    result = competitor.run(task, state)
    wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    peak_kb = _memory_kb("VmHWM")
    fingerprint, count, detail = competitor.answers(task, state, result)
    measured = Measured(wall, cpu, (peak_kb - imported_kb) / _KB_PER_MB, fingerprint, count, detail)
    print(json.dumps(asdict(measured)), flush=True)
    # What was measured is told; clients' threads sometimes die noisily while an interpreter ends.
    os._exit(0)


def _memory_kb(name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    assert match is not None, f"{_STATUS} says nothing of {name}"
    return int(match[1])


if __name__ == "__main__":
    main()
