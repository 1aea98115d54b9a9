"""Requests that libcurl signs: where they go, and that S3 would take their signatures, since the emulator takes any."""

from __future__ import annotations

import http.server
import re
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import botocore.credentials
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

from billing_assets.stores.bucket_access import BucketAccess, Credentials, address_of
from billing_assets.stores.signed_gets import SignedGets, may_be_asked
from billing_assets_tests.stores.aws_data import clients_in
from billing_assets_tests.stores.test_objects import ODD_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from billing_assets.stores.aws import AwsClients
    from billing_assets.stores.signed_gets import GotObject

AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(\S+), ?SignedHeaders=(\S+), ?Signature=(\S+)")


class _Listener(http.server.ThreadingHTTPServer):
    """Answers everything with an empty object, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response_only(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Nothing: `asked` has it."""


@pytest.fixture
def listener() -> Iterator[_Listener]:
    """A server that stands where S3 does."""
    with _Listener() as listening:
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield listening
        listening.shutdown()


def _clients(stack_environment: dict[str, str], **variables: str | None) -> AwsClients:
    return clients_in(stack_environment, AWS_REGION="eu-west-1", **variables)


def _got(clients: AwsClients, keys: list[str]) -> dict[str, GotObject]:
    with closing(SignedGets(BucketAccess.of(clients, "bucket", seconds=5))) as gets:
        for key in keys:
            gets.ask(key, Credentials.current(clients.session))
        got: dict[str, GotObject] = {}
        while gets.in_flight:
            got |= {answer.key: answer for answer in gets.answers(1.0)}
    return got


@pytest.mark.parametrize("token", [None, "a/session+token=="])
def test_s3_would_refuse_a_signature(stack_environment: dict[str, str], listener: _Listener, token: str | None) -> None:
    """For every key that is asked for this way botocore makes the same signature of what was sent."""
    url = f"http://127.0.0.1:{listener.server_port}"
    clients = _clients(stack_environment, AWS_ENDPOINT_URL_S3=url, AWS_SESSION_TOKEN=token)
    keys = [key for key in ODD_KEYS if may_be_asked(key)]
    assert len(keys) > len(ODD_KEYS) / 2
    assert {key: got.body for key, got in _got(clients, keys).items()} == dict.fromkeys(keys, b"")
    assert {path for path, _ in listener.asked} == {f"/bucket/{quote(key, safe='/~')}" for key in keys}
    known_as = (stack_environment["AWS_ACCESS_KEY_ID"], stack_environment["AWS_SECRET_ACCESS_KEY"])
    auth = S3SigV4Auth(botocore.credentials.Credentials(*known_as, token), "s3", "eu-west-1")
    for path, headers in listener.asked:
        authorization = AUTHORIZATION.fullmatch(headers["authorization"])
        assert authorization is not None
        signed = authorization[2].split(";")
        assert {"host", "x-amz-date"} <= set(signed)
        assert headers.get("x-amz-security-token") == token
        request = AWSRequest("GET", url + path, headers={name: headers[name] for name in signed})
        request.context["timestamp"] = headers["x-amz-date"]
        request.context["payload_signing_enabled"] = False
        assert "x-amz-content-sha256" in signed
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        assert authorization[3] == signature, path


def _asked_by_boto3(clients: AwsClients) -> str:
    """Where boto3 sends a request for the object `k`."""
    seen: list[str] = []

    class _SeenError(Exception):
        pass

    def look(request: Any, **_: Any) -> None:
        seen.append(request.url)
        raise _SeenError

    clients.s3.meta.events.register("before-send.s3.GetObject", look)
    with pytest.raises(_SeenError):
        clients.s3.get_object(Bucket="bucket", Key="k")
    return seen[0]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", "https://bucket.s3.eu-west-1.amazonaws.com/"),
        ("s3 =\n  addressing_style = path", "https://s3.eu-west-1.amazonaws.com/bucket/"),
        ("use_dualstack_endpoint = true", "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/"),
        (
            "endpoint_url = https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com",
            "https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com/bucket/",
        ),
    ],
    ids=["virtual", "path", "dualstack", "private"],
)
def test_libcurl_asks_elsewhere_than_boto3(
    stack_environment: dict[str, str], tmp_path: Path, settings: str, expected: str
) -> None:
    """Endpoint, region and style of address are honoured alike; a private endpoint must not be left out."""
    config = tmp_path / "config"
    config.write_text(f"[profile p]\n{settings}\n")
    unset = dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))
    clients = _clients(stack_environment, **unset, AWS_PROFILE="p", AWS_CONFIG_FILE=str(config))
    assert address_of(clients.s3_single_try, "bucket") + "k" == _asked_by_boto3(clients)
    assert address_of(clients.s3_single_try, "bucket") == expected


def test_a_secret_is_told_by_what_holds_it(stack_environment: dict[str, str]) -> None:
    """Not by a log line or traceback that shows the object either."""
    told = repr(Credentials.current(_clients(stack_environment, AWS_SECRET_ACCESS_KEY="sentinel-secret").session))
    assert told == "Credentials(...)"
