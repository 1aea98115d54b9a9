"""The check of completion: which accounts should have a bill in a period and do not have one.

It is a step of its own, unlike the other checks of a period (docs/decisions/0005): it also runs alone, when only the
accounts have changed. It blocks nothing, and a list that was never read fails no run.
"""

import dagster as dg

from billing_assets.defs.assets.accounts_to_track import ACCOUNTS_TO_TRACK
from billing_assets.defs.completion_automation import EVERY_ACCOUNT_HAS_A_BILL, when_the_accounts_change
from billing_assets.defs.completion_metadata import completion_metadata
from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.resources import ClockResource, StoredCompletionResource
from billing_assets.domain.completion import Completion, Verdict, verdict
from billing_assets.domain.listed_accounts import listed_accounts
from billing_assets.domain.periods import Month
from billing_assets.settings import Settings


def build_completion_check(partitions: dg.PartitionsDefinition, settings: Settings) -> dg.AssetChecksDefinition:
    """The check.

    Args:
        partitions: UBI periods.
        settings: From when on missing bills are told, and how many are an ERROR.
    """

    @dg.asset_check(
        asset=EVERY_ACCOUNT_HAS_A_BILL.asset_key,
        name=EVERY_ACCOUNT_HAS_A_BILL.name,
        description="Every account to track that is billed to residents has a bill. An open period passes "
        f"with its figures; from {settings.completion_warn_days} days after its end missing bills are a WARN, and "
        f"an ERROR below {settings.completion_floor} of the expected accounts. Nothing is held back.",
        additional_deps=[ACCOUNTS_TO_TRACK],
        partitions_def=partitions,
        automation_condition=when_the_accounts_change(),
    )
    def every_expected_account_has_a_bill(
        context: dg.AssetCheckExecutionContext, stored_completion: StoredCompletionResource, clock: ClockResource
    ) -> dg.AssetCheckResult:
        period = context.op_execution_context.partition_key
        with letters_to_failures(context):
            accounts = stored_completion.accounts()
            stored = stored_completion.bills(up_to=period)
        if accounts is None:
            return _not_judged("the accounts to track have never been read", "materialize accounts_to_track")
        if period not in stored.bills:
            return _not_judged(f"{period} has not been resolved", f"materialize resolved_line_items for {period}")
        completion = Completion.of(period, listed_accounts(accounts.accounts), stored.bills)
        return completion_result(completion, settings, clock)

    return every_expected_account_has_a_bill


def completion_result(completion: Completion, settings: Settings, clock: ClockResource) -> dg.AssetCheckResult:
    """What a period's completion says today."""
    share, today = completion.share, clock.day()
    found = verdict(
        share,
        Month.from_key(completion.period),
        today=today,
        warn_days=settings.completion_warn_days,
        floor=settings.completion_floor,
    )
    return dg.AssetCheckResult(
        check_name=EVERY_ACCOUNT_HAS_A_BILL.name,
        passed=found is Verdict.PASSED,
        severity=dg.AssetCheckSeverity.ERROR if found is Verdict.ERROR else dg.AssetCheckSeverity.WARN,
        description=_text(completion, found, settings),
        metadata={**completion_metadata(completion), "judged_on": today.isoformat()},
    )


def _text(completion: Completion, found: Verdict, settings: Settings) -> str:
    share, period = completion.share, completion.period
    if not share.expected:
        return f"no account is expected to have a bill in {period}"
    text = (
        f"{share.missing:,} of {share.expected:,} expected accounts have no bill in {period} ({share.percent} % have)"
    )
    if not share.missing:
        return f"all {share.expected:,} expected accounts have a bill in {period}"
    if found is Verdict.PASSED:
        return f"{text}; they may still come until {settings.completion_warn_days} days after its end"
    rule = (
        f"below BILLING_COMPLETION_FLOOR={settings.completion_floor} too many are missing to call the period complete"
        if found is Verdict.ERROR
        else f"{settings.completion_warn_days} days after a period's end every expected bill should be there"
    )
    return (
        f"{text}\n"
        f"  rule:   {rule}\n"
        "  remedy: look for the bills of the missing accounts below, and assign them; an account that is closed is\n"
        "          taken off the list on the CONFIG page (docs/runbook.md, an account has no bill)"
    )


def _not_judged(found: str, remedy: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=EVERY_ACCOUNT_HAS_A_BILL.name,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"completion can't be judged: {found}\n  remedy: {remedy}, then run this check again",
    )
