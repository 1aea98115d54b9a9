"""Errors as letters to a tired colleague: what was found, where, which rule, and the one thing to do now.

Every error that this project raises on purpose is a `BillingError`. Its type says whether a retry can help.
"""

from __future__ import annotations

from typing import ClassVar

_INDENT = 2
_LABEL_WIDTH = 8


class BillingError(Exception):
    """Something that stops the work, with its remedy.

    Args:
        summary: One line, without a full stop: what is wrong.
        where: The place, widest first (bucket, key, line).
        found: What was there instead.
        rule: Which rule it breaks, and whom the rule protects.
        remedy: The one thing to do now.

    Example:
        >>> print(BillingError("no bucket", where="s3://invented", remedy="create it"))
        no bucket
          where:  s3://invented
          remedy: create it
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self,
        summary: str,
        *,
        remedy: str,
        where: str | None = None,
        found: str | None = None,
        rule: str | None = None,
    ) -> None:
        self.summary = summary
        self.where = where
        self.found = found
        self.rule = rule
        self.remedy = remedy
        super().__init__(self.letter())

    def letter(self) -> str:
        """The whole text, a line for each part that is known."""
        parts = (("where", self.where), ("found", self.found), ("rule", self.rule), ("remedy", self.remedy))
        lines = [self.summary]
        for label, text in parts:
            if text is not None:
                first, *rest = text.splitlines() or [""]
                lines.append(f"{'':{_INDENT}}{label + ':':{_LABEL_WIDTH}}{first}")
                lines.extend(f"{'':{_INDENT + _LABEL_WIDTH}}{line}" for line in rest)
        return "\n".join(lines)


class ConfigurationError(BillingError):
    """A setting, a resource or a right is missing or wrong; only a person can mend it."""


class AccessDeniedError(BillingError):
    """The outside system knows us and says no, or does not know us; a retry says the same."""


class StoreUnavailableError(BillingError):
    """Throttling, a 5xx or a broken connection that outlasted its retries; a later run may succeed."""

    retryable = True


class UnreadableInputError(BillingError):
    """An input as a whole can't be read, and using part of it would be worse than stopping."""


class PublicationRefusedError(BillingError):
    """A guard stopped a publication; a person decides."""


class ExportError(BillingError):
    """An export was rolled back; what it would have replaced is untouched."""


class ExportInterruptedError(ExportError):
    """An export that a later try may finish."""

    retryable = True
