"""`accounts_to_track`: which accounts operations expect bills for. It feeds completion, never the billing."""

import datetime as dt

import dagster as dg

from billing_assets.defs.checks.accounts import account_check_specs, check_accounts
from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import PREVIEW_ROWS, WRITES, Metadata, column_schema, page, preview_table
from billing_assets.defs.resources import AccountsResource
from billing_assets.defs.sources import ACCOUNTS_CACHE, ACCOUNTS_OBJECT
from billing_assets.domain.accounts import accounts_sha256
from billing_assets.domain.listed_accounts import listed_accounts
from billing_assets.domain.period_tables import AccountsToTrack
from billing_assets.stores.accounts import ListReading
from billing_assets.stores.parquet import ACCOUNT_COLUMNS

ACCOUNTS_TO_TRACK = dg.AssetKey("accounts_to_track")

DESCRIPTION = """**One row is one account** that operations expect bills for, from the list in S3. Where S3 has none
that can be read, the app's cache in DynamoDB stands in for it, and a check says so.

No asset of the billing chain depends on it: a wrong list can make completion look wrong, but bills nobody. Its data
version is the SHA-256 of what the list says: a list that is saved again unchanged changes nothing below.
"""


def build_accounts_to_track(*, group: str) -> dg.AssetsDefinition:
    """The one asset without partitions that the completion checks read."""

    @dg.asset(
        deps=[ACCOUNTS_OBJECT, ACCOUNTS_CACHE],
        group_name=group,
        description=DESCRIPTION,
        kinds={"s3", "parquet"},
        owners=["team:billing-data"],
        code_version="2",
        pool="s3",
        # Beside check results Dagster takes no type from a MaterializeResult's parameter.
        dagster_type=dg.PythonObjectDagsterType(AccountsToTrack),
        check_specs=account_check_specs(ACCOUNTS_TO_TRACK),
        tags={WRITES: "intermediate"},
        metadata=page(column_schema(ACCOUNT_COLUMNS)),
    )
    def accounts_to_track(context: dg.AssetExecutionContext, accounts: AccountsResource) -> dg.MaterializeResult:
        read_at = dt.datetime.now(dt.UTC)
        with letters_to_failures(context):
            reading = accounts.read(read_at)
        read = reading.accounts
        context.log.info(f"{len(read.accounts):,} accounts, {len(read.unreadable):,} items that can't be read")
        if reading.fallback:
            context.log.warning(reading.fallback)
        return dg.MaterializeResult(
            value=AccountsToTrack(read_at, read.accounts),
            metadata=_metadata(reading),
            check_results=check_accounts(reading),
            data_version=dg.DataVersion(accounts_sha256(read.accounts)),
        )

    return accounts_to_track


def _metadata(reading: ListReading) -> Metadata:
    read = reading.accounts
    listed = listed_accounts(read.accounts)
    rows = [(a.property_id, a.account_number, a.vendor_name, a.is_ubi) for a in read.accounts[:PREVIEW_ROWS]]
    return {
        "dagster/row_count": len(read.accounts),
        "read_from": reading.where,
        "list_size_bytes": reading.size_bytes,
        "items": read.items,
        "unreadable_items": len(read.unreadable),
        "accounts": len(listed),
        "expected_accounts": sum(account.is_expected for account in listed),
        "preview": preview_table(("property", "account", "vendor", "billed to residents"), rows),
    }
