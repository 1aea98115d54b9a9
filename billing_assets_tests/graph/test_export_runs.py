"""Whole runs of the export: a range is one run, a period that fails leaves the others, and nobody sees a secret."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from billing_assets.defs.resources import MasterBillsResource
from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.domain.errors import StoreUnavailableError
from billing_assets.stores.snowflake import TableTotals, table_totals
from billing_assets_tests.graph.exporting import EXPORT, ExportWorld, execute_in_snowflake, failure_letter, months

if TYPE_CHECKING:
    from collections.abc import Sequence

PERIODS = months("2024-01", 24)
FIRST, LAST, BROKEN = PERIODS[0], PERIODS[-1], "2024-07"
RANGE = ("--partition-range", f"{FIRST}...{LAST}")
_SECONDS = 600
"""A dozen statements a period, through an emulator that shares two cores with other tests."""
TWO_BILLS = TableTotals(
    bill_count=2, bills_total_usd=Decimal("12.05"), line_item_count=2, line_items_total_usd=Decimal("12.05")
)


def _in_snowflake(world: ExportWorld) -> dict[str, TableTotals]:
    snowflake = SnowflakeExportResource.from_variables(world.settings.variables_set).process_config_and_initialize()
    return table_totals(snowflake.connect, snowflake.target)


def _without(periods: Sequence[str], *left_out: str) -> list[str]:
    return [period for period in periods if period not in left_out]


def _log_of(world: ExportWorld) -> str:
    """Every message that the instance keeps of its runs."""
    with world.instance() as instance:
        return "\n".join(
            entry.message + entry.user_message for run in instance.get_runs() for entry in instance.all_logs(run.run_id)
        )


@pytest.mark.timeout(_SECONDS)
def test_a_range_of_24_periods_is_one_run_with_metadata_for_each(exporting: ExportWorld) -> None:
    """The documented command exports two years in one run; a second run finds each period held already."""
    exporting.publish(*PERIODS)
    done = exporting.cli(*RANGE)
    assert done.returncode == 0, done.stderr
    with exporting.instance() as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS]
    assert _in_snowflake(exporting) == dict.fromkeys(PERIODS, TWO_BILLS)
    exported = exporting.exported()
    assert sorted(exported) == PERIODS
    for metadata in exported.values():
        assert (metadata["dagster/partition_row_count"], metadata["amount_usd"]) == (2, "12.05")
        assert (metadata["bills_inserted"], metadata["held_already"]) == (2, False)
        assert len(metadata["content_sha256"]) == 64

    exporting.publish(BROKEN, amount="12.20")
    assert exporting.run(FIRST, LAST).success
    again = exporting.exported()
    assert {period for period, metadata in again.items() if not metadata["held_already"]} == {BROKEN}
    assert again[BROKEN]["bills_updated"] == 1


@pytest.mark.timeout(_SECONDS)
def test_a_damaged_object_leaves_the_other_23_exported_and_a_run_that_names_it(exporting: ExportWorld) -> None:
    """The run fails, its letter names the period and the remedy; all others are exported; mended, the period is too."""
    exporting.publish(*PERIODS)
    exporting.damage(BROKEN)
    done = exporting.cli(*RANGE)
    assert done.returncode != 0
    assert f"{BROKEN} was not exported: a JSON list can't be read" in done.stderr
    assert "1 of 24 periods were not exported; the others were" in done.stderr
    assert "bring back its last readable version" in done.stderr
    others = _without(PERIODS, BROKEN)
    assert sorted(exporting.exported()) == others
    assert sorted(_in_snowflake(exporting)) == others

    exporting.s3.delete_object(Bucket=exporting.settings.bucket, Key=exporting.place.location.period_key(BROKEN))
    exporting.publish(BROKEN)
    assert exporting.run(FIRST, LAST).success
    assert [period for period, metadata in exporting.exported().items() if not metadata["held_already"]] == [BROKEN]
    assert sorted(_in_snowflake(exporting)) == PERIODS


def test_a_period_that_snowflake_can_not_hold_is_rolled_back_and_named(exporting: ExportWorld) -> None:
    """An amount beyond NUMBER(18,2) fails its own period; the periods before and after it are committed and shown."""
    exporting.publish("2024-01", "2024-02", "2024-03")
    key = exporting.place.location.period_key("2024-02")
    exporting.place.put(key, exporting.place.content(key).replace(b"12.10", b"12345678901234567.10"))
    result = exporting.run("2024-01", "2024-03")
    assert not result.success
    letter = failure_letter(result)
    assert letter.startswith("1 of 3 periods were not exported; the others were\n")
    assert "2024-02 was not exported: its published bills can't be rows of Snowflake's tables" in letter
    assert sorted(exporting.exported()) == sorted(_in_snowflake(exporting)) == ["2024-01", "2024-03"]


def test_a_period_whose_statement_fails_keeps_what_it_held(exporting: ExportWorld) -> None:
    """Rows that somebody else put into a period make its totals differ: it is rolled back, the others are committed."""
    periods = ["2024-01", "2024-02", "2024-03"]
    exporting.publish(*periods)
    assert exporting.run(periods[0], periods[-1]).success
    execute_in_snowflake(
        exporting,
        "INSERT INTO MASTER_BILL_LINE_ITEMS SELECT * FROM MASTER_BILL_LINE_ITEMS WHERE UBI_PERIOD = '2024-02-01'",
    )
    before = _in_snowflake(exporting)["2024-02"]
    exporting.publish(*periods, amount="12.20")
    letter = failure_letter(exporting.run(periods[0], periods[-1]))
    assert "2024-02 was not exported: the tables would not hold what was published" in letter
    assert "export the period with force" in letter
    held = _in_snowflake(exporting)
    assert held["2024-02"] == before
    assert held["2024-01"].bills_total_usd == held["2024-03"].bills_total_usd == Decimal("12.15")
    assert exporting.run("2024-02", "2024-02", force=True, reason="rows of others").success
    assert _in_snowflake(exporting)["2024-02"].line_items_total_usd == Decimal("12.15")


def test_a_failure_that_may_pass_is_tried_again_and_tells_each_period_once(
    exporting: ExportWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second try finds the first one's periods held, and leaves what their events say of the change."""
    exporting.publish("2024-01", "2024-02")
    asked: list[str] = []

    def still_published(_: MasterBillsResource, period: str, content_sha256: str) -> bool:
        asked.append(period)
        if asked == ["2024-01", "2024-02"]:
            raise StoreUnavailableError("S3 is busy", remedy="wait")
        return bool(content_sha256)

    # The emulator can't fail once, between two statements of the second period.
    monkeypatch.setattr(MasterBillsResource, "still_published", still_published)
    monkeypatch.setattr("billing_assets.defs.failures.FIRST_WAIT_SECONDS", 0)
    assert exporting.run("2024-01", "2024-02").success
    assert asked == ["2024-01", "2024-02", "2024-02"]
    with exporting.instance() as instance:
        assert len(instance.fetch_materializations(EXPORT, limit=9).records) == 2
    assert {metadata["bills_inserted"] for metadata in exporting.exported().values()} == {2}


def test_a_period_that_was_never_published_is_skipped_and_not_shown_as_exported(exporting: ExportWorld) -> None:
    """It is named with its remedy; the run succeeds, and Dagster shows the two others only."""
    exporting.publish("2024-01", "2024-03")
    assert exporting.run("2024-01", "2024-03").success
    assert sorted(exporting.exported()) == ["2024-01", "2024-03"]
    assert "2024-02 was never published, so it is not exported: materialize master_bills_json" in _log_of(exporting)


def test_a_range_of_which_nothing_was_published_exports_nothing(exporting: ExportWorld) -> None:
    """No period is shown as exported, and no connection is needed to say so."""
    assert exporting.run("2024-01", "2024-02").success
    assert exporting.exported() == {}
