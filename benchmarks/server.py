"""A server that holds S3 objects and a DynamoDB table in memory, in a process of its own: it must never be the limit.

`python -m benchmarks.server FOLDER 0 0.015 0.04` listens on a free port for each latency, prints the ports, and ends
with its standard input. It speaks what the competitors ask for: GET of an object, ListObjectsV2 by prefix, and
DescribeTable, Scan and Query of one table. Signatures are not looked at. A request is answered after the latency,
without the others waiting.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import uvloop

from benchmarks.table import ServedTable
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
    'ETag: "0123456789abcdef0123456789abcdef"\r\nLast-Modified: Sun, 01 Feb 2026 00:00:00 GMT\r\n\r\n'
)
_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_BACKLOG = 4096
_END = b"\r\n\r\n"


def _answer_of(body: bytes, kind: str = "application/json") -> bytes:
    return _HEAD.format(kind=kind, length=len(body)).encode() + body


class Served:
    """What the server holds: answers, ready to be sent."""

    def __init__(self, objects: dict[str, bytes], table: ServedTable | None) -> None:
        self._objects = {key: _answer_of(body, "binary/octet-stream") for key, body in objects.items()}
        self._keys = sorted(objects)
        self._table = table
        self._by_path: dict[bytes, bytes] = {}

    def got(self, path: bytes) -> bytes:
        """The answer to a GET; a path is unquoted once."""
        known = self._by_path.get(path)
        if known is not None:
            return known
        location, _, query = path.decode().partition("?")
        key = unquote(location).removeprefix("/").partition("/")[2]
        if not key and "list-type" in query:
            return self._listing(parse_qs(query).get("prefix", [""])[0])
        answer = self._objects.get(key, _MISSING)
        self._by_path[path] = answer
        return answer

    def asked(self, head: bytes, body: bytes) -> bytes:
        """The answer to a POST: one of DynamoDB's operations."""
        operation = head.lower().partition(b"x-amz-target: dynamodb_20120810.")[2].partition(b"\r\n")[0].decode()
        if self._table is None:
            return _MISSING
        return _answer_of(self._table.answer(operation, json.loads(body)), "application/x-amz-json-1.0")

    def _listing(self, prefix: str) -> bytes:
        start = bisect.bisect_left(self._keys, prefix)
        found = []
        for key in self._keys[start:]:
            if not key.startswith(prefix):
                break
            found.append(f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>")
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>false</IsTruncated><KeyCount>{len(found)}</KeyCount>{''.join(found)}</ListBucketResult>"
        )
        return _answer_of(text.encode(), "application/xml")


class Connection(asyncio.Protocol):
    """One client's connection; requests may come in pieces, or several at once."""

    def __init__(self, served: Served, latency: float) -> None:
        self._served = served
        self._latency = latency
        self._received = b""
        self._call_later = asyncio.get_running_loop().call_later
        self._send: Callable[[bytes], None] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        self._send = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        received = self._received + data if self._received else data
        while (end := received.find(_END)) >= 0:
            end += len(_END)
            if received.startswith(b"GET "):
                answer = self._served.got(received[4 : received.index(b" ", 4)])
            else:
                head = received[:end]
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                if len(received) < end + length:
                    break
                answer = self._served.asked(head, received[end : end + length])
                end += length
            received = received[end:]
            if self._latency:
                self._call_later(self._latency, self._send, answer)
            else:
                self._send(answer)
        self._received = received


async def serve(served: Served, latencies: list[float]) -> None:
    """Listen until standard input ends."""
    loop = asyncio.get_running_loop()
    ports = []
    for latency in latencies:
        # Hundreds connect at once; whoever doesn't fit into the queue would wait a second to try again.
        server = await loop.create_server(
            lambda latency=latency: Connection(served, latency), "127.0.0.1", 0, backlog=_BACKLOG
        )
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Load the folder and serve it."""
    folder = Path(sys.argv[1])
    table = ServedTable.read(folder) if ServedTable.is_in(folder) else None
    objects = Workload(folder).objects() if table is None else {}
    uvloop.run(serve(Served(objects, table), [float(text) for text in sys.argv[2:]]))


if __name__ == "__main__":
    main()
