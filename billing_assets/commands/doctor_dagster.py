"""What the doctor looks at in Dagster itself: its home, its storage, its daemon."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from billing_assets.domain.findings import Finding, Outcome

_HOME_REMEDY = (
    "set DAGSTER_HOME to the folder that holds dagster.yaml (the Makefile sets it to the project's folder); without it "
    "`dagster dev` keeps its runs in a folder that it deletes"
)


def look_at_home(check: str) -> Finding:
    """DAGSTER_HOME is set, and leads to a folder with a `dagster.yaml`."""
    subject = "DAGSTER_HOME"
    text = os.environ.get(subject, "")
    if not text:
        return Finding.failed(check, subject, "not set", _HOME_REMEDY)
    home = Path(text)
    if not home.is_absolute() or not home.is_dir():
        return Finding.failed(check, subject, f"{text} is no folder, given by its absolute path", _HOME_REMEDY)
    if not (home / "dagster.yaml").is_file():
        return Finding.failed(check, subject, f"{text} holds no dagster.yaml", _HOME_REMEDY)
    return Finding.ok(check, subject, "set, with a dagster.yaml")


def look_at_instance(check: str) -> Finding:
    """The instance loads, and its storage answers."""
    import dagster as dg  # noqa: PLC0415  # takes a second to import

    subject = "Dagster's storage"
    try:
        with dg.DagsterInstance.get() as instance:
            runs = instance.get_runs_count()
            kind = type(instance.run_storage).__name__
    except Exception as error:  # noqa: BLE001  # a wrong dagster.yaml and a lost database raise many kinds
        # Their texts may hold a connection string; the type says enough to find it.
        remedy = "correct `storage` in DAGSTER_HOME/dagster.yaml, or start the database that it names"
        return Finding.failed(check, subject, f"the instance does not load: {type(error).__name__}", remedy)
    return Finding.ok(check, subject, f"{kind}, {runs:,} runs", storage=kind, runs=runs)


def look_at_daemon(check: str, *, is_needed: bool) -> Finding:
    """Every part of the daemon that `dagster.yaml` asks for has sent its heartbeat lately, without an error.

    Args:
        check: The finding's name.
        is_needed: On the embedded stack it isn't: runs of `make demo` go past the queue.
    """
    import dagster as dg  # noqa: PLC0415  # takes a second to import

    subject = "Dagster's daemon"
    with dg.DagsterInstance.get() as instance:
        statuses = instance.get_daemon_statuses()
        required = {name: status for name, status in statuses.items() if status.required}
    silent = sorted(name for name, status in required.items() if not status.healthy)
    if not silent:
        return Finding.ok(check, subject, f"{len(required)} parts, all alive", parts=len(required))
    beats = [status.last_heartbeat.timestamp for status in required.values() if status.last_heartbeat]
    found = f"{_since(beats)}; silent: {', '.join(silent)}"
    if not is_needed:
        return Finding.ok(check, subject, f"{_since(beats)}; the demo needs none (`make dev` runs it)")
    errors = [status.last_heartbeat.errors for status in required.values() if status.last_heartbeat]
    remedy = "start `dagster-daemon run` (deploy/): schedules, sensors and queued runs wait for it"
    if any(errors):
        remedy = "see *Deployment, Daemons* in the Dagster UI for its error, then start it again"
    return Finding(check, subject, Outcome.FAILED, found, remedy)


def _since(beats: list[float]) -> str:
    if not beats:
        return "it has never run on this instance"
    last = dt.datetime.fromtimestamp(max(beats), dt.UTC)
    return f"last heard of at {last:%Y-%m-%d %H:%M} UTC"
