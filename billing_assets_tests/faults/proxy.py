"""A small HTTP proxy on loopback that stands in front of the AWS emulator and fails by rule, the same way each time.

Clients reach it by AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL_DYNAMODB. What it was asked stands in `log`.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")
_HANGING_SECONDS = 20.0


class Fault(Enum):
    """What the proxy does in place of an answer; those with a status answer with that code."""

    SLOW_DOWN = (503, "SlowDown")
    INTERNAL = (500, "InternalError")
    DENIED = (403, "AccessDenied")
    ARCHIVED = (403, "InvalidObjectState")
    EXPIRED = (400, "ExpiredToken")
    EXPIRED_DYNAMODB = (400, "ExpiredTokenException")
    UNKNOWN_KEY = (403, "InvalidAccessKeyId")
    UNKNOWN_KEY_DYNAMODB = (400, "UnrecognizedClientException")
    THROTTLED = (400, "ProvisionedThroughputExceededException")
    RESET = "reset"
    """The connection breaks before the answer."""
    TRUNCATED = "truncated"
    """The body is shorter than its Content-Length says."""
    CUT_SHORT = "cut short"
    """Half the body, as if it were all of it."""
    EMPTY = "empty"
    """An answer of status 200 without a body."""
    HANGING = "hanging"
    """No answer for a long time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the proxy saw it."""

    method: str
    path: str
    """Decoded, without the query: `/bucket/key`."""
    operation: str
    """DynamoDB's operation, `""` for S3."""
    access_key: str
    nth: int
    """How many requests of this method, path and operation came before."""
    in_flight: int
    """Requests in the proxy when this one came, itself among them."""
    at: float

    @property
    def is_get_of_object(self) -> bool:
        """Whether it asks for an object, and not for a list of them."""
        return self.method == "GET" and self.path.count("/") > 1


@dataclass(slots=True)
class Rule:
    """Which requests fail, and how.

    Args:
        faults: Taken in turn by a request's seeded draw.
        when: Which requests it concerns.
        share: How many of those fail; which ones depends on the seed, the path and the try alone.
        most: After so many faults it rests.
    """

    faults: tuple[Fault, ...]
    when: Callable[[Seen], bool] = lambda seen: seen.is_get_of_object
    share: float = 1.0
    most: float = float("inf")
    hits: int = 0

    def fault_for(self, seen: Seen, seed: int) -> Fault | None:
        """The fault of one request, if it shall have one."""
        if self.hits >= self.most or not self.when(seen):
            return None
        draw = random.Random(f"{seed} {seen.method} {seen.path} {seen.operation} {seen.nth}")  # noqa: S311  # a test
        if draw.random() >= self.share:
            return None
        self.hits += 1
        return draw.choice(self.faults)


@dataclass
class FaultProxy:
    """A context manager; rules may be replaced while it runs.

    Args:
        upstream: The emulator's URL.
        rules: The first that gives a request a fault decides.
        seed: Of all draws.
        delay: Seconds that each answer takes longer.
        capacity: S3's patience: with more requests in flight, the rest are told to slow down.
    """

    upstream: str
    rules: list[Rule] = field(default_factory=list)
    seed: int = 0
    delay: float = 0.0
    capacity: float = float("inf")
    log: list[Seen] = field(default_factory=list)
    faults: Counter[Fault] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._in_flight = 0
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._server = _Server(self)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def gets_of(self, key: str) -> int:
        """How many times an object was asked for."""
        return sum(seen.path.endswith(f"/{key}") and seen.is_get_of_object for seen in self.log)

    def reset(self) -> None:
        """Forget rules and requests, for the next test."""
        with self._lock:
            self.rules.clear()
            self.log.clear()
            self.faults.clear()
            self._asked.clear()
            self.seed, self.delay, self.capacity = 0, 0.0, float("inf")

    @contextlib.contextmanager
    def request(self, method: str, target: str, headers: Iterable[tuple[str, str]]) -> Iterator[Fault | None]:
        """Note a request for as long as it is in flight; gives its fault."""
        header = {name.lower(): value for name, value in headers}
        credential = _ACCESS_KEY.search(header.get("authorization", ""))
        path, operation = unquote(urlsplit(target).path), header.get("x-amz-target", "").rpartition(".")[2]
        with self._lock:
            self._in_flight += 1
            nth = self._asked[method, path, operation]
            self._asked[method, path, operation] += 1
            access_key = credential[1] if credential else ""
            seen = Seen(method, path, operation, access_key, nth, self._in_flight, time.monotonic())
            self.log.append(seen)
            faults = (rule.fault_for(seen, self.seed) for rule in self.rules)
            fault = next(filter(None, faults), None)
            if fault is None and seen.in_flight > self.capacity:
                fault = Fault.SLOW_DOWN
            if fault is not None:
                self.faults[fault] += 1
        try:
            self._stopped.wait(_HANGING_SECONDS if fault is Fault.HANGING else self.delay)
            yield fault
        finally:
            with self._lock:
                self._in_flight -= 1

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        upstream = urlsplit(proxy.upstream)
        self.upstream = (upstream.hostname or "", upstream.port or 80)
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of the proxy."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True
    server: _Server
    _upstream: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Nothing: `FaultProxy.log` has it."""

    def do_GET(self) -> None:
        """Answer, or fail."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.requestline.split(" ")[1]
        with self.server.proxy.request(self.command, target, self.headers.items()) as fault:
            if fault is Fault.RESET or fault is Fault.HANGING:
                self._reset()
            elif fault is Fault.EMPTY:
                self._answer(200, [("Content-Type", "application/x-amz-json-1.0")], b"")
            elif fault is not None and isinstance(fault.value, tuple):
                self._refuse(*fault.value)
            else:
                self._forward(target, body, fault)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815  # http.server's names

    def finish(self) -> None:
        """End the connection to the emulator with the client's."""
        if self._upstream is not None:
            self._upstream.close()
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def _forward(self, target: str, body: bytes, fault: Fault | None) -> None:
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(*self.server.upstream, timeout=30)
        self._upstream.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            self._upstream.putheader(name, value)
        self._upstream.endheaders(body or None)
        answer = self._upstream.getresponse()
        content = answer.read()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
        length = int(answer.headers.get("Content-Length", 0)) if self.command == "HEAD" else len(content)
        if fault is Fault.TRUNCATED:
            self.close_connection = True
            content = content[: len(content) // 2]
        elif fault is Fault.CUT_SHORT:
            content = content[: len(content) // 2]
            length = len(content)
        self._answer(answer.status, headers, content, length)

    def _refuse(self, status: int, code: str) -> None:
        if "X-Amz-Target" in self.headers:
            content = json.dumps({"__type": f"com.amazonaws.dynamodb#{code}", "message": "by rule"}).encode()
            self._answer(status, [("Content-Type", "application/x-amz-json-1.0")], content)
        else:
            error = f"<Error><Code>{code}</Code><Message>by rule</Message></Error>"
            # S3 answers the bare error; STS, asked by POST to its root, wraps it.
            is_sts = self.command == "POST" and self.requestline.split(" ")[1] == "/"
            content = f"<?xml version='1.0'?>{f'<ErrorResponse>{error}</ErrorResponse>' if is_sts else error}".encode()
            self._answer(status, [("Content-Type", "application/xml")], content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
