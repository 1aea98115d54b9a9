"""How assets reach the stores: plain names as configuration, clients made once a process and shared.

Secrets are never configuration: AWS's are found by the SDK, Snowflake's are given by the names of their variables.
"""

import datetime as dt
from collections.abc import Callable, Collection

import dagster as dg
from pydantic import Field

from billing_assets.domain.period_status import Completed, Unknown
from billing_assets.domain.period_tables import AccountsToTrack
from billing_assets.domain.shares import BilledShare
from billing_assets.settings import aws_variables
from billing_assets.stores.accounts import ListLocation, ListReading, read_list
from billing_assets.stores.app_stores import (
    DayFigures,
    ItemFigures,
    ListFigures,
    TableFigures,
    cache_figures,
    day_figures,
    list_figures,
    table_figures,
)
from billing_assets.stores.archive import archived_among
from billing_assets.stores.aws import AwsClients, shared_clients
from billing_assets.stores.completion_shares import completed_periods
from billing_assets.stores.dynamodb import AssignmentsTable
from billing_assets.stores.intermediate import IntermediateStore
from billing_assets.stores.objects import StageFourObjects
from billing_assets.stores.publication import (
    ClosedPeriod,
    CombinedDiffers,
    Derivation,
    MasterBillLocation,
    PublicationReport,
    PublicationRequest,
    PublishedPeriod,
    ReopenedPeriod,
    close_period,
    closed_periods,
    combined_differs,
    publish,
    published_contents,
    published_periods,
    read_closed,
    read_published,
    reopen_period,
    republish,
)
from billing_assets.stores.small_objects import etag_of, read_text
from billing_assets.stores.stored_completion import StoredBills, read_accounts, read_bills
from billing_assets.stores.stored_periods import StoredShares, shares_beside


def aws_clients() -> AwsClients:
    """The process's clients, of the one session."""
    return shared_clients(aws_variables())


class AssignmentsResource(dg.ConfigurableResource):
    """The live assignments in DynamoDB, read only."""

    table: str = Field(description="Name of the table.")
    index: str = Field(description="Name of its index by UBI period.")
    scan_limit_mb: int = Field(description="Megabytes up to which the whole table is scanned for a period.")
    read_units_per_second: int = Field(description="Read capacity units a second at most; 0 is no limit.")
    retry_seconds: int = Field(description="Seconds for which a page is asked for while DynamoDB fails.")

    def open(self, *, retry_seconds: int | None = None) -> AssignmentsTable:
        """The table, over the shared client; a sensor's tick has less time than a run."""
        return AssignmentsTable(
            aws_clients().dynamodb,
            table=self.table,
            index=self.index,
            scan_limit_mb=self.scan_limit_mb,
            read_units_per_second=self.read_units_per_second,
            retry_seconds=min(self.retry_seconds, retry_seconds or self.retry_seconds),
        )


class BucketResource(dg.ConfigurableResource):
    """The bucket that the app writes its bills to."""

    bucket: str = Field(description="Name of the bucket.")
    requests: int = Field(description="S3 requests in flight at most.")
    retry_seconds: int = Field(description="Seconds for which an object is asked for while S3 fails.")

    def objects(self, on_progress: Callable[[int, int], None] | None = None) -> StageFourObjects:
        """Its Stage 4 objects."""
        return StageFourObjects(
            aws_clients(),
            self.bucket,
            requests=self.requests,
            retry_seconds=self.retry_seconds,
            on_progress=on_progress,
        )


class StoredPeriodsResource(dg.ConfigurableResource):
    """The resolved line items of all periods, as the IO manager keeps them."""

    storage_uri: str = Field(description="A folder, or s3://bucket/prefix: the IO manager's own.")

    def shares_beside(self, own: Collection[BilledShare], partition: str) -> StoredShares:
        """What the other periods bill of the lines and invoices of one."""
        store = IntermediateStore(self.storage_uri, lambda: aws_clients().s3)
        return shares_beside(store, own, partition)

    def completed(self) -> dict[str, Completed | Unknown]:
        """How complete each period is, as far as completion has said so."""
        return completed_periods(IntermediateStore(self.storage_uri, lambda: aws_clients().s3))


class ClockResource(dg.ConfigurableResource):
    """The day on which a period is judged."""

    today: str = Field(default="", description="YYYY-MM-DD instead of the day of the run; for tests.")

    def day(self) -> dt.date:
        """Today, by UTC."""
        return dt.date.fromisoformat(self.today) if self.today else dt.datetime.now(dt.UTC).date()


class StoredCompletionResource(dg.ConfigurableResource):
    """What completion reads of the stored tables, and the file that it writes beside them."""

    storage_uri: str = Field(description="A folder, or s3://bucket/prefix: the IO manager's own.")

    @property
    def store(self) -> IntermediateStore:
        """The place itself."""
        return IntermediateStore(self.storage_uri, lambda: aws_clients().s3)

    def accounts(self) -> AccountsToTrack | None:
        """The accounts as they were read last, if they ever were."""
        return read_accounts(self.store)

    def bills(self, up_to: str = "") -> StoredBills:
        """The bills of all stored periods, or of those up to one."""
        return read_bills(self.store, lambda period: not up_to or period <= up_to)

    def write(self, name: str, content: bytes) -> str:
        """Write a file beside the tables; where it is, for people."""
        self.store.write(name, content)
        return self.store.uri_of(name)


class AccountsResource(dg.ConfigurableResource):
    """The accounts to track in S3, and their optional cache in DynamoDB; both read only."""

    bucket: str = Field(description="Name of the bucket.")
    key: str = Field(description="Object that holds the list.")
    cache_table: str = Field(description="DynamoDB table that may hold a cache of it.")

    @property
    def location(self) -> ListLocation:
        """The place itself."""
        return ListLocation(self.bucket, self.key, self.cache_table)

    def read(self, now: dt.datetime) -> ListReading:
        """The list that counts, and what is known of its cache."""
        return read_list(aws_clients(), self.location, now=now)

    def etag(self) -> str:
        """S3's tag of the list as it is now; `""` if there is none."""
        return etag_of(aws_clients().s3, self.bucket, self.key, self.location.uri)

    def text(self) -> str:
        """The list's text in S3, whatever it says."""
        return read_text(aws_clients().s3, self.bucket, self.key)[0]


class ArchiveResource(dg.ConfigurableResource):
    """The archive of assignments, observed and never billed."""

    table: str = Field(description="Name of the table.")

    def archived_among(self, line_hashes: Collection[str]) -> Collection[str]:
        """Those of the line hashes that an archived assignment holds."""
        return archived_among(aws_clients().dynamodb, self.table, line_hashes)


class MasterBillsResource(dg.ConfigurableResource):
    """Where master bills are published in S3."""

    bucket: str = Field(description="Name of the bucket.")
    combined_key: str = Field(description="The combined list that the app reads.")
    periods_prefix: str = Field(description="Prefix of the periods' own objects.")

    @property
    def location(self) -> MasterBillLocation:
        """The place itself."""
        return MasterBillLocation(self.bucket, self.combined_key, self.periods_prefix)

    def uri_of(self, period: str) -> str:
        """Where a period's object is, for people."""
        return f"s3://{self.bucket}/{self.location.period_key(period)}"

    def publish(
        self, request: PublicationRequest, *, archived: Callable[[Collection[str]], Collection[str]]
    ) -> PublicationReport:
        """Publish a period, or say why not."""
        return publish(aws_clients().s3, self.location, request, archived=archived)

    def read(self, period: str) -> PublishedPeriod | None:
        """What is published of a period."""
        return read_published(aws_clients().s3, self.location, period)

    def periods(self) -> list[str]:
        """Every published period."""
        return published_periods(aws_clients().s3, self.location)

    def closed_periods(self) -> list[str]:
        """Every closed period."""
        return closed_periods(aws_clients().s3, self.location)

    def read_closed(self, period: str) -> ClosedPeriod | None:
        """The record that closes a period."""
        return read_closed(aws_clients().s3, self.location, period)

    def close(self, period: str, *, closed_by: str, now: dt.datetime) -> ClosedPeriod:
        """Close a period as it is published."""
        return close_period(aws_clients().s3, self.location, period, closed_by=closed_by, now=now)

    def reopen(self, period: str, *, reason: str, reopened_by: str, now: dt.datetime) -> ReopenedPeriod:
        """Reopen a closed period."""
        return reopen_period(aws_clients().s3, self.location, period, reason=reason, reopened_by=reopened_by, now=now)

    def combined_differs(self) -> CombinedDiffers:
        """How the combined list differs from the periods' objects."""
        return combined_differs(aws_clients().s3, self.location)

    def republish(self, period: str) -> Derivation:
        """Bring a period's published bills into the combined list again."""
        return republish(aws_clients().s3, self.location, period)

    def still_published(self, period: str, content_sha256: str) -> bool:
        """Whether a period's published content is this one."""
        published = self.read(period)
        return published is not None and published.content_sha256 == content_sha256

    def contents(self) -> dict[str, str]:
        """The content SHA-256 of every published period."""
        return published_contents(aws_clients().s3, self.location)


class AppStoresResource(dg.ConfigurableResource):
    """The app's stores, only looked at: how much they hold."""

    bucket: str = Field(description="Name of the bucket.")
    stage4_prefix: str = Field(description="Prefix of the Stage 4 objects.")

    def table(self, name: str) -> TableFigures | None:
        """A table's size; None if there is none."""
        return table_figures(aws_clients().dynamodb, name)

    def cache(self, table: str) -> ItemFigures | None:
        """The cached accounts to track; None if there are none."""
        return cache_figures(aws_clients().dynamodb, table)

    def listed(self, key: str) -> ListFigures | None:
        """A JSON list of the bucket; None if there is none."""
        return list_figures(aws_clients().s3, self.bucket, key)

    def day(self, day: dt.date) -> DayFigures:
        """The Stage 4 objects of a day."""
        return day_figures(aws_clients().s3, self.bucket, self.stage4_prefix, day)
