"""What the instance says went wrong since the last look: failed runs, and checks that newly fail with ERROR."""

import re
from collections.abc import Iterator
from typing import Literal

import dagster as dg
import msgspec
from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    EventLogEntry,
    EventLogRecord,
    RunStatusChangeRecordsFilter,
)

from billing_assets.defs.in_flight import periods_of
from billing_assets.domain.alerts import CHECK_FAILED, RUN_FAILED, Alert, Evaluation, newly_failed

_ENDED: tuple[Literal[DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE], ...] = (
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
)
_MOST_RUNS = 200
"""Of each kind in one digest; the others come with the next."""
_WILL_RETRY = "dagster/will_retry"
# As a line of its own, indented or not, and all that follows.
_REMEDY = re.compile(r"\n *remedy: *")
_CHECK_REMEDY = "the check's description says what it found; docs/runbook.md says what to do"
_RUN_REMEDY = "open the run; if what stopped it has passed, re-execute it from the failure"


class AlertCursor(msgspec.Struct, frozen=True, rename={"ended": "e", "failing": "f"}):
    """How far the instance was read: the last event of each kind, and the checks that fail."""

    ended: dict[str, int]
    failing: list[str] = []

    def text(self) -> str:
        """The cursor as Dagster stores it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str | None) -> "AlertCursor | None":
        """The cursor that was stored; None if there is none that we understand."""
        try:
            return msgspec.json.decode(text or "", type=cls)
        except msgspec.DecodeError:
            return None

    @classmethod
    def of_now(cls, instance: DagsterInstance) -> "AlertCursor":
        """Where a new watch begins: what went wrong before is no news."""
        ended = {}
        for kind in _ENDED:
            records = instance.fetch_run_status_changes(kind, limit=1).records
            ended[kind.value] = records[0].storage_id if records else 0
        return cls(ended)


def new_alerts(
    instance: DagsterInstance, cursor: AlertCursor, *, location: str | None
) -> tuple[list[Alert], AlertCursor]:
    """What is new, in the order in which runs ended, and how far that was.

    A failed run that Dagster tries again is no news until the last try failed.

    Args:
        instance: Read only.
        cursor: How far it was read before.
        location: Our code location; runs that are known to be of another are passed over.
    """
    records, ended = _ended_runs(instance, cursor)
    failing = set(cursor.failing)
    alerts: list[Alert] = []
    for record in records:
        run = instance.get_run_by_id(record.run_id)
        if run is None or not _is_ours(run, location) or run.tags.get(_WILL_RETRY) == "true":
            continue
        evaluations = list(_evaluations(instance, run))
        new, failing = newly_failed(evaluations, failing)
        if record.event_type is DagsterEventType.RUN_FAILURE:
            alerts.append(_failed_run(instance, run, record, [found for found in evaluations if found.failed]))
        else:
            alerts.extend(_failed_check(run, evaluation) for evaluation in new)
    return alerts, AlertCursor(ended, sorted(failing))


def _ended_runs(instance: DagsterInstance, cursor: AlertCursor) -> tuple[list[EventLogRecord], dict[str, int]]:
    pages = {
        kind: instance.fetch_run_status_changes(
            RunStatusChangeRecordsFilter(kind, after_storage_id=cursor.ended.get(kind.value, 0)),
            limit=_MOST_RUNS,
            ascending=True,
        ).records
        for kind in _ENDED
    }
    # Behind a full page there may be earlier runs than those of the other kind: these wait, so that order is kept.
    until = min((page[-1].storage_id for page in pages.values() if len(page) == _MOST_RUNS), default=None)
    ended = dict(cursor.ended)
    found: list[EventLogRecord] = []
    for kind, page in pages.items():
        taken = [record for record in page if until is None or record.storage_id <= until]
        found.extend(taken)
        if taken:
            ended[kind.value] = taken[-1].storage_id
    return sorted(found, key=lambda record: record.storage_id), ended


def _is_ours(run: DagsterRun, location: str | None) -> bool:
    # A run of the command line has no origin; it is told rather than lost.
    origin = run.remote_job_origin
    return origin is None or location is None or origin.location_name == location


def _evaluations(instance: DagsterInstance, run: DagsterRun) -> Iterator[Evaluation]:
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        found = event.asset_check_evaluation_data
        yield Evaluation(
            check=f"{found.asset_key.to_user_string()}: {found.check_name}",
            period=found.partition or run.tags.get("dagster/partition", ""),
            failed=not found.passed and found.severity is dg.AssetCheckSeverity.ERROR,
            description=found.description or "",
        )


def _failed_check(run: DagsterRun, evaluation: Evaluation) -> Alert:
    # A description's own remedy is the better one.
    cause, *remedies = _REMEDY.split(evaluation.description, maxsplit=1)
    remedy = "\n".join(line.strip() for text in remedies for line in text.splitlines())
    return Alert(CHECK_FAILED, evaluation.check, evaluation.period, cause, remedy or _CHECK_REMEDY, run.run_id)


def _failed_run(
    instance: DagsterInstance, run: DagsterRun, ended: EventLogRecord, failed_checks: list[Evaluation]
) -> Alert:
    """One alert for the run, with the blocking checks that it failed by."""
    entries = [
        record.event_log_entry
        for record in instance.get_records_for_run(run.run_id, of_type=DagsterEventType.STEP_FAILURE).records
    ]
    letters = [_letter(entry) for entry in entries]
    causes = [cause for cause, _ in letters]
    causes += [f"{check.check}: {check.description}" for check in failed_checks]
    remedies = [remedy for _, remedy in letters if remedy]
    event = ended.event_log_entry.dagster_event
    return Alert(
        kind=RUN_FAILED,
        of=run.job_name if not run.job_name.startswith("__") else ", ".join(_assets_of(run)) or "a run",
        period=_period_text(periods_of(run)),
        cause="\n".join(cause for cause in causes if cause) or (event.message if event and event.message else ""),
        remedy="\n".join(remedies) or (_CHECK_REMEDY if failed_checks else _RUN_REMEDY),
        run_id=run.run_id,
    )


def _letter(entry: EventLogEntry) -> tuple[str, str]:
    """Cause and remedy of a failed step: its letter, or the last words of an error that nobody foresaw."""
    event = entry.dagster_event
    if event is None:
        return "", ""
    data = event.step_failure_data
    failure = data.user_failure_data
    if failure is not None:
        value = failure.metadata.get("remedy") if failure.metadata else None
        remedy = str(value.value) if value is not None else ""
        letter = failure.description or ""
        return letter.partition("\n  remedy:")[0], remedy
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {error.message.strip() if error else 'failed'}", ""


def _assets_of(run: DagsterRun) -> list[str]:
    return sorted(key.to_user_string() for key in run.asset_selection or ())


def _period_text(periods: list[str]) -> str:
    return periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}" if periods else ""
