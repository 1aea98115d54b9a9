"""The columns that an asset's page lists where they are not those of our own Parquet: name, type and meaning.

Source: SPEC.md sections 1 and 7. What is exported lives in `billing_assets.stores.snowflake.tables`; a test keeps the
names here equal to it.
"""

import dagster as dg

from billing_assets.domain.line_items import FLAGS, SPELLINGS


def _schema(*columns: tuple[str, str, str]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, kind, description=meaning) for name, kind, meaning in columns])


ASSIGNMENT_RECORDS = _schema(
    ("line_hash", "string", "identity of the bill line; the table's key in most deployments"),
    ("assignment_id", "string", "the table's key in the others"),
    ("ubi_period", "string", "`MM/YYYY`, or a legacy range `MM/YYYY to MM/YYYY`; hash key of the index"),
    ("s3_key", "string", "Stage 4 object that held the line when it was assigned"),
    ("bill_id", "string", "bill identifier"),
    ("line_index", "number", "position of the line when it was assigned: a hint"),
    ("amount", "number", "US dollars billed to this period: the share, already divided"),
    ("months", "number", "into how many UBI periods the line is split; else `months_total`"),
    ("assigned_by", "string", "who assigned it"),
    ("assigned_date", "string", "when, ISO 8601"),
    ("notes", "string", "their notes"),
)
STAGE4_LINES = _schema(
    *(
        (fields[0], "string", f"read as `{name}`; else {', '.join(fields[1:]) or 'blank'}")
        for name, fields in SPELLINGS.items()
    ),
    *(
        (fields[0], "flag", f"read as `{name}`; true if any of {', '.join(fields)} is")
        for name, fields in FLAGS.items()
    ),
)
ACCOUNT_ITEMS = _schema(
    ("accountNumber", "string", "account at the vendor; required"),
    ("propertyId", "string", "property; blank matches by number alone where that is unique"),
    ("propertyName", "string", "shown, never matched"),
    ("vendorId", "string", "vendor"),
    ("vendorName", "string", "shown, never matched"),
    ("glAccountNumber", "string", "general ledger account"),
    ("glAccountName", "string", "its name"),
    ("daysBetweenBills", "number", "days; 0 or blank is unknown"),
    ("is_tracked", "bool", "on the tracker; default true"),
    ("is_ubi", "bool", "billed to residents; default false"),
)
ACCOUNTS_ITEM = _schema(
    ("PK", "string", "`CONFIG#accounts-to-track`"),
    ("SK", "string", "`v1`"),
    ("Data", "string", "the whole list as JSON text, within 409,600 bytes"),
    ("UpdatedAt", "string", "when the app wrote it"),
)
DRAFT_RECORDS = _schema(("pk", "string", "key of the draft; its other attributes are the app's own"))
BILLS_JSON = _schema(
    ("master_bill_id", "string", "`property|charge code|utility|MM/YYYY|MM/YYYY`, with `%25` and `%7C` inside values"),
    ("property_id", "string", "the property whose residents are billed"),
    ("property_name", "string", "the first non-blank name of its lines"),
    ("ar_code_mapping", "string", "the charge code"),
    ("utility_name", "string", "the utility; blank is a group of its own"),
    ("billback_month_start", "string", "first day, `MM/DD/YYYY`"),
    ("billback_month_end", "string", "last day, `MM/DD/YYYY`"),
    ("utility_amount", "decimal(18,2)", "US dollars: the exact sum of the lines' amounts"),
    (
        "source_line_items",
        "list",
        "the billed lines: hash, object, position, account, amount, service dates, overrides",
    ),
    ("created_utc", "string", "when this content was first made; kept while it stays the same"),
    ("created_by", "string", "by whom"),
    ("status", "string", "`draft` when new; any other freezes the bill"),
)
EXPORTED_BILLS = _schema(
    ("MASTER_BILL_ID", "VARCHAR", "the bill's id, as in the JSON"),
    ("UBI_PERIOD", "DATE", "first day of its first month"),
    ("PROPERTY_ID", "VARCHAR", "the property whose residents are billed"),
    ("PROPERTY_NAME", "VARCHAR", "its name"),
    ("AR_CODE_MAPPING", "VARCHAR", "the charge code"),
    ("UTILITY_NAME", "VARCHAR", "the utility"),
    ("BILLBACK_MONTH_START", "DATE", "first day"),
    ("BILLBACK_MONTH_END", "DATE", "last day"),
    ("UTILITY_AMOUNT", "NUMBER(18,2)", "US dollars, exact"),
    ("LINE_ITEM_COUNT", "NUMBER(38,0)", "rows of MASTER_BILL_LINE_ITEMS"),
    ("HAS_OVERRIDES", "BOOLEAN", "whether a person changed an amount or charge code of a line"),
    ("STATUS", "VARCHAR", "as published"),
    ("CONTENT_HASH", "VARCHAR", "SHA-256 of what is billed"),
    ("RUN_ID", "VARCHAR", "Dagster run that wrote the row"),
    ("EXPORTED_AT", "TIMESTAMP_NTZ", "when, UTC"),
)
EXPORTED_PERIODS = _schema(
    ("UBI_PERIOD", "DATE", "first day of the period"),
    ("BILL_COUNT", "NUMBER(38,0)", "its bills"),
    ("LINE_ITEM_COUNT", "NUMBER(38,0)", "their lines"),
    ("TOTAL_AMOUNT", "NUMBER(38,2)", "US dollars, the exact sum"),
    ("CONTENT_SHA256", "VARCHAR", "of every bill's id, content and status: equal to the published object's"),
    ("RUN_ID", "VARCHAR", "Dagster run of the last export"),
    ("EXPORTED_AT", "TIMESTAMP_NTZ", "when, UTC"),
)
PERIOD_STATUS = _schema(
    ("generated", "string", "bills and dollars of the period's object in S3"),
    ("exported", "string", "whether Snowflake holds just those"),
    ("complete", "string", "expected accounts that have a bill"),
    ("closed", "string", "whether its bills change by decision only"),
    ("restate", "string", "whether a *pending restatement* waits for a person"),
    ("stale", "string", "whether its rows were resolved to other content after its bills were made"),
    ("last run", "string", "that was to bill or export the period, and how it ended"),
)
