"""Alerts: what is told to people when a run failed or a check newly fails, and how one digest of them reads.

Which of them are new is decided here too: a check that went on failing is no news, one that failed, passed and fails
again is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing_assets.domain.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

RUN_FAILED = "run failed"
CHECK_FAILED = "check failed"
MOST_SHOWN = 20
"""Of one digest; the others are counted."""
_MOST_CAUSE = 1200
_NO_CAUSE = "no step says why: see the run"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that went wrong, in words that may leave the house."""

    kind: str
    """`run failed` or `check failed`."""
    of: str
    """The job, or the asset and its check."""
    period: str
    """`YYYY-MM`, a range, or `""` where it speaks of none."""
    cause: str
    remedy: str
    run_id: str

    def redacted(self, secrets: Collection[str]) -> Alert:
        """The same without secrets and with account numbers by their last four digits."""
        cause, remedy = (_shortened(redacted(text, secrets)) for text in (self.cause, self.remedy))
        return Alert(self.kind, self.of, self.period, cause or _NO_CAUSE, remedy, self.run_id)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run found one check to be."""

    check: str
    """Asset and check."""
    period: str
    failed: bool
    """With ERROR; a failure with WARN is none."""
    description: str

    @property
    def name(self) -> str:
        """What it is remembered by."""
        return f"{self.check}@{self.period}"


def newly_failed(evaluations: Iterable[Evaluation], failing: Collection[str]) -> tuple[list[Evaluation], set[str]]:
    """The checks that failed now and had not failed before, and all that fail now.

    Args:
        evaluations: In the order in which they were made.
        failing: The names of those that failed before.
    """
    known, still = set(failing), set(failing)
    new: dict[str, Evaluation] = {}
    for evaluation in evaluations:
        if not evaluation.failed:
            # It passed in between: failing once more is news.
            still.discard(evaluation.name)
            known.discard(evaluation.name)
            new.pop(evaluation.name, None)
            continue
        if evaluation.name not in known:
            new[evaluation.name] = evaluation
        still.add(evaluation.name)
    return list(new.values()), still


@dataclass(frozen=True, slots=True)
class Digest:
    """All that is new since the last digest, for one message."""

    alerts: Sequence[Alert]
    ui_url: str = ""
    """Where people open the Dagster UI."""

    @property
    def id(self) -> str:
        """Equal for the same alerts, so that a receiver can tell a digest that is sent again."""
        return hashlib.sha256(json.dumps([_fields(alert) for alert in self.alerts]).encode()).hexdigest()[:16]

    def title(self) -> str:
        """How many of which kind."""
        counts = {kind: sum(alert.kind == kind for alert in self.alerts) for kind in (RUN_FAILED, CHECK_FAILED)}
        words = {
            RUN_FAILED: ("failed run", "failed runs"),
            CHECK_FAILED: ("newly failing check", "newly failing checks"),
        }
        parts = (f"{count} {words[kind][count != 1]}" for kind, count in counts.items() if count)
        return f"billing_assets: {' and '.join(parts)}"

    def text(self) -> str:
        """The digest for people."""
        blocks = [self.title()]
        for number, alert in enumerate(self.alerts[:MOST_SHOWN], start=1):
            head = f"{number}. {alert.kind}: {alert.of}" + (f", {alert.period}" if alert.period else "")
            lines = [head, *_labelled("cause", alert.cause), *_labelled("remedy", alert.remedy)]
            lines += _labelled("link", self.link(alert))
            blocks.append("\n".join(lines))
        if len(self.alerts) > MOST_SHOWN:
            blocks.append(f"and {len(self.alerts) - MOST_SHOWN} more: {self.ui_url or 'see the Dagster UI'}")
        return "\n\n".join(blocks)

    def as_json(self) -> str:
        """The digest for machines: one line."""
        shown = [_fields(alert) | {"link": self.link(alert)} for alert in self.alerts[:MOST_SHOWN]]
        values = {"digest": self.id, "title": self.title(), "text": self.text(), "alerts": shown}
        return json.dumps(values | {"more": max(0, len(self.alerts) - MOST_SHOWN)}, ensure_ascii=False)

    def link(self, alert: Alert) -> str:
        """The run's page; the run's number where it isn't known where the UI is."""
        return f"{self.ui_url}/runs/{alert.run_id}" if self.ui_url else f"run {alert.run_id} in the Dagster UI"


def _fields(alert: Alert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in Alert.__slots__}


def _labelled(label: str, text: str) -> list[str]:
    first, *rest = text.splitlines() or [""]
    return [f"   {label + ':':8}{first}", *(f"           {line}" for line in rest)] if text else []


def _shortened(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _MOST_CAUSE else f"{text[:_MOST_CAUSE].rstrip()} …"
