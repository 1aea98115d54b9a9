"""Completion in whole runs: what is missing is told, a wrong list bills nobody otherwise, and nothing else re-runs."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.defs.completion_automation import EVERY_ACCOUNT_HAS_A_BILL, GRID, RESOLVED, TRACKER
from billing_assets_tests.graph.completion_world import (
    ACCOUNTS,
    CHECK,
    CompletionWorld,
    account,
    evaluation_of,
    text_of,
)
from billing_assets_tests.graph.publication_world import (
    DECEMBER,
    JANUARY,
    PUBLISHING,
    PublicationWorld,
    letter_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
LIST = [account(100), account(101), account(102), account(0), account(900), account(1, is_ubi=False)]
COLUMNS = [
    *("ubi_period", "property_id", "property_name", "account_number", "vendor_name"),
    *("state", "bill_count", "amount_usd", "last_billed_period"),
]


@pytest.fixture(scope="module")
def published(stack_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[CompletionWorld]:
    """Two periods, published."""
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name, value in stack_environment.items():
            patch.setenv(name, value)
        folder = tmp_path_factory.mktemp("completion")
        made = CompletionWorld(PublicationWorld.make(instance, folder, stack_environment))
        for period in (DECEMBER, JANUARY):
            assert made.run(*PUBLISHING, period=period).success
        yield made


@pytest.fixture
def world(published: CompletionWorld) -> CompletionWorld:
    """The same; there is no list, and the accounts were never read."""
    published.start_again()
    return published


@pytest.fixture
def listed(world: CompletionWorld) -> CompletionWorld:
    """The same after the list was read."""
    world.save(LIST)
    assert world.read_accounts().success
    return world


def test_a_missing_bill_is_not_told(listed: CompletionWorld) -> None:
    """The missing accounts stand in the check by name, with the last period that has a bill of them."""
    listed.today = "2025-03-05"
    check = listed.check()
    assert not check.passed
    figures = [check.metadata[name].value for name in ("expected", "assigned", "missing", "percent")]
    assert figures == [5, 3, 2, "60.0 %"]
    assert text_of(check, "missing_accounts").splitlines()[2:] == [
        "| P0 | Property 0 | A0 | Bluewater | 2024-12 |",
        "| P0 | Property 0 | A900 | Bluewater | never |",
    ]
    assert "| P0 | Property 0 | 3 | 1 | 2 | 33.3 % |" in text_of(check, "by_property")
    assert check.metadata["assigned_but_not_expected"].value == 21
    assert "not on the list" in text_of(check, "not_expected_accounts")
    assert "2 of 5 expected accounts have no bill in 2025-01" in (check.description or "")


@pytest.mark.parametrize(
    ("today", "floor", "passed", "severity"),
    [
        ("2025-01-15", "0.80", True, WARN),
        ("2025-03-01", "0.80", True, WARN),
        ("2025-03-02", "0.60", False, WARN),
        ("2025-03-02", "0.61", False, ERROR),
    ],
)
def test_an_open_period_alarms_somebody_or_a_late_one_nobody(
    listed: CompletionWorld, today: str, floor: str, passed: bool, severity: dg.AssetCheckSeverity
) -> None:
    """Thirty days after its end the same figures are a WARN, below the floor an ERROR; before, they pass."""
    listed.today = today
    listed.settings = dataclasses.replace(listed.settings, completion_floor=Decimal(floor))
    check = listed.check()
    assert (check.passed, check.metadata["missing"].value) == (passed, 2)
    assert passed or check.severity == severity
    assert check.blocking is False


def test_a_list_that_was_never_read_stops_a_run(world: CompletionWorld) -> None:
    """The chain ran without a list; its check says so as a WARN, and what to do."""
    result = world.run(*PUBLISHING, period=JANUARY)
    assert result.success
    check = evaluation_of(result, CHECK)
    assert (check.passed, check.severity) == (False, WARN)
    assert "materialize accounts_to_track" in (check.description or "")


def test_the_tracker_has_another_row_than_the_check(listed: CompletionWorld) -> None:
    """One row for every expected account, in order, with exactly these columns and exact dollars."""
    rows = listed.tracker()
    assert [list(row) for row in rows] == [COLUMNS] * 5
    assert [tuple(row.values())[3:] for row in rows] == [
        ("A0", "Bluewater", "missing", 0, Decimal("0.00"), "2024-12"),
        ("A100", "Bluewater", "assigned", 1, Decimal("100.10"), "2025-01"),
        ("A900", "Bluewater", "missing", 0, Decimal("0.00"), ""),
        ("A101", "Bluewater", "assigned", 1, Decimal("101.10"), "2025-01"),
        ("A102", "Bluewater", "assigned", 1, Decimal("102.10"), "2025-01"),
    ]


def test_the_grid_and_its_spreadsheet_differ(listed: CompletionWorld) -> None:
    """Every expected account by every resolved month, in the Parquet and in the CSV beside it; the picture is small."""
    rows, metadata = listed.grid()
    lines = list(csv.DictReader(io.StringIO(listed.stored("completion_grid.csv").decode())))
    assert lines == rows
    assert {row["account_number"]: (row[DECEMBER], row[JANUARY]) for row in rows} == {
        "A0": ("assigned", "missing"),
        **dict.fromkeys(("A100", "A101", "A102"), ("missing", "assigned")),
        "A900": ("missing", "missing"),
    }
    picture = str(metadata["heat_map"])
    assert picture.startswith("![properties by month](data:image/svg+xml;base64,")
    assert len(picture) < 40_000
    assert "| 2025-01 | 5 | 3 | 2 | 60.0 % |" in str(metadata["by_month"])


def test_a_wrong_list_changes_a_byte_of_the_master_bills_or_stops_a_run(listed: CompletionWorld) -> None:
    """Deleted, corrupted, emptied or multiplied: the periods run again, publish the same bytes, and stay green.

    Also long after their end, when missing bills are an ERROR: it is told in the same run, and holds nothing back.
    """
    listed.today = "2025-06-01"
    found = set()
    before = [listed.base.combined, *(listed.base.period_object(period) for period in (DECEMBER, JANUARY))]
    rows = [listed.table(f"resolved_line_items/{period}.parquet") for period in (DECEMBER, JANUARY)]
    wrong: list[Any] = [None, b"\xff{", b"[", [], [7, {}, *LIST], LIST * 40]
    for content, period in zip(wrong, (DECEMBER, JANUARY) * 3, strict=True):
        listed.delete() if content is None else listed.save(content)
        listed.read_accounts()
        result = listed.run(*PUBLISHING, period=period)
        assert result.success, content
        check = evaluation_of(result, CHECK)
        found.add((check.passed, check.severity))
        assert [listed.base.combined, *(listed.base.period_object(p) for p in (DECEMBER, JANUARY))] == before
        assert [listed.table(f"resolved_line_items/{p}.parquet") for p in (DECEMBER, JANUARY)] == rows
    assert (False, ERROR) in found


def test_bad_items_drop_the_good_ones(world: CompletionWorld) -> None:
    """All bad items are named at once, as STYLE.md writes it, and the good ones are used."""
    world.save([account(100), 7, account(101), {"propertyId": "P1"}])
    result = world.read_accounts()
    assert result.success
    check = evaluation_of(result, "every_listed_account_can_be_read")
    assert (check.passed, check.severity) == (False, WARN)
    assert check.description == (
        "2 of 4 accounts to track can't be read\n"
        f"  where:  s3://{world.settings.bucket}/{world.settings.accounts_key}, items 1 and 3\n"
        "  found:  no JSON object: item 1\n"
        "          no account number: item 3\n"
        "  rule:   an account without its number can't be matched, and would look complete when it isn't\n"
        "  remedy: correct them on the CONFIG page; the next materialization picks them up"
    )
    assert text_of(check, "unreadable").splitlines()[2:] == ["| 1 | no JSON object |", "| 3 | no account number |"]
    assert len(world.table("accounts_to_track.parquet")) == 2


def test_the_cache_stands_in_silently(world: CompletionWorld) -> None:
    """Without a list in S3 the cache is read, and the WARN says so, with its age."""
    world.make_cache(json.dumps(LIST), UpdatedAt="2020-01-01T00:00:00Z")
    result = world.read_accounts()
    assert result.success
    check = evaluation_of(result, "accounts_are_read_from_s3")
    assert (check.passed, check.severity) == (False, WARN)
    assert "THE ACCOUNTS TO TRACK COME FROM THE CACHE, which is 2," in (check.description or "")
    assert "(of 2020-01-01T00:00:00Z)" in (check.description or "")
    assert len(world.table("accounts_to_track.parquet")) == len(LIST)
    assert not evaluation_of(result, "accounts_cache_equals_the_list").passed


def test_no_list_at_all_is_an_empty_one(world: CompletionWorld) -> None:
    """Neither in S3 nor in the cache: a Failure that says what to do."""
    letter = letter_of(world.read_accounts())
    assert letter.startswith("there is no list of accounts to track, neither in S3 nor in its cache")
    assert "remedy: save the list on the CONFIG page" in letter
    world.make_cache("{}")
    assert "cache: the accounts to track can't be read (a JSON object, not a list)" in letter_of(world.read_accounts())


def test_a_missing_cache_alarms_somebody(listed: CompletionWorld) -> None:
    """The cache is optional: without it the checks pass, and say that there is none; an equal one passes, too."""
    result = listed.read_accounts()
    for name in ("accounts_cache_fits_its_item", "accounts_cache_equals_the_list"):
        check = evaluation_of(result, name)
        assert check.passed
        assert "there is no cache" in (check.description or "")
    listed.make_cache(json.dumps(LIST))
    result = listed.read_accounts()
    assert evaluation_of(result, "accounts_cache_equals_the_list").passed
    assert evaluation_of(result, "accounts_cache_fits_its_item").passed


def test_a_cache_that_says_something_else_is_not_seen(listed: CompletionWorld) -> None:
    """Missing, extra and different accounts are named."""
    listed.make_cache(json.dumps([account(100, vendorName="Gas"), *LIST[2:], account(7)]))
    check = evaluation_of(listed.read_accounts(), "accounts_cache_equals_the_list")
    assert (check.passed, check.severity) == (False, WARN)
    assert [check.metadata[name].value for name in ("missing", "extra", "different")] == [1, 1, 1]
    assert text_of(check, "accounts").splitlines()[2:] == [
        "| P0 | A100 | different: vendor_name |",
        "| P1 | A101 | missing in the cache |",
        "| P3 | A7 | only in the cache |",
    ]


def test_an_unchanged_list_re_runs_something_or_a_changed_one_something_else(listed: CompletionWorld) -> None:
    """Other accounts request check and tracker of each resolved period, and the grid, once; nothing else ever is."""
    target = dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks()
    cursor = None

    def requested() -> dict[str, set[str | None]]:
        nonlocal cursor
        result = dg.evaluate_automation_conditions(
            listed.definitions, listed.base.instance, asset_selection=target, cursor=cursor
        )
        cursor = result.cursor
        keys = (TRACKER, GRID, EVERY_ACCOUNT_HAS_A_BILL, RESOLVED, dg.AssetKey(ACCOUNTS))
        found = {key.to_user_string(): _partitions(result, key) for key in keys}
        assert result.total_requested == sum(map(len, found.values()))
        return {name: partitions for name, partitions in found.items() if partitions}

    both = {DECEMBER, JANUARY}
    check = EVERY_ACCOUNT_HAS_A_BILL.to_user_string()
    everything = {"completion_tracker": both, "completion_grid": {None}, check: both}
    assert requested() == {}
    listed.save([*LIST, account(5)])
    assert listed.read_accounts().success
    assert requested() == everything
    assert requested() == {}
    # The same accounts, laid out otherwise: another ETag, the same content.
    listed.save(json.dumps([account(5), *LIST], indent=1).encode())
    assert listed.read_accounts().success
    assert requested() == {}
    assert listed.run(*PUBLISHING, period=JANUARY).success
    assert requested() == {}
    listed.base.change_amount(JANUARY, "7.77")
    assert listed.run(*PUBLISHING, period=JANUARY).success
    assert requested() == {"completion_tracker": {JANUARY}, "completion_grid": {None}}
    assert requested() == {}


def _partitions(result: dg.EvaluateAutomationConditionsResult, key: dg.AssetKey | dg.AssetCheckKey) -> set[str | None]:
    subsets = [found.true_subset for found in result.results if found.key == key]
    partitions: set[str | None] = set()
    for subset in subsets:
        if not subset.is_empty:
            partitions |= subset.expensively_compute_partition_keys() if subset.is_partitioned else {None}
    return partitions
