"""S3 throttles, breaks off, denies and expires: the result is the same to the byte, or there is a letter and none."""

from __future__ import annotations

import datetime as dt
import json
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from billing_assets.domain.errors import AccessDeniedError, ConfigurationError, StoreUnavailableError
from billing_assets.domain.period_tables import ResolvedPeriod
from billing_assets.domain.resolved import Status, resolve
from billing_assets.stores import objects as objects_module
from billing_assets.stores import parquet
from billing_assets.stores.objects import StageFourObjects
from billing_assets.stores.small_objects import read_text
from billing_assets_tests.faults.proxy import Fault, FaultProxy, Rule, Seen
from billing_assets_tests.stores.aws_data import (
    PREFIX,
    assigned,
    bill_line,
    clients_in,
    environment,
    jsonl,
    make_bucket,
    small_period,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from billing_assets.domain.assignments import Assignment
    from billing_assets.stores.aws import AwsClients

READ_AT = dt.datetime(2025, 10, 21, tzinfo=dt.UTC)
TENTH = (Fault.SLOW_DOWN, Fault.RESET, Fault.TRUNCATED)


@pytest.fixture(scope="module")
def bucket(stack_environment: dict[str, str]) -> str:
    """The bucket of `small_period`."""
    return make_bucket(clients_in(stack_environment), small_period()[0])


@pytest.fixture(scope="module")
def clean(bucket: str, stack_environment: dict[str, str]) -> bytes:
    """The rows of `small_period`, resolved without any fault."""
    source = StageFourObjects(clients_in(stack_environment), bucket, requests=16, retry_seconds=30)
    return _resolved(source, small_period()[1])


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
def clients(running_proxy: FaultProxy, stack_environment: dict[str, str]) -> AwsClients:
    """Clients whose S3 is the proxy."""
    return clients_in(stack_environment, AWS_ENDPOINT_URL_S3=running_proxy.url)


def _resolved(source: StageFourObjects, records: list[Assignment]) -> bytes:
    return parquet.encode(ResolvedPeriod("2025-10", READ_AT, resolve(records, source)[0]))


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_a_tenth_of_the_gets_failing_changes_no_byte(
    bucket: str, clean: bytes, proxy: FaultProxy, clients: AwsClients
) -> None:
    """Busy answers, broken connections and bodies that break off are asked for again, until the rows are all there."""
    records = small_period()[1]
    for seed in range(2):
        proxy.rules[:] = [Rule(TENTH, when=lambda seen: seen.method == "GET", share=0.1)]
        proxy.seed = seed
        source = StageFourObjects(clients, bucket, requests=16, retry_seconds=30)
        assert _resolved(source, records) == clean
    assert all(proxy.faults[fault] > 3 for fault in TENTH)


def test_most_gets_failing_changes_no_row_either(bucket: str, proxy: FaultProxy, clients: AwsClients) -> None:
    """Two failures of three only take longer."""
    records = small_period()[1][:24]
    proxy.rules[:] = [Rule((*TENTH, Fault.INTERNAL), share=0.67)]
    rows, _ = resolve(records, StageFourObjects(clients, bucket, requests=16, retry_seconds=60))
    assert {row.status for row in rows} == {Status.BILLABLE}
    assert len(proxy.log) > len({record.s3_key for record in records})


def test_one_denied_object_stops_the_run_at_once_with_its_key_and_the_remedy(
    bucket: str, proxy: FaultProxy, clients: AwsClients
) -> None:
    """Nothing is resolved without it; and who reads the letter learns that the key may only be missing."""
    records = small_period()[1]
    key = records[30].s3_key
    proxy.rules[:] = [Rule((Fault.DENIED,), when=lambda seen: seen.path.endswith(key))]
    source = StageFourObjects(clients, bucket, requests=16, retry_seconds=30)
    with _no_longer_than(5), pytest.raises(AccessDeniedError) as refusal:
        _resolved(source, records)
    assert str(refusal.value) == (
        "AWS denies access\n"
        f"  where:  s3://{bucket}/{key}\n"
        "  found:  AccessDenied (HTTP 403)\n"
        "          by rule\n"
        "  rule:   S3 answers 403 for a key that doesn't exist, too, where listing the bucket is not allowed\n"
        "  remedy: grant the role s3:GetObject, s3:PutObject and s3:ListBucket on the bucket and dynamodb:Scan, "
        "dynamodb:Query and dynamodb:DescribeTable on the tables (docs/operations.md has the policy)"
    )
    assert not refusal.value.retryable


def test_s3_being_down_ends_in_a_letter_when_the_deadline_has_passed(
    bucket: str, proxy: FaultProxy, clients: AwsClients
) -> None:
    """A later run may succeed, and the letter says so."""
    proxy.rules[:] = [Rule((Fault.SLOW_DOWN,), when=lambda _: True)]
    source = StageFourObjects(clients, bucket, requests=16, retry_seconds=1)
    with _no_longer_than(8), pytest.raises(StoreUnavailableError) as failure:
        _resolved(source, small_period()[1])
    assert str(failure.value).startswith(f"AWS could not answer, again and again\n  where:  s3://{bucket}/{PREFIX}bill")
    assert failure.value.found == "SlowDown (HTTP 503)"
    assert "run again in some minutes" in failure.value.remedy
    assert failure.value.retryable


def test_a_listing_that_stays_away_ends_in_a_letter_too(bucket: str, proxy: FaultProxy, clients: AwsClients) -> None:
    """Whether a line has moved can't be known, so it is not called unresolved."""
    proxy.rules[:] = [Rule((Fault.TRUNCATED,), when=lambda seen: not seen.is_get_of_object)]
    source = StageFourObjects(clients, bucket, requests=16, retry_seconds=1)
    with _no_longer_than(30), pytest.raises(StoreUnavailableError, match=r"bill\d+_\*"):
        _resolved(source, small_period()[1][-36:])


def test_a_server_that_hangs_is_given_up_within_the_deadline(
    bucket: str, proxy: FaultProxy, clients: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One silent object doesn't hold a run for hours: its request is cut off and asked again."""
    records = small_period()[1][:9]
    key = records[0].s3_key
    monkeypatch.setattr(objects_module, "_REQUEST_SECONDS", 0.5)
    proxy.rules[:] = [Rule((Fault.HANGING,), when=lambda seen: seen.path.endswith(key), most=1)]
    source = StageFourObjects(clients, bucket, requests=16, retry_seconds=10)
    with _no_longer_than(5):
        rows, _ = resolve(records, source)
    assert {row.status for row in rows} == {Status.BILLABLE}
    assert proxy.gets_of(key) == 2


def test_leaving_early_ends_all_waiting_threads(bucket: str, proxy: FaultProxy, clients: AwsClients) -> None:
    """A run that has failed doesn't go on asking, and its process can end."""
    keys = sorted(small_period()[0])[:40]
    proxy.delay = 0.2  # all sixteen are asked for before the first is told to slow down
    proxy.rules[:] = [
        Rule((Fault.DENIED,), when=lambda seen: seen.path.endswith(keys[0]) and len(proxy.log) > 24),
        Rule((Fault.SLOW_DOWN,)),
    ]
    source = StageFourObjects(clients, bucket, requests=16, retry_seconds=120)
    with pytest.raises(AccessDeniedError):
        list(source.fetch(keys))
    deadline = time.monotonic() + 3
    while [thread for thread in threading.enumerate() if thread.name.startswith("stage4")]:
        assert time.monotonic() < deadline, "threads still wait for a run that has ended"
        time.sleep(0.01)


def test_fewer_requests_are_in_flight_once_s3_says_to_slow_down_and_more_again_later(
    bucket: str, proxy: FaultProxy, clients: AwsClients
) -> None:
    """S3's patience is shared with the live app: half as many at each refusal, and one more at a time afterwards."""
    keys = sorted(small_period()[0])
    source = StageFourObjects(clients, bucket, requests=32, retry_seconds=60)
    proxy.delay = 0.02
    list(source.fetch(keys))
    assert max(seen.in_flight for seen in proxy.log) > 16
    proxy.log.clear()
    proxy.capacity = 6
    assert len(list(source.fetch(keys))) == len(keys)
    assert source.figures.slow_downs == proxy.faults[Fault.SLOW_DOWN] > 0
    slowed = [seen.in_flight for seen in proxy.log[len(proxy.log) // 2 :]]
    assert sum(slowed) / len(slowed) <= 8
    assert proxy.faults[Fault.SLOW_DOWN] < len(keys)
    proxy.log.clear()
    proxy.capacity = float("inf")
    for _ in range(3):
        list(source.fetch(keys))
    assert max(seen.in_flight for seen in proxy.log[-100:]) > 10


def test_a_key_with_503_in_its_name_slows_nothing_down(bucket: str, proxy: FaultProxy, clients: AwsClients) -> None:
    """Every timestamp may hold that number; a broken connection is no wish for fewer requests."""
    keys = [key for key in sorted(small_period()[0]) if "T150300Z" in key][:30]
    proxy.rules[:] = [Rule((Fault.RESET, Fault.TRUNCATED), share=0.3)]
    source = StageFourObjects(clients, bucket, requests=8, retry_seconds=30)
    assert len(list(source.fetch(keys))) == len(keys)
    assert (source.figures.slow_downs, bool(proxy.faults)) == (0, True)


def test_an_archived_object_is_a_row_of_its_own_and_stops_nobody(
    bucket: str, proxy: FaultProxy, clients: AwsClients
) -> None:
    """Its records are unresolved with what to do about it; all others are billed."""
    records = small_period()[1][:27]
    key = records[4].s3_key
    proxy.rules[:] = [Rule((Fault.ARCHIVED,), when=lambda seen: seen.path.endswith(key))]
    rows, _ = resolve(records, StageFourObjects(clients, bucket, requests=8, retry_seconds=30))
    archived = [row for row in rows if row.assignment.s3_key == key]
    assert {(row.status, row.reason, row.detail) for row in archived} == {
        (Status.UNRESOLVED, "object_unreadable", "archived storage class: restore it to read it")
    }
    assert Counter(row.status for row in rows) == {Status.UNRESOLVED: 3, Status.BILLABLE: 24}


@pytest.mark.parametrize("fault", [Fault.EXPIRED, Fault.UNKNOWN_KEY])
def test_credentials_that_nobody_renews_stop_the_run(
    fault: Fault, bucket: str, proxy: FaultProxy, clients: AwsClients
) -> None:
    """The letter says to log in, and shows no key."""
    proxy.rules[:] = [Rule((fault,))]
    source = StageFourObjects(clients, bucket, requests=8, retry_seconds=30)
    with _no_longer_than(5), pytest.raises(AccessDeniedError) as refusal:
        list(source.fetch([small_period()[1][0].s3_key]))
    texts = {
        Fault.EXPIRED: ("the AWS credentials have expired", "log in again, then run again"),
        Fault.UNKNOWN_KEY: ("AWS does not know the credentials", "check AWS_PROFILE, AWS_ACCESS_KEY_ID"),
    }
    summary, remedy = texts[fault]
    assert refusal.value.summary == summary
    assert refusal.value.remedy.startswith(remedy)
    assert "embedded" not in str(refusal.value)


def _profile(folder: Path, *, process: str = "", keys: str = "") -> dict[str, str]:
    """The SDK's variables of a profile whose credentials come from a program or from the credentials file."""
    config, credentials = folder / "config", folder / "credentials"
    config.write_text(f"[profile billing]\nregion = us-east-1\n{process}\n")
    credentials.write_text(f"[billing]\n{keys}\n" if keys else "")
    return {
        "AWS_PROFILE": "billing",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
    }


def _keys(number: int) -> str:
    return f"aws_access_key_id = KEY{number}\naws_secret_access_key = secret"


def _program(folder: Path, *, lives_seconds: int | None) -> str:
    """A credential_process that gives other keys each time, KEY1, KEY2, …; they say when they expire, or don't."""
    script = folder / "program.py"
    script.write_text(
        "import datetime, json, pathlib, sys\n"
        f"count = pathlib.Path({str(folder / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "keys = {'Version': 1, 'AccessKeyId': f'KEY{number}', 'SecretAccessKey': 's', 'SessionToken': 't'}\n"
        f"seconds = {lives_seconds}\n"
        "if seconds is not None:\n"
        "    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)\n"
        "    keys['Expiration'] = ends.isoformat()\n"
        f"print({json.__name__}.dumps(keys))\n"
    )
    return f"credential_process = {sys.executable} -I -S {script}"


def _old_key(seen: Seen) -> bool:
    return seen.access_key == "KEY1"


@pytest.mark.parametrize("source_of_keys", ["program", "program that says when they expire", "file"])
def test_a_credential_that_expires_in_mid_run_is_renewed(  # noqa: PLR0913, PLR0917  # fixtures
    source_of_keys: str,
    bucket: str,
    clean: bytes,
    proxy: FaultProxy,
    stack_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """The run goes on with the new keys, on the fast path and on the sure one, and changes no byte."""
    lives_seconds = 3600 if source_of_keys.endswith("expire") else None
    process = "" if source_of_keys == "file" else _program(tmp_path, lives_seconds=lives_seconds)
    variables = _profile(tmp_path, process=process, keys=_keys(1) if source_of_keys == "file" else "")
    proxy.delay = 0.01

    def expired(seen: Seen) -> bool:
        if len(proxy.log) == 60 and source_of_keys == "file":
            (tmp_path / "credentials").write_text(f"[billing]\n{_keys(2)}\n")
        return _old_key(seen) and len(proxy.log) > 60

    proxy.rules[:] = [Rule((Fault.EXPIRED,), when=expired)]
    keyless = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    with environment(stack_environment, **keyless, **variables, AWS_ENDPOINT_URL_S3=proxy.url):
        clients = clients_in(stack_environment, **keyless, **variables, AWS_ENDPOINT_URL_S3=proxy.url)
        source = StageFourObjects(clients, bucket, requests=8, retry_seconds=30)
        assert _resolved(source, small_period()[1]) == clean
        assert read_text(clients.s3, bucket, min(small_period()[0]))
    keys = [seen.access_key for seen in proxy.log]
    assert set(keys) == {"KEY1", "KEY2"}
    assert keys[-1] == "KEY2"
    assert 0 < proxy.faults[Fault.EXPIRED] < 60


def test_a_credential_that_says_when_it_expires_is_renewed_before_anyone_is_refused(
    bucket: str, proxy: FaultProxy, stack_environment: dict[str, str], tmp_path: Path
) -> None:
    """A role with a minute left is renewed by the SDK, for libcurl as for boto3."""
    variables = _profile(tmp_path, process=_program(tmp_path, lives_seconds=60))
    keyless = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    with environment(stack_environment, **keyless, **variables, AWS_ENDPOINT_URL_S3=proxy.url):
        clients = clients_in(stack_environment, **keyless, **variables, AWS_ENDPOINT_URL_S3=proxy.url)
        source = StageFourObjects(clients, bucket, requests=1, retry_seconds=30)
        keys = sorted(small_period()[0])[:3]
        list(source.fetch(keys))
        assert clients.s3.list_objects_v2(Bucket=bucket)["KeyCount"]
    fast = {seen.access_key for seen in proxy.log if seen.is_get_of_object}
    assert fast
    assert "KEY1" not in {seen.access_key for seen in proxy.log}


@pytest.mark.parametrize("by", ["file", "program"])
def test_a_profile_feeds_both_clients_alike(
    by: str, bucket: str, proxy: FaultProxy, stack_environment: dict[str, str], tmp_path: Path
) -> None:
    """What boto3 may read, libcurl may read: keys from a profile's file, or from the program of a role."""
    process = _program(tmp_path, lives_seconds=7200) if by == "program" else ""
    variables = _profile(tmp_path, process=process, keys=_keys(1) if by == "file" else "")
    keyless = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"))
    clients = clients_in(stack_environment, **keyless, **variables, AWS_ENDPOINT_URL_S3=proxy.url)
    source = StageFourObjects(clients, bucket, requests=4, retry_seconds=30)
    list(source.fetch(sorted(small_period()[0])[:5]))
    list(source.fetch(["/gone.jsonl"]))
    assert len(proxy.log) == 6
    assert {seen.access_key for seen in proxy.log} == {"KEY1"}


def test_no_credentials_are_a_letter_before_anything_is_asked(
    bucket: str, proxy: FaultProxy, stack_environment: dict[str, str], tmp_path: Path
) -> None:
    """Neither client goes to S3 as nobody."""
    clients = clients_in(
        stack_environment,
        AWS_ACCESS_KEY_ID=None,
        AWS_SECRET_ACCESS_KEY=None,
        AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "none"),
        AWS_CONFIG_FILE=str(tmp_path / "none"),
        AWS_EC2_METADATA_DISABLED="true",
        AWS_ENDPOINT_URL_S3=proxy.url,
    )
    with (
        environment({"AWS_EC2_METADATA_DISABLED": "true"}),
        pytest.raises(AccessDeniedError, match="there are no AWS credentials"),
    ):
        list(StageFourObjects(clients, bucket, requests=4, retry_seconds=5).fetch(["a.jsonl"]))
    assert not proxy.log


def test_an_unknown_profile_is_named(stack_environment: dict[str, str], tmp_path: Path) -> None:
    """A misspelt AWS_PROFILE is the colleague's to mend."""
    with pytest.raises(ConfigurationError) as refusal:
        clients_in(stack_environment, AWS_PROFILE="nobody", AWS_CONFIG_FILE=str(tmp_path / "none"))
    assert refusal.value.found == "The config profile (nobody) could not be found"
    assert "AWS_PROFILE" in refusal.value.remedy


def test_a_configuration_list_that_breaks_off_is_read_again(
    bucket: str, proxy: FaultProxy, clients: AwsClients, stack_environment: dict[str, str]
) -> None:
    """The SDK doesn't retry a body that ends too soon; half a list of accounts would look complete."""
    clients_in(stack_environment).s3.put_object(Bucket=bucket, Key="list.json", Body=b'["' + b"x" * 5000 + b'"]')
    proxy.rules[:] = [Rule((Fault.TRUNCATED, Fault.RESET), most=3)]
    assert len(read_text(clients.s3, bucket, "list.json")[0]) == 5004
    assert proxy.gets_of("list.json") == 4


def test_the_records_that_name_one_object_ask_for_it_once(
    bucket: str, proxy: FaultProxy, clients: AwsClients, stack_environment: dict[str, str]
) -> None:
    """An object of thirty lines is one request, whoever names it."""
    lines = [bill_line(70_000 + number) for number in range(30)]
    key = f"{PREFIX}shared_20251021T000000Z.jsonl"
    clients_in(stack_environment).s3.put_object(Bucket=bucket, Key=key, Body=jsonl(*lines))
    rows, _ = resolve(
        [assigned(line, key) for line in lines], StageFourObjects(clients, bucket, requests=8, retry_seconds=5)
    )
    assert Counter(row.status for row in rows) == {Status.BILLABLE: 30}
    assert proxy.gets_of(key) == len(proxy.log) == 1
