"""GETs of one bucket's objects, signed and many at a time, in the thread that asks: libcurl does the work.

An answer that is no whole object is handed on as it is; what to make of it is decided in `objects`. Measured and chosen
in docs/decisions/0011-speed.md.
"""

from __future__ import annotations

import re
import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from billing_assets.stores.aws_errors import as_billing_error

if TYPE_CHECKING:
    import pycurl
    from botocore.credentials import ReadOnlyCredentials
    from types_boto3_s3 import S3Client

    from billing_assets.stores.aws import AwsClients

_CONNECT_MS = 5000

_NO_OBJECT = "billing-assets-asks-where-objects-are"

_PLAIN_KEY = re.compile(r"(?!/)(?!.*//)(?!.*/$)(?!.*(?:^|/)\.\.?(?:/|$))[^\x00-\x1f\x7f]+", re.DOTALL)


def may_be_asked(key: str) -> bool:
    """Whether a key's address is beyond doubt: no slash at either end, no `//`, dot segment or control character."""
    return _PLAIN_KEY.fullmatch(key) is not None


@dataclass(frozen=True, slots=True)
class GotObject:
    """An answer: the object, or why there is none."""

    key: str
    asked_at: float
    """When it was asked for, by `time.monotonic`."""
    body: bytes | None
    """The whole object; None if it did not come."""
    status: int
    """HTTP's; 0 if the connection failed or broke off."""
    failure: str
    """What happened to the connection, `""` if nothing did."""


@dataclass(slots=True)
class _Asked:
    """A request in flight."""

    key: str
    asked_at: float
    chunks: list[bytes]


class SignedGets:
    """Objects asked for and answered in any order; not to be shared between threads.

    Args:
        clients: The one session: its credentials (renewed as it renews them), region, endpoint and certificates.
        bucket: Its name.
        seconds: For how long one request may take.
    """

    def __init__(self, clients: AwsClients, bucket: str, *, seconds: float) -> None:
        import pycurl  # noqa: PLC0415  # vendor, imported when used

        self._curl = pycurl
        s3 = clients.s3_single_try
        self._address = address_of(s3, bucket)
        self._region = s3.meta.region_name
        self._seconds = seconds
        self._session = clients.session
        self._certificates = _certificates(clients)
        self._asked: dict[pycurl.Curl, _Asked] = {}
        self._idle: list[pycurl.Curl] = []
        self._credentials: dict[pycurl.Curl, ReadOnlyCredentials] = {}
        self._selector = selectors.DefaultSelector()
        self._due: float | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return len(self._asked)

    def ask(self, key: str) -> None:
        """Begin to ask for an object; the answer comes by `answers`."""
        handle = self._idle.pop() if self._idle else self._new_handle()
        self._sign_with_current_credentials(handle)
        asked = _Asked(key, time.monotonic(), [])
        handle.setopt(self._curl.URL, self._address + quote(key, safe="/~"))
        handle.setopt(self._curl.WRITEFUNCTION, asked.chunks.append)
        self._asked[handle] = asked
        self._multi.add_handle(handle)

    def answers(self, wait_seconds: float) -> list[GotObject]:
        """What has come; waits for something to happen, for so many seconds at most."""
        if self._due is not None:
            wait_seconds = min(wait_seconds, self._due - time.monotonic())
        for ready, events in self._selector.select(max(0.0, wait_seconds)):
            curl_events = self._curl.CSELECT_IN if events & selectors.EVENT_READ else 0
            curl_events |= self._curl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0
            self._multi.socket_action(ready.fd, curl_events)
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            self._multi.socket_action(self._curl.SOCKET_TIMEOUT, 0)
        return list(self._finished())

    def close(self) -> None:
        """Break off what is in flight, and close all connections."""
        for handle in self._asked:
            self._multi.remove_handle(handle)
        for handle in (*self._asked, *self._idle):
            handle.close()
        self._asked.clear()
        self._idle.clear()
        self._multi.close()
        self._selector.close()

    def _finished(self) -> list[GotObject]:
        got = []
        left = 1
        while left:
            left, whole, broken = self._multi.info_read()
            got += [self._got(handle, "") for handle in whole]
            got += [self._got(handle, text or f"libcurl's error {number}") for handle, number, text in broken]
        return got

    def _got(self, handle: pycurl.Curl, failure: str) -> GotObject:
        self._multi.remove_handle(handle)
        asked = self._asked.pop(handle)
        self._idle.append(handle)
        status = 0 if failure else handle.getinfo(self._curl.RESPONSE_CODE)
        # A body of unknown length would be taken for whole wherever it breaks off.
        is_whole = status == 200 and handle.getinfo(self._curl.CONTENT_LENGTH_DOWNLOAD_T) >= 0
        body = b"".join(asked.chunks) if is_whole else None
        return GotObject(asked.key, asked.asked_at, body, status, failure)

    def _new_handle(self) -> pycurl.Curl:
        curl = self._curl
        handle: pycurl.Curl = curl.Curl()
        handle.setopt(curl.AWS_SIGV4, f"aws:amz:{self._region}:s3")
        handle.setopt(curl.HTTP_VERSION, curl.CURL_HTTP_VERSION_1_1)
        handle.setopt(curl.PROTOCOLS, curl.PROTO_HTTP | curl.PROTO_HTTPS)
        handle.setopt(curl.NOSIGNAL, 1)
        handle.setopt(curl.CONNECTTIMEOUT_MS, _CONNECT_MS)
        handle.setopt(curl.TIMEOUT_MS, max(1, int(self._seconds * 1000)))
        handle.setopt(curl.CAINFO, self._certificates)
        # One connection for each request in flight is kept, and no more.
        self._multi.setopt(curl.M_MAXCONNECTS, len(self._asked) + 1)
        return handle

    def _sign_with_current_credentials(self, handle: pycurl.Curl) -> None:
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415  # vendor, imported when used

        credentials = self._session.get_credentials()
        with as_billing_error("the AWS credentials"):
            if credentials is None:
                raise NoCredentialsError
            current = credentials.get_frozen_credentials()
        if self._credentials.get(handle) == current:
            return
        handle.setopt(self._curl.USERNAME, current.access_key)
        handle.setopt(self._curl.PASSWORD, current.secret_key)
        handle.setopt(self._curl.HTTPHEADER, [f"x-amz-security-token: {current.token}"] if current.token else [])
        self._credentials[handle] = current

    def _on_socket(self, what: int, descriptor: int, *_: Any) -> None:
        """Libcurl says which sockets it waits for, and for what."""
        is_known = descriptor in self._selector.get_map()
        if what == self._curl.POLL_REMOVE:
            if is_known:
                self._selector.unregister(descriptor)
            return
        events = selectors.EVENT_READ if what & self._curl.POLL_IN else 0
        events |= selectors.EVENT_WRITE if what & self._curl.POLL_OUT else 0
        if is_known:
            self._selector.modify(descriptor, events)
        else:
            self._selector.register(descriptor, events)

    def _on_timer(self, after_ms: int) -> None:
        """Libcurl says when it wants to be called though no socket is ready."""
        self._due = None if after_ms < 0 else time.monotonic() + after_ms / 1000


def address_of(s3: S3Client, bucket: str) -> str:
    """Where boto3 asks for the bucket's objects, whatever endpoint, region and style of address decide; ends with `/`.

    It is taken from a request that boto3 has made up and not yet signed. (A pre-signed URL has another host.)
    """
    s3.meta.events.register_first("before-call.s3.GetObject", _stop_before_asking, unique_id="billing-assets-address")
    try:
        s3.get_object(Bucket=bucket, Key=_NO_OBJECT)
    except _AddressFoundError as found:
        return str(found).removesuffix(_NO_OBJECT)
    raise AssertionError("boto3 has asked for an object that nobody wants")


def _stop_before_asking(params: dict[str, Any], **_: Any) -> None:
    """Break off that one request; all others of the client are none of our business."""
    if params["url"].endswith(f"/{_NO_OBJECT}"):
        raise _AddressFoundError(params["url"])


class _AddressFoundError(Exception):
    """The text is the address of an object that nobody wants."""


def _certificates(clients: AwsClients) -> str:
    """The file of authorities that boto3 trusts."""
    from botocore.httpsession import get_cert_path  # noqa: PLC0415  # vendor, imported when used

    own = clients.session._session.get_config_variable("ca_bundle")  # noqa: SLF001  # boto3 shows it nowhere else
    return str(get_cert_path(own or True))
