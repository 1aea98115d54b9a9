"""Where alerts are sent: by the names of variables, since a token and a webhook's address are secrets."""

from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import Field

from billing_assets.domain.alerts import Digest
from billing_assets.settings import Settings
from billing_assets.stores.alerts import TIMEOUT_SECONDS, post_to_slack, post_to_webhook, write_to_log

SLACK, WEBHOOK, LOG = "slack", "webhook", "log"


class AlertsResource(dg.ConfigurableResource):
    """Slack through dagster-slack, any webhook, and the log."""

    slack_token: str | None = Field(default=None, description="Token of a Slack bot.")
    slack_channel: str = Field(default="", description="Channel of Slack.")
    slack_url: str = Field(default="", description="Slack's API elsewhere.")
    webhook_url: str | None = Field(default=None, description="Address that each digest is posted to.")
    log: bool = Field(default=False, description="Whether digests are written to the log.")

    @classmethod
    def from_settings(cls, settings: Settings) -> "AlertsResource":
        """The resource, secrets given by the names of their variables."""
        given = {"slack_token": "BILLING_SLACK_TOKEN", "webhook_url": "BILLING_ALERT_URL"}
        secrets: dict[str, Any] = {
            field: dg.EnvVar(name) for field, name in given.items() if name in settings.variables_set
        }
        return cls(
            slack_channel=settings.slack_channel, slack_url=settings.slack_url, log=settings.alert_log, **secrets
        )

    def sender(self, channel: str) -> Callable[[Digest], None] | None:
        """What sends a digest to a channel; None where that is not configured."""
        token, url = self.slack_token, self.webhook_url
        if channel == SLACK and token and self.slack_channel:
            return lambda digest: post_to_slack(self._slack(token), self.slack_channel, digest)
        if channel == WEBHOOK and url:
            return lambda digest: post_to_webhook(url, digest)
        return write_to_log if channel == LOG and self.log else None

    def _slack(self, token: str) -> Any:
        from dagster_slack import SlackResource  # noqa: PLC0415  # vendor, imported when used

        client = SlackResource(token=token).get_client()
        client.timeout = TIMEOUT_SECONDS
        if self.slack_url:
            client.base_url = f"{self.slack_url}/"
        return client


def is_configured(channel: str, settings: Settings) -> bool:
    """Whether the settings name all that a channel needs."""
    return {
        SLACK: bool(settings.slack_channel) and "BILLING_SLACK_TOKEN" in settings.variables_set,
        WEBHOOK: "BILLING_ALERT_URL" in settings.variables_set,
        LOG: settings.alert_log,
    }[channel]
