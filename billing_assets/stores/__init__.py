"""One room for each outside system: paging, retries, credentials. No Dagster here, and no rule of billing.

Vendor packages are imported inside the functions that use them: importing a store costs nothing.
"""
