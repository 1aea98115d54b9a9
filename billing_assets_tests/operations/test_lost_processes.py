"""Processes are killed as hosts kill them; runs are retried, slots come free, and the bills are right to the cent."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from billing_assets_tests.graph.publication_world import PUBLISHING
from billing_assets_tests.operations.conftest import DEPLOYMENT, FULL
from billing_assets_tests.operations.waiting import until

if TYPE_CHECKING:
    from billing_assets_tests.operations.conftest import Deployment

CHAIN = (*PUBLISHING, "snowflake_master_bills")
STARTED, QUEUED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
# Long enough for the retry, which has the same tag, on a busy machine.
_LONGEST_RUN_SECONDS = 15

pytestmark = pytest.mark.timeout(300)
long = pytest.mark.skipif(not FULL, reason="takes half a minute: BILLING_ASSETS_FULL=1 runs it")


@pytest.fixture
def held(deployment: Deployment) -> Deployment:
    """The gate is shut: whatever reads assignments waits there, in the middle of its first step."""
    deployment.gate.shut()
    return deployment


def _wait_for_the_gate(deployment: Deployment, run_id: str) -> None:
    deployment.house.wait(run_id, STARTED)
    until(lambda: deployment.gate.waiting, seconds=60, what=lambda: deployment.house.story(run_id))


def test_a_period_does_not_reach_snowflake_after_its_worker_was_killed(held: Deployment) -> None:
    """The run of a killed worker is launched again by itself, and goes from DynamoDB to Snowflake."""
    house = held.house
    expected = held.world.add_period("2025-02", 1000)
    run = house.launch(CHAIN, partition="2025-02")
    _wait_for_the_gate(held, run)
    os.kill(house.worker_of(run), signal.SIGKILL)
    house.wait(run, FAILURE)
    held.gate.open()
    retry = house.retry_of(run)
    house.wait(retry, SUCCESS, seconds=200)
    assert held.published_usd("2025-02") == expected
    (exported,) = house.instance.fetch_materializations(dg.AssetKey("snowflake_master_bills"), limit=5).records
    assert exported.partition_key == "2025-02"
    if held.kind == DEPLOYMENT:
        _assert_kept_in_postgres_and_s3(held, retry)


def _assert_kept_in_postgres_and_s3(deployment: Deployment, run_id: str) -> None:
    """Runs and events in the one, the step's output in the other, and no secret in either."""
    house, s3 = deployment.house, deployment.world.clients.s3
    assert type(house.instance.event_log_storage).__module__.startswith("dagster_postgres")
    listing = s3.list_objects_v2(Bucket=deployment.logs_bucket, Prefix=f"dagster/storage/{run_id}/")
    bodies = [
        s3.get_object(Bucket=deployment.logs_bucket, Key=entry["Key"])["Body"].read().decode()
        for entry in listing.get("Contents", ())
    ]
    assert bodies, house.story(run_id)
    kept = "\n".join([*bodies, *(str(entry) for entry in house.instance.all_logs(run_id)), house.story(run_id)])
    assert not [secret for secret in deployment.secrets if secret in kept]


@long
def test_our_own_mistakes_are_run_three_times(deployment: Deployment) -> None:
    """A failed step knows itself whether a retry can help: its run is not launched again."""
    house = deployment.house
    run = house.launch(["master_bills_json"], partition="2025-09")
    house.wait(run, FAILURE)

    def refused() -> bool:
        return any(
            "Not retrying run since it failed due to an asset" in entry.message
            for entry in house.instance.all_logs(run)
        )

    until(refused, seconds=60, what=lambda: house.story(run))
    assert not [other for other in house.instance.get_runs() if other.parent_run_id == run]


@long
def test_a_killed_daemon_loses_what_was_queued(held: Deployment) -> None:
    """The run in progress goes on without it, and the next daemon launches the queued one, once."""
    house = held.house
    expected = {"2025-04": held.world.add_period("2025-04", 3000), "2025-05": held.world.add_period("2025-05", 4000)}
    first = house.launch(PUBLISHING, partition="2025-04")
    _wait_for_the_gate(held, first)
    second = house.launch(PUBLISHING, partition="2025-05")
    house.kill("daemon")
    held.gate.open()
    house.wait(first, SUCCESS)
    assert house.status(second) is QUEUED
    house.start_daemon()
    house.wait(second, SUCCESS)
    assert {period: held.published_usd(period) for period in expected} == expected
    family = [run for run in house.instance.get_runs() if run.tags["dagster/partition"] in expected]
    assert {run.run_id for run in family} == {first, second}


@long
def test_a_worker_that_vanished_with_its_host_holds_its_slot_for_ever(held: Deployment) -> None:
    """After its maximum run time a run without a host fails, the one that waited for its slot runs, and so does it."""
    house = held.house
    expected = {"2025-06": held.world.add_period("2025-06", 5000), "2025-07": held.world.add_period("2025-07", 6000)}
    lost = house.launch(PUBLISHING, partition="2025-06", tags={"dagster/max_runtime": str(_LONGEST_RUN_SECONDS)})
    _wait_for_the_gate(held, lost)
    waiting = house.launch(PUBLISHING, partition="2025-07")
    house.kill("code-server")
    house.start_code_server()
    held.gate.open()
    # Nobody has told anybody: the run counts as running, and its pools have one slot.
    assert (house.status(lost), house.status(waiting)) == (STARTED, QUEUED)
    house.wait(lost, FAILURE)
    house.wait(waiting, SUCCESS)
    house.wait(house.retry_of(lost), SUCCESS)
    assert {period: held.published_usd(period) for period in expected} == expected
    freed, began = (house.instance.get_run_record_by_id(run) for run in (lost, waiting))
    assert freed is not None
    assert began is not None
    assert (began.start_time or 0.0) >= (freed.end_time or float("inf"))
