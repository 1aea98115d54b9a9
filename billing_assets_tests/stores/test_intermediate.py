"""Intermediate Parquet: a file is there whole or not at all, and what was written is what is read."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_assets.domain.accounts import AccountToTrack
from billing_assets.domain.assignments import Assignment
from billing_assets.domain.errors import BillingError, ConfigurationError, StoreUnavailableError
from billing_assets.domain.line_items import FLAGS, SPELLINGS, LineItem
from billing_assets.domain.period_tables import AccountsToTrack, AssignmentsOfPeriod, ResolvedPeriod
from billing_assets.domain.resolved import ResolvedLineItem, Status
from billing_assets.domain.stage4 import NamedLine
from billing_assets.stores import parquet
from billing_assets.stores.intermediate import IntermediateStore
from billing_assets_tests.faults.proxy import Fault, FaultProxy, Rule
from billing_assets_tests.stores.aws_data import clients_in, fresh_name, make_bucket

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_s3 import S3Client

NAME = "resolved_line_items/2025-10.parquet"


def _no_s3() -> S3Client:
    raise AssertionError("a folder needs no S3")


@pytest.fixture(scope="module")
def s3(stack_environment: dict[str, str]) -> S3Client:
    """The emulator's S3."""
    return clients_in(stack_environment).s3


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    """The folder is made when it is needed; what was never written is None."""
    store = IntermediateStore(f"{tmp_path}/new/", _no_s3)
    assert store.read(NAME) is None
    for content in (b"first", b"", b"second" * 100_000):
        store.write(NAME, content)
        assert store.read(NAME) == content
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["2025-10.parquet"]
    assert store.uri_of(NAME) == f"{tmp_path}/new/{NAME}"


@pytest.mark.parametrize("step", ["os.fdopen", "os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("crash", [KeyboardInterrupt, OSError])
def test_a_crash_in_the_middle_leaves_the_old_file_and_no_temporary_one(
    step: str, crash: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the step at which it happens: half a file is never read as a whole one."""
    store = IntermediateStore(str(tmp_path), _no_s3)
    store.write(NAME, b"old")

    def fail(*_: object, **__: object) -> None:
        raise crash("No space left on device")

    with monkeypatch.context() as patch:
        # A full disk can't be had otherwise.
        patch.setattr(step, fail)
        with pytest.raises((crash, ConfigurationError)) as failure:
            store.write(NAME, b"new")
    assert store.read(NAME) == b"old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["2025-10.parquet"]
    if crash is OSError:
        assert str(failure.value) == (
            "intermediate data can't be written\n"
            f"  where:  {tmp_path / NAME}\n"
            "  found:  No space left on device\n"
            "  remedy: set BILLING_STORAGE_URI to a folder (or s3://…) that may be written, with room on it"
        )


def test_a_place_that_is_no_folder_is_named_with_its_variable(tmp_path: Path) -> None:
    """Reading and writing both say which setting to correct."""
    (tmp_path / "file").write_text("in the way")
    store = IntermediateStore(str(tmp_path / "file"), _no_s3)
    with pytest.raises(ConfigurationError, match="set BILLING_STORAGE_URI to a folder"):
        store.write(NAME, b"x")
    with pytest.raises(ConfigurationError, match="set BILLING_STORAGE_URI to a folder"):
        store.read(NAME)


@pytest.mark.parametrize("prefix", ["", "/", "/a/b/", "/with space/ü+?#%20"])
def test_a_place_in_s3_holds_the_same_files(s3: S3Client, stack_environment: dict[str, str], prefix: str) -> None:
    """Under the prefix as it is written, whatever it holds."""
    bucket = make_bucket(clients_in(stack_environment), {})
    store = IntermediateStore(f"s3://{bucket}{prefix}", lambda: s3)
    assert store.read(NAME) is None
    for content in (b"first", b"", b"second" * 100_000):
        store.write(NAME, content)
        assert store.read(NAME) == content
    expected = f"{prefix.strip('/')}/{NAME}".lstrip("/")
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [expected]
    assert store.uri_of(NAME) == f"s3://{bucket}/{expected}"


def test_a_missing_bucket_is_no_missing_file(s3: S3Client) -> None:
    """Else every upstream would look as if it had never been materialized."""
    store = IntermediateStore(f"s3://{fresh_name('nowhere')}/x", lambda: s3)
    with pytest.raises(ConfigurationError, match="there is no such bucket"):
        store.read(NAME)
    with pytest.raises(ConfigurationError, match="there is no such bucket"):
        store.write(NAME, b"x")


def test_a_file_in_s3_that_breaks_off_is_read_again(stack_environment: dict[str, str]) -> None:
    """Half a Parquet file would be an error without a remedy."""
    bucket = make_bucket(clients_in(stack_environment), {NAME: b"x" * 10_000})
    with FaultProxy(stack_environment["AWS_ENDPOINT_URL"]) as proxy:
        client = clients_in(stack_environment, AWS_ENDPOINT_URL_S3=proxy.url).s3
        store = IntermediateStore(f"s3://{bucket}", lambda: client)
        proxy.rules[:] = [Rule((Fault.TRUNCATED,), most=3)]
        assert store.read(NAME) == b"x" * 10_000
        assert proxy.gets_of(NAME) == 4
        proxy.rules[:] = [Rule((Fault.DENIED,))]
        with pytest.raises(BillingError) as refusal:
            store.read(NAME)
        assert refusal.value.where == f"s3://{bucket}/{NAME}"
        assert not isinstance(refusal.value, StoreUnavailableError)


# Texts as they are after parsing: whatever JSON may hold, without lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "\x00", "🙂", "N/A", "a|b"]
)
WHOLES = st.none() | st.integers(0, 2**63 - 1)
MOST = Decimal("9999999999999999.99")
AMOUNTS = (
    st.none() | st.decimals(-MOST, MOST, places=2) | st.decimals(-MOST, MOST, places=40) | st.just(Decimal("1E+2"))
)
CENTS = st.none() | st.decimals(-MOST, MOST, places=2)
MOMENTS = st.datetimes(timezones=st.just(dt.UTC))

ASSIGNMENTS = st.builds(
    Assignment,
    **{
        **dict.fromkeys(("assignment_id", "line_hash", "ubi_period", "s3_key", "bill_id", "amount_text"), TEXTS),
        **dict.fromkeys(("months_text", "assigned_by", "assigned_date", "notes", "fault"), TEXTS),
        "line_index": WHOLES,
        "amount": AMOUNTS,
        "months": st.integers(1, 2**63 - 1),
    },
)
LINES = st.builds(
    NamedLine,
    position=st.integers(0, 2**40),
    equal=st.just(""),
    before=st.just(0),
    version=st.sampled_from(["v1", "v2"]),
    item=st.builds(
        LineItem, **{**dict.fromkeys(SPELLINGS, TEXTS), **dict.fromkeys(FLAGS, st.booleans()), "charge_usd": AMOUNTS}
    ),
)
ROWS = st.builds(
    ResolvedLineItem,
    assignment=ASSIGNMENTS,
    status=st.sampled_from(Status),
    reason=TEXTS,
    detail=TEXTS,
    line=st.none() | LINES,
    found_key=TEXTS,
    assigned_usd=AMOUNTS,
    billed_usd=CENTS,
)
ACCOUNTS = st.builds(
    AccountToTrack,
    **{
        **dict.fromkeys(("account_number", "property_id", "property_name", "vendor_id", "vendor_name"), TEXTS),
        **dict.fromkeys(("gl_account_number", "gl_account_name"), TEXTS),
        "days_between_bills": WHOLES,
        "is_tracked": st.booleans(),
        "is_ubi": st.booleans(),
    },
)


def _bare(rows: list[ResolvedLineItem]) -> list[tuple[Any, ...]]:
    """What is kept of each row, its line's place, hash version and fields included."""
    return [
        (
            *(row.assignment, row.status, row.reason, row.detail, row.found_key, row.assigned_usd, row.billed_usd),
            *(row.relocated, None if row.line is None else (row.line.position, row.line.version, row.line.item)),
        )
        for row in rows
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(ROWS, max_size=4), MOMENTS)
def test_resolved_rows_come_back_as_they_were_written(rows: list[ResolvedLineItem], read_at: dt.datetime) -> None:
    """Every text, every amount to its last digit, every absence; and equal rows give equal bytes."""
    table = ResolvedPeriod("2025-10", read_at, rows)
    content = parquet.encode(table)
    again = parquet.decode_resolved(content)
    assert (again.partition, again.read_at_utc, _bare(again.rows)) == ("2025-10", read_at, _bare(rows))
    assert parquet.encode(again) == parquet.encode(table) == content


@settings(max_examples=25, deadline=None)
@given(st.lists(ASSIGNMENTS, max_size=4), MOMENTS)
def test_assignments_come_back_as_they_were_written(assignments: list[Assignment], read_at: dt.datetime) -> None:
    """The order too: it is what makes a period's bytes equal."""
    table = AssignmentsOfPeriod("2024-01", read_at, assignments)
    content = parquet.encode(table)
    assert parquet.decode_assignments(content) == table
    assert parquet.encode(parquet.decode_assignments(content)) == content


@settings(max_examples=25, deadline=None)
@given(st.lists(ACCOUNTS, max_size=4), MOMENTS)
def test_accounts_come_back_as_they_were_written(accounts: list[AccountToTrack], read_at: dt.datetime) -> None:
    """An unknown number of days stays unknown, and a false flag false."""
    table = AccountsToTrack(read_at, accounts)
    assert parquet.decode_accounts(parquet.encode(table)) == table


def test_other_rows_give_other_bytes() -> None:
    """Equal bytes mean equal rows, down to the partition and the moment of reading."""
    moments = [dt.datetime(2025, 10, day, tzinfo=dt.UTC) for day in (1, 2)]
    periods = [ResolvedPeriod(of, at, []) for of, at in itertools.product(("2025-10", "2025-11"), moments)]
    contents = map(parquet.encode, periods)
    assert len(set(contents)) == 4
