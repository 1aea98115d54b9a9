"""The assignments table as it is read: to the last page, by either path, exactly, at a rate, with clear refusals."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from billing_assets.domain.assignments import BAD_AMOUNT, PartitionRange
from billing_assets.domain.errors import AccessDeniedError, BillingError, ConfigurationError, StoreUnavailableError
from billing_assets.domain.periods import Month
from billing_assets.stores import dynamodb as dynamodb_module
from billing_assets.stores.archive import archived_among
from billing_assets.stores.dynamodb import AssignmentsTable
from billing_assets.stores.retrying import RatePace
from billing_assets_tests.faults.proxy import Fault, FaultProxy, Rule, Seen
from billing_assets_tests.stores.aws_data import clients_in, dynamodb_in, environment, fresh_name, make_table, put_items

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_dynamodb import DynamoDBClient

PARTITIONS = PartitionRange(Month(2024, 1), Month(2026, 12))
INDEX = "ubi-period-index"
SPELLINGS = ("01/2025", "1/2025", "01/2025 to 03/2025", "1/2025 to 3/2025", "01/2025 to 3/2025", "1/2025 to 12/2026")
FOREIGN = (
    " 01/2025",
    "01/2025 ",
    "2025-01",
    "13/2025",
    "01/2025 to 12/2024",
    "1/2025 to 01/2027",
    "01/2025  to 02/2025",
)
OUT_OF_RANGE = ("12/2023", "1/2027")


@pytest.fixture(scope="module")
def dynamodb(stack_environment: dict[str, str]) -> DynamoDBClient:
    """The shared client of a process."""
    return dynamodb_in(stack_environment)


@pytest.fixture(scope="module")
def running_proxy(stack_environment: dict[str, str]) -> Iterator[FaultProxy]:
    """A proxy in front of the emulator."""
    with FaultProxy(stack_environment["AWS_ENDPOINT_URL"]) as running:
        yield running


@pytest.fixture
def proxy(running_proxy: FaultProxy) -> FaultProxy:
    """The proxy, which does nothing yet."""
    running_proxy.reset()
    return running_proxy


@pytest.fixture(scope="module")
def proxied(running_proxy: FaultProxy, stack_environment: dict[str, str]) -> DynamoDBClient:
    """A client whose DynamoDB is the proxy."""
    return dynamodb_in(stack_environment, AWS_ENDPOINT_URL_DYNAMODB=running_proxy.url)


def _record(number: int, period: str | None = "01/2025", **fields: Any) -> dict[str, Any]:
    item: dict[str, Any] = {
        "line_hash": {"S": f"hash{number}"},
        "assignment_id": {"S": f"id{number}"},
        "s3_key": {"S": f"Bill_Parser_4_Enriched_Outputs/{number}.jsonl"},
        "amount": {"N": f"{number}.25"},
    }
    if period is not None:
        item["ubi_period"] = {"S": period}
    return item | fields


def _table(client: DynamoDBClient, name: str, **options: Any) -> AssignmentsTable:
    defaults: dict[str, Any] = {"index": INDEX, "scan_limit_mb": 64}
    return AssignmentsTable(client, table=name, **defaults | options)


@pytest.fixture(scope="module")
def large(dynamodb: DynamoDBClient) -> tuple[str, int]:
    """A table of several pages in each segment, and its number of records."""
    name = make_table(dynamodb)
    records = [_record(number, ("01/2025", "02/2025")[number % 2], notes={"S": "x" * 300_000}) for number in range(30)]
    put_items(dynamodb, name, records)
    return name, len(records)


def test_every_record_is_read_to_the_last_page_by_either_path(dynamodb: DynamoDBClient, large: tuple[str, int]) -> None:
    """A page ends at a megabyte; what stands behind the first one counts as well."""
    name, count = large
    scanned, scan = _table(dynamodb, name).read_period("2025-01", PARTITIONS)
    queried, query = _table(dynamodb, name, scan_limit_mb=0).read_period("2025-01", PARTITIONS)
    assert (scanned.records_scanned, len(scanned.assignments), len(queried.assignments)) == (count, 15, 15)
    assert scanned.assignments == queried.assignments
    assert (scan.path, query.path, scan.retries) == ("scan", "index", 0)
    assert scan.pages >= 9
    assert query.pages >= 5


def test_the_read_capacity_that_was_used_is_reported(dynamodb: DynamoDBClient, large: tuple[str, int]) -> None:
    """The figures are the sum of what DynamoDB says of each page."""
    told: list[float] = []

    def note(parsed: dict[str, Any], **_: Any) -> None:
        told.append(parsed["ConsumedCapacity"]["CapacityUnits"])

    for operation in ("Scan", "Query"):
        dynamodb.meta.events.register(f"after-call.dynamodb.{operation}", note)
    try:
        for limit in (64, 0):
            told.clear()
            _, figures = _table(dynamodb, large[0], scan_limit_mb=limit).read_period("2025-01", PARTITIONS)
            assert (figures.read_units, figures.pages) == (sum(told), len(told))
            assert figures.read_units > 0
    finally:
        for operation in ("Scan", "Query"):
            dynamodb.meta.events.unregister(f"after-call.dynamodb.{operation}", note)


def test_the_scan_is_strongly_consistent_and_the_index_is_not_asked_to_be(
    dynamodb: DynamoDBClient, large: tuple[str, int]
) -> None:
    """Only such a Scan sees the whole truth, and AWS refuses it of an index."""
    asked: list[tuple[str, Any]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        asked.append((model.name, params.get("ConsistentRead")))

    dynamodb.meta.events.register("provide-client-params.dynamodb", note)
    try:
        _table(dynamodb, large[0]).read_period("2025-01", PARTITIONS)
        _table(dynamodb, large[0], scan_limit_mb=0).read_period("2025-01", PARTITIONS)
    finally:
        dynamodb.meta.events.unregister("provide-client-params.dynamodb", note)
    assert set(asked) == {("DescribeTable", None), ("Scan", True), ("Query", None)}


@pytest.mark.parametrize("key", ["line_hash", "assignment_id"])
def test_both_paths_give_the_same_rows_under_every_spelling_and_either_key(dynamodb: DynamoDBClient, key: str) -> None:
    """They differ only in what SPEC 1.1 says: a record without a period is in no index, and others belong to none."""
    name = make_table(dynamodb, key)
    texts = (*SPELLINGS, *FOREIGN, *OUT_OF_RANGE, "02/2025", "11/2025", "11/2025 to 1/2026", None)
    put_items(dynamodb, name, [_record(number, text) for number, text in enumerate(texts)])
    scan, index = _table(dynamodb, name), _table(dynamodb, name, scan_limit_mb=0)
    for partition, expected in (("2025-01", len(SPELLINGS)), ("2025-02", 1), ("2025-11", 2), ("2025-03", 0)):
        scanned, _ = scan.read_period(partition, PARTITIONS)
        queried, _ = index.read_period(partition, PARTITIONS)
        assert scanned.assignments == queried.assignments
        assert len(scanned.assignments) == queried.records_scanned == expected
        assert (scanned.whole_table, queried.whole_table, queried.no_partition) == (True, False, [])
        assert {found.ubi_period for found in scanned.no_partition} == {*FOREIGN, *OUT_OF_RANGE, ""}


def test_several_records_of_one_line_are_all_read(dynamodb: DynamoDBClient) -> None:
    """Where the key is the assignment, a line has as many records as it was assigned."""
    name = make_table(dynamodb, "assignment_id")
    put_items(dynamodb, name, [_record(number, line_hash={"S": "the same"}) for number in range(7)])
    for limit in (64, 0):
        reading, _ = _table(dynamodb, name, scan_limit_mb=limit).read_period("2025-01", PARTITIONS)
        assert Counter(found.line_hash for found in reading.assignments) == {"the same": 7}


def test_no_record_is_lost_between_the_partitions(dynamodb: DynamoDBClient) -> None:
    """Those of all partitions and those of none add up to those that were scanned, whatever their texts."""
    draw = random.Random(7)  # noqa: S311  # a test
    name = make_table(dynamodb)
    texts = [
        draw.choice([*SPELLINGS, *FOREIGN, *OUT_OF_RANGE, None, f"{draw.randint(1, 12)}/2025"]) for _ in range(300)
    ]
    put_items(dynamodb, name, [_record(number, text) for number, text in enumerate(texts)])
    reading, _ = _table(dynamodb, name).read_table(PARTITIONS)
    assert reading.records_scanned == reading.records_accounted_for == 300
    by_partition = {
        partition: len(_table(dynamodb, name).read_period(partition, PARTITIONS)[0].assignments)
        for partition in reading.records_by_partition
    }
    assert by_partition == dict(reading.records_by_partition)
    assert sum(by_partition.values()) + len(reading.no_partition) == 300


def test_every_type_of_an_attribute_is_read_as_spec_says(dynamodb: DynamoDBClient) -> None:
    """Numbers are exact, NULL is absent, and what is no money is a fault of its record and of no other."""
    name = make_table(dynamodb)
    amounts: dict[str, dict[str, Any]] = {
        "number": {"N": "12345678901234.123456789"},
        "text": {"S": "$1,234.50 CR"},
        "null": {"NULL": True},
        "blank": {"S": "  "},
        "flag": {"BOOL": True},
        "list": {"L": [{"N": "1"}]},
        "map": {"M": {"usd": {"N": "1"}}},
    }
    items = [_record(at, line_hash={"S": kind}, amount=amount) for at, (kind, amount) in enumerate(amounts.items())]
    odd = _record(99, line_hash={"S": "odd"}, months={"NULL": True}, months_total={"S": "2.0"}, line_index={"N": "3"})
    odd |= {"notes": {"L": []}, "bill_id": {"N": "7"}}
    del odd["amount"]
    put_items(dynamodb, name, [*items, odd])
    for limit in (64, 0):
        reading, _ = _table(dynamodb, name, scan_limit_mb=limit).read_period("2025-01", PARTITIONS)
        found = {assignment.line_hash: assignment for assignment in reading.assignments}
        assert {kind: (str(found[kind].amount), found[kind].fault) for kind in amounts} == {
            "number": ("12345678901234.123456789", ""),
            "text": ("-1234.50", ""),
            "null": ("None", ""),
            "blank": ("None", ""),
            "flag": ("None", BAD_AMOUNT),
            "list": ("None", BAD_AMOUNT),
            "map": ("None", BAD_AMOUNT),
        }
        assert (found["odd"].months, found["odd"].line_index, found["odd"].bill_id) == (2, 3, "7")
        assert (found["odd"].amount, found["odd"].notes, found["odd"].fault) == (None, "", "")


def test_the_fast_decoding_gives_what_the_sdk_itself_would(
    dynamodb: DynamoDBClient, stack_environment: dict[str, str]
) -> None:
    """Whoever shares the client sees no difference, but for binary values."""
    name = make_table(dynamodb)
    kinds: dict[str, Any] = {
        "s": {"S": 'ü 🙂 \u2028 " \\ \x01'},
        "n": {"N": "-1234567890123456789012345678.9012345678"},
        "null": {"NULL": True},
        "bool": {"BOOL": False},
        "list": {"L": [{"S": ""}, {"N": "0"}, {"L": []}, {"M": {}}]},
        "map": {"M": {"a": {"SS": ["x", "y"]}, "b": {"NS": ["1", "2"]}}},
    }
    put_items(dynamodb, name, [_record(number, **kinds) for number in range(3)] + [{"line_hash": {"S": "bare"}}])
    plain = dynamodb_in(stack_environment)
    _table(dynamodb, name)
    answers = [sorted(client.scan(TableName=name)["Items"], key=str) for client in (dynamodb, plain)]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 4
    assert "Items" not in dynamodb.scan(TableName=name, Select="COUNT")
    assert archived_among(dynamodb, name, ["hash1", "bare", "other"]) == {"hash1", "bare"}


class _FakeTime:
    """A clock that moves only while someone sleeps; sleepers sleep side by side."""

    def __init__(self) -> None:
        self.now = 0.0
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now = max(self.now, self.now + seconds)


def test_a_read_takes_no_more_capacity_than_its_rate(dynamodb: DynamoDBClient, large: tuple[str, int]) -> None:
    """The live app reads the same table; four threads together keep to the limit."""
    fake = _FakeTime()
    table = _table(dynamodb, large[0], read_units_per_second=1, clock=fake.clock, sleep=fake.sleep)
    _, figures = table.read_table(PARTITIONS)
    assert fake.now >= figures.read_units >= 9


def test_a_rate_adds_up_what_was_spent_and_forgives_what_was_not() -> None:
    """A pause is not saved up for a burst."""
    fake = _FakeTime()
    pace = RatePace(10, fake.clock, fake.sleep)
    pace.spend(20)
    assert fake.now == 2
    fake.now = 60
    pace.spend(5)
    assert fake.now == 60.5
    RatePace(0, fake.clock, fake.sleep).spend(10**9)
    assert fake.now == 60.5


FAULTS = (Fault.THROTTLED, Fault.INTERNAL, Fault.SLOW_DOWN, Fault.RESET, Fault.TRUNCATED, Fault.CUT_SHORT, Fault.EMPTY)


@pytest.mark.parametrize("limit", [64, 0], ids=["scan", "index"])
def test_a_page_that_fails_is_asked_for_again_and_no_record_is_lost(
    limit: int, proxy: FaultProxy, proxied: DynamoDBClient, large: tuple[str, int]
) -> None:
    """An answer cut in the middle looks to the SDK like the last page; here it is none."""
    expected, _ = _table(proxied, large[0], scan_limit_mb=limit).read_period("2025-01", PARTITIONS)
    proxy.rules[:] = [Rule(FAULTS, when=lambda seen: seen.operation in {"Scan", "Query"}, most=14, share=0.6)]
    reading, figures = _table(proxied, large[0], scan_limit_mb=limit).read_period("2025-01", PARTITIONS)
    assert reading == expected
    assert proxy.faults.total() == 14
    assert figures.retries > 0


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.RESET, Fault.TRUNCATED, Fault.CUT_SHORT, Fault.EMPTY])
def test_a_table_that_stays_away_ends_in_a_letter_within_the_deadline(
    fault: Fault, proxy: FaultProxy, proxied: DynamoDBClient, large: tuple[str, int]
) -> None:
    """No part of a table is ever taken for the whole; a later run may succeed."""
    proxy.rules[:] = [Rule((fault,), when=lambda seen: seen.operation == "Scan")]
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError) as failure:
        _table(proxied, large[0], retry_seconds=0.2).read_period("2025-01", PARTITIONS)
    assert time.monotonic() - began < 10
    assert failure.value.where == f"DynamoDB table {large[0]}"
    if fault in {Fault.CUT_SHORT, Fault.EMPTY}:
        assert str(failure.value) == (
            "AWS could not answer, again and again\n"
            f"  where:  DynamoDB table {large[0]}\n"
            "  found:  an answer that is cut short or garbled\n"
            "  remedy: run again in some minutes; if it stays, see the AWS health page, and lower BILLING_S3_REQUESTS "
            "or set BILLING_READ_UNITS_PER_SECOND where AWS says to slow down"
        )


def _refusal_of(table: AssignmentsTable) -> BillingError:
    began = time.monotonic()
    with pytest.raises(BillingError) as refusal:
        table.read_period("2025-01", PARTITIONS)
    assert time.monotonic() - began < 8
    return refusal.value


def test_a_missing_table_and_a_missing_index_are_named_with_their_variable(dynamodb: DynamoDBClient) -> None:
    """Who set the wrong name reads which one, and where to correct it."""
    missing = fresh_name("nowhere")
    refusal = _refusal_of(_table(dynamodb, missing))
    assert isinstance(refusal, ConfigurationError)
    assert (refusal.summary, refusal.where) == ("there is no such table or index", f"DynamoDB table {missing}")
    assert (refusal.found or "").startswith("ResourceNotFoundException (HTTP 400)")
    name = make_table(dynamodb)
    put_items(dynamodb, name, [_record(1)])
    assert str(_refusal_of(_table(dynamodb, name, index="other-index", scan_limit_mb=0))) == (
        "there is no such table or index\n"
        f"  where:  DynamoDB table {name}, index other-index\n"
        "  found:  ValidationException (HTTP 400)\n"
        "          The table does not have the specified index: other-index\n"
        "  remedy: set BILLING_ASSIGNMENTS_TABLE (BILLING_ASSIGNMENTS_INDEX, …) to what exists, and check AWS_REGION"
    )


@pytest.mark.parametrize(
    ("fault", "summary"),
    [
        (Fault.UNKNOWN_KEY_DYNAMODB, "AWS does not know the credentials"),
        (Fault.EXPIRED_DYNAMODB, "the AWS credentials have expired"),
        (Fault.DENIED, "AWS denies access"),
    ],
)
def test_wrong_credentials_are_a_letter_at_once(
    fault: Fault, summary: str, proxy: FaultProxy, proxied: DynamoDBClient, large: tuple[str, int]
) -> None:
    """A retry says the same, so there is none."""
    proxy.rules[:] = [Rule((fault,), when=lambda _: True)]
    refusal = _refusal_of(_table(proxied, large[0]))
    assert isinstance(refusal, AccessDeniedError)
    assert (refusal.summary, refusal.retryable) == (summary, False)
    assert len(proxy.log) <= 3


def test_a_credential_that_expires_in_mid_scan_is_renewed(
    proxy: FaultProxy, stack_environment: dict[str, str], large: tuple[str, int], tmp_path: Path
) -> None:
    """Another program writes new keys while the old ones are refused: the same client goes on, and loses no record."""
    file = tmp_path / "credentials"

    def write_key(number: int) -> None:
        file.write_text(f"[billing]\naws_access_key_id = KEY{number}\naws_secret_access_key = secret\n")

    def expired(seen: Seen) -> bool:
        if len(proxy.log) == 4:
            write_key(2)
        return len(proxy.log) > 4 and seen.access_key == "KEY1"

    write_key(1)
    variables: dict[str, Any] = {
        **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        "AWS_PROFILE": "billing",
        "AWS_SHARED_CREDENTIALS_FILE": str(file),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_ENDPOINT_URL_DYNAMODB": proxy.url,
    }
    name, count = large
    proxy.rules[:] = [Rule((Fault.EXPIRED_DYNAMODB,), when=expired)]
    with environment(stack_environment, **variables):
        reading, _ = _table(dynamodb_in(stack_environment, **variables), name).read_period("2025-01", PARTITIONS)
    assert reading.records_scanned == count
    assert {seen.access_key for seen in proxy.log} == {"KEY1", "KEY2"}
    assert proxy.faults[Fault.EXPIRED_DYNAMODB] > 0


def test_a_wrong_endpoint_is_told_within_some_seconds(
    stack_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits minutes for a typing error."""
    monkeypatch.setattr(dynamodb_module, "_FIRST_CONTACT_SECONDS", 0.2)
    client = dynamodb_in(stack_environment, AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:1")
    refusal = _refusal_of(_table(client, "any"))
    assert str(refusal) == (
        "AWS can't be reached\n"
        "  where:  DynamoDB table any\n"
        '  found:  Could not connect to the endpoint URL: "http://127.0.0.1:1/"\n'
        "  remedy: check the network and AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_DYNAMODB"
    )


def test_aws_region_is_honoured_as_the_other_sdks_do(stack_environment: dict[str, str]) -> None:
    """The SDK for Python alone knows only AWS_DEFAULT_REGION; without either there is a letter."""
    european: dict[str, Any] = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": None}
    assert dynamodb_in(stack_environment, **european).meta.region_name == "eu-west-1"
    assert clients_in(stack_environment, **european).s3.meta.region_name == "eu-west-1"
    with pytest.raises(ConfigurationError, match="set AWS_REGION"):
        dynamodb_in(stack_environment, AWS_REGION=None, AWS_DEFAULT_REGION=None, AWS_CONFIG_FILE="/nonexistent")
