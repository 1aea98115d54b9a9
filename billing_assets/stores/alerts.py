"""Where digests of alerts go: Slack, a webhook, the log. Each either took the digest, or raises.

A receiver that took it and whose answer was lost gets it again: the digest's id tells it.
"""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from billing_assets.domain.errors import AccessDeniedError, BillingError, StoreUnavailableError

if TYPE_CHECKING:
    from billing_assets.domain.alerts import Digest

TIMEOUT_SECONDS = 10
_AGAIN = "nothing is lost: the next tick sends the same digest again"


def post_to_webhook(url: str, digest: Digest) -> None:
    """Post a digest as JSON; its `text` is what Slack's own webhooks and most others show.

    Raises:
        AccessDeniedError: The receiver says no, and will say so again.
        StoreUnavailableError: It can't be reached, fails, or takes too long.
    """
    headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": digest.id}
    # The settings admit http:// and https:// only.
    request = urllib.request.Request(url, digest.as_json().encode(), headers, method="POST")  # noqa: S310
    where = "the webhook of BILLING_ALERT_URL"
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        # The answer is not read, so its socket would stay open. Neither address nor answer is shown: both may hold the
        # secret.
        error.close()
        raise _refused(where, f"HTTP {error.code}", says_no=400 <= error.code < 500 and error.code != 429) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _refused(where, type(error).__name__, says_no=False) from None


def post_to_slack(client: Any, channel: str, digest: Digest) -> None:
    """Post a digest to a Slack channel.

    Args:
        client: A `slack_sdk.WebClient`.
        channel: Name or id.
        digest: What to say.

    Raises:
        AccessDeniedError: Slack says no: the token, its rights, or the channel.
        StoreUnavailableError: It can't be reached, fails, or wants us to slow down.
    """
    from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415  # vendor, imported when used

    where = f"Slack, channel {channel}"
    try:
        client.chat_postMessage(channel=channel, text=_for_slack(digest.text()), unfurl_links=False, mrkdwn=False)
    except SlackApiError as error:
        answer = error.response
        fault = str(answer.get("error", "")) if isinstance(answer.data, dict) else ""
        says_no = answer.status_code == 200 and fault not in {"ratelimited", "internal_error", "fatal_error"}
        raise _refused(where, fault or f"HTTP {answer.status_code}", says_no=says_no) from None
    except (SlackClientError, OSError, http.client.HTTPException, ValueError) as error:
        raise _refused(where, type(error).__name__, says_no=False) from None


def write_to_log(digest: Digest) -> None:
    """Write a digest as one line of JSON to the process's output, where a deployment collects its logs."""
    sys.stdout.write(digest.as_json() + "\n")
    sys.stdout.flush()


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _refused(where: str, found: str, *, says_no: bool) -> BillingError:
    if says_no:
        remedy = "correct the token, the channel or the address in the settings; until then no alert is lost"
        return AccessDeniedError("the alerts were refused", where=where, found=found, rule=_AGAIN, remedy=remedy)
    return StoreUnavailableError(
        "the alerts can't be delivered", where=where, found=found, rule=_AGAIN, remedy="wait, or see to the receiver"
    )
