"""When completion runs by itself: other accounts re-run it for every resolved period, other rows for their own.

Source: DESIGN.md decision 5. What counts is the data version: a list or a period that is made again unchanged re-runs
nothing. The check of a period needs no automation for a changed period, since it runs with `resolved_line_items`.
"""

import dagster as dg

from billing_assets.defs.assets.accounts_to_track import ACCOUNTS_TO_TRACK
from billing_assets.defs.in_flight import default_status
from billing_assets.settings import Settings

RESOLVED = dg.AssetKey("resolved_line_items")
TRACKER = dg.AssetKey("completion_tracker")
GRID = dg.AssetKey("completion_grid")
EVERY_ACCOUNT_HAS_A_BILL = dg.AssetCheckKey(RESOLVED, "every_expected_account_has_a_bill")
SENSOR = "completion_follows_the_accounts"

_ACCOUNTS = dg.AssetSelection.assets(ACCOUNTS_TO_TRACK)


def _content_changed(of: dg.AssetSelection | None = None) -> dg.AutomationCondition:
    changed = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    return changed.allow(of) if of else changed


def when_the_accounts_change() -> dg.AutomationCondition:
    """For the check: other accounts, of a period that has been resolved."""
    return _content_changed(_ACCOUNTS) & ~dg.AutomationCondition.any_deps_missing()


def when_accounts_or_period_change() -> dg.AutomationCondition:
    """For the tracker: other accounts or other rows, of a period that has been resolved."""
    return _content_changed() & ~dg.AutomationCondition.any_deps_missing()


def when_anything_changes() -> dg.AutomationCondition:
    """For the grid: other accounts or other rows of any period; months to come are always missing."""
    return _content_changed() & ~dg.AutomationCondition.any_deps_missing().allow(_ACCOUNTS)


def build_completion_sensor(settings: Settings) -> dg.AutomationConditionSensorDefinition:
    """The sensor: one run a period for check and tracker together, and one for the grid.

    It targets completion alone, so it can start no billing asset.

    Args:
        settings: Whether it is started with the deployment.
    """
    return dg.AutomationConditionSensorDefinition(
        SENSOR,
        target=dg.AssetSelection.assets(TRACKER, GRID) | dg.AssetSelection.checks(EVERY_ACCOUNT_HAS_A_BILL),
        description="Re-runs completion, and nothing else, where the accounts to track or a period's rows changed.",
        default_status=default_status(running=settings.automation)[1],
        # Backfills would run tracker and check of a period in two runs.
        emit_backfills=False,
        run_tags={"billing/completion": "follows a change"},
    )
