"""The Bill Review app's own stores as external assets, so that the graph shows the whole flow.

Never written by us, but for the combined list of master bills, which we derive and the app reads and edits. How much
they hold is observed in `observations`.
"""

import dagster as dg

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

    def spec(key: dg.AssetKey, uri: str, kinds: set[str], description: str) -> dg.AssetSpec:
        return dg.AssetSpec(
            key,
            description=f"{description}\n\nStands at `{uri}`. Written by the Bill Review app; this project only reads.",
            group_name=GROUP,
            kinds=kinds,
            owners=OWNERS,
            metadata={"uri": uri},
        )

    bucket = f"s3://{settings.bucket}"
    return [
        spec(
            ASSIGNMENTS_TABLE,
            f"dynamodb://{settings.assignments_table}",
            {"dynamodb"},
            "Every bill line that people assigned to a UBI period: one record is one share of one line.",
        ),
        spec(
            ARCHIVED_TABLE,
            f"dynamodb://{settings.archived_table}",
            {"dynamodb"},
            "Assignments archived or completed by the app. Never billed from here.",
        ),
        spec(
            STAGE4_OBJECTS,
            f"{bucket}/{settings.stage4_prefix}",
            {"s3", "json"},
            "Parsed bills, one JSON object a line. A file is rewritten under a newer timestamp.",
        ),
        spec(
            ACCOUNTS_OBJECT,
            f"{bucket}/{settings.accounts_key}",
            {"s3", "json"},
            "The accounts to track, primary. They feed the completion checks and never the billing.",
        ),
        spec(
            ACCOUNTS_CACHE,
            f"dynamodb://{settings.config_table}/CONFIG#accounts-to-track",
            {"dynamodb"},
            "An optional cache of the accounts to track, limited to 409,600 bytes.",
        ),
        spec(
            DRAFTS_TABLE,
            f"dynamodb://{settings.drafts_table}",
            {"dynamodb"},
            "Header drafts of bills that people are editing. Only looked at.",
        ),
        spec(
            BILLBACK_TABLE,
            f"dynamodb://{settings.billback_table}",
            {"dynamodb"},
            "Billback masters of the app; empty in December 2024. Only looked at.",
        ),
        dg.AssetSpec(
            COMBINED_LIST,
            description="All periods' master bills in one JSON list, which the Bill Review app and its users read and "
            f"edit.\n\nStands at `{bucket}/{settings.master_bills_key}`. Derived from the period objects by every run "
            "of `master_bills_json`; the job `republish` derives it again.",
            deps=["master_bills_json"],
            group_name=GROUP,
            kinds={"s3", "json"},
            owners=OWNERS,
            metadata={"uri": f"{bucket}/{settings.master_bills_key}"},
        ),
    ]
