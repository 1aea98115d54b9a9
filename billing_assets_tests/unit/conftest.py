"""Laws run by default; no example is given a deadline, since a busy machine breaks no law."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("laws", deadline=None, max_examples=100, print_blob=True)
settings.load_profile("laws")
