"""The check of the combined list as a whole: does the app read what was published?"""

from collections.abc import Iterator

import dagster as dg

from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import explain_command, markdown_table
from billing_assets.defs.resources import MasterBillsResource
from billing_assets.defs.sources import COMBINED_LIST
from billing_assets.domain.money import plain
from billing_assets.stores.publication import CombinedDiffers

COMBINED_EQUALS_PERIODS = "combined_list_equals_the_period_objects"

_MOST_SHOWN = 50
_REMEDY = (
    "the job `republish` brings the published bills back and keeps everything else; then find out what overwrote them "
    "(the bucket's object versions tell when)"
)


def build_combined_list_check() -> dg.AssetChecksDefinition:
    """The check; it reads every period's object, so it runs by itself and not with each period."""

    @dg.asset_check(
        asset=COMBINED_LIST,
        name=COMBINED_EQUALS_PERIODS,
        description="Every published bill stands in the combined list once, with the content that was published, and "
        "no other bill of ours does. ERROR with the bills if the app or another tool overwrote them; the job "
        "`republish` heals it. Statuses and fields that the app adds are no difference.",
        pool="s3",
    )
    def combined_list_equals_the_period_objects(
        context: dg.AssetCheckExecutionContext, master_bills: MasterBillsResource
    ) -> dg.AssetCheckResult:
        with letters_to_failures(context):
            differs = master_bills.combined_differs()
        return combined_result(differs)

    return combined_list_equals_the_period_objects


def combined_result(differs: CombinedDiffers) -> dg.AssetCheckResult:
    """What the comparison says."""
    periods = [
        (period.period, len(period.missing), len(period.altered), len(period.extra), len(period.doubled))
        for period in differs.periods
    ]
    bills = list(_bills(differs))
    return dg.AssetCheckResult(
        check_name=COMBINED_EQUALS_PERIODS,
        passed=differs.agrees,
        severity=dg.AssetCheckSeverity.ERROR,
        description=None if differs.agrees else f"{differs.text()}\nremedy: {_REMEDY}",
        metadata={
            "periods_that_differ": len(differs.periods),
            "bills_that_differ": len(bills),
            "periods": markdown_table(("period", "missing", "altered", "extra", "twice"), periods),
            "bills": markdown_table(("period", "bill", "how", "published", "listed", "explain"), bills[:_MOST_SHOWN]),
            "listed_but_never_published": ", ".join(differs.never_published) or "none",
        },
    )


def _bills(differs: CombinedDiffers) -> Iterator[tuple[str, ...]]:
    for period in differs.periods:
        for bill in period.altered:
            listed = "unreadable" if bill.listed_usd is None else plain(bill.listed_usd)
            yield (
                period.period,
                bill.master_bill_id,
                "altered",
                plain(bill.published_usd),
                listed,
                explain_command(bill.master_bill_id),
            )
        for how, names in (("missing", period.missing), ("extra", period.extra), ("twice", period.doubled)):
            for name in names:
                yield period.period, name, how, "", "", explain_command(name)
