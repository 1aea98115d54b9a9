"""What the doctor finds: one finding for each thing that the pipeline needs, and whether that is bad.

Looking lives in `billing_assets.stores.examination`, printing in `billing_assets.commands.doctor_printed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from billing_assets.domain.errors import BillingError


class Outcome(StrEnum):
    """How a finding is to be taken, the best first."""

    OK = "ok"
    ABSENT = "absent"
    """Not there, and nothing needs it now."""
    WARNING = "warning"
    """The work goes on; somebody should look."""
    NOT_CHECKED = "not_checked"
    """Something else comes first, and is a finding of its own."""
    FAILED = "failed"
    """Something that is needed is missing, forbidden or wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """Its name for programs, `area.thing`; stays the same from version to version."""
    subject: str
    """What it is, for people: a table by its name, a right."""
    outcome: Outcome
    found: str
    remedy: str = ""
    """The one thing to do now; `""` where there is nothing to do."""
    figures: Mapping[str, int | str] = field(default_factory=dict)
    """What was counted, for programs; units are in the names."""

    @property
    def area(self) -> str:
        """The outside system that it belongs to."""
        return self.check.partition(".")[0]

    @classmethod
    def ok(cls, check: str, subject: str, found: str, **figures: int | str) -> Finding:
        """Nothing to do."""
        return cls(check, subject, Outcome.OK, found, "", figures)

    @classmethod
    def failed(cls, check: str, subject: str, found: str, remedy: str) -> Finding:
        """Something that only a person can mend."""
        return cls(check, subject, Outcome.FAILED, found, remedy)

    @classmethod
    def of_error(
        cls,
        check: str,
        subject: str,
        error: BillingError,
        *,
        remedy: str = "",
        outcome: Outcome = Outcome.FAILED,
    ) -> Finding:
        """An error's letter as a finding; its remedy, unless a better one is known."""
        found = error.summary + (f": {error.found}" if error.found else "")
        return cls(check, subject, outcome, " ".join(found.split()), remedy or error.remedy)


def something_is_missing(findings: Iterable[Finding]) -> bool:
    """Whether the pipeline can't work as it is: what exit code 1 says."""
    return any(finding.outcome is Outcome.FAILED for finding in findings)
