"""Exports follow what is published: a period that Snowflake holds is exported again when its published content changed.

Its first export is the month end's (`defs.schedules`). The three assets before it have no condition: they are one run a
period, which a change or a schedule asks for, and a condition on them would start a second (docs/decisions/0007).
"""

import dagster as dg

from billing_assets.defs.in_flight import default_status
from billing_assets.defs.period_jobs import EXPORT
from billing_assets.settings import Settings


def follows_publication() -> dg.AutomationCondition:
    """True of an exported period once its published content is another one.

    A run that publishes the same content, or only computes, gives the period its old data version: nothing follows.
    While a run of either asset is under way nothing is asked for, since the month end exports in the same run.
    """
    changed = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    handled = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()
    under_way = dg.AutomationCondition.in_progress() | dg.AutomationCondition.any_deps_in_progress()
    condition = changed.since(handled) & ~dg.AutomationCondition.missing() & ~under_way
    return condition.with_label("an exported period was published anew")


def build_exports_follow(settings: Settings) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the condition, stopped unless the settings start it."""
    return dg.AutomationConditionSensorDefinition(
        "exports_follow_publication",
        target=dg.AssetSelection.assets(EXPORT),
        default_status=default_status(running=settings.automation)[1],
        description="Exports a period again that Snowflake holds, when what is published of it changed.",
    )
