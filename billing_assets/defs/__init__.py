"""What Dagster sees: partitions, assets, checks, sources, resources and jobs, each made by a function.

Bodies are short: read through a store, call one rule, write, report counts. No rule of billing lives here.
"""

import gc
import warnings

import dagster as dg

_OBJECTS_BETWEEN_COLLECTIONS = 50_000

# A range of periods is one run (decision 3).
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)
# The one preview API in use (DESIGN.md decision 4): without it a check of a partitioned asset knows no partition.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)
# One step observes all of the app's stores; `observable_source_asset` would be one for each, and knows no `deps`.
warnings.filterwarnings("ignore", message="Function `multi_observable_source_asset`", category=dg.BetaWarning)

# Half a million objects that Dagster's import made live as long as the process: frozen, no full collection (a tenth of
# a second each) looks at them again, neither while assets run nor at the end. What assets make is freed by counting
# references; to look for cycles after each 700 objects took a tenth of a run.
gc.freeze()
gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
