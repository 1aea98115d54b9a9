"""The rules of billing alone: no I/O, no clock, no Dagster.

Everything here is a pure function or a value. What touches DynamoDB, S3 or Snowflake lives in `billing_assets.stores`.
"""
