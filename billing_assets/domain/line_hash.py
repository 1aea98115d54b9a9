"""The identity of a bill line: SHA-256 of its canonical JSON without the volatile fields.

Source: SPEC.md section 3. Two sets of volatile fields are in use, and a stored hash may come from either.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

HashVersion = Literal["v1", "v2"]

VOLATILE_V1 = frozenset(
    {
        "Charge Code",
        "Charge Code Source",
        "Charge Code Overridden",
        "Charge Code Override Reason",
        "Mapped Utility Name",
        "Current Amount",
        "Amount Overridden",
        "Amount Override Reason",
        "Is Excluded From UBI",
        "Exclusion Reason",
        "is_excluded_from_ubi",
        "exclusion_reason",
    }
)
"""What people may edit on a line without making it another line."""

VOLATILE_V2 = VOLATILE_V1 | {
    "ubi_period",
    "ubi_amount",
    "ubi_months_total",
    "ubi_assigned_by",
    "ubi_assigned_date",
    "ubi_assignments",
    "ubi_period_count",
    "ubi_notes",
    "__stage8_key__",
    "__s3_key__",
    "__row_idx__",
    "__id__",
    "__manual__",
    "ubi_auto_suggested",
    "PostedBy",
    "PostedAt",
    "Status",
}
"""v1, and what later stages write onto a line."""

VOLATILE: dict[HashVersion, frozenset[str]] = {"v1": VOLATILE_V1, "v2": VOLATILE_V2}


def line_hash(line: dict[str, Any], version: HashVersion) -> str:
    """Hash a line as the app does, byte for byte.

    Args:
        line: The line as plain `json.loads` reads it (floats and all).
        version: Which set of volatile fields to leave out.

    Example:
        >>> line_hash({"b": 1.0, "Charge Code": "x"}, "v1") == line_hash({"b": 1.0, "Status": 2}, "v2")
        True
    """
    volatile = VOLATILE[version]
    stable = {name: value for name, value in line.items() if name not in volatile}
    return hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()
