"""The Bill Review app's own stores as external assets, so that the graph shows the whole flow.

Never written by us, but for the combined list of master bills, which we derive and the app reads and edits. How much
they hold is observed in `observations`.
"""

import dagster as dg

from billing_assets.defs.columns import (
    ACCOUNT_ITEMS,
    ACCOUNTS_ITEM,
    ASSIGNMENT_RECORDS,
    BILLS_JSON,
    DRAFT_RECORDS,
    STAGE4_LINES,
)
from billing_assets.defs.metadata import WRITES, page
from billing_assets.settings import Settings

GROUP = "bill_review_app"
ASSIGNMENTS_TABLE = dg.AssetKey(["bill_review", "ubi_assignments_table"])
ARCHIVED_TABLE = dg.AssetKey(["bill_review", "archived_assignments_table"])
STAGE4_OBJECTS = dg.AssetKey(["bill_review", "stage4_objects"])
ACCOUNTS_OBJECT = dg.AssetKey(["bill_review", "accounts_to_track_object"])
COMBINED_LIST = dg.AssetKey(["bill_review", "master_bills_latest"])
ACCOUNTS_CACHE = dg.AssetKey(["bill_review", "accounts_to_track_cache"])
DRAFTS_TABLE = dg.AssetKey(["bill_review", "header_drafts_table"])
BILLBACK_TABLE = dg.AssetKey(["bill_review", "billback_master_table"])
OWNERS = ["team:bill-review"]


def build_sources(settings: Settings) -> list[dg.AssetSpec]:
    """What the pipeline reads, and the list that the app reads: an external asset for each store of the app."""

    def spec(
        key: dg.AssetKey, uri: str, kinds: set[str], description: str, columns: dg.TableSchema | None = None
    ) -> dg.AssetSpec:
        return dg.AssetSpec(
            key,
            description=f"{description}\n\nStands at `{uri}`. Written by the Bill Review app; this project only reads.",
            group_name=GROUP,
            kinds=kinds,
            owners=OWNERS,
            tags={WRITES: "nothing"},
            metadata={"uri": uri, **(page(columns) if columns else {})},
        )

    bucket = f"s3://{settings.bucket}"
    return [
        spec(
            ASSIGNMENTS_TABLE,
            f"dynamodb://{settings.assignments_table}",
            {"dynamodb"},
            "**One record is one assignment**: one share of one bill line, billed to one UBI period.",
            ASSIGNMENT_RECORDS,
        ),
        spec(
            ARCHIVED_TABLE,
            f"dynamodb://{settings.archived_table}",
            {"dynamodb"},
            "**One record is one assignment** that the app has archived or completed. Never billed from here.",
            ASSIGNMENT_RECORDS,
        ),
        spec(
            STAGE4_OBJECTS,
            f"{bucket}/{settings.stage4_prefix}",
            {"s3", "json"},
            "**One JSON object is one bill line**, one to a line. A file is rewritten under a newer timestamp.",
            STAGE4_LINES,
        ),
        spec(
            ACCOUNTS_OBJECT,
            f"{bucket}/{settings.accounts_key}",
            {"s3", "json"},
            "**One item is one account to track**; the primary list. It feeds completion, never the billing.",
            ACCOUNT_ITEMS,
        ),
        spec(
            ACCOUNTS_CACHE,
            f"dynamodb://{settings.config_table}/CONFIG#accounts-to-track",
            {"dynamodb"},
            "**One item is the whole list** of accounts to track: an optional cache, limited to 409,600 bytes.",
            ACCOUNTS_ITEM,
        ),
        spec(
            DRAFTS_TABLE,
            f"dynamodb://{settings.drafts_table}",
            {"dynamodb"},
            "**One record is one header draft** of a bill that people are editing. Only looked at.",
            DRAFT_RECORDS,
        ),
        spec(
            BILLBACK_TABLE,
            f"dynamodb://{settings.billback_table}",
            {"dynamodb"},
            "**One record is one billback master** of the app; empty in December 2024, so its columns are not known. "
            "Only looked at.",
        ),
        dg.AssetSpec(
            COMBINED_LIST,
            description="**One entry is one master bill**: all periods' bills in one JSON list, which the Bill Review "
            f"app and its users read and edit.\n\nStands at `{bucket}/{settings.master_bills_key}`. Derived from the "
            "period objects by every run of `master_bills_json`; the job `republish` derives it again.",
            deps=["master_bills_json"],
            group_name=GROUP,
            kinds={"s3", "json"},
            owners=OWNERS,
            tags={WRITES: "nothing"},
            metadata={
                "uri": f"{bucket}/{settings.master_bills_key}",
                **page(
                    BILLS_JSON,
                    explain="'MASTER_BILL_ID'",
                    runbook=("combined_list_equals_the_period_objects failed: the combined list differs",),
                ),
            },
        ),
    ]
