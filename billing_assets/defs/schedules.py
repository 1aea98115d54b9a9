"""When periods are run without anybody's doing: each schedule names its periods, from its tick's time.

"The latest partition" is a year ahead here (DESIGN.md decision 2). A daemon that was away makes up for the last tick it
missed and for no other: so the month end asks what is not done yet, and the daily run covers two months.
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from billing_assets.defs.checks.exported import EXPORTED_OP
from billing_assets.defs.in_flight import MONTH_END, default_status, month_end_tries
from billing_assets.defs.period_jobs import PUBLICATION, PeriodJobs, config_of
from billing_assets.defs.resources import MasterBillsResource
from billing_assets.domain.open_periods import last_ended, month_ends_due, open_periods
from billing_assets.settings import Settings

Requests = Iterator[dg.RunRequest | dg.SkipReason]


def build_schedules(settings: Settings, jobs: PeriodJobs) -> list[dg.ScheduleDefinition]:
    """All schedules, stopped unless the settings start them."""
    return [_daily(settings, jobs), _month_end(settings, jobs), _weekly(settings, jobs), _checks(settings, jobs)]


def _daily(settings: Settings, jobs: PeriodJobs) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="open_periods",
        job=jobs.period,
        cron_schedule=settings.daily_cron,
        execution_timezone=settings.time_zone.key,
        default_status=default_status(running=settings.automation)[0],
        description="Every day the previous and the current month, up to their published bills. Sees what no sensor "
        "does: lines that the app changed without touching their assignments.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Requests:
        tick = context.scheduled_execution_time
        for period in open_periods(tick, settings.time_zone, first=settings.first_period):
            yield dg.RunRequest(run_key=f"{period}/{_text(tick)}", partition_key=period)

    return schedule


def _month_end(settings: Settings, jobs: PeriodJobs) -> dg.ScheduleDefinition:
    at, day = settings.month_end_time, settings.month_end_day

    @dg.schedule(
        name="month_end",
        job=jobs.period_and_export,
        # Every day from that one on: what was missed or failed is asked for at the next tick.
        cron_schedule=f"{at.minute} {at.hour} {day}-31 * *",
        execution_timezone=settings.time_zone.key,
        default_status=default_status(running=settings.automation)[0],
        description=f"From day {day} of a month on: the previous month with its export, until one run succeeds.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Requests:
        due = last_ended(context.scheduled_execution_time, settings.time_zone, day=day)
        tries = month_end_tries(context.instance, jobs.period_and_export.name)
        requests = month_ends_due(due, tries, first=settings.first_period)
        if not requests:
            yield dg.SkipReason(f"the month end of {due.key} is done or under way")
        for request in requests:
            yield dg.RunRequest(
                run_key=f"{request.period}/{request.runs_before}",
                partition_key=request.period,
                tags={MONTH_END: request.period},
            )

    return schedule


def _weekly(settings: Settings, jobs: PeriodJobs) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="closed_periods_weekly",
        job=jobs.period,
        cron_schedule=settings.weekly_cron,
        execution_timezone=settings.time_zone.key,
        default_status=default_status(running=settings.automation)[0],
        description="Once a week the closed periods, computed with `publish: false`: what has drifted since they were "
        "billed shows as a pending restatement, and nothing is published.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, master_bills: MasterBillsResource) -> Requests:
        closed = [period for period in master_bills.closed_periods() if period >= settings.first_period.key]
        if not closed:
            yield dg.SkipReason("no period is closed")
        for period in closed:
            yield dg.RunRequest(
                run_key=f"{period}/{_text(context.scheduled_execution_time)}",
                partition_key=period,
                run_config=config_of(PUBLICATION, publish=False),
                # Whatever a person or a change asks for goes first.
                tags={"dagster/priority": "-1"},
            )

    return schedule


def _checks(settings: Settings, jobs: PeriodJobs) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="checks_of_all_periods",
        job=jobs.checks,
        cron_schedule=settings.checks_cron,
        execution_timezone=settings.time_zone.key,
        default_status=default_status(running=settings.automation)[0],
        description="Every day the checks that speak of all periods at once. A published month whose month end is "
        "still to come is not missed in Snowflake yet.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Requests:
        tick = context.scheduled_execution_time
        due = last_ended(tick, settings.time_zone, day=settings.month_end_day)
        yield dg.RunRequest(run_key=_text(tick), run_config=config_of(EXPORTED_OP, due_until=due.key))

    return schedule


def _text(tick: dt.datetime) -> str:
    # In UTC: at the end of daylight saving two ticks may have one local time.
    return tick.astimezone(dt.UTC).isoformat(timespec="minutes")
