"""Published master bills in S3: a period's own object, the combined list derived from it, and what was decided.

`publish` is what a run does; `close_period`, `reopen_period` and `republish` are what a person does; `read_published`,
`published_periods`, `published_contents`, `closed_periods`, `read_closed`, `combined_differs` and `PublicationHistory`
only look.
"""

from __future__ import annotations

from billing_assets.stores.publication.closing import close_period, closed_periods, reopen_period
from billing_assets.stores.publication.combined import (
    AlteredBill,
    CombinedDiffers,
    Derivation,
    PeriodDiffers,
    combined_differs,
    republish,
)
from billing_assets.stores.publication.conditional import Patience
from billing_assets.stores.publication.history import PublicationHistory
from billing_assets.stores.publication.objects import (
    MasterBillLocation,
    PublishedPeriod,
    published_contents,
    published_periods,
    read_closed,
    read_published,
)
from billing_assets.stores.publication.publishing import publish
from billing_assets.stores.publication.records import ClosedPeriod, ReopenedPeriod, RestatedBill, Restatement
from billing_assets.stores.publication.request import PublicationReport, PublicationRequest

__all__ = [
    "AlteredBill",
    "ClosedPeriod",
    "CombinedDiffers",
    "Derivation",
    "MasterBillLocation",
    "Patience",
    "PeriodDiffers",
    "PublicationHistory",
    "PublicationReport",
    "PublicationRequest",
    "PublishedPeriod",
    "ReopenedPeriod",
    "RestatedBill",
    "Restatement",
    "close_period",
    "closed_periods",
    "combined_differs",
    "publish",
    "published_contents",
    "published_periods",
    "read_closed",
    "read_published",
    "reopen_period",
    "republish",
]
