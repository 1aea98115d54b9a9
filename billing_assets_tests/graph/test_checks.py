"""The asset checks in whole runs: each planted fault is told with its severity and figures, and passing data pass."""

from __future__ import annotations

import dataclasses
import itertools
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec
import pytest

from billing_assets.definitions import build_definitions
from billing_assets.defs.sources import ASSIGNMENTS_TABLE
from billing_assets.domain.resolved import ResolvedLineItem, resolve
from billing_assets.local.sample import Sample, load
from billing_assets.stores import parquet
from billing_assets_tests.graph.conftest import World, failures_of
from billing_assets_tests.unit.making import KEY, a_line, jsonl, v1, v2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from billing_assets.domain.resolution import ReadingFigures

JANUARY, FEBRUARY, MARCH = "2025-01", "2025-02", "2025-03"
OTHER_KEY = KEY.replace("bill_", "copy_")
NEWER = KEY.replace("101010", "111111")
_serial = itertools.count()
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


@pytest.fixture
def planted(loaded: World, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Gives a world of its own that holds these assignments and objects, and nothing else."""
    name = f"checks-{next(_serial)}"

    def plant(assignments: list[dict[str, Any]], objects: Mapping[str, bytes]) -> World:
        settings = dataclasses.replace(
            loaded.settings,
            bucket=name,
            assignments_table=f"{name}-assignments",
            archived_table=f"{name}-archived",
            config_table=f"{name}-config",
            storage_uri=str(tmp_path),
            first_period=type(loaded.settings.first_period)(2024, 1),
        )
        numbered = [{"assignment_id": f"a{n}", **assignment} for n, assignment in enumerate(assignments)]
        sample = Sample(numbered, [], dict(objects), [], json.dumps([]), [], [JANUARY])
        load(
            sample,
            s3=loaded.clients.s3,
            dynamodb=loaded.clients.dynamodb,
            bucket=settings.bucket,
            assignments_table=settings.assignments_table,
            assignments_index=settings.assignments_index,
            archived_table=settings.archived_table,
            config_table=settings.config_table,
            accounts_key=settings.accounts_key,
        )
        instance = dg.DagsterInstance.ephemeral()
        instances.append(instance)
        return World(settings, sample, loaded.clients, instance, build_definitions(settings))

    instances: list[dg.DagsterInstance] = []
    yield plant
    for instance in instances:
        instance.dispose()


def _assigned(line: Mapping[str, Any], period: str = "01/2025", key: str = KEY, /, **attributes: Any) -> dict[str, Any]:
    usual = {"line_hash": v2(line), "s3_key": key, "ubi_period": period, "amount": Decimal("10.00"), "months": 1}
    return {name: value for name, value in (usual | attributes).items() if value is not None}


def _checks(world: World, *partitions: str) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks of the last of the partitions, each run once in this order."""
    evaluations: dict[str, dg.AssetCheckEvaluation] = {}
    for partition in partitions:
        result = world.run("ubi_assignments", "resolved_line_items", partition=partition)
        assert result.success, failures_of(result)
        evaluations = {check.check_name: check for check in result.get_asset_check_evaluations()}
    return evaluations


def _whole_table(world: World) -> dict[str, dg.AssetCheckEvaluation]:
    job = world.definitions.resolve_implicit_global_asset_job_def()
    names = ("every_record_belongs_to_a_period", "whole_table_control_totals")
    keys = {dg.AssetCheckKey(ASSIGNMENTS_TABLE, name) for name in names}
    result = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(
        instance=world.instance, raise_on_error=False
    )
    assert result.success, failures_of(result)
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def _text(check: dg.AssetCheckEvaluation, name: str) -> str:
    return str(check.metadata[name].value)


def test_a_period_without_a_fault_alarms_somebody(planted: Callable[..., World]) -> None:
    """Two periods that share a line rightly pass every check, and the table passes as a whole."""
    split, whole = a_line({"Line Item Charge": "$10.01"}), a_line({"Account Number": "A-2"})
    records = [
        _assigned(split, amount=Decimal("5.01"), months=2),
        _assigned(split, "02/2025", amount=Decimal("5.00"), months=2, line_hash=v1(split)),
        _assigned(whole, line_index=1),
    ]
    world = planted(records, {KEY: jsonl(split, whole)})
    assert world.run("accounts_to_track").success
    checks = _checks(world, JANUARY, FEBRUARY)
    assert {name: check.passed for name, check in checks.items()} == dict.fromkeys(
        [
            *("every_assignment_has_a_row", "unbilled_share_is_small", "no_line_is_assigned_twice"),
            *("shares_add_up_to_their_charges", "no_own_amount_has_drifted_from_its_line"),
            *("no_invoice_is_parsed_twice", "every_expected_account_has_a_bill"),
        ],
        True,
    )
    assert checks["shares_add_up_to_their_charges"].metadata["stored_periods_compared"].value == 1
    assert all(check.passed for check in _whole_table(world).values())


def test_a_line_assigned_twice_is_told_without_the_other_record(planted: Callable[..., World]) -> None:
    """Winner and duplicate stand side by side, with who assigned them, both amounts, and what it would have cost."""
    line = a_line()
    records = [
        _assigned(line, assigned_by="ann", assigned_date="2025-01-02"),
        _assigned(line, assigned_by="bob", assigned_date="2025-01-01", amount=Decimal("9.50")),
    ]
    check = _checks(planted(records, {KEY: jsonl(line)}), JANUARY)["no_line_is_assigned_twice"]
    assert (check.passed, check.severity) == (False, WARN)
    assert _text(check, "would_have_over_billed_usd") == "9.50"
    assert check.metadata["amounts_differ"].value == 1
    row = _text(check, "side_by_side").splitlines()[-1]
    assert row == (
        f"| {v2(line)[:12]} | {KEY} | a0, 2025-01-02, ann | 10.00 | a1, 2025-01-01, bob | 9.50 | yes | 9.50 "
        f"| `billing-assets explain {v2(line)[:12]}` |"
    )


def test_shares_of_two_periods_exceed_the_charge_unseen(planted: Callable[..., World]) -> None:
    """A line billed whole in two periods is told in the second, though it was found under two keys and hashes."""
    line = {**a_line(), "Status": "Posted"}
    records = [_assigned(line, line_hash=v1(line)), _assigned(line, "02/2025", NEWER)]
    objects = {KEY: jsonl(line), NEWER: jsonl(a_line({"x": 1}), line)}
    checks = _checks(planted(records, objects), JANUARY, FEBRUARY)
    check = checks["shares_add_up_to_their_charges"]
    assert (check.passed, check.severity) == (False, WARN)
    assert (_text(check, "above_usd"), _text(check, "below_usd")) == ("10.00", "0.00")
    assert "2025-01 (of 1) 10.00; 2025-02 (of 1) 10.00" in _text(check, "worst")
    assert checks["no_invoice_is_parsed_twice"].passed


def test_a_line_is_finally_billed_for_less_than_its_charge_unseen(planted: Callable[..., World]) -> None:
    """Less than the charge is told when the last of the months is billed, and not before."""
    line = a_line({"Line Item Charge": "9.00"})
    periods = ["01/2025", "02/2025", "03/2025"]
    world = planted([_assigned(line, period, amount=Decimal(2), months=3) for period in periods], {KEY: jsonl(line)})
    assert _checks(world, JANUARY, FEBRUARY)["shares_add_up_to_their_charges"].passed
    check = _checks(world, MARCH)["shares_add_up_to_their_charges"]
    assert (check.passed, check.severity) == (False, WARN)
    assert _text(check, "below_usd") == "3.00"


def test_an_override_after_the_assignment_is_not_told(planted: Callable[..., World]) -> None:
    """The record's own amount is that of the line before somebody overrode it."""
    line = a_line({"Current Amount": "12.00", "Amount Overridden": True, "Amount Override Reason": "late fee"})
    check = _checks(planted([_assigned(line)], {KEY: jsonl(line)}), JANUARY)["no_own_amount_has_drifted_from_its_line"]
    assert (check.passed, check.severity) == (False, WARN)
    assert _text(check, "difference_usd") == "-2.00"
    assert "| 10 | 12.00 | -2.00 | late fee |" in _text(check, "worst")


def test_an_invoice_parsed_twice_is_billed_twice_unseen(planted: Callable[..., World]) -> None:
    """The same account, dates, charge and utility in two families is told, though they are billed in two periods."""
    first, second = a_line({"parsed_at_utc": "1"}), a_line({"parsed_at_utc": "2"})
    records = [_assigned(first), _assigned(second, "02/2025", OTHER_KEY)]
    checks = _checks(planted(records, {KEY: jsonl(first), OTHER_KEY: jsonl(second)}), JANUARY, FEBRUARY)
    check = checks["no_invoice_is_parsed_twice"]
    assert (check.passed, check.severity) == (False, WARN)
    assert _text(check, "over_billed_usd") == "10.00"
    assert KEY in _text(check, "worst")
    assert OTHER_KEY in _text(check, "worst")
    assert checks["shares_add_up_to_their_charges"].passed


def test_a_stored_file_that_is_no_table_stops_a_period(planted: Callable[..., World]) -> None:
    """It is named and passed over; the other periods are compared."""
    line = a_line()
    world = planted([_assigned(line), _assigned(line, "02/2025")], {KEY: jsonl(line)})
    world.storage.write("resolved_line_items/2024-07.parquet", b"PAR1 of another make")
    check = _checks(world, JANUARY, FEBRUARY)["shares_add_up_to_their_charges"]
    assert not check.passed
    assert _text(check, "stored_files_not_readable") == "resolved_line_items/2024-07.parquet"


def test_a_record_of_no_period_is_not_seen(planted: Callable[..., World]) -> None:
    """Records of no partition are told with their texts, the reason and their number, and lose no control total."""
    line = a_line()
    periods: list[Any] = ["13/2025", "13/2025", "01/2019", None, "01/2025"]
    checks = _whole_table(planted([_assigned(line, period) for period in periods], {}))
    strays, totals = checks["every_record_belongs_to_a_period"], checks["whole_table_control_totals"]
    assert (strays.passed, strays.severity) == (False, WARN)
    assert strays.metadata["records"].value == 4
    assert _text(strays, "periods").splitlines()[2:] == [
        "| '13/2025' | no month or range of months, MM/YYYY | 2 |",
        "| '' | no period | 1 |",
        "| '01/2019' | outside the partitions | 1 |",
    ]
    assert (totals.passed, totals.severity) == (True, ERROR)
    figures = ("records_scanned", "records_in_partitions", "records_of_no_partition")
    assert [totals.metadata[name].value for name in figures] == [5, 1, 4]


def test_a_record_that_the_scan_loses_is_not_told(
    planted: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that is in no partition, and not listed either, is an ERROR."""
    world = planted([_assigned(a_line()), _assigned(a_line(), "13/2025")], {})
    monkeypatch.setattr("billing_assets.domain.assignments.TableReading.records_accounted_for", 1)
    check = _whole_table(world)["whole_table_control_totals"]
    assert (check.passed, check.severity) == (False, ERROR)


def _figures(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (materialization,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in materialization.metadata.items()}


def test_a_run_does_not_say_what_it_did(planted: Callable[..., World]) -> None:
    """Counts, dollars, reasons, what was read and how fast, and what rounding took: the figures of a small period."""
    stays, moved, gone = a_line({"id": 1}), a_line({"id": 2}), a_line({"id": 3})
    records = [
        _assigned(stays, amount=Decimal("3.335")),
        _assigned(moved, amount=Decimal("2.00")),
        _assigned(gone, "01/2025", OTHER_KEY, amount=None),
        _assigned(gone, "13/2025"),
    ]
    objects = {KEY: jsonl(stays, b"{"), NEWER: jsonl(moved)}
    result = planted(records, objects).run("ubi_assignments", "resolved_line_items", partition=JANUARY)
    read, resolved = (_figures(result, asset) for asset in ("ubi_assignments", "resolved_line_items"))
    expected_of_reading = {
        "dagster/partition_row_count": 3,
        "own_amounts_usd": "5.335",
        "amounts_absent": 1,
        "unusable_records": 0,
        "distinct_objects": 2,
        "read_by": "scan",
        "read_retries": 0,
        "read_capacity_units_per_second_at_most": 0,
        "table_records": 4,
        "table_records_of_no_partition": 1,
    }
    assert {name: read[name] for name in expected_of_reading} == expected_of_reading
    assert min(read["read_pages"], read["read_capacity_units"]) > 0
    expected = {
        "dagster/partition_row_count": 3,
        "rows_billable": 2,
        "rows_unresolved": 1,
        "rows_duplicate": 0,
        "billable_usd": "5.34",
        "rounding_difference_usd": "-0.005",
        "relocated": 1,
        "families_listed": 2,
        "objects_read": 2,
        "bytes_read": sum(map(len, objects.values())),
        "lines_read": 3,
        "lines_passed_over": 1,
        # The missing object is asked for a second time, by boto3, which knows why.
        "s3_requests": 4,
        "s3_retries": 0,
        "s3_slow_downs": 0,
    }
    assert {name: resolved[name] for name in expected} == expected
    assert "| billable | 2 | 5.34 |" in str(resolved["by_status"])
    assert "| unresolved | object_missing | 1 |" in str(resolved["by_reason"])
    for name in ("s3_gets_per_second", "objects_per_second", "seconds", "seconds_waiting_for_objects"):
        assert float(resolved[name]) > 0, name


@pytest.mark.parametrize("lost", ["a row", "a cent"])
def test_what_resolving_loses_is_published(
    planted: Callable[..., World], monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Control totals that differ are an ERROR that stops the period before its master bills."""

    def losing(*arguments: Any) -> tuple[list[ResolvedLineItem], ReadingFigures]:
        rows, figures = resolve(*arguments)
        first = msgspec.structs.replace(rows[0], assigned_usd=Decimal("9.99"))
        return (rows[1:] if lost == "a row" else [first, *rows[1:]]), figures

    # No data can make it so.
    monkeypatch.setattr("billing_assets.defs.assets.resolved_line_items.resolve", losing)
    first, second = a_line(), a_line({"id": 2})
    world = planted([_assigned(first), _assigned(second)], {KEY: jsonl(first, second)})
    result = world.run("ubi_assignments", "resolved_line_items", "master_bills_json", partition=JANUARY)
    (check,) = (c for c in result.get_asset_check_evaluations() if c.check_name == "every_assignment_has_a_row")
    assert (check.passed, check.severity, check.blocking) == (False, ERROR, True)
    assert check.metadata["records_read"].value == 2
    assert not result.success
    assert not result.asset_materializations_for_node("master_bills_json")
    listed = world.clients.s3.list_objects_v2(Bucket=world.settings.bucket, Prefix=world.settings.master_bills_prefix)
    assert listed["KeyCount"] == 0


def test_a_lost_line_is_not_explained(planted: Callable[..., World]) -> None:
    """The row of a line that isn't found names the field that the line at its hint has gained."""
    line = a_line()
    world = planted([_assigned(line, line_index=0)], {KEY: jsonl({**line, "Late Fee": "1"})})
    result = world.run("ubi_assignments", "resolved_line_items", partition=JANUARY)
    (check,) = (c for c in result.get_asset_check_evaluations() if c.check_name == "unbilled_share_is_small")
    assert (check.passed, check.severity) == (False, ERROR)
    content = world.storage.read(f"resolved_line_items/{JANUARY}.parquet")
    assert content is not None
    assert "it has gained 'Late Fee' since" in parquet.decode_resolved(content).rows[0].detail
    (materialization,) = result.asset_materializations_for_node("resolved_line_items")
    seconds = ("seconds_waiting_for_objects", "seconds_hashing", "seconds_listing_families")
    assert all(float(str(materialization.metadata[name].value)) >= 0 for name in seconds)
    assert int(str(materialization.metadata["s3_gets_per_second"].value)) > 0
