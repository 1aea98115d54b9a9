"""The sensor of the accounts list: looks again on a new ETag, and acts on new content only."""

import hashlib

import dagster as dg
import msgspec

from billing_assets.defs.in_flight import default_status, job_in_flight
from billing_assets.defs.period_jobs import ACCOUNTS, PeriodJobs
from billing_assets.defs.resources import AccountsResource
from billing_assets.domain.accounts import accounts_sha256, parse_accounts
from billing_assets.domain.errors import UnreadableInputError
from billing_assets.settings import Settings

NAME = "changed_accounts"
_DATA_VERSION = "dagster/data_version"


class _Seen(msgspec.Struct, frozen=True):
    """The cursor: the last list that was looked at, and how many runs were asked for."""

    etag: str = ""
    content: str = ""
    requests: int = 0


def build_changed_accounts(settings: Settings, jobs: PeriodJobs) -> dg.SensorDefinition:
    """The sensor, stopped unless the settings start it."""

    @dg.sensor(
        name=NAME,
        job=jobs.accounts,
        minimum_interval_seconds=settings.watch_seconds,
        default_status=default_status(running=settings.automation)[1],
        description="Reads the accounts list when its ETag changes, and runs `accounts_to_track` again when it says "
        "something else. A list that can't be read is run too, so that the failure is told.",
    )
    def changed_accounts(
        context: dg.SensorEvaluationContext, accounts: AccountsResource
    ) -> dg.SensorResult | dg.SkipReason:
        seen = _seen(context)
        if job_in_flight(context.instance, jobs.accounts.name):
            return dg.SkipReason("a run of the accounts is under way")
        etag = accounts.etag()
        if etag == seen.etag:
            is_same = "the list is the same object" if etag else f"there is no list at {accounts.location.uri}"
            return dg.SkipReason(is_same)
        content = _content(accounts) if etag else seen.content
        if content == seen.content:
            return dg.SensorResult(
                skip_reason="the list was saved again and says the same", cursor=_text(etag, content, seen.requests)
            )
        # Counted, since a list that says again what it said before is new content too.
        number = seen.requests + 1
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"{number}/{etag}/{content}")], cursor=_text(etag, content, number)
        )

    return changed_accounts


def _seen(context: dg.SensorEvaluationContext) -> _Seen:
    """The cursor; where there is none, what was materialized last."""
    try:
        return msgspec.json.decode(context.cursor or "", type=_Seen)
    except msgspec.DecodeError:
        event = context.instance.get_latest_materialization_event(dg.AssetKey(ACCOUNTS))
        materialization = event.asset_materialization if event else None
        return _Seen(content=((materialization.tags or {}).get(_DATA_VERSION, "") if materialization else ""))


def _content(accounts: AccountsResource) -> str:
    """A hash of what the list says; of its text where it can't be read."""
    try:
        text = accounts.text()
    except UnreadableInputError as error:
        return f"unreadable: {hashlib.sha256(str(error).encode()).hexdigest()}"
    try:
        read = parse_accounts(text, where=accounts.location.uri)
    except UnreadableInputError:
        return f"unreadable: {hashlib.sha256(text.encode()).hexdigest()}"
    # Items that can't be read, or only in part, are part of what the run reports.
    faults = (f" {fault.index}: {fault.reason}" for fault in [*read.unreadable, *read.doubts])
    return accounts_sha256(read.accounts) + "".join(faults)


def _text(etag: str, content: str, requests: int) -> str:
    return msgspec.json.encode(_Seen(etag, content, requests)).decode()
