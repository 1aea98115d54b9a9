"""A `BillingError` as a Dagster `Failure`: its letter is the message, and its type says whether a retry can help.

A retry policy of Dagster's would retry our own mistakes too, and its last word is how often it retried, not the letter.
"""

import contextlib
from collections.abc import Iterator

import dagster as dg

from billing_assets.domain.errors import BillingError

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext

MOST_RETRIES = 2
FIRST_WAIT_SECONDS = 5


@contextlib.contextmanager
def letters_to_failures(context: Context) -> Iterator[None]:
    """Raise every `BillingError` of the block as a retry, where that can help, or as a `Failure` with its letter."""
    try:
        yield
    except BillingError as error:
        if error.retryable and context.op_execution_context.retry_number < MOST_RETRIES:
            context.log.warning(f"trying again, since that may pass:\n{error.letter()}")
            seconds = FIRST_WAIT_SECONDS * 2**context.op_execution_context.retry_number
            raise dg.RetryRequested(max_retries=MOST_RETRIES, seconds_to_wait=seconds) from error
        raise failure_of(error) from None


def failure_of(error: BillingError) -> dg.Failure:
    """The failure that shows the letter on the run's page."""
    parts = {"where": error.where, "found": error.found, "rule": error.rule, "remedy": error.remedy}
    metadata = {name: dg.MetadataValue.text(text) for name, text in parts.items() if text}
    return dg.Failure(description=error.letter(), metadata=metadata, allow_retries=False)
