"""Invented, seeded sample content for the embedded stack, with an oracle, and its loader.

Here: what the app would have written (assignments, archived assignments, Stage 4 objects, accounts to track), with
every imperfection that is known to occur, planted deliberately, and the fate that each assignment must meet. The
rules behind the oracle are written from the data contracts alone; nothing is taken from `billing_assets.domain`.
Elsewhere: the servers that hold it (`billing_assets.local`). No name, account or address exists.
"""

from __future__ import annotations

from billing_assets.local.sample.generate import generate
from billing_assets.local.sample.load import load
from billing_assets.local.sample.model import ExpectedFate, Sample

__all__ = ["ExpectedFate", "Sample", "generate", "load"]
