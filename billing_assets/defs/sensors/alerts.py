"""The sensors of alerts: one for each place they go to, so that one that is down holds up no other.

A failed check that blocks nothing leaves its run green, which no run-failure sensor sees: these read checks too.
"""

import dagster as dg

from billing_assets.defs.alert_events import AlertCursor, new_alerts
from billing_assets.defs.alert_resource import LOG, SLACK, WEBHOOK, AlertsResource, is_configured
from billing_assets.defs.in_flight import default_status
from billing_assets.domain.alerts import Digest
from billing_assets.settings import Settings, secret_values


def build_alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Slack, a webhook and the log; each runs once it is configured."""
    return [_sensor(channel, settings) for channel in (SLACK, WEBHOOK, LOG)]


def _sensor(channel: str, settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"alerts_to_{channel}",
        minimum_interval_seconds=settings.alert_seconds,
        default_status=default_status(running=is_configured(channel, settings))[1],
        description="One digest of what is new since the last: failed runs, and checks that newly fail with ERROR. If "
        "it can't be delivered the tick fails, and the next one sends it again.",
    )
    def sensor(context: dg.SensorEvaluationContext, alerts: AlertsResource) -> dg.SensorResult:
        send = alerts.sender(channel)
        if send is None:
            return dg.SensorResult(skip_reason="off until it is configured: docs/operations.md, Alerts")
        cursor = AlertCursor.from_text(context.cursor)
        if cursor is None:
            begun = AlertCursor.of_now(context.instance)
            return dg.SensorResult(skip_reason="watching from now on", cursor=begun.text())
        found, reached = new_alerts(context.instance, cursor, location=_location(context))
        if found:
            secrets = secret_values()
            send(Digest([alert.redacted(secrets) for alert in found], settings.ui_url))
        told = f"{len(found)} told" if found else "nothing new"
        return dg.SensorResult(skip_reason=told, cursor=reached.text())

    return sensor


def _location(context: dg.SensorEvaluationContext) -> str | None:
    origin = context.code_location_origin
    return origin.location_name if origin else None
