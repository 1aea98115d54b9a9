"""The combined list in S3: derived from the periods' objects, compared with them, and healed.

Source: SPEC.md section 7.1. The merge itself lives in `billing_assets.domain.combined_list`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.combined_list import MergeReport, merged
from billing_assets.domain.errors import PublicationRefusedError
from billing_assets.domain.listed_bills import entries_of, standing_bill_of
from billing_assets.domain.money import plain
from billing_assets.stores.publication.conditional import Patience
from billing_assets.stores.publication.objects import MasterBillLocation, Publications

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from types_boto3_s3 import S3Client

    from billing_assets.domain.master_bills import MasterBill

_SETTLING_SECONDS = 2.0
"""A publication that is under way writes its second object within this time."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """What deriving the combined list from a period's object did."""

    written: bool
    """False where the list held the period's bills already."""
    report: MergeReport


@dataclass(frozen=True, slots=True)
class AlteredBill:
    """A bill that stands in the combined list with other content than in its period's object."""

    master_bill_id: str
    published_usd: Decimal
    listed_usd: Decimal | None
    """None where it can't be read."""


@dataclass(frozen=True, slots=True)
class PeriodDiffers:
    """How the combined list differs from one period's object. The app's statuses and added fields are no difference."""

    period: str
    missing: tuple[str, ...]
    altered: tuple[AlteredBill, ...]
    extra: tuple[str, ...]
    """Ids of our form that the period's object doesn't have."""
    doubled: tuple[str, ...]

    @property
    def bills(self) -> int:
        """How many bills are concerned."""
        return len(self.missing) + len(self.altered) + len(self.extra) + len(self.doubled)


@dataclass(frozen=True, slots=True)
class CombinedDiffers:
    """How the combined list differs from all periods' objects."""

    periods: tuple[PeriodDiffers, ...]
    """Only those that differ."""
    never_published: tuple[str, ...]
    """Periods with bills of our form in the list, but without an object: an older tool's, until they are published."""

    @property
    def agrees(self) -> bool:
        """Whether the list holds exactly what was published."""
        return not self.periods

    def text(self, *, most: int = 20) -> str:
        """For people: period by period, then bill by bill."""
        lines = []
        for period in self.periods:
            lines.append(
                f"{period.period}: {len(period.missing)} missing, {len(period.altered)} altered, "
                f"{len(period.extra)} extra, {len(period.doubled)} twice"
            )
            lines += [f"  missing: {name}" for name in period.missing]
            lines += [_shown(bill) for bill in period.altered]
            lines += [f"  extra: {name}" for name in period.extra]
            lines += [f"  twice: {name}" for name in period.doubled]
        rest = len(lines) - most
        return "\n".join(lines if rest <= 0 else [*lines[:most], f"... and {rest:,} lines more"])


class Deriving:
    """Attempts to bring a period's published bills into the combined list."""

    def __init__(self, opened: Publications, period: str) -> None:
        self._opened = opened
        self._period = period
        self._tried: tuple[bytes, MergeReport] | None = None

    def attempt(self) -> Derivation:
        """Merge once.

        The list is read before the period's object: whoever publishes the period in between writes the list after us
        and finds it changed, or before us and makes our condition fail. So an older state never replaces a newer one.
        """
        combined = self._opened.combined()
        if self._tried is not None and combined is not None and combined.content == self._tried[0]:
            return Derivation(written=True, report=self._tried[1])
        published = self._opened.published(self._period)
        if published is None:
            raise PublicationRefusedError(
                f"{self._period} was never published",
                where=self._opened.address_of(self._period),
                rule="the combined list is derived from the periods' objects",
                remedy="materialize master_bills_json for the period",
            )
        existing = None if combined is None else combined.content
        merge = merged(existing, self._period, published.bills, where=self._opened.combined_address)
        if merge.changed:
            self._tried = merge.content, merge.report
            self._opened.bucket.write(self._opened.location.combined_key, merge.content, over=combined)
        return Derivation(written=merge.changed, report=merge.report)


def republish(
    s3: S3Client, location: MasterBillLocation, period: str, *, patience: Patience | None = None
) -> Derivation:
    """Bring a period's published bills into the combined list again, whatever stands there in their place.

    Bills whose content stands there keep the app's status and added fields; all other entries are kept.

    Raises:
        PublicationRefusedError: The period was never published.
        UnreadableInputError: The list or the period's object can't be read; both are left as they are.
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away, or other writers were faster, until the deadline.
    """
    opened = Publications(s3, location)
    return (patience or Patience()).persist(Deriving(opened, period).attempt, where=opened.combined_address)


def combined_differs(
    s3: S3Client, location: MasterBillLocation, *, patience: Patience | None = None
) -> CombinedDiffers:
    """Compare the combined list with every period's object.

    What differs is looked at twice, so that a publication under way is not taken for damage.

    Raises:
        UnreadableInputError: The list or a period's object can't be read.
        AccessDeniedError: S3 says no.
        StoreUnavailableError: S3 stayed away until the deadline.
    """
    opened, patient = Publications(s3, location), patience or Patience()
    first = patient.persist(lambda: _compare(opened, opened.periods()), where=opened.combined_address)
    if first.agrees:
        return first
    patient.sleep(_SETTLING_SECONDS)
    suspects = [period.period for period in first.periods]
    second = patient.persist(lambda: _compare(opened, suspects), where=opened.combined_address)
    lasting = tuple(period for period in second.periods if period in first.periods)
    return CombinedDiffers(lasting, first.never_published)


def _compare(opened: Publications, periods: Iterable[str]) -> CombinedDiffers:
    combined = opened.combined()
    listed: dict[str, dict[str, list[tuple[str, Decimal | None]]]] = {}
    for entry in () if combined is None else entries_of(combined.content, where=opened.combined_address):
        bill = standing_bill_of(entry)
        if bill is not None and entry.partition is not None:
            found = listed.setdefault(entry.partition, {}).setdefault(bill.master_bill_id, [])
            found.append((bill.content_hash, bill.amount_usd))
    differing = []
    for period in periods:
        published = opened.published(period)
        differs = _differs(period, () if published is None else published.bills, listed.pop(period, {}))
        differing += [differs] if differs.bills else []
    return CombinedDiffers(tuple(differing), tuple(sorted(listed)))


def _differs(
    period: str, bills: Iterable[MasterBill], listed: dict[str, list[tuple[str, Decimal | None]]]
) -> PeriodDiffers:
    missing, altered, doubled = [], [], []
    for bill in bills:
        found = listed.pop(bill.master_bill_id, [])
        wrong = [amount for content, amount in found if content != bill.content_hash]
        if not found:
            missing.append(bill.master_bill_id)
        elif len(found) > 1:
            doubled.append(bill.master_bill_id)
        elif wrong:
            altered.append(AlteredBill(bill.master_bill_id, bill.utility_amount, wrong[0]))
    return PeriodDiffers(period, tuple(missing), tuple(altered), tuple(sorted(listed)), tuple(doubled))


def _shown(bill: AlteredBill) -> str:
    listed = "nothing readable" if bill.listed_usd is None else f"${plain(bill.listed_usd)}"
    return f"  altered: {bill.master_bill_id}, published ${plain(bill.published_usd)}, listed {listed}"
