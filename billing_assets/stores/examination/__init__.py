"""What the doctor looks at in the outside systems: one file for each, every look a small function that gives findings.

Nothing of the app is written. The only writes are objects of our own with `doctor` in their name, which are deleted at
once. Which looks are taken, and in what order, lives in `billing_assets.commands.doctor`.
"""

from billing_assets.stores.examination.bucket import BucketExamination
from billing_assets.stores.examination.contents import ContentsExamination
from billing_assets.stores.examination.identity import look_at_identity
from billing_assets.stores.examination.snowflake import look_at_snowflake
from billing_assets.stores.examination.tables import TablesExamination
from billing_assets.stores.examination.writing import look_at_storage, look_at_write_right

__all__ = [
    "BucketExamination",
    "ContentsExamination",
    "TablesExamination",
    "look_at_identity",
    "look_at_snowflake",
    "look_at_storage",
    "look_at_write_right",
]
