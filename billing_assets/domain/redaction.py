"""What an alert leaves out: secrets altogether, account numbers but for their last four digits.

An alert goes to people and places that the run's own page does not. The rule would rather mask a number too many: the
whole text is on the run's page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
_KEPT = 4
_LEAST_DIGITS = 5
_SHORTEST_SECRET = 4

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_SECRETS = (
    re.compile(r"\bxox[a-z]-[A-Za-z0-9-]+"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"),
    re.compile(r"(?<=://)[^\s/@]+:[^\s/@]+(?=@)"),
    re.compile(r"(?<=https://hooks\.slack\.com/)[^\s\"'>]+"),
    re.compile(r"(?i)(?<=X-Amz-Signature=)[0-9a-f]+"),
    re.compile(r"(?i)(?<=X-Amz-Credential=)[^&\s]+"),
    re.compile(r"(?i)(?<=X-Amz-Security-Token=)[^&\s]+"),
)
_ASSIGNED = re.compile(
    r"(?i)\b((?:[a-z0-9]+_)*(?:password|passphrase|secret|token|api_?key|secret_access_key|authorization)[\"']?\s*[=:]\s*)"
    r"(?:bearer\s+|basic\s+)?(\"[^\"]*\"|'[^']*'|[^\s,;)}\"']+)"
)
_RUN = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Words with digits in them, as account numbers are written: 0123-456789-01, A1234567, 12 345 678 and the like.
_WORD = re.compile(
    rf"{_RUN}|[0-9A-Za-z]*[0-9][0-9A-Za-z]*(?:[-_.][0-9A-Za-z]*[0-9][0-9A-Za-z]*|[ ](?![0-9]{{4}}-)[0-9]{{2,}})*"
)
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_MONTH = r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])"
_PLAIN = tuple(
    re.compile(pattern)
    for pattern in (
        _RUN,
        rf"{_MONTH}(?:-{_DAY}(?:[T ][0-9]{{2}})?)?",  # a month, a day, and the hour that begins a time
        rf"(?:19|20)[0-9]{{2}}(?:0[1-9]|1[0-2]){_DAY}T[0-9]{{6}}Z",  # the moment in an object's key
        r"[0-9]{1,7}\.[0-9]{2}",  # dollars
        r"(?=.*[a-f])(?:[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})",  # a hash
    )
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without secrets and with every number that may be an account's down to its last four digits.

    Months, days, times, dollars, hashes and runs stay as they are; small and comma-grouped numbers too.

    Args:
        text: Any.
        secrets: Values that the process knows to be secret.

    Example:
        >>> redacted("account 0123-456789-01 of 2025-01: $1,234.56; password=hunter2")
        'account ***8901 of 2025-01: $1,234.56; password=***'
    """
    # The longest first, or a part of it would stay.
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK).replace(secret.replace("\n", "\\n"), MASK)
            lines = (line.strip() for line in secret.splitlines() if "-----" not in line)
            for line in lines:
                text = text.replace(line, MASK) if len(line) > _SHORTEST_SECRET * _KEPT else text
    text = _PRIVATE_KEY.sub(MASK, text)
    for secret_pattern in _SECRETS:
        text = secret_pattern.sub(MASK, text)
    text = _ASSIGNED.sub(lambda match: f"{match[1]}{MASK}", text)
    return _WORD.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    word = match[0]
    digits = "".join(character for character in word if character.isdigit())
    if len(digits) < _LEAST_DIGITS or any(plain.fullmatch(word) for plain in _PLAIN):
        return word
    return MASK + digits[-_KEPT:]
