"""`billing-assets doctor`: everything that the pipeline needs, looked at once, together.

Lives here: which looks are taken, what comes first, and Dagster's part. Lives elsewhere: the looks at AWS and Snowflake
(`stores.examination`), tables and JSON (`doctor_printed`).
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from billing_assets.commands import doctor_printed as printed
from billing_assets.commands.doctor_dagster import look_at_daemon, look_at_home, look_at_instance
from billing_assets.commands.spinner import spinner
from billing_assets.domain import line_readers
from billing_assets.domain.errors import BillingError
from billing_assets.domain.findings import Finding, Outcome, something_is_missing
from billing_assets.settings import Settings, aws_variables
from billing_assets.stores.aws import AwsClients, shared_clients
from billing_assets.stores.examination import (
    BucketExamination,
    ContentsExamination,
    TablesExamination,
    look_at_identity,
    look_at_snowflake,
    look_at_storage,
    look_at_write_right,
)
from billing_assets.stores.examination.identity import CHECK as IDENTITY
from billing_assets.stores.examination.snowflake import LOGIN, SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

BUCKET = "s3.bucket"
ASSIGNMENTS = "dynamodb.assignments"
_HOME, _INSTANCE = "dagster.home", "dagster.instance"
_READER = "installation.reader"

_SNOWFLAKE_REMEDY = (
    "set the SNOWFLAKE_ variables (docs/operations.md) where master bills are to be exported; until then leave "
    "snowflake_master_bills out of the selection"
)


def run_doctor(*, as_json: bool, read_only: bool, is_stack: bool) -> int:
    """Look at everything, print it, and give the exit code.

    Raises:
        ConfigurationError: The settings themselves can't be read.
    """
    settings = Settings.from_environment()
    with spinner("loading boto3, Dagster and Snowflake's connector") as say:
        warm_up(settings)
        began = time.monotonic()
        looks = all_looks(settings, read_only=read_only, is_stack=is_stack)
        findings = examined(looks, lambda done, of: say(f"looking: {done} of {of} done"))
    seconds = time.monotonic() - began
    if as_json:
        sys.stdout.write(printed.findings_json(findings, seconds=seconds))
    else:
        printed.print_findings(findings, seconds=seconds)
    return 1 if something_is_missing(findings) else 0


@dataclass(frozen=True, slots=True)
class Look:
    """One look, and the one that must not have failed before it."""

    check: str
    subject: str
    take: Callable[[], Finding | list[Finding]]
    after: str = ""


def examined(looks: Sequence[Look], on_done: Callable[[int, int], None]) -> list[Finding]:
    """Take all looks, together where nothing comes first; their findings in the order of the looks.

    A look whose predecessor failed is not taken: one cause is told once. An error of ours is a finding, any other one
    is ours to mend and passes through.

    Args:
        looks: A look stands after the one that it names in `after`.
        on_done: Told how many of how many are done.
    """
    taken: dict[str, Future[list[Finding]]] = {}

    def take(look: Look) -> list[Finding]:
        if look.after:
            before = taken[look.after].result()
            if any(finding.outcome in {Outcome.FAILED, Outcome.NOT_CHECKED} for finding in before):
                return [Finding(look.check, look.subject, Outcome.NOT_CHECKED, f"{before[0].subject} comes first")]
        try:
            found = look.take()
        except BillingError as error:
            return [Finding.of_error(look.check, look.subject, error)]
        return found if isinstance(found, list) else [found]

    # One thread for each: a look that waits for its predecessor never keeps another from starting.
    with ThreadPoolExecutor(max(1, len(looks)), thread_name_prefix="doctor") as pool:
        for look in looks:
            taken[look.check] = pool.submit(take, look)
        findings = []
        for done, look in enumerate(looks, 1):
            findings.extend(taken[look.check].result())
            on_done(done, len(looks))
    return findings


def all_looks(settings: Settings, *, read_only: bool, is_stack: bool) -> list[Look]:
    """Every look, in the order in which they are told.

    Args:
        settings: Names of everything.
        read_only: Leaves out the two that write an object of our own.
        is_stack: On the embedded stack no daemon needs to run.
    """
    clients = shared_clients(aws_variables())
    return [
        Look(IDENTITY, "who we are in AWS", partial(look_at_identity, clients)),
        *_table_looks(settings, clients),
        *_bucket_looks(settings, clients, read_only=read_only),
        *_storage_looks(settings, clients, read_only=read_only),
        Look(LOGIN, SUBJECTS[LOGIN], partial(_snowflake, settings)),
        Look(_READER, "reader of bill lines", look_at_reader),
        Look(_HOME, "DAGSTER_HOME", partial(look_at_home, _HOME)),
        Look(_INSTANCE, "Dagster's storage", partial(look_at_instance, _INSTANCE), _HOME),
        Look(
            "dagster.daemon",
            "Dagster's daemon",
            partial(look_at_daemon, "dagster.daemon", is_needed=not is_stack),
            _INSTANCE,
        ),
    ]


def _table_looks(settings: Settings, clients: AwsClients) -> list[Look]:
    def tables() -> TablesExamination:
        return TablesExamination(clients.dynamodb, settings)

    def table(check: str, name: str, variable: str, *, is_needed: bool = True) -> Look:
        def take() -> Finding:
            return tables().table(check, name, variable=variable, is_needed=is_needed)

        return Look(check, f"table {name}", take, IDENTITY)

    live, archive, archived = settings.assignments_table, settings.archived_table, "dynamodb.archived"
    scan, scan_archive = f"{ASSIGNMENTS}.scan", f"{archived}.scan"
    index, query, cache = f"{ASSIGNMENTS}.index", f"{ASSIGNMENTS}.query", "dynamodb.config.cache"
    return [
        table(ASSIGNMENTS, live, "BILLING_ASSIGNMENTS_TABLE"),
        Look(index, f"index {settings.assignments_index}", lambda: tables().index(index), ASSIGNMENTS),
        Look(scan, f"right dynamodb:Scan on {live}", lambda: tables().scan_right(scan, live), ASSIGNMENTS),
        Look(query, f"right dynamodb:Query on {live}", lambda: tables().query_right(query), index),
        table(archived, archive, "BILLING_ARCHIVED_TABLE"),
        Look(
            scan_archive,
            f"right dynamodb:Scan on {archive}",
            lambda: tables().scan_right(scan_archive, archive),
            archived,
        ),
        table("dynamodb.config", settings.config_table, "BILLING_CONFIG_TABLE", is_needed=False),
        Look(cache, "cache of the accounts to track", lambda: tables().cache(cache), IDENTITY),
        # The app's two that are only observed.
        table("dynamodb.drafts", settings.drafts_table, "BILLING_DRAFTS_TABLE", is_needed=False),
        table("dynamodb.billback_master", settings.billback_table, "BILLING_BILLBACK_TABLE", is_needed=False),
    ]


def _bucket_looks(settings: Settings, clients: AwsClients, *, read_only: bool) -> list[Look]:
    def bucket() -> BucketExamination:
        return BucketExamination(clients.s3_single_try, settings)

    def contents() -> ContentsExamination:
        return ContentsExamination(clients.s3, settings)

    listing, write = "s3.listing", "s3.write"
    looks = [
        Look(BUCKET, f"bucket {settings.bucket}", lambda: bucket().bucket(BUCKET), IDENTITY),
        Look(listing, f"objects under {settings.stage4_prefix}", lambda: bucket().listing(listing), BUCKET),
        Look("s3.reading", "right s3:GetObject", lambda: bucket().reading("s3.reading"), listing),
        Look("s3.missing_key", "a key that can't exist", lambda: bucket().missing_key("s3.missing_key"), BUCKET),
        Look("s3.accounts", "accounts to track in S3", lambda: contents().accounts("s3.accounts"), BUCKET),
        Look("s3.combined", "combined list", lambda: contents().combined("s3.combined"), BUCKET),
        Look("s3.periods", "published periods", lambda: contents().periods("s3.periods"), listing),
    ]
    if not read_only:
        subject = f"right to write under {settings.master_bills_prefix}"
        looks.append(Look(write, subject, lambda: look_at_write_right(write, clients.s3, settings), BUCKET))
    return looks


def _storage_looks(settings: Settings, clients: AwsClients, *, read_only: bool) -> list[Look]:
    check, uri = "storage.write", settings.storage_uri
    if read_only:
        return []

    def take() -> Finding:
        return look_at_storage(check, uri, lambda: clients.s3)

    return [Look(check, f"intermediate data in {uri}", take, IDENTITY if uri.startswith("s3://") else "")]


def _snowflake(settings: Settings) -> list[Finding]:
    if not settings.variables_set:
        return [Finding(LOGIN, SUBJECTS[LOGIN], Outcome.ABSENT, "Snowflake is not configured", _SNOWFLAKE_REMEDY)]
    from billing_assets.defs.snowflake_resource import SnowflakeExportResource  # noqa: PLC0415  # imports Dagster

    resource = SnowflakeExportResource.from_variables(settings.variables_set).process_config_and_initialize()
    return look_at_snowflake(resource.connect, resource.target)


def look_at_reader() -> Finding:
    """Whether the reader of lines was compiled; without a compiler the package installs all the same."""
    subject = "reader of bill lines"
    if line_readers.IS_COMPILED:
        return Finding.ok(_READER, subject, "compiled")
    return Finding(
        _READER,
        subject,
        Outcome.ABSENT,
        "not compiled: the same results, while resolving takes up to twice the processor's time",
        "install a C compiler and Python's headers (Debian: gcc, python3-dev), then install this package again",
    )


def warm_up(settings: Settings) -> None:
    """Import what the looks will import, so that their time is their own."""
    import boto3  # noqa: F401, PLC0415
    import dagster  # noqa: F401, PLC0415

    if settings.variables_set:
        import dagster_snowflake  # noqa: F401, PLC0415
