"""A `BillingError` as a Dagster `Failure`: its letter is the message, and its type says whether a retry can help."""

import contextlib
from collections.abc import Iterator

import dagster as dg

from billing_assets.domain.errors import BillingError

RETRY_WHAT_PASSES = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For steps that read or write a store; errors that a retry can't heal are raised with retries forbidden."""


@contextlib.contextmanager
def letters_to_failures() -> Iterator[None]:
    """Raise every `BillingError` of the block as a `Failure`, without a traceback into our own rooms."""
    try:
        yield
    except BillingError as error:
        raise failure_of(error) from None


def failure_of(error: BillingError) -> dg.Failure:
    """The failure that shows the letter on the run's page."""
    parts = {"where": error.where, "found": error.found, "rule": error.rule, "remedy": error.remedy}
    metadata = {name: dg.MetadataValue.text(text) for name, text in parts.items() if text}
    return dg.Failure(description=error.letter(), metadata=metadata, allow_retries=error.retryable)
