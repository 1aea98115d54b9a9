"""`billing-assets doctor --probe`: a random sample of the real table against SPEC.md; reads, and writes nothing."""

from __future__ import annotations

import datetime as dt
import sys
from random import Random
from typing import TYPE_CHECKING

from billing_assets.commands import probe_printed
from billing_assets.commands.spinner import spinner
from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.probe import ProbeReport, probe
from billing_assets.settings import Settings, aws_variables
from billing_assets.stores.aws import shared_clients
from billing_assets.stores.objects import StageFourObjects
from billing_assets.stores.probing import random_records, table_shape

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS = 200


def run_probe(*, records: int, seed: int, as_json: bool) -> int:
    """Probe, print, and give the exit code: 1 where SPEC.md does not fit the data.

    Raises:
        BillingError: The table or an object can't be read at all.
    """
    with spinner("loading") as say:
        report = probed(Settings.from_environment(), records=records, seed=seed, say=say)
    if as_json:
        sys.stdout.write(probe_printed.report_json(report, seed=seed))
    else:
        probe_printed.print_report(report, seed=seed)
    return 1 if report.rules else 0


def probed(settings: Settings, *, records: int, seed: int, say: Callable[[str], None]) -> ProbeReport:
    """The report of one sample.

    Raises:
        ConfigurationError: The table is empty, or absent.
        BillingError: AWS says no, or stays away.
    """
    from billing_assets.defs.partitions import partition_range  # noqa: PLC0415  # imports Dagster

    clients = shared_clients(aws_variables())
    table = table_shape(clients.dynamodb, settings.assignments_table)

    def reading(done: int, of: int) -> None:
        say(f"reading {done} of {of} records")

    # Chance is wanted here, and the same again for one seed.
    sample = random_records(clients.dynamodb, table, records, Random(seed), reading)  # noqa: S311
    if not sample:
        raise ConfigurationError(
            "there is nothing to probe",
            where=f"DynamoDB table {table.name}",
            found="no record at all",
            remedy="set BILLING_ASSIGNMENTS_TABLE to the table that the app writes to, and check AWS_REGION",
        )
    objects = StageFourObjects(
        clients,
        settings.bucket,
        requests=settings.s3_requests,
        retry_seconds=settings.retry_seconds,
        on_progress=lambda done, of: say(f"reading {done} of {of} objects"),
    )
    return probe(
        sample,
        objects,
        partition_range(settings.first_period, dt.datetime.now(dt.UTC)),
        table,
        index_name=settings.assignments_index,
        stage4_prefix=settings.stage4_prefix,
    )
