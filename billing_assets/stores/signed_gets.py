"""GETs of one bucket's objects, signed and many at a time, in the thread that asks: libcurl does the work.

An answer that is no whole object is handed on as it is; what to make of it is decided in `objects`. Where the bucket is
stands in `bucket_access`. Measured and chosen in docs/decisions/0011-speed.md.
"""

from __future__ import annotations

import math
import re
import select
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import pycurl

    from billing_assets.stores.bucket_access import BucketAccess, Credentials

_CONNECT_MS = 5000

_PLAIN_SEGMENT = re.compile(r"(?!\.\.?\Z)[^\x00-\x1f\x7f/]+")
_FOLDERS = 1024
"""Most objects share theirs with many others: so many are remembered."""


def may_be_asked(key: str) -> bool:
    """Whether a key's address is beyond doubt: no slash at either end, no `//`, dot segment or control character."""
    folder, slash, name = key.rpartition("/")
    return _PLAIN_SEGMENT.fullmatch(name) is not None and (not slash or _is_plain_folder(folder))


@lru_cache(_FOLDERS)
def _is_plain_folder(folder: str) -> bool:
    return all(map(_PLAIN_SEGMENT.fullmatch, folder.split("/")))


@lru_cache(_FOLDERS)
def _quoted_folder(folder: str) -> str:
    return quote(folder, safe="/~")


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
class _Request:
    """A handle of libcurl, and what it is asking for: one after the other."""

    handle: pycurl.Curl
    chunks: list[bytes]
    credentials: Credentials | None = None
    key: str = ""
    asked_at: float = 0.0


class SignedGets:
    """Objects asked for and answered in any order; not to be shared between threads.

    Args:
        access: Where the bucket is.
    """

    def __init__(self, access: BucketAccess) -> None:
        import pycurl  # noqa: PLC0415  # vendor, imported when used

        self._curl = pycurl
        self._access = access
        self._asked: dict[pycurl.Curl, _Request] = {}
        self._idle: list[_Request] = []
        # A socket is waited for once for each request: poll is told so for nothing, where epoll takes two system calls.
        self._poll = select.poll()
        self._waited_for: set[int] = set()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return len(self._asked)

    def ask(self, key: str, credentials: Credentials) -> None:
        """Begin to ask for an object; the answer comes by `answers`."""
        request = self._idle.pop() if self._idle else self._new_request()
        if request.credentials != credentials:
            self._sign_with(credentials, request)
        folder, slash, name = key.rpartition("/")
        address = self._access.address + _quoted_folder(folder) + slash + quote(name, safe="~")
        request.handle.setopt(self._curl.URL, address)
        request.key, request.asked_at = key, time.monotonic()
        self._asked[request.handle] = request
        self._multi.add_handle(request.handle)

    def answers(self, wait_seconds: float) -> list[GotObject]:
        """What has come; waits for something to happen, for so many seconds at most."""
        wait_ms = math.ceil(wait_seconds * 1000)
        # Libcurl also wants to be called at a time, if no socket is ready before; -1 is never.
        if 0 <= (due_ms := self._multi.timeout()) < wait_ms:
            wait_ms = due_ms
        for descriptor, events in self._poll.poll(wait_ms):
            # What is broken is both.
            curl_events = self._curl.CSELECT_IN if events & ~select.POLLOUT else 0
            curl_events |= self._curl.CSELECT_OUT if events & ~select.POLLIN else 0
            self._multi.socket_action(descriptor, curl_events)
        if self._multi.timeout() == 0:
            self._multi.socket_action(self._curl.SOCKET_TIMEOUT, 0)
        return self._finished()

    def close(self) -> None:
        """Break off what is in flight, and close all connections."""
        for handle in self._asked:
            self._multi.remove_handle(handle)
        for request in (*self._asked.values(), *self._idle):
            request.handle.close()
        self._asked.clear()
        self._idle.clear()
        self._multi.close()

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
        request = self._asked.pop(handle)
        self._idle.append(request)
        status = 0 if failure else handle.getinfo(self._curl.RESPONSE_CODE)
        # A body of unknown length would be taken for whole wherever it breaks off.
        is_whole = status == 200 and handle.getinfo(self._curl.CONTENT_LENGTH_DOWNLOAD_T) >= 0
        body = b"".join(request.chunks) if is_whole else None
        request.chunks.clear()
        return GotObject(request.key, request.asked_at, body, status, failure)

    def _new_request(self) -> _Request:
        curl = self._curl
        handle: pycurl.Curl = curl.Curl()
        request = _Request(handle, [])
        handle.setopt(curl.WRITEFUNCTION, request.chunks.append)
        handle.setopt(curl.AWS_SIGV4, f"aws:amz:{self._access.region}:s3")
        handle.setopt(curl.HTTP_VERSION, curl.CURL_HTTP_VERSION_1_1)
        handle.setopt(curl.PROTOCOLS, curl.PROTO_HTTP | curl.PROTO_HTTPS)
        handle.setopt(curl.NOSIGNAL, 1)
        handle.setopt(curl.CONNECTTIMEOUT_MS, _CONNECT_MS)
        handle.setopt(curl.TIMEOUT_MS, max(1, int(self._access.seconds * 1000)))
        handle.setopt(curl.CAINFO, self._access.certificates)
        # One connection for each request in flight is kept, and no more.
        self._multi.setopt(curl.M_MAXCONNECTS, len(self._asked) + 1)
        return request

    def _sign_with(self, credentials: Credentials, request: _Request) -> None:
        token = [f"x-amz-security-token: {credentials.token}"] if credentials.token else []
        request.handle.setopt(self._curl.USERNAME, credentials.access_key)
        request.handle.setopt(self._curl.PASSWORD, credentials.secret_key)
        request.handle.setopt(self._curl.HTTPHEADER, token)
        request.credentials = credentials

    def _on_socket(self, what: int, descriptor: int, *_: Any) -> None:
        """Libcurl says which sockets it waits for, and for what."""
        if what == self._curl.POLL_REMOVE:
            if descriptor in self._waited_for:
                self._waited_for.remove(descriptor)
                self._poll.unregister(descriptor)
            return
        self._waited_for.add(descriptor)
        wanted_in = select.POLLIN if what & self._curl.POLL_IN else 0
        self._poll.register(descriptor, wanted_in | (select.POLLOUT if what & self._curl.POLL_OUT else 0))
