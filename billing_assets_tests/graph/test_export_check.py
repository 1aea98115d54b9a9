"""The check that Snowflake holds everything published and nothing else, and the remedy that it names."""

from __future__ import annotations

from decimal import Decimal

import dagster as dg

from billing_assets.defs.checks.exported import EXPORTED, SNOWFLAKE_PERIODS, remedy_of
from billing_assets.domain.exported_periods import ExportDifferences, ExportedRow, PeriodTotals, compare_exported
from billing_assets_tests.graph.exporting import ExportWorld, execute_in_snowflake, failure_letter, months

PERIODS = months("2024-11", 4)
FIRST, LAST = PERIODS[0], PERIODS[-1]
_ROW = ExportedRow("a", 1, 2, Decimal("1.10"))
_TOTALS = PeriodTotals(1, 2, Decimal("1.10"), Decimal("1.10"))


KEY = dg.AssetCheckKey(SNOWFLAKE_PERIODS, EXPORTED)


def _run(world: ExportWorld, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = world.definitions.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection={KEY})
    return job.execute_in_process(instance=instance, raise_on_error=False)


def _checked(world: ExportWorld) -> dg.AssetCheckEvaluation:
    with world.instance() as instance:
        result = _run(world, instance)
        assert result.success
        (evaluation,) = result.get_asset_check_evaluations()
        assert evaluation.partition is None
        # The planned row has ended: the UI shows no check that runs for ever.
        (record,) = instance.event_log_storage.get_asset_check_execution_history(KEY, limit=1)
        assert record.status.value in {"SUCCEEDED", "FAILED"}
    return evaluation


def _counts(evaluation: dg.AssetCheckEvaluation) -> dict[str, object]:
    return {
        name: evaluation.metadata[name].value
        for name in ("unsound", "orphaned", "missing", "stale")
        if evaluation.metadata[name].value
    }


def test_the_check_tells_missing_stale_orphaned_and_unsound_periods(exporting: ExportWorld) -> None:
    """Each kind is named with its periods and the command that mends it; mended, the check passes."""
    exporting.publish(*PERIODS)
    assert _counts(_checked(exporting)) == {"missing": 4}
    assert exporting.run(FIRST, LAST).success
    passed = _checked(exporting)
    assert passed.passed
    assert passed.metadata["periods_exported"].value == passed.metadata["periods_published"].value == 4

    stale, orphaned, unsound, _ = PERIODS
    exporting.publish(stale, "2025-03", amount="13.00")
    orphan_key = exporting.place.location.period_key(orphaned)
    orphan = exporting.place.content(orphan_key)
    exporting.s3.delete_object(Bucket=exporting.settings.bucket, Key=orphan_key)
    execute_in_snowflake(exporting, f"DELETE FROM MASTER_BILL_LINE_ITEMS WHERE UBI_PERIOD = '{unsound}-01'")  # noqa: S608  # a constant of ours
    failed = _checked(exporting)
    assert not failed.passed
    assert _counts(failed) == {"unsound": 1, "orphaned": 1, "missing": 1, "stale": 1}
    assert failed.description is not None
    assert f"1 stale: {stale}" in failed.description
    assert f"--partition-range {stale}...2025-03" in failed.description

    # Put back by hand, the object has no metadata of ours: it is read, and found equal.
    exporting.place.put(orphan_key, orphan)
    assert exporting.run(stale, "2025-03").success
    assert exporting.run(unsound, unsound, force=True).success
    assert _checked(exporting).passed


def test_an_object_that_somebody_wrote_by_hand_is_compared_by_what_it_holds(exporting: ExportWorld) -> None:
    """An edit without a run is stale, though no metadata says so."""
    exporting.publish(FIRST)
    assert exporting.run(FIRST, FIRST).success
    key = exporting.place.location.period_key(FIRST)
    exporting.place.put(key, exporting.place.content(key).replace(b'"draft"', b'"approved"'))
    assert _counts(_checked(exporting)) == {"stale": 1}


def test_a_check_that_can_not_look_says_why(exporting: ExportWorld) -> None:
    """Without its settings the check fails with the letter; it never passes unseen."""
    del exporting.environment["SNOWFLAKE_USER"]
    with exporting.instance() as instance:
        result = _run(exporting, instance)
    assert not result.success
    assert "not set: SNOWFLAKE_USER" in failure_letter(result)


def test_an_empty_period_that_was_exported_is_no_difference() -> None:
    """Its row says nothing, and the tables hold nothing."""
    empty = ExportedRow("a", 0, 0, Decimal(0))
    assert not compare_exported({"2025-01": "a"}, {"2025-01": empty}, {})


def test_every_period_is_of_one_kind_at_most() -> None:
    """Bills without a row are unsound where published, orphaned where not; a lock row alone is missing."""
    sides = {"2025-01": _TOTALS, "2025-02": _TOTALS}
    assert compare_exported({"2025-01": "a", "2025-03": "a"}, {}, sides) == ExportDifferences(
        unsound=("2025-01",), orphaned=("2025-02",), missing=("2025-03",)
    )
    assert compare_exported({"2025-01": "b"}, {"2025-01": _ROW}, {}).unsound == ("2025-01",)
    assert compare_exported({"2025-01": "b"}, {"2025-01": _ROW}, {"2025-01": _TOTALS}).stale == ("2025-01",)


def test_the_remedy_is_a_command() -> None:
    """The exact texts."""
    command = "dagster asset materialize -m billing_assets.definitions --select snowflake_master_bills"
    assert remedy_of(ExportDifferences(missing=("2025-02",), stale=("2024-12",))) == (
        f"Export what is missing or stale: {command} --partition-range 2024-12...2025-02"
    )
    assert remedy_of(ExportDifferences(unsound=("2025-01",))) == (
        f"Rows were changed by someone else: see who, then rewrite {command} --partition 2025-01 "
        """--config-json '{"ops": {"snowflake_master_bills": {"config": {"force": true}}}}'"""
    )


def test_a_period_whose_month_end_is_still_to_come_is_not_missing() -> None:
    """The daily check names the last period that is due; without it all are."""
    found = compare_exported({"2025-01": "a", "2025-02": "a", "2025-03": "b"}, {"2025-03": _ROW}, {"2025-03": _TOTALS})
    assert (found.missing, found.stale) == (("2025-01", "2025-02"), ("2025-03",))
    assert found.due_until("2025-01").missing == ("2025-01",)
    # One that was exported early must not be stale all the same.
    assert found.due_until("2025-01").stale == ("2025-03",)
    assert found.due_until("") == found
