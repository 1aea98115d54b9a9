"""Stage 4 objects from S3: any key, each once, as they are, and a whole period of them."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from billing_assets.domain.errors import ConfigurationError, UnreadableInputError
from billing_assets.domain.resolution import OBJECT_MISSING, ObjectFault
from billing_assets.domain.resolved import Status, resolve
from billing_assets.domain.stage4 import ObjectFamily
from billing_assets.stores.objects import StageFourObjects
from billing_assets.stores.retrying import Pace
from billing_assets.stores.small_objects import read_text
from billing_assets_tests.faults.proxy import FaultProxy
from billing_assets_tests.stores.aws_data import (
    PREFIX,
    assigned,
    bill_line,
    clients_in,
    fresh_name,
    jsonl,
    make_bucket,
    small_period,
)

if TYPE_CHECKING:
    from billing_assets.stores.aws import AwsClients

ODD_KEYS = (
    "plain.jsonl",
    "/leading.jsonl",
    "leading.jsonl",
    "a//b.jsonl",
    "a/b.jsonl",
    "trailing/",
    "trailing",
    "a/../up.jsonl",
    "up.jsonl",
    "./here.jsonl",
    "here.jsonl",
    ".hidden",
    "a..b",
    "with space",
    "with+plus",
    "with%20percent",
    "with%percent",
    "ü/é/🙂",
    "e\u0301 decomposed",
    "a?b=c&d#e",
    "~*'()!@$,;:=[]{}^`|\\\"<>",
    "line\u2028separator",
    "control\x01\x7f",
    "long/" + "x" * 200 + "/" + "y" * 200,
)


@pytest.fixture(scope="module")
def clients(stack_environment: dict[str, str]) -> AwsClients:
    """Clients of the emulator."""
    return clients_in(stack_environment)


@pytest.fixture(scope="module")
def bucket(clients: AwsClients) -> str:
    """The bucket of `small_period`."""
    return make_bucket(clients, small_period()[0])


def _objects(clients: AwsClients, bucket: str, requests: int = 16) -> StageFourObjects:
    return StageFourObjects(clients, bucket, requests=requests, retry_seconds=5)


def test_every_key_brings_its_own_object_however_odd_it_is(clients: AwsClients) -> None:
    """A key that a client would bend into another one is asked for as it stands."""
    bucket = make_bucket(clients, {key: key.encode() for key in ODD_KEYS})
    fetched = dict(_objects(clients, bucket).fetch(ODD_KEYS))
    assert fetched == {key: key.encode() for key in ODD_KEYS}


def test_a_missing_key_never_brings_the_object_of_a_similar_one(clients: AwsClients) -> None:
    """Money of another object would be worse than none."""
    bucket = make_bucket(clients, {"a/b": b"wrong", "c": b"wrong"})
    wanted = ["/a/b", "a/b/", "a//b", "a/./b", "x/../c", "/c", "c/", "c ", "C", "x" * 1025, "missing"]
    fetched = dict(_objects(clients, bucket).fetch(wanted))
    assert {key: isinstance(body, ObjectFault) and body.reason for key, body in fetched.items()} == dict.fromkeys(
        wanted, OBJECT_MISSING
    )


def test_a_missing_bucket_is_no_missing_object(clients: AwsClients) -> None:
    """Else a wrong setting would make a whole period unresolved."""
    bucket = fresh_name("nowhere")
    with pytest.raises(ConfigurationError) as refusal:
        list(_objects(clients, bucket).fetch(["a/b.jsonl"]))
    assert (refusal.value.summary, refusal.value.where) == ("there is no such bucket", f"s3://{bucket}/a/b.jsonl")
    with pytest.raises(ConfigurationError, match="there is no such bucket"):
        list(_objects(clients, bucket).siblings([ObjectFamily.of("a/b_20250101T000000Z.jsonl")]))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("key", ["a.jsonl.gz", "/a.jsonl.gz"], ids=["libcurl", "boto3"])
def test_a_packed_body_comes_as_it_is_stored(clients: AwsClients, key: str, encoding: str) -> None:
    """Unpacking is decided by the key alone, also where the object's headers say gzip."""
    bucket = make_bucket(clients, {})
    body = gzip.compress(b'{"a": 1}\n' * 100)
    clients.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentEncoding=encoding)
    assert list(_objects(clients, bucket).fetch([key])) == [(key, body)]


def test_an_empty_object_and_a_large_one_are_whole(clients: AwsClients) -> None:
    """Neither is a fault."""
    objects = {"empty": b"", "large": b"x" * 9_000_000}
    assert dict(_objects(clients, make_bucket(clients, objects)).fetch(objects)) == objects


def test_each_of_many_objects_comes_once(clients: AwsClients, bucket: str, stack_environment: dict[str, str]) -> None:
    """One request an object, none twice, and none forgotten."""
    objects = small_period()[0]
    with FaultProxy(stack_environment["AWS_ENDPOINT_URL"]) as proxy:
        told: list[tuple[int, int]] = []
        source = StageFourObjects(
            clients_in(stack_environment, AWS_ENDPOINT_URL_S3=proxy.url),
            bucket,
            requests=32,
            retry_seconds=5,
            on_progress=lambda done, of: told.append((done, of)),
        )
        fetched = list(source.fetch(sorted(objects)))
        assert dict(fetched) == objects
        assert len(fetched) == len(proxy.log) == source.figures.requests == len(objects)
        assert told == [(done, len(objects)) for done in range(1, len(objects) + 1)]
    assert list(_objects(clients, bucket).fetch([])) == []


def test_no_more_bodies_wait_than_requests_may_be_in_flight(bucket: str, stack_environment: dict[str, str]) -> None:
    """Who hashes slowly doesn't pile up the bucket in memory."""
    keys = sorted(small_period()[0])
    with FaultProxy(stack_environment["AWS_ENDPOINT_URL"]) as proxy:
        source = _objects(clients_in(stack_environment, AWS_ENDPOINT_URL_S3=proxy.url), bucket, requests=6)
        bodies = source.fetch(keys)
        for delivered, _ in enumerate(bodies, 1):
            expected = min(len(keys), delivered + 5)
            deadline = time.monotonic() + 5
            while delivered < 30 and len(proxy.log) < expected:
                assert time.monotonic() < deadline, "fewer requests are in flight than may be"
                time.sleep(0.001)
            assert len(proxy.log) <= delivered + 5


def test_siblings_are_all_keys_of_the_family_and_strangers_are_no_trouble(clients: AwsClients) -> None:
    """A family whose name continues ours is listed with it, and never taken for it."""
    family = f"{PREFIX}bill + ü%20é"
    line, other = bill_line(1), bill_line(2)
    keys = [f"{family}_{stamp}.jsonl" for stamp in ("20251021T000000Z", "20251022T000000Z")]
    strangers = [f"{family}_two_20251023T000000Z.jsonl", f"{family}_20251024T000000Z.txt", f"{family}_x/y.jsonl"]
    bucket = make_bucket(clients, {keys[1]: jsonl(line), **{stranger: jsonl(other) for stranger in strangers}})
    source = _objects(clients, bucket)
    own = ObjectFamily.of(keys[0])
    lonely = ObjectFamily.of("nothing/here_20250101T000000Z.jsonl")
    listed = {found.name: sorted(siblings) for found, siblings in source.siblings([own, lonely])}
    assert listed == {own.name: sorted([keys[1], *strangers]), lonely.name: []}
    rows, _ = resolve([assigned(line, keys[0]), assigned(other, keys[0])], source)
    assert [(row.status, row.reason, row.found_key, row.relocated) for row in rows] == [
        (Status.BILLABLE, "", keys[1], True),
        (Status.UNRESOLVED, OBJECT_MISSING, "", False),
    ]


def test_a_whole_period_is_resolved_through_s3(clients: AwsClients, bucket: str) -> None:
    """Lines that stay, that moved, that stand under two timestamps, and that are gone: one row each."""
    _, records = small_period()
    rows, figures = resolve(records, _objects(clients, bucket))
    assert [row.assignment for row in rows] == records
    assert Counter((row.status, row.reason, row.relocated) for row in rows) == {
        (Status.BILLABLE, "", False): 300,
        (Status.BILLABLE, "", True): 30,
        (Status.UNRESOLVED, OBJECT_MISSING, False): 30,
    }
    assert figures.objects_read == 110
    moved = next(row for row in rows if row.relocated)
    assert moved.found_key == moved.assignment.s3_key.replace("20251021", "20251022")
    assert moved.line is not None
    assert moved.line.position == (moved.assignment.line_index or 0) + 1


def test_two_equal_charges_are_both_billed_after_a_rewrite_put_a_line_before_them(clients: AwsClients) -> None:
    """With hints and without, with both timestamps there or only the newer; a third record is a duplicate."""
    line, front = bill_line(5), bill_line(6)
    for number, (both, hints) in enumerate([(True, True), (True, False), (False, True), (False, False)]):
        old, new = (f"{PREFIX}twice{number}_2025102{day}T000000Z.jsonl" for day in (1, 2))
        objects = {new: jsonl(front, line, line)} | ({old: jsonl(line, line)} if both else {})
        bucket = make_bucket(clients, objects)
        wanted = [assigned(line, old, line_index=str(at) if hints else None, bill_id=f"{at}") for at in range(3)]
        rows, _ = resolve(wanted, _objects(clients, bucket))
        assert Counter(row.status for row in rows) == {Status.BILLABLE: 2, Status.DUPLICATE: 1}
        assert {row.found_key for row in rows} == {old if both else new}


def test_a_packed_sibling_of_the_same_timestamp_is_found(clients: AwsClients) -> None:
    """The app may pack a file without giving it a newer timestamp."""
    line = bill_line(8)
    key = f"{PREFIX}packed_20251021T000000Z.jsonl"
    bucket = make_bucket(clients, {f"{key}.gz": gzip.compress(b"\xef\xbb\xbf" + jsonl(line).replace(b"\n", b"\r\n"))})
    ((row,), _) = resolve([assigned(line, key)], _objects(clients, bucket))
    assert (row.status, row.found_key, row.relocated) == (Status.BILLABLE, f"{key}.gz", True)


def test_the_pace_falls_by_half_once_for_requests_sent_together_and_rises_one_by_one() -> None:
    """One bad moment of a hundred requests doesn't take all of them away."""
    pace = Pace(64, first=64)
    sent_at = time.monotonic()
    for _ in range(40):
        pace.slow_down(sent_at)
    assert pace.limit == 32
    for _ in range(20):
        pace.slow_down(time.monotonic())
    assert pace.limit == 1
    for _ in range(3):
        pace.answered()
    assert pace.limit in {2, 3}
    for _ in range(64 * 64):
        pace.answered()
    assert pace.limit == 64


def test_the_pace_grows_while_more_are_wanted_and_no_further_than_it_may() -> None:
    """A few connections do for a store nearby; a far one is asked for more at once, unless it has said to slow down."""
    pace = Pace(100, first=32)
    limits = []
    while pace.may_grow:
        limits.append(pace.limit)
        pace.grow()
    assert [*limits, pace.limit] == [32, 64, 100]
    pace.slow_down(time.monotonic())
    assert (pace.limit, pace.may_grow) == (50, False)
    assert Pace(8, first=32).limit == 8


def test_a_store_far_away_is_asked_for_more_at_once(clients: AwsClients, stack_environment: dict[str, str]) -> None:
    """Answers that are waited for make for more requests in flight; no object is lost by that."""
    bodies = {f"{PREFIX}far{number}_20251021T000000Z.jsonl": jsonl(bill_line(number)) for number in range(150)}
    bucket = make_bucket(clients, bodies)
    with FaultProxy(stack_environment["AWS_ENDPOINT_URL"], delay=0.1) as proxy:
        source = _objects(clients_in(stack_environment, AWS_ENDPOINT_URL_S3=proxy.url), bucket, requests=64)
        assert dict(source.fetch(bodies)) == bodies
        assert 32 < max(seen.in_flight for seen in proxy.log) <= 64


def test_a_configuration_object_that_is_missing_or_no_text_is_named(clients: AwsClients) -> None:
    """The key is the setting's, so the letter says where to correct it."""
    bucket = make_bucket(clients, {"good": "ü".encode(), "bad": b"ab\xff"})
    assert read_text(clients.s3, bucket, "good") == ("ü", 2)
    with pytest.raises(ConfigurationError) as missing:
        read_text(clients.s3, bucket, "gone")
    assert str(missing.value) == (
        "there is no such object\n"
        f"  where:  s3://{bucket}/gone\n"
        "  found:  NoSuchKey\n"
        "  remedy: correct the key in the settings"
    )
    with pytest.raises(UnreadableInputError) as unreadable:
        read_text(clients.s3, bucket, "bad")
    assert unreadable.value.found == "byte 2"
