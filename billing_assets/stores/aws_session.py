"""The boto3 session behind `aws`: it honours AWS_REGION, and reads its credentials anew when AWS calls them expired.

The SDK renews what says when it expires (SSO, roles). What doesn't say so, such as keys that another program writes
into the credentials file, it would keep for the life of the process. Imported when the session is made, since boto3
costs a tenth of a second.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session

from billing_assets.stores.aws_errors import EXPIRED

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_ATTEMPTS = 3
_FRESH_SECONDS = 1.0
"""Credentials read so recently are not read again: all requests in flight are refused together."""

# boto3 alone among the SDKs doesn't know AWS_REGION.
_REGION: Any = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}


class RenewableCredentials:
    """Credentials as the SDK's chain found them, for every client of a session; `renew` looks for them again."""

    def __init__(self, found: Credentials) -> None:
        self._found = found
        self._lock = threading.Lock()
        self._read_at = float("-inf")

    def __getattr__(self, name: str) -> Any:
        """Everything else is as the credentials last found have it."""
        return getattr(self._found, name)

    def renew(self) -> None:
        """Take what the chain finds now."""
        with self._lock:
            if time.monotonic() - self._read_at < _FRESH_SECONDS:
                return
            self._found = botocore.session.Session(session_vars=_REGION).get_credentials() or self._found
            self._read_at = time.monotonic()


class _Session(botocore.session.Session):
    """A session whose credentials can be renewed in place, so that clients made earlier have the new ones too."""

    _renewable: RenewableCredentials | None = None

    def get_credentials(self) -> Any:
        if self._renewable is None:
            found = super().get_credentials()
            if found is None:
                return None
            self._renewable = RenewableCredentials(found)
        return self._renewable


def new_session() -> boto3.session.Session:
    """A session as the environment asks for it."""
    session = _Session(session_vars=_REGION)

    def renew_if_expired(*, response: Any = None, attempts: int = 0, **_: Any) -> Any:
        """Seconds after which to repeat a request that was refused as expired; it is signed anew then."""
        code = response[1].get("Error", {}).get("Code") if response else None
        if code not in EXPIRED or attempts >= _ATTEMPTS:
            return None
        session.get_credentials().renew()
        return 0.0

    session.register("needs-retry", renew_if_expired)
    return boto3.session.Session(botocore_session=session)
