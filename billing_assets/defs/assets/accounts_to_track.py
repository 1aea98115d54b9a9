"""`accounts_to_track`: which accounts operations expect bills for. It feeds completion, never the billing."""

import datetime as dt

import dagster as dg

from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.metadata import PREVIEW_ROWS, WRITES, column_schema, markdown_table, page, preview_table
from billing_assets.defs.resources import AccountsResource
from billing_assets.defs.sources import ACCOUNTS_CACHE, ACCOUNTS_OBJECT
from billing_assets.domain.accounts import accounts_sha256, parse_accounts
from billing_assets.domain.period_tables import AccountsToTrack
from billing_assets.stores.parquet import ACCOUNT_COLUMNS

DESCRIPTION = """**One row is one account** that operations expect bills for, from the list in S3 (the app's item in
DynamoDB is a cache).

No asset of the billing chain depends on it: a wrong list can make completion look wrong, but bills nobody.
"""


def build_accounts_to_track(*, group: str) -> dg.AssetsDefinition:
    """The one asset without partitions that the completion checks read."""

    @dg.asset(
        deps=[ACCOUNTS_OBJECT, ACCOUNTS_CACHE],
        group_name=group,
        description=DESCRIPTION,
        kinds={"s3", "parquet"},
        owners=["team:billing-data"],
        code_version="1",
        tags={WRITES: "intermediate"},
        metadata=page(column_schema(ACCOUNT_COLUMNS)),
    )
    def accounts_to_track(
        context: dg.AssetExecutionContext, accounts: AccountsResource
    ) -> dg.MaterializeResult[AccountsToTrack]:
        read_at = dt.datetime.now(dt.UTC)
        with letters_to_failures(context):
            text, size_bytes = accounts.read()
            readable, faults = parse_accounts(text, where=accounts.uri)
        context.log.info(f"{len(readable):,} accounts, {len(faults)} items that can't be read")
        expected = [account for account in readable if account.is_tracked and account.is_ubi]
        rows = [(a.property_id, a.account_number, a.vendor_name, a.is_ubi) for a in readable[:PREVIEW_ROWS]]
        return dg.MaterializeResult(
            value=AccountsToTrack(read_at, readable),
            metadata={
                "dagster/row_count": len(readable),
                "expected_accounts": len(expected),
                "list_size_bytes": size_bytes,
                "unreadable_items": len(faults),
                "unreadable": markdown_table(("item", "found"), [(fault.index, fault.reason) for fault in faults]),
                "preview": preview_table(("property", "account", "vendor", "billed to residents"), rows),
            },
            data_version=dg.DataVersion(accounts_sha256(readable)),
        )

    return accounts_to_track
