"""The sample keeps its promises: the same again, of the right size, odd in every known way, and right about itself."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from decimal import Decimal
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer

from billing_assets.local.sample import ExpectedFate, Sample, generate, load
from billing_assets.local.sample.accounts import CACHE_BYTES
from billing_assets.local.sample.bills import SHARES as OBJECT_KINDS
from billing_assets.local.sample.line_kinds import SHARES as LINE_KINDS
from billing_assets.local.sample.model import cents, line_hash
from billing_assets.local.sample.rivals import SCENES
from billing_assets.local.sample.unbilled import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

SMALL, FULL = 0.05, 1.0
ASSIGNMENT_KINDS = {
    *("amount_absent", "amount_null", "amount_blank", "amount_text", "amount_half_cent", "amount_zero"),
    *("months_absent", "months_text", "months_total", "months_null", "months_decimal", "split"),
    *("hint_absent", "hint_stale", "hint_far", "period_range", "period_short", "period_of_no_partition"),
}
KINDS = {*OBJECT_KINDS, *LINE_KINDS, *SCENES, *TROUBLES, *ASSIGNMENT_KINDS}
UNBILLED = {"invalid", "unresolved", "unbillable"}


@cache
def sample_of(scale: float) -> Sample:
    """A sample, made once for all tests."""
    return generate(last_period="2026-11", scale=scale)


def clients(endpoint_url: str) -> tuple[S3Client, DynamoDBClient]:
    """Clients of an S3 and a DynamoDB that ask for no real credentials."""
    session = boto3.Session(aws_access_key_id="sample", aws_secret_access_key="sample", region_name="us-east-1")
    return session.client("s3", endpoint_url=endpoint_url), session.client("dynamodb", endpoint_url=endpoint_url)


def pairs(sample: Sample) -> Iterator[tuple[dict[str, Any], ExpectedFate]]:
    """Each assignment with its fate."""
    return zip(sample.assignments, sample.expected, strict=True)


def lines_of(key: str, body: bytes) -> list[bytes]:
    """An object's lines that are not blank."""
    plain = gzip.decompress(body) if key.endswith(".gz") else body
    return [line for line in plain.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]


def test_equal_arguments_make_the_same_sample() -> None:
    """Equal arguments give equal bytes and fates; another seed gives others."""
    again = generate(last_period="2026-11", scale=SMALL)
    assert again == sample_of(SMALL)
    assert list(again.objects) == list(sample_of(SMALL).objects)
    assert generate(last_period="2026-11", scale=SMALL, seed=8).objects != again.objects


def test_the_sizes_are_those_of_the_source_document() -> None:
    """At full scale the sample has the counts of December 2024, line sizes included."""
    sample = sample_of(FULL)
    sizes = (len(sample.assignments), len(sample.archived), len(sample.accounts), len(sample.periods))
    assert sizes == (10_275, 9_535, 1_378, 14)
    assert 2_800 <= len(sample.objects) <= 3_200
    lines = [line for key, body in sample.objects.items() if key.endswith(".jsonl") for line in body.split(b"\n")]
    assert 1_500 <= sum(map(len, lines)) / len(lines) <= 1_800


def test_a_small_sample_shrinks_with_its_scale() -> None:
    """Assignments, archived assignments and accounts shrink with the scale, to the piece."""
    sample = sample_of(SMALL)
    assert (len(sample.assignments), len(sample.archived), len(sample.accounts)) == (514, 477, 69)
    assert len(sample.objects) <= 200


def test_a_sample_without_room_for_its_scenes_is_refused() -> None:
    """Too small a scale is refused with its remedy, instead of leaving imperfections out."""
    with pytest.raises(ValueError, match=r"scale 0\.001 has no room for its scenes; remedy: 0\.02 or more"):
        generate(last_period="2026-11", scale=0.001)


@pytest.mark.parametrize("scale", [SMALL, FULL])
def test_every_imperfection_occurs(scale: float) -> None:
    """Every kind of imperfection occurs, and no kind but the announced ones."""
    assert set(sample_of(scale).imperfections()) == KINDS


def test_imperfections_are_as_common_as_announced() -> None:
    """At full scale each kind touches at most four in a hundred assignments, and all but planted scenes nearly one."""
    sample = sample_of(FULL)
    for kind, number in sample.imperfections().items():
        least = 0.001 if kind in SCENES or kind in TROUBLES else 0.007
        assert least <= number / len(sample.assignments) <= 0.04, kind


@pytest.mark.parametrize("scale", [SMALL, 0.3, FULL])
@pytest.mark.parametrize("measure", ["count", "dollars"])
def test_no_period_is_stopped_by_its_unbilled_share(scale: float, measure: str) -> None:
    """In every period less than 4 % are unbilled, by count and by absolute dollars, and at least one is."""
    whole: Counter[str] = Counter()
    unbilled: dict[str, Decimal] = defaultdict(Decimal)
    dollars: dict[str, Decimal] = defaultdict(Decimal)
    for assignment, fate in pairs(sample_of(scale)):
        if fate.partition is None:
            continue
        amount = assignment.get("amount")
        weight = Decimal(1) if measure == "count" else abs(amount) if isinstance(amount, Decimal) else Decimal(0)
        whole[fate.partition] += 1
        dollars[fate.partition] += weight
        unbilled[fate.partition] += weight if fate.status in UNBILLED else 0
    assert set(whole) == set(sample_of(scale).periods)
    for period, share in unbilled.items():
        assert share < dollars[period] * Decimal("0.04"), period
        assert measure == "dollars" or share >= 1, period


@pytest.mark.parametrize("scale", [SMALL, FULL])
def test_every_found_line_has_the_stored_hash(scale: float) -> None:
    """The line at the found place of each assignment that has one hashes to the stored hash, by v1 or by v2."""
    sample, versions = sample_of(scale), Counter[str]()
    texts = {key: lines_of(key, sample.objects[key]) for key in {fate.found_key for fate in sample.expected} if key}
    for assignment, fate in pairs(sample):
        if fate.found_key is None or fate.found_index is None:
            continue
        fields = json.loads(texts[fate.found_key][fate.found_index])
        hashes = {version: line_hash(fields, version) for version in ("v1", "v2")}
        assert assignment["line_hash"] in hashes.values(), fate
        if hashes["v1"] != hashes["v2"]:
            versions.update(version for version, known in hashes.items() if known == assignment["line_hash"])
    assert 0.4 <= versions["v1"] / versions.total() <= 0.55


def test_the_sample_hashes_as_the_contracts_say() -> None:
    """The sample's own hash is that of the contracts, byte for byte: separators, escaping, both volatile sets."""
    fields = {"b": "é", "a": 1.5, "Status": "x", "Charge Code": "WTR"}
    assert line_hash(fields, "v1") == sha256(rb'{"Status": "x", "a": 1.5, "b": "\u00e9"}').hexdigest()
    assert line_hash(fields, "v2") == sha256(rb'{"a": 1.5, "b": "\u00e9"}').hexdigest()


def test_no_line_is_given_twice_in_a_period() -> None:
    """One line is billed once in a period: but for equal lines, no object's place is given twice."""
    given = Counter(
        (fate.partition, fate.found_key, fate.found_index) for fate in sample_of(FULL).expected if fate.found_key
    )
    assert max(given.values()) == 1


@pytest.mark.parametrize("scale", [SMALL, FULL])
def test_the_shares_of_a_split_line_add_up_to_it(scale: float) -> None:
    """A split line's shares stand in consecutive periods and add up to its amount within half a cent a month."""
    sample = sample_of(scale)
    shares: dict[tuple[str | None, int | None], list[tuple[str, Decimal, int]]] = defaultdict(list)
    for assignment, fate in pairs(sample):
        if "split" in fate.kinds and fate.partition and fate.billed_amount is not None:
            months = int(assignment.get("months") or assignment["months_total"])
            shares[fate.found_key, fate.found_index].append((fate.partition, fate.billed_amount, months))
    assert shares
    for (key, index), of_line in shares.items():
        months = of_line[0][2]
        first = sample.periods.index(min(period for period, _, _ in of_line))
        assert sorted(period for period, _, _ in of_line) == sample.periods[first : first + months]
        assert key is not None
        assert index is not None
        fields = json.loads(lines_of(key, sample.objects[key])[index])
        text = str(fields["Line Item Charge"])
        charge = Decimal(text) if text.replace(".", "").isdigit() else None
        if charge is not None and not fields.get("Amount Overridden"):
            assert abs(sum(amount for _, amount, _ in of_line) - charge) <= Decimal("0.005") * months


def test_half_a_cent_is_rounded_to_even() -> None:
    """The oracle rounds half to even, once, after the division."""
    assert [cents(Decimal(text)) for text in ("0.005", "0.015", "-0.025")] == [
        Decimal("0.00"),
        Decimal("0.02"),
        Decimal("-0.02"),
    ]
    assert cents(Decimal("10.05"), 2) == Decimal("5.02")


def test_every_assignment_says_who_and_when_and_no_period_is_empty() -> None:
    """Each has an id of its own, who and when; a period that is there is never empty, which the index would refuse."""
    assignments = sample_of(FULL).assignments
    assert len({assignment["assignment_id"] for assignment in assignments}) == len(assignments)
    for assignment in assignments:
        assert assignment["assigned_by"].startswith("reviewer-")
        assert assignment["assigned_date"].endswith("Z")
        assert assignment.get("ubi_period") != ""


def test_the_cached_accounts_nearly_fill_their_item() -> None:
    """The cached list is the accounts to track, below the limit of an item and over 95 % of it."""
    sample = sample_of(FULL)
    assert json.loads(sample.accounts_cache) == sample.accounts
    assert len(sample.accounts_cache.encode()) == CACHE_BYTES
    assert 0.95 < (CACHE_BYTES + 100) / 409_600 < 1


def test_archived_assignments_name_lines_of_their_own() -> None:
    """Archived assignments name lines of their own."""
    sample = sample_of(FULL)
    archived = {assignment["line_hash"] for assignment in sample.archived}
    assert len(archived) == len(sample.archived)
    assert archived.isdisjoint(assignment.get("line_hash") for assignment in sample.assignments)


def test_a_period_has_about_a_hundred_master_bills() -> None:
    """At full scale a period has between 80 and 150 master bills."""
    bills = defaultdict(set)
    for fate in sample_of(FULL).expected:
        if fate.master_bill_id:
            bills[fate.partition].add(fate.master_bill_id)
    assert {80 <= len(of_period) <= 150 for of_period in bills.values()} == {True}


def test_loading_into_another_machine_is_refused() -> None:
    """A client that speaks to anything but this machine is refused before anything is written."""
    s3, dynamodb = clients("https://aws.invalid")
    with pytest.raises(ValueError, match="can't be loaded into another machine"):
        load(
            sample_of(SMALL),
            s3=s3,
            dynamodb=dynamodb,
            bucket="bucket",
            assignments_table="assignments",
            assignments_index="index",
            archived_table="archived",
            config_table="config",
            accounts_key="accounts.json",
        )


def test_loading_twice_leaves_exactly_the_sample(stack_environment: dict[str, str]) -> None:
    """What was loaded is read back equal: assignments, archived ones, objects, accounts and their cache."""
    sample, told = sample_of(SMALL), list[tuple[str, int, int]]()
    s3, dynamodb = clients(stack_environment["AWS_ENDPOINT_URL"])
    for _ in range(2):
        load(
            sample,
            s3=s3,
            dynamodb=dynamodb,
            bucket="sample-of-unit-tests",
            assignments_table="sample-assignments",
            assignments_index="sample-index",
            archived_table="sample-archived",
            config_table="sample-config",
            accounts_key="Config/accounts.json",
            progress=lambda what, done, total: told.append((what, done, total)),
        )
    rows = [
        row for page in dynamodb.get_paginator("scan").paginate(TableName="sample-assignments") for row in page["Items"]
    ]
    read = TypeDeserializer().deserialize
    by_id = {row["assignment_id"]["S"]: {name: read(value) for name, value in row.items()} for row in rows}
    assert by_id == {assignment["assignment_id"]: assignment for assignment in sample.assignments}
    assert len(dynamodb.scan(TableName="sample-archived")["Items"]) == len(sample.archived)
    for key, body in sample.objects.items():
        assert s3.get_object(Bucket="sample-of-unit-tests", Key=key)["Body"].read() == body
    listed = s3.get_object(Bucket="sample-of-unit-tests", Key="Config/accounts.json")["Body"].read()
    assert json.loads(listed) == sample.accounts
    cached = dynamodb.get_item(
        TableName="sample-config", Key={"PK": {"S": "CONFIG#accounts-to-track"}, "SK": {"S": "v1"}}
    )["Item"]
    assert cached["Data"]["S"] == sample.accounts_cache
    assert ("objects", len(sample.objects), len(sample.objects)) in told
