"""Twenty-four periods by the UI's backfill beside runs of the newest ones: the published bytes are those of a sequence.

It takes minutes, so it runs with BILLING_ASSETS_FULL=1 only. Figures are printed.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from billing_assets.domain.money import plain, total
from billing_assets.local.snowflake_totals import snowflake_totals
from billing_assets_tests.graph.exporting import months
from billing_assets_tests.graph.publication_world import PUBLISHING
from billing_assets_tests.operations.conftest import FULL
from billing_assets_tests.operations.waiting import until

if TYPE_CHECKING:
    from billing_assets_tests.operations.conftest import Deployment
