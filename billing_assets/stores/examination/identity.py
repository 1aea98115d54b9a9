"""Who we are in AWS: asked of STS, which every identity may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_assets.domain.errors import StoreUnavailableError
from billing_assets.domain.findings import Finding, Outcome
from billing_assets.stores.aws_errors import as_billing_error

if TYPE_CHECKING:
    from billing_assets.stores.aws import AwsClients

CHECK = "aws.identity"
_SUBJECT = "who we are in AWS"
_SECONDS = 5


def look_at_identity(clients: AwsClients) -> Finding:
    """The caller's account and role.

    STS that can't be reached is a warning only: nothing else of ours asks it, and a private network may lack it.

    Raises:
        AccessDeniedError: There are no credentials, or AWS does not take them.
    """
    from botocore.config import Config  # noqa: PLC0415  # vendor, imported when used

    config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 1})
    try:
        with as_billing_error("AWS STS"):
            caller = clients.session.client("sts", config=config).get_caller_identity()
    except StoreUnavailableError as error:
        remedy = "check the network and AWS_ENDPOINT_URL_STS; nothing else needs STS, so the lines below may be right"
        return Finding.of_error(CHECK, _SUBJECT, error, remedy=remedy, outcome=Outcome.WARNING)
    region = clients.session.region_name or ""
    return Finding.ok(
        CHECK,
        _SUBJECT,
        f"{caller['Arn']}, region {region}",
        account=caller["Account"],
        arn=caller["Arn"],
        region=region,
    )
