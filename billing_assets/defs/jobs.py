"""Jobs that a person launches: closing a period, reopening it, and healing the combined list.

Each is one step. What it did stands in its run's log and, as an observation of the period, in the history of the asset.
"""

import datetime as dt

import dagster as dg
from pydantic import Field

from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import Metadata, dollars
from billing_assets.defs.resources import MasterBillsResource
from billing_assets.defs.sources import COMBINED_LIST
from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.money import plain
from billing_assets.domain.periods import Month, PeriodError
from billing_assets.stores.publication import ClosedPeriod, Derivation

MASTER_BILLS = dg.AssetKey("master_bills_json")
_TO_FILL_IN = "YYYY-MM"
"""Stands in the Launchpad, and is refused: a period is never closed because it happened to be the default."""

_PERIOD = "The UBI period, written YYYY-MM."


class ClosingConfig(dg.Config):
    """Which period is closed, and by whom."""

    period: str = Field(description=_PERIOD)
    closed_by: str = Field(description="Who decides so: a name or an e-mail address. Stands in the record.")


class ReopeningConfig(dg.Config):
    """Which period is reopened, why, and by whom."""

    period: str = Field(description=_PERIOD)
    reason: str = Field(description="Why its bills may change again. Stands in the record.")
    reopened_by: str = Field(description="Who decides so: a name or an e-mail address. Stands in the record.")


class HealingConfig(dg.Config):
    """What is brought into the combined list again."""

    period: str = Field(default="", description=f"{_PERIOD} Blank: every period that differs.")


def build_jobs() -> list[dg.JobDefinition]:
    """The jobs, each with what it needs filled into the Launchpad."""
    return [_closing(), _reopening(), _healing()]


@dg.op(name="close", pool="s3")
def close_op(context: dg.OpExecutionContext, config: ClosingConfig, master_bills: MasterBillsResource) -> None:
    """Write the record that closes a period, with what is published of it now."""
    now = dt.datetime.now(dt.UTC)
    with letters_to_failures(context):
        period = _month(_given(config)["period"])
        record = master_bills.close(period, closed_by=config.closed_by.strip(), now=now)
    text = f"{period} is closed: {_text_of(record)}"
    if dt.datetime.fromisoformat(record.closed_utc) < now:
        context.log.warning(f"{text}. It was closed already; nothing was changed")
    else:
        context.log.info(text)
    context.log_event(_observed(period, "closed", _record(record)))


@dg.op(name="reopen", pool="s3")
def reopen_op(context: dg.OpExecutionContext, config: ReopeningConfig, master_bills: MasterBillsResource) -> None:
    """Put the record that closes a period aside, with the reason."""
    now = dt.datetime.now(dt.UTC)
    with letters_to_failures(context):
        given = _given(config)
        period = _month(given["period"])
        record = master_bills.reopen(period, reason=given["reason"], reopened_by=given["reopened_by"], now=now)
    context.log.info(
        f"{period} is open again, by {record.reopened_by}: {record.reason} (it had been closed: {_text_of(record)})"
    )
    more = {"reason": record.reason, "reopened_by": record.reopened_by, "reopened_utc": record.reopened_utc}
    context.log_event(_observed(period, "reopened", _record(record) | more))


@dg.op(name="heal", pool="s3")
def heal_op(context: dg.OpExecutionContext, config: HealingConfig, master_bills: MasterBillsResource) -> None:
    """Bring published bills into the combined list again, whatever stands there in their place."""
    with letters_to_failures(context):
        if config.period.strip():
            periods = [_month(config.period.strip())]
        else:
            differs = master_bills.combined_differs()
            context.log.info(differs.text() or "the combined list holds exactly what was published: nothing to heal")
            periods = [period.period for period in differs.periods]
        for period in periods:
            _show(context, period, master_bills.republish(period))
    if periods:
        context.log.info("now run the check combined_list_equals_the_period_objects again: it will pass")


def _closing() -> dg.JobDefinition:
    @dg.job(
        name="close_period",
        description="Close a UBI period as it is published: from then on its bills change by decision only (run config "
        "`restate` with a `reason`). Closing it again changes nothing.",
        config=dg.RunConfig(ops={"close": ClosingConfig(period=_TO_FILL_IN, closed_by="")}),
    )
    def close_period() -> None:
        close_op()

    return close_period


def _reopening() -> dg.JobDefinition:
    @dg.job(
        name="reopen_period",
        description="Reopen a closed UBI period: its record is moved aside with the reason, and runs publish it again.",
        config=dg.RunConfig(ops={"reopen": ReopeningConfig(period=_TO_FILL_IN, reason="", reopened_by="")}),
    )
    def reopen_period() -> None:
        reopen_op()

    return reopen_period


def _healing() -> dg.JobDefinition:
    @dg.job(
        name="republish",
        description="Heal `config/master-bills-latest.json` from the period objects: all periods that differ, or one. "
        "Entries of other people, and statuses that the app gave to bills of the same content, are kept.",
        config=dg.RunConfig(ops={"heal": HealingConfig()}),
    )
    def republish() -> None:
        heal_op()

    return republish


def _given(config: dg.Config) -> dict[str, str]:
    """The config's texts, trimmed; what is blank is named all at once."""
    texts = {name: str(text).strip() for name, text in config.model_dump().items()}
    blank = [name for name, text in texts.items() if not text or text == _TO_FILL_IN]
    if blank:
        raise ConfigurationError(
            "the run config is not filled in",
            where="the run config of the job",
            found=f"not given: {', '.join(blank)}",
            rule="whoever reads the record later must learn what was decided, by whom and why",
            remedy="fill it in in the Launchpad (a period is written YYYY-MM), and launch the job again",
        )
    return texts


def _month(text: str) -> str:
    try:
        return Month.from_key(text).key
    except PeriodError as error:
        raise ConfigurationError(
            "the run config names no period",
            where="the run config of the job, period",
            found=str(error),
            remedy="write it as its partition is called, such as 2025-01, and launch the job again",
        ) from None


def _record(record: ClosedPeriod) -> Metadata:
    return {
        "bills": record.bills,
        "amount_usd": dollars(record.amount_usd),
        "content_sha256": record.content_sha256,
        "closed_by": record.closed_by,
        "closed_utc": record.closed_utc,
    }


def _text_of(record: ClosedPeriod) -> str:
    return f"{record.bills:,} bills, ${plain(record.amount_usd)}, by {record.closed_by} at {record.closed_utc}"


def _observed(period: str, decision: str, metadata: Metadata) -> dg.AssetObservation:
    return dg.AssetObservation(
        asset_key=MASTER_BILLS,
        partition=period,
        description=f"{period} {decision}",
        metadata={"decision": decision} | metadata,
    )


def _show(context: dg.OpExecutionContext, period: str, derivation: Derivation) -> None:
    report = derivation.report
    names = {"added": report.added, "replaced": report.replaced, "removed": report.removed}
    counts = ", ".join(f"{len(bills):,} {name}" for name, bills in names.items())
    context.log.info(f"{period}: {counts}" if derivation.written else f"{period}: stood there already")
    if report.overruled:
        context.log.warning(f"{period}: replaced although somebody had decided on them: {', '.join(report.overruled)}")
    context.log_event(
        dg.AssetObservation(
            asset_key=COMBINED_LIST,
            description=f"{period} republished",
            metadata={
                "period": period,
                "written": derivation.written,
                **{f"bills_{name}": len(bills) for name, bills in names.items()},
                "overruled": "\n".join(report.overruled) or "none",
            },
        )
    )
