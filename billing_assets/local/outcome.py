"""What stands in the stores after the demo, read back from each of them: what the printed totals are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.control_totals import totals_by_status
from billing_assets.domain.money import total
from billing_assets.domain.resolved import Status
from billing_assets.stores import parquet
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.intermediate import IntermediateStore
from billing_assets.stores.publication import MasterBillLocation, read_published
from billing_assets.stores.snowflake import TableTotals, table_totals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from billing_assets.domain.control_totals import StatusTotals
    from billing_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class PeriodOutcome:
    """One period, as each store holds it."""

    period: str
    records_in: int
    rows_out: int
    by_status: dict[Status, StatusTotals]
    master_bills: int
    published_usd: Decimal
    snowflake_bills: int
    snowflake_usd: Decimal

    @property
    def reconciles(self) -> bool:
        """Whether nothing was lost, to the cent, from the first store to the last."""
        billable = self.by_status[Status.BILLABLE].billed_usd
        same_count = self.records_in == self.rows_out and self.master_bills == self.snowflake_bills
        return same_count and billable == self.published_usd == self.snowflake_usd


def outcomes_of(periods: Iterable[str], settings: Settings) -> list[PeriodOutcome]:
    """Each period as DynamoDB's records, the Parquet tables, S3 and Snowflake hold it."""
    from billing_assets.defs.snowflake_resource import SnowflakeExportResource  # noqa: PLC0415  # imports Dagster

    clients = AwsClients()
    storage = IntermediateStore(settings.storage_uri, lambda: clients.s3)
    location = MasterBillLocation(settings.bucket, settings.master_bills_key, settings.master_bills_prefix)
    resource = SnowflakeExportResource.from_variables(settings.variables_set)
    snowflake = resource.process_config_and_initialize()
    exported = table_totals(snowflake.connect, snowflake.target)
    outcomes = []
    for period in periods:
        records = parquet.decode_assignments(storage.read(f"ubi_assignments/{period}.parquet") or b"")
        resolved = parquet.decode_resolved(storage.read(f"resolved_line_items/{period}.parquet") or b"")
        published = read_published(clients.s3, location, period)
        bills = () if published is None else published.bills
        in_snowflake = exported.get(period, TableTotals())
        outcomes.append(
            PeriodOutcome(
                period=period,
                records_in=len(records.assignments),
                rows_out=len(resolved.rows),
                by_status=totals_by_status(resolved.rows),
                master_bills=len(bills),
                published_usd=total(bill.utility_amount for bill in bills),
                snowflake_bills=in_snowflake.bill_count,
                snowflake_usd=in_snowflake.bills_total_usd,
            )
        )
    return outcomes
