"""`billing-assets bills`: a period's published bills, or what generating them now would change.

Lives here: what is read, and in which order. Lives elsewhere: tables, JSON and CSV (`bills_printed`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from billing_assets.commands.spinner import spinner
from billing_assets.domain.control_totals import UnbilledShare
from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.master_bills import master_bills_of
from billing_assets.domain.periods import Month
from billing_assets.domain.resolved import resolve
from billing_assets.settings import Settings, aws_variables
from billing_assets.stores.archive import archived_among
from billing_assets.stores.aws import AwsClients, shared_clients
from billing_assets.stores.dynamodb import AssignmentsTable
from billing_assets.stores.objects import StageFourObjects
from billing_assets.stores.publication import (
    ClosedPeriod,
    MasterBillLocation,
    PublicationReport,
    PublicationRequest,
    PublishedPeriod,
    publish,
    read_closed,
    read_published,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from billing_assets.domain.master_bills import MasterBill

_CREATED_BY = "billing-assets bills --diff"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class PublishedBills:
    """What is published of a period, and whether it is closed."""

    published: PublishedPeriod
    closed: ClosedPeriod | None


@dataclass(frozen=True, slots=True)
class ComputedDifference:
    """What a run would do now."""

    report: PublicationReport
    unbilled: UnbilledShare
    too_much_unbilled: bool
    """Then a run stops before it compares anything."""


@contextlib.contextmanager
def stores_of(stack: Path | None) -> Iterator[None]:
    """The stores that the environment leads to, or those of an embedded stack, which is started if it doesn't run.

    Raises:
        ConfigurationError: There was never a stack in the folder.
    """
    if stack is None:
        yield
        return
    # Another folder, such as the one around it, would get an empty stack, in which everything is missing.
    if not (stack / "aws").is_dir():
        raise ConfigurationError(
            "there is no embedded stack in this folder",
            where=str(stack),
            remedy="name the stack's own folder: `make demo` makes it in .billing/stack",
        )
    from billing_assets.local.environment import demo_environment, enter  # noqa: PLC0415  # only for the demo's stack
    from billing_assets.local.stack import EmbeddedStack  # noqa: PLC0415  # the same

    running = EmbeddedStack.attach(stack)
    if running is not None:
        enter(demo_environment(running))
        yield
        return
    with contextlib.ExitStack() as until_the_end:
        with spinner("starting the embedded stack"):
            started = until_the_end.enter_context(EmbeddedStack.start(stack))
        enter(demo_environment(started.environment()))
        yield


def published_bills(period: str) -> PublishedBills:
    """Read a period's own object.

    Raises:
        ConfigurationError: It was never published.
    """
    settings = Settings.from_environment()
    s3, location = shared_clients(aws_variables()).s3, _location(settings)
    published = read_published(s3, location, period)
    if published is None:
        raise ConfigurationError(
            f"{period} was never published",
            where=f"s3://{location.bucket}/{location.period_key(period)}",
            remedy="materialize master_bills_json for the period; `--diff` shows what that would publish",
        )
    return PublishedBills(published, read_closed(s3, location, period))


def only(bill_id: str, found: PublishedBills) -> MasterBill:
    """One of the bills.

    Raises:
        ConfigurationError: There is none of this id; those that begin like it are named.
    """
    bills = found.published.bills
    for bill in bills:
        if bill.master_bill_id == bill_id:
            return bill
    begin = bill_id.partition("|")[0]
    alike = [bill.master_bill_id for bill in bills if bill.master_bill_id.partition("|")[0] == begin]
    named = ", ".join(alike[:_MOST_NAMED]) + (", ..." if len(alike) > _MOST_NAMED else "")
    raise ConfigurationError(
        f"{found.published.period} has no bill {bill_id!r}",
        found=f"of the same property: {named}" if alike else "no bill of that property",
        remedy=f"take an id from `billing-assets bills {found.published.period}`, in single quotes",
    )


def computed_difference(period: str, on_progress: Callable[[int, int], None]) -> ComputedDifference:
    """Read, resolve and group as the assets do, and compare with what is published; nothing is written.

    Raises:
        ConfigurationError: The period is no partition.
        BillingError: A store is missing, says no or stays away.
    """
    from billing_assets.defs.partitions import partition_range  # noqa: PLC0415  # imports Dagster

    settings = Settings.from_environment()
    clients = shared_clients(aws_variables())
    read_at = dt.datetime.now(dt.UTC)
    partitions = partition_range(settings.first_period, read_at)
    if not partitions.first <= Month.from_key(period) <= partitions.last:
        raise ConfigurationError(
            f"{period} is no partition",
            found=f"partitions run from {partitions.first.key} to {partitions.last.key}",
            remedy="name one of them, or set BILLING_FIRST_PERIOD to an earlier month",
        )
    reading, _ = _table(settings, clients).read_period(period, partitions)
    objects = StageFourObjects(
        clients,
        settings.bucket,
        requests=settings.s3_requests,
        retry_seconds=settings.retry_seconds,
        on_progress=on_progress,
    )
    rows, _ = resolve(reading.assignments, objects)
    request = PublicationRequest(
        period=period,
        bills=master_bills_of(rows, created_utc=read_at.isoformat(timespec="seconds"), created_by=_CREATED_BY),
        run_id=_CREATED_BY,
        read_at=read_at,
        now=read_at,
        max_shrink=settings.max_shrink,
        publish=False,
    )
    archived = partial(archived_among, clients.dynamodb, settings.archived_table)
    unbilled = UnbilledShare.of(rows)
    return ComputedDifference(
        publish(clients.s3, _location(settings), request, archived=archived),
        unbilled,
        unbilled.exceeds(settings.max_unbilled),
    )


def _table(settings: Settings, clients: AwsClients) -> AssignmentsTable:
    return AssignmentsTable(
        clients.dynamodb,
        table=settings.assignments_table,
        index=settings.assignments_index,
        scan_limit_mb=settings.scan_limit_mb,
        read_units_per_second=settings.read_units_per_second,
        retry_seconds=settings.retry_seconds,
    )


def _location(settings: Settings) -> MasterBillLocation:
    return MasterBillLocation(settings.bucket, settings.master_bills_key, settings.master_bills_prefix)
