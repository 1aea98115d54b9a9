"""`billing-assets doctor` over the emulator: well where all is well, and each thing that is missing in its own line.

Rights are taken away by a proxy in front of the emulator that answers as AWS does; all else is caused for real.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from billing_assets.cli import main
from billing_assets.commands.doctor import all_looks, examined, look_at_reader
from billing_assets.domain import line_readers
from billing_assets.domain.findings import Finding, Outcome, something_is_missing
from billing_assets.settings import Settings, aws_variables
from billing_assets.stores.aws import AwsClients, shared_clients
from billing_assets_tests.faults.proxy import Fault, FaultProxy, Rule
from billing_assets_tests.stores.aws_data import bill_line, environment, jsonl, put_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from billing_assets_tests.faults.proxy import Seen

STAGE_4 = "Bill_Parser_4_Enriched_Outputs/"
OBJECT = f"{STAGE_4}yyyy=2025/mm=10/dd=21/V-77-10-000161_20251021T150300Z.jsonl"
ACCOUNTS = "Bill_Parser_Config/accounts_to_track.json"
COMBINED = "config/master-bills-latest.json"
_serial = itertools.count()


class Shelf:
    """Names of its own in the emulator, and the environment that leads to them."""

    def __init__(self, stack: dict[str, str], folder: Path) -> None:
        self.name = f"doctor-{next(_serial)}"
        self.clients = AwsClients()
        (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        self.environment = {
            **stack,
            "DAGSTER_HOME": str(folder),
            "BILLING_BUCKET": self.name,
            "BILLING_ASSIGNMENTS_TABLE": self.name,
            "BILLING_ARCHIVED_TABLE": f"{self.name}-archived",
            "BILLING_CONFIG_TABLE": f"{self.name}-config",
            "BILLING_STORAGE_URI": str(folder / "storage"),
            "SNOWFLAKE_DATABASE": self.name.replace("-", "_"),
        }

    def fill(self) -> None:
        """Everything that the pipeline needs."""
        self.clients.s3.create_bucket(Bucket=self.name)
        self.put(OBJECT, jsonl(bill_line(1)))
        self.put(ACCOUNTS, json.dumps([{"accountNumber": "A1", "is_ubi": True}]).encode())
        self.put(COMBINED, b'[{"master_bill_id": "an entry of the app"}]')
        self.table(self.name)
        self.table(f"{self.name}-archived")
        self.table(f"{self.name}-config", keys=("PK", "SK"), index=None)
        self.cache(b"[]")

    def put(self, key: str, body: bytes) -> None:
        """Put an object."""
        self.clients.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def cache(self, data: bytes, table: str = "") -> None:
        """Write the cache of the accounts to track."""
        item = {"PK": {"S": "CONFIG#accounts-to-track"}, "SK": {"S": "v1"}, "Data": {"S": data.decode()}}
        put_items(self.clients.dynamodb, table or f"{self.name}-config", [item])

    def table(
        self,
        name: str,
        *,
        keys: tuple[str, ...] = ("line_hash",),
        index: str | None = "ubi-period-index",
        by: str = "ubi_period",
        projection: str = "ALL",
    ) -> str:
        """Make a table."""
        attributes = {*keys, by} if index else set(keys)
        wanted: dict[str, Any] = {
            "TableName": name,
            "KeySchema": [
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in sorted(attributes)],
            "BillingMode": "PAY_PER_REQUEST",
        }
        if index:
            wanted["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index,
                    "KeySchema": [{"AttributeName": by, "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": projection},
                }
            ]
        self.clients.dynamodb.create_table(**wanted)
        return name

    def keys(self) -> set[str]:
        """Every key of the bucket."""
        return {entry["Key"] for entry in self.clients.s3.list_objects_v2(Bucket=self.name)["Contents"]}


@pytest.fixture(scope="module")
def shelf(stack_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Everything that the pipeline needs, once."""
    with environment(stack_environment):
        shelf = Shelf(stack_environment, tmp_path_factory.mktemp("home"))
        shelf.fill()
    return shelf


@pytest.fixture
def shell(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the variables of the shelf, and changes some of them; None takes one away."""

    def set_all(**changed: str | None) -> None:
        for name, value in {**shelf.environment, **changed}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    set_all()
    return set_all


def looked(*checks: str, read_only: bool = False, is_stack: bool = True) -> dict[str, Finding]:
    """The findings of these checks, or areas, by check; with whatever comes before them."""
    looks = {
        look.check: look for look in all_looks(Settings.from_environment(), read_only=read_only, is_stack=is_stack)
    }
    chosen = {check for check in looks if not checks or check.startswith(checks)}
    before: set[str] = set()
    while before != chosen:
        before = set(chosen)
        chosen |= {looks[check].after for check in chosen} - {""}
    taken = [look for check, look in looks.items() if check in chosen]
    return {finding.check: finding for finding in examined(taken, lambda _done, _of: None)}


def _failed(finding: Finding, found: str, remedy: str) -> None:
    assert finding.outcome is Outcome.FAILED, finding
    assert found in finding.found
    assert remedy in finding.remedy


@contextmanager
def _denying(
    shelf: Shelf, shell: Callable[..., None], when: Callable[[Seen], bool], fault: Fault = Fault.DENIED
) -> Iterator[FaultProxy]:
    """AWS, but for what is denied."""
    with FaultProxy(shelf.environment["AWS_ENDPOINT_URL"], [Rule((fault,), when)]) as proxy:
        names = ("", "_S3", "_DYNAMODB", "_STS")
        shell(**{f"AWS_ENDPOINT_URL{name}": proxy.url for name in names})
        yield proxy


@pytest.mark.parametrize(("is_compiled", "outcome"), [(True, Outcome.OK), (False, Outcome.ABSENT)])
def test_nobody_learns_that_lines_are_read_slowly(
    is_compiled: bool, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installation without a compiler works, and the doctor says what would make it faster."""
    monkeypatch.setattr(line_readers, "IS_COMPILED", is_compiled)
    finding = look_at_reader()
    assert finding.outcome is outcome
    assert ("compiler" in finding.remedy) is not is_compiled


@pytest.mark.usefixtures("shell")
def test_a_sound_stack_is_called_ill_or_takes_long(shelf: Shelf) -> None:
    """Nothing failed, nothing to warn of, in under 5 s; and whatever was written is gone again."""
    before = shelf.keys()
    looked("snowflake")  # imports
    seconds: list[float] = []
    # Other work of this machine may take one of the tries its time.
    while not seconds or (seconds[-1] >= 5 and len(seconds) < 4):
        began = time.monotonic()
        findings = looked()
        seconds.append(time.monotonic() - began)
    assert {finding.outcome for finding in findings.values()} <= {Outcome.OK, Outcome.ABSENT}, findings
    absent = {check for check, finding in findings.items() if finding.outcome is Outcome.ABSENT}
    assert absent <= {
        *("snowflake.tables", "snowflake.periods", "s3.periods"),
        *("dynamodb.drafts", "dynamodb.billback_master", "installation.reader"),
    }
    assert min(seconds) < 5
    assert shelf.keys() == before
    assert findings["dynamodb.assignments"].figures["key"] == "line_hash"
    assert findings["s3.combined"].figures["bills"] == 1
    # The names of files hold account numbers.
    assert "dd=21/…0161_20251021T150300Z.jsonl" in findings["s3.listing"].found
    assert len(findings) >= 30


@pytest.mark.usefixtures("shell")
def test_a_read_only_doctor_writes(shelf: Shelf, stack_environment: dict[str, str], shell: Callable[..., None]) -> None:
    """No PUT and no DELETE reaches S3."""
    with FaultProxy(stack_environment["AWS_ENDPOINT_URL"]) as proxy:
        shell(AWS_ENDPOINT_URL_S3=proxy.url)
        findings = looked("s3", "storage", read_only=True)
        assert {seen.method for seen in proxy.log} == {"HEAD", "GET"}
    assert "s3.write" not in findings
    assert "storage.write" not in findings
    assert shelf.name in findings["s3.bucket"].subject


# DynamoDB


@pytest.mark.parametrize(
    ("variable", "check", "blocked"),
    [
        ("BILLING_ASSIGNMENTS_TABLE", "dynamodb.assignments", {"dynamodb.assignments.index"}),
        ("BILLING_ARCHIVED_TABLE", "dynamodb.archived", {"dynamodb.archived.scan"}),
    ],
)
def test_a_missing_table_is_not_named(shell: Callable[..., None], variable: str, check: str, blocked: set[str]) -> None:
    """The table by its variable; what needs it is not called failed as well."""
    shell(**{variable: "no-such-table"})
    findings = looked("dynamodb")
    _failed(findings[check], "there is no such table", f"set {variable}")
    assert {findings[name].outcome for name in blocked} == {Outcome.NOT_CHECKED}
    assert [name for name, finding in findings.items() if finding.outcome is Outcome.FAILED] == [check]


@pytest.mark.parametrize(
    ("table", "found", "remedy"),
    [
        ({"index": None}, "the table has no index", "make the index ubi-period-index"),
        (
            {"index": "UbiPeriodGSI"},
            "by ubi_period there is UbiPeriodGSI",
            "set BILLING_ASSIGNMENTS_INDEX=UbiPeriodGSI",
        ),
        ({"index": "other", "by": "bill_id"}, "no index of that name; there is other", "make the index"),
        ({"projection": "KEYS_ONLY"}, "projection KEYS_ONLY, not ALL", "with projection ALL"),
        ({"by": "bill_id"}, "not by ubi_period", "whose hash key is ubi_period"),
    ],
    ids=["none", "another name", "another key and name", "another projection", "another key"],
)
def test_an_index_of_another_form_passes(
    shelf: Shelf, shell: Callable[..., None], table: dict[str, Any], found: str, remedy: str
) -> None:
    """The index itself is the red line, with what to set or make."""
    shell(BILLING_ASSIGNMENTS_TABLE=shelf.table(f"doctor-index-{next(_serial)}", **table))
    findings = looked("dynamodb.assignments")
    _failed(findings["dynamodb.assignments.index"], found, remedy)
    assert findings["dynamodb.assignments.query"].outcome is Outcome.NOT_CHECKED
    assert findings["dynamodb.assignments.scan"].outcome is Outcome.OK


@pytest.mark.parametrize(
    ("operation", "check"),
    [
        ("DescribeTable", "dynamodb.assignments"),
        ("Scan", "dynamodb.assignments.scan"),
        ("Query", "dynamodb.assignments.query"),
    ],
)
def test_a_right_on_the_table_is_missed_by_another_name(
    shelf: Shelf, shell: Callable[..., None], operation: str, check: str
) -> None:
    """The right and the table stand in the remedy."""
    with _denying(shelf, shell, lambda seen: seen.operation == operation):
        findings = looked(check)
    _failed(findings[check], "AWS denies access", f"grant our role dynamodb:{operation} on {shelf.name}")


def test_a_cache_near_its_limit_is_no_warning(shelf: Shelf, shell: Callable[..., None]) -> None:
    """From 80 % of the 400 KB that one item holds; below it is well, and without the item it is not missed."""
    table = shelf.table(f"doctor-cache-{next(_serial)}", keys=("PK", "SK"), index=None)
    shell(BILLING_CONFIG_TABLE=table)
    for size, outcome in ((0, Outcome.ABSENT), (327_000, Outcome.OK), (330_000, Outcome.WARNING)):
        if size:
            shelf.cache(b"x" * size, table)
        finding = looked("dynamodb.config.cache")["dynamodb.config.cache"]
        assert finding.outcome is outcome, finding
    assert "80." in finding.found
    assert "S3 first" in finding.remedy


def test_a_table_that_is_only_observed_has_another_name(shelf: Shelf, shell: Callable[..., None]) -> None:
    """The settings name it; without one it is absent, with its variable, and nothing is failed."""
    shell(BILLING_DRAFTS_TABLE=shelf.name, BILLING_BILLBACK_TABLE="no-such-table")
    findings = looked("dynamodb.drafts", "dynamodb.billback_master")
    assert findings["dynamodb.drafts"].outcome is Outcome.OK
    assert shelf.name in findings["dynamodb.drafts"].subject
    absent = findings["dynamodb.billback_master"]
    assert (absent.outcome, "BILLING_BILLBACK_TABLE" in absent.remedy) == (Outcome.ABSENT, True)


# S3


def test_a_missing_bucket_is_told_ten_times(shell: Callable[..., None]) -> None:
    """Once, with its variable; all that stands in it is not looked at."""
    shell(BILLING_BUCKET="no-such-bucket-of-ours")
    findings = looked("s3")
    _failed(findings["s3.bucket"], "there is no such bucket", "set BILLING_BUCKET")
    rest = {finding.outcome for check, finding in findings.items() if check not in {"s3.bucket", "aws.identity"}}
    assert rest == {Outcome.NOT_CHECKED}


def _is_list(seen: Seen) -> bool:
    return seen.method == "GET" and seen.path.count("/") == 1


DENIED: dict[str, tuple[Callable[[Seen], bool], str, str, str]] = {
    "bucket": (lambda seen: seen.method == "HEAD", "s3.bucket", "AWS denies it (403)", "s3:ListBucket"),
    "list": (_is_list, "s3.listing", "AWS denies access", "grant our role s3:ListBucket"),
    "missing key": (
        lambda seen: "cannot-exist" in seen.path,
        "s3.missing_key",
        "403 instead of 404",
        "S3 answers 404 then",
    ),
    "read": (lambda seen: seen.is_get_of_object and STAGE_4 in seen.path, "s3.reading", "AWS denies", "s3:GetObject"),
    "accounts": (lambda seen: seen.path.endswith(ACCOUNTS), "s3.accounts", "AWS denies", "grant our role s3:GetObject"),
    "combined": (lambda seen: seen.path.endswith(COMBINED), "s3.combined", "AWS denies", "grant our role s3:GetObject"),
    "write": (
        lambda seen: seen.method == "PUT",
        "s3.write",
        "writing: AWS denies",
        "s3:PutObject and s3:DeleteObject",
    ),
}


@pytest.mark.parametrize("name", DENIED)
def test_a_right_on_the_bucket_is_missed_by_another_name(shelf: Shelf, shell: Callable[..., None], name: str) -> None:
    """Each 403 in its own line, with the right that is missing."""
    when, check, found, remedy = DENIED[name]
    with _denying(shelf, shell, when):
        _failed(looked(check)[check], found, remedy)


def test_an_object_that_may_not_be_deleted_is_left_without_a_word(shelf: Shelf, shell: Callable[..., None]) -> None:
    """The key that is left behind is named."""
    before = shelf.keys()
    with _denying(shelf, shell, lambda seen: seen.method == "DELETE"):
        finding = looked("s3.write")["s3.write"]
    [left] = shelf.keys() - before
    shelf.clients.s3.delete_object(Bucket=shelf.name, Key=left)
    assert left.startswith("config/master-bills/doctor/")
    _failed(finding, f"s3://{shelf.name}/{left} is left behind, delete it", "s3:DeleteObject")


@pytest.mark.usefixtures("shell")
def test_a_store_that_ignores_conditions_passes() -> None:
    """Without If-None-Match and If-Match two runs would lose each other's bills."""

    def forget(request: Any, **_: Any) -> None:
        for name in ("If-None-Match", "If-Match"):
            if name in request.headers:
                del request.headers[name]

    s3 = shared_clients(aws_variables()).s3
    s3.meta.events.register("before-sign.s3.PutObject", forget, unique_id="forget")
    try:
        finding = looked("s3.write")["s3.write"]
    finally:
        s3.meta.events.unregister("before-sign.s3.PutObject", unique_id="forget")
    _failed(finding, "ignores If-None-Match and If-Match", "honours conditional writes")


@pytest.mark.parametrize(
    ("body", "outcome", "found"),
    [
        (None, Outcome.FAILED, "is not there"),
        (b"{}", Outcome.FAILED, "a JSON object, not a list"),
        (b"\xff", Outcome.FAILED, "not UTF-8"),
        (b'[{"accountNumber": "1"}, {"propertyId": "P"}]', Outcome.WARNING, "1 can't be read"),
        (json.dumps([{"accountNumber": "1", "comment": "x" * 410_000}]).encode(), Outcome.WARNING, "than the cache"),
    ],
    ids=["absent", "no list", "no text", "an item without number", "beyond the cache"],
)
def test_accounts_that_cannot_be_used_pass(
    shelf: Shelf, shell: Callable[..., None], body: bytes | None, outcome: Outcome, found: str
) -> None:
    """Absent or unreadable is a failure of completion; too large for the cache is a warning."""
    key = f"accounts-{next(_serial)}.json"
    if body is not None:
        shelf.put(key, body)
    shell(BILLING_ACCOUNTS_KEY=key)
    finding = looked("s3.accounts")["s3.accounts"]
    assert finding.outcome is outcome
    assert found in finding.found
    assert finding.remedy


def test_a_combined_list_that_is_no_list_passes(shelf: Shelf, shell: Callable[..., None]) -> None:
    """Absent is as before the first publication; damaged is a failure with its remedy."""
    key = f"combined-{next(_serial)}.json"
    shell(BILLING_MASTER_BILLS_KEY=key)
    assert looked("s3.combined")["s3.combined"].outcome is Outcome.ABSENT
    shelf.put(key, b'[{"master_bill_id": ')
    _failed(looked("s3.combined")["s3.combined"], "can't be read", "last readable version")


def test_a_wrong_prefix_of_stage_4_passes(shell: Callable[..., None]) -> None:
    """No object at all under the prefix is a wrong setting."""
    shell(BILLING_STAGE4_PREFIX="stage4/")
    findings = looked("s3.listing", "s3.reading")
    _failed(findings["s3.listing"], "none at all", "set BILLING_STAGE4_PREFIX")
    assert findings["s3.reading"].outcome is Outcome.NOT_CHECKED


# Storage


def test_a_place_that_cannot_be_written_passes(shelf: Shelf, shell: Callable[..., None], tmp_path: Path) -> None:
    """A file in the folder's place, and a bucket that denies it."""
    (tmp_path / "file").write_text("")
    shell(BILLING_STORAGE_URI=str(tmp_path / "file"))
    _failed(looked("storage")["storage.write"], "can't be written", "set BILLING_STORAGE_URI")
    with _denying(shelf, shell, lambda seen: seen.method == "PUT"):
        shell_uri = f"s3://{shelf.name}/intermediate"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BILLING_STORAGE_URI", shell_uri)
            _failed(looked("storage")["storage.write"], "AWS denies access", "s3:PutObject")


def test_a_place_in_s3_is_not_tried(shelf: Shelf, shell: Callable[..., None]) -> None:
    """Written, read and deleted; where only deleting is denied, which the pipeline never does, it is a warning."""
    shell(BILLING_STORAGE_URI=f"s3://{shelf.name}/intermediate")
    before = shelf.keys()
    assert looked("storage")["storage.write"].outcome is Outcome.OK
    assert shelf.keys() == before
    with _denying(shelf, shell, lambda seen: seen.method == "DELETE"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BILLING_STORAGE_URI", f"s3://{shelf.name}/intermediate")
        finding = looked("storage")["storage.write"]
    assert finding.outcome is Outcome.WARNING
    [left] = shelf.keys() - before
    assert left in finding.found
    shelf.clients.s3.delete_object(Bucket=shelf.name, Key=left)


# Who we are


def test_no_credentials_are_told_as_missing_rights(shell: Callable[..., None], tmp_path: Path) -> None:
    """One red line that says to log in; nothing else of AWS is looked at."""
    nowhere = str(tmp_path / "none")
    shell(
        AWS_ACCESS_KEY_ID=None,
        AWS_SECRET_ACCESS_KEY=None,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=nowhere,
        AWS_SHARED_CREDENTIALS_FILE=nowhere,
    )
    findings = looked("dynamodb", "s3")
    _failed(findings["aws.identity"], "there are no AWS credentials", "set AWS_PROFILE or log in")
    assert {finding.outcome for check, finding in findings.items() if check != "aws.identity"} == {Outcome.NOT_CHECKED}


@pytest.mark.parametrize(
    ("fault", "found"), [(Fault.EXPIRED, "have expired"), (Fault.UNKNOWN_KEY, "does not know the credentials")]
)
def test_credentials_that_aws_refuses_are_told_as_missing_rights(
    shelf: Shelf, shell: Callable[..., None], fault: Fault, found: str
) -> None:
    """Expired and unknown ones, each by its name, once."""
    with _denying(shelf, shell, lambda _: True, fault):
        findings = looked("dynamodb", "s3")
    finding = findings["aws.identity"]
    assert finding.outcome is Outcome.FAILED
    assert found in finding.found
    assert finding.remedy
    assert {other.outcome for check, other in findings.items() if check != "aws.identity"} == {Outcome.NOT_CHECKED}


def test_an_endpoint_that_nobody_serves_is_waited_for(shell: Callable[..., None]) -> None:
    """Told within seconds, with the variables that may be wrong."""
    nobody = "http://127.0.0.1:9"
    shell(**{f"AWS_ENDPOINT_URL{name}": nobody for name in ("", "_S3", "_DYNAMODB", "_STS")})
    began = time.monotonic()
    findings = looked("dynamodb.assignments", "s3")
    assert time.monotonic() - began < 20
    assert findings["aws.identity"].outcome is Outcome.WARNING
    for check in ("dynamodb.assignments", "s3.bucket"):
        _failed(findings[check], "AWS can't be reached", "AWS_ENDPOINT_URL")


def test_a_region_that_is_not_set_is_a_traceback(shell: Callable[..., None], tmp_path: Path) -> None:
    """It is said with the variable to set."""
    shell(AWS_REGION=None, AWS_DEFAULT_REGION=None, AWS_CONFIG_FILE=str(tmp_path / "none"))
    findings = looked("dynamodb.assignments", "s3")
    _failed(findings["aws.identity"], "the AWS configuration is incomplete", "set AWS_REGION")


# Dagster


@pytest.mark.parametrize(
    ("home", "found"),
    [(None, "not set"), ("relative/home", "is no folder"), ("empty", "holds no dagster.yaml")],
)
def test_a_home_that_keeps_nothing_passes(
    shell: Callable[..., None], tmp_path: Path, home: str | None, found: str
) -> None:
    """Without it `dagster dev` deletes its runs."""
    shell(DAGSTER_HOME=str(tmp_path) if home == "empty" else home)
    findings = looked("dagster")
    _failed(findings["dagster.home"], found, "set DAGSTER_HOME")
    assert findings["dagster.instance"].outcome is Outcome.NOT_CHECKED


def test_an_instance_that_does_not_load_shows_its_password(shell: Callable[..., None], tmp_path: Path) -> None:
    """Only what kind of error it is, since its text may hold the address of a database."""
    text = "storage:\n  postgres:\n    postgres_url: 'postgresql://u:s3ntinel@127.0.0.1:9/x'\nnonsense: 1\n"
    (tmp_path / "dagster.yaml").write_text(text)
    shell(DAGSTER_HOME=str(tmp_path))
    finding = looked("dagster")["dagster.instance"]
    _failed(finding, "the instance does not load", "correct `storage`")
    assert "s3ntinel" not in repr(finding)


def test_a_daemon_that_does_not_run_passes(shell: Callable[..., None], tmp_path: Path) -> None:
    """Never run, silent and alive are told apart; the embedded stack needs none."""
    import dagster as dg  # noqa: PLC0415  # as in the command
    from dagster._daemon.types import DaemonHeartbeat  # noqa: PLC0415

    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    shell(DAGSTER_HOME=str(tmp_path))
    _failed(looked("dagster", is_stack=False)["dagster.daemon"], "it has never run", "start `dagster-daemon run`")
    assert looked("dagster", is_stack=True)["dagster.daemon"].outcome is Outcome.OK

    def beat(at: float, errors: list[Any] | None = None) -> None:
        with dg.DagsterInstance.get() as instance:
            for kind in instance.get_required_daemon_types():
                instance.add_daemon_heartbeat(DaemonHeartbeat(at, kind, "id", errors))

    beat(time.time() - 86_400)
    _failed(looked("dagster", is_stack=False)["dagster.daemon"], "last heard of at", "start `dagster-daemon run`")
    beat(time.time())
    assert looked("dagster", is_stack=False)["dagster.daemon"].outcome is Outcome.OK


# The command


def _typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["billing-assets", "doctor", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_command_says_well_of_what_is_missing(
    shell: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and the remedy for a missing table; without a colour in a pipe, and without any secret."""
    shell(BILLING_ASSIGNMENTS_TABLE="no-such-table", SNOWFLAKE_PASSWORD="s3ntinel")
    code, out, err = _typed(monkeypatch, capsys)
    assert code == 1
    assert "FAILED  table no-such-table" in out
    assert "remedy: set BILLING_ASSIGNMENTS_TABLE" in out
    assert "\x1b" not in out
    assert "s3ntinel" not in out + err
    assert "Traceback" not in err


def test_programs_cannot_read_the_findings(
    shell: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` has one form, whatever is found; `ok` says what the exit code says."""
    for changed in ({}, {"BILLING_BUCKET": "no-such-bucket-of-ours"}):
        shell(**changed)
        monkeypatch.setattr("billing_assets.commands.doctor.look_at_daemon", _alive)
        code, out, _ = _typed(monkeypatch, capsys, "--json")
        report = json.loads(out)
        assert set(report) == {"schema", "ok", "seconds", "counts", "findings"}
        assert report["ok"] is (code == 0)
        assert report["ok"] is not bool(changed)
        fields = {"check", "area", "subject", "outcome", "found", "remedy", "figures"}
        assert {frozenset(finding) for finding in report["findings"]} == {frozenset(fields)}
        assert sum(report["counts"].values()) == len(report["findings"])


def _alive(check: str, *, is_needed: bool) -> Finding:
    """The command itself, without `--stack`, asks for a daemon, and none runs in a test."""
    assert is_needed
    return Finding.ok(check, "Dagster's daemon", "alive")


def test_a_warning_is_a_failure() -> None:
    """Only what is needed and missing decides the exit code."""
    findings = [Finding("a.b", "c", outcome, "d") for outcome in Outcome]
    assert something_is_missing(findings)
    assert not something_is_missing(finding for finding in findings if finding.outcome is not Outcome.FAILED)
