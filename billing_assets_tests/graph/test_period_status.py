"""The page of all periods: right figures, cells that say why they are blank, a broken store that harms no other."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dagster._core.test_utils import create_run_for_test

from billing_assets.definitions import build_definitions
from billing_assets.defs.completion_automation import EVERY_ACCOUNT_HAS_A_BILL
from billing_assets.domain.money import plain, total
from billing_assets.domain.period_status import COLUMNS
from billing_assets.settings import Settings
from billing_assets_tests.graph.publication_world import DECEMBER, JANUARY, QUIET, PublicationWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Cells = dict[str, dict[str, str]]


@pytest.fixture
def world(
    stack_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PublicationWorld]:
    """December and January published."""
    for name, value in stack_environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        world = PublicationWorld.make(instance, tmp_path, stack_environment)
        for period in (DECEMBER, JANUARY):
            assert world.run(period=period).success
        yield world


def _page(world: PublicationWorld, **variables: str) -> tuple[Cells, dict[str, Any]]:
    """The cells by period and column, and all metadata. Snowflake is not configured, if not told otherwise."""
    own = {name: value for name, value in world.environment.items() if not name.startswith("SNOWFLAKE_")}
    definitions = build_definitions(Settings.from_environment({**own, **variables}))
    job = definitions.resolve_job_def("refresh_period_status")
    result = job.execute_in_process(instance=world.instance, run_config=QUIET)
    (materialization,) = result.asset_materializations_for_node("period_status")
    metadata = {name: value.value for name, value in materialization.metadata.items()}
    _, _, *lines = str(metadata["periods"]).splitlines()
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    return {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows}, metadata


def test_the_page_shows_another_state_than_the_stores(world: PublicationWorld) -> None:
    """Bills and dollars are the published ones; a closed, pending and stale period says so; the newest comes first."""
    assert world.launch("close_period", "close", period=JANUARY, closed_by="ann").success
    world.change_amount(JANUARY, "1.00")
    assert world.run(period=JANUARY).success
    world.change_amount(DECEMBER, "2.00")
    assert world.run("ubi_assignments", "resolved_line_items", period=DECEMBER).success
    cells, metadata = _page(world)
    assert list(cells) == [JANUARY, DECEMBER]
    bills = world.published(DECEMBER).bills
    assert cells[DECEMBER]["generated"] == f"{len(bills)} bills, ${plain(total(b.utility_amount for b in bills))}"
    assert cells[DECEMBER]["stale"].startswith("its rows are other ones than the published")
    assert cells[JANUARY]["stale"] == "no"
    assert (cells[DECEMBER]["closed"], cells[DECEMBER]["restate"]) == ("open", "none")
    assert cells[JANUARY]["closed"].endswith("by ann")
    assert cells[JANUARY]["restate"].startswith("a restatement is pending")
    assert cells[JANUARY]["last run"].startswith("success, ")
    assert cells[JANUARY]["exported"] == "not known: Snowflake is not configured"
    assert cells[JANUARY]["complete"] == "not computed"
    assert metadata["cells_wrong"] == 0


def test_one_broken_store_loses_the_page(world: PublicationWorld) -> None:
    """A damaged period, an edited one, a wrong Snowflake and a foreign file cost their own cells only."""
    world.place.put(world.location.period_key(DECEMBER), b'[{"master_bill_id": "P')
    world.place.put(world.location.period_key(JANUARY), b"[]")
    world.storage_file("completion_tracker.parquet").write_bytes(b"no table")
    wrong = {"SNOWFLAKE_ACCOUNT": "a", "SNOWFLAKE_DATABASE": "D", "SNOWFLAKE_SCHEMA": "not a name; DROP"}
    cells, _ = _page(world, **wrong)
    assert cells[DECEMBER]["generated"].startswith("not known: a JSON list can't be read")
    assert cells[JANUARY]["generated"] == "0 bills, $0.00, but the object was written by somebody else"
    assert cells[JANUARY]["exported"].startswith("not known: ")
    assert cells[JANUARY]["complete"] == "not known: completion_tracker can't be read"
    assert cells[JANUARY]["last run"].startswith("success, ")


def test_a_period_is_shown_as_complete_that_is_not(world: PublicationWorld) -> None:
    """Excluded accounts count as assigned; percent are rounded down, and stand in the picture, too."""
    table = pa.table({"ubi_period": [JANUARY] * 3, "state": ["assigned", "excluded_only", "missing"]})
    pq.write_table(table, world.storage_file(f"completion_tracker/{JANUARY}.parquet"))
    cells, metadata = _page(world)
    assert cells[JANUARY]["complete"] == "66 % (2 of 3 accounts)"
    assert cells[DECEMBER]["complete"] == "not computed"
    drawn = base64.b64decode(str(metadata["picture"]).partition("base64,")[2].rstrip(")"))
    assert len(drawn) < 16_000
    texts = [element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")]  # noqa: S314  # our own
    assert {*COLUMNS, JANUARY, DECEMBER, "66%"} <= set(texts)


def test_a_failed_run_is_hidden_by_a_later_one_that_bills_nothing(world: PublicationWorld) -> None:
    """A failed range of exports shows at each of its periods, whatever checks or completion follow it."""
    first, last = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    tracker, export = dg.AssetKey("completion_tracker"), dg.AssetKey("snowflake_master_bills")
    failed, done = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
    of_january = {"dagster/partition": JANUARY}

    def ran(status: dg.DagsterRunStatus, tags: dict[str, str], **selected: Any) -> None:
        create_run_for_test(world.instance, job_name="__ASSET_JOB", status=status, tags=tags, **selected)

    ran(failed, {first: DECEMBER, last: JANUARY}, asset_selection=frozenset({export}))
    ran(done, of_january, asset_selection=frozenset({tracker}))
    ran(done, of_january, asset_check_selection=frozenset({EVERY_ACCOUNT_HAS_A_BILL}))
    ran(done, {first: "2024-12-01", last: "of another code location"})
    cells, _ = _page(world)
    assert [cells[period]["last run"].partition(",")[0] for period in (DECEMBER, JANUARY)] == ["failure", "failure"]
    assert world.run(period=JANUARY).success
    cells, metadata = _page(world)
    assert [cells[period]["last run"].partition(",")[0] for period in (DECEMBER, JANUARY)] == ["failure", "success"]
    assert metadata["cells_wrong"] == 1


def test_bills_that_were_only_computed_look_published(world: PublicationWorld) -> None:
    """Until they are published; and a period whose computed bills are the published ones is not stale."""
    assert world.run(period=JANUARY, config={"publish": False}).success
    world.change_amount(DECEMBER, "2.00")
    assert world.run(period=DECEMBER, config={"publish": False}).success
    cells, _ = _page(world)
    assert cells[DECEMBER]["stale"].startswith("its rows are other ones than the published")
    assert cells[JANUARY]["stale"] == "no"
    assert world.run(period=DECEMBER).success
    assert _page(world)[0][DECEMBER]["stale"] == "no"
