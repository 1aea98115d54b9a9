"""`completion_tracker` and `completion_grid`: the table behind the completion check, by period and of all periods."""

import hashlib

import dagster as dg

from billing_assets.defs.assets.accounts_to_track import ACCOUNTS_TO_TRACK
from billing_assets.defs.completion_automation import (
    GRID,
    RESOLVED,
    TRACKER,
    when_accounts_or_period_change,
    when_anything_changes,
)
from billing_assets.defs.completion_metadata import completion_metadata
from billing_assets.defs.failures import letters_to_failures
from billing_assets.defs.heat_map import heat_map
from billing_assets.defs.metadata import WRITES, Metadata, column_schema, markdown_table, page
from billing_assets.defs.resources import StoredCompletionResource
from billing_assets.domain.completion import Completion
from billing_assets.domain.completion_grid import CompletionGrid
from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.listed_accounts import listed_accounts
from billing_assets.domain.period_tables import AccountsToTrack, CompletionOfPeriod, GridOfPeriods
from billing_assets.stores.completion_columns import COMPLETION_COLUMNS, GRID_COLUMNS

OWNERS = ["team:billing-data"]
CSV_NAME = "completion_grid.csv"

NO_BILL = "every_expected_account_has_a_bill warns: an account has no bill"

TRACKER_DESCRIPTION = """One row for every account that should have a bill in the period: `assigned`, `excluded_only`
(every line of it is excluded; it is assigned, too) or `missing`, with its bills, their amount and its last billed
period.

It follows the accounts to track and the period's rows by itself; nothing of the billing depends on it.
"""
GRID_DESCRIPTION = """The TRACK page's grid: **one row is one expected account**, and its state in each resolved period.

`heat_map` shows it by property; the whole grid stands beside the Parquet as CSV, for a spreadsheet.
"""


def build_completion_tracker(partitions: dg.PartitionsDefinition, *, group: str) -> dg.AssetsDefinition:
    """The period's table."""

    @dg.asset(
        key=TRACKER,
        partitions_def=partitions,
        deps=[RESOLVED, ACCOUNTS_TO_TRACK],
        group_name=group,
        description=TRACKER_DESCRIPTION,
        kinds={"parquet"},
        owners=OWNERS,
        code_version="1",
        automation_condition=when_accounts_or_period_change(),
        tags={WRITES: "intermediate"},
        metadata=page(column_schema(COMPLETION_COLUMNS), explain="YYYY-MM ACCOUNT", runbook=(NO_BILL,)),
    )
    def completion_tracker(
        context: dg.AssetExecutionContext, stored_completion: StoredCompletionResource
    ) -> dg.MaterializeResult[CompletionOfPeriod]:
        period = context.partition_key
        with letters_to_failures(context):
            accounts = _accounts(stored_completion)
            stored = stored_completion.bills(up_to=period)
            if period not in stored.bills:
                raise ConfigurationError(
                    f"{period} has not been resolved",
                    where=stored_completion.storage_uri,
                    remedy=f"materialize resolved_line_items for {period} first",
                )
        completion = Completion.of(period, listed_accounts(accounts.accounts), stored.bills)
        return dg.MaterializeResult(
            value=CompletionOfPeriod(accounts.read_at_utc, completion),
            metadata={"dagster/partition_row_count": len(completion.accounts)} | completion_metadata(completion),
            data_version=dg.DataVersion(_sha256(completion.accounts)),
        )

    return completion_tracker


def build_completion_grid(*, group: str) -> dg.AssetsDefinition:
    """All periods side by side."""

    @dg.asset(
        key=GRID,
        deps=[RESOLVED, ACCOUNTS_TO_TRACK],
        group_name=group,
        description=GRID_DESCRIPTION,
        kinds={"parquet", "csv"},
        owners=OWNERS,
        code_version="1",
        automation_condition=when_anything_changes(),
        tags={WRITES: "intermediate"},
        metadata=page(column_schema(GRID_COLUMNS), explain="YYYY-MM ACCOUNT", runbook=(NO_BILL,)),
    )
    def completion_grid(
        context: dg.AssetExecutionContext, stored_completion: StoredCompletionResource
    ) -> dg.MaterializeResult[GridOfPeriods]:
        with letters_to_failures(context):
            accounts = _accounts(stored_completion)
            stored = stored_completion.bills()
            grid = CompletionGrid.of(listed_accounts(accounts.accounts), stored.bills)
            csv_at = stored_completion.write(CSV_NAME, grid.csv().encode())
        return dg.MaterializeResult(
            value=GridOfPeriods(accounts.read_at_utc, grid),
            metadata=_grid_metadata(grid)
            | {
                "csv": dg.MetadataValue.path(csv_at),
                "stored_files_not_readable": ", ".join(stored.unreadable) or "none",
            },
            data_version=dg.DataVersion(_sha256((grid.periods, grid.accounts, grid.states))),
        )

    return completion_grid


def _grid_metadata(grid: CompletionGrid) -> Metadata:
    months = [
        (period, share.expected, share.assigned, share.missing, f"{share.percent} %")
        for period, share in grid.by_month.items()
    ]
    return {
        "dagster/row_count": len(grid.accounts),
        "periods": len(grid.periods),
        "heat_map": heat_map(grid),
        "by_month": markdown_table(("period", "expected", "assigned", "missing", "complete"), months),
    }


def _accounts(stored_completion: StoredCompletionResource) -> AccountsToTrack:
    accounts = stored_completion.accounts()
    if accounts is None:
        raise ConfigurationError(
            "the accounts to track have never been read",
            where=stored_completion.storage_uri,
            remedy="materialize accounts_to_track first",
        )
    return accounts


def _sha256(content: object) -> str:
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()
