"""Master bills from UBI assignments, month by month.

Rooms: `domain` (the rules), `stores` (one file per outside system), `defs` (what Dagster sees), `definitions` (where
the parts meet), `settings` (the only reader of the environment), `local` (the embedded stack) and `cli`.
"""

import os

# Read while pyarrow is imported: its own allocator keeps ten megabytes of a process for the two that a period takes.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
# Each login would look for the cloud that it runs in, to tell Snowflake: by requests to three clouds' metadata
# addresses, and to AWS with the run's own credentials.
os.environ.setdefault("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
