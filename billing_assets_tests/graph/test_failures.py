"""What a person sees when a store is missing or says no: one letter with a remedy, and nothing published."""

from __future__ import annotations

import dataclasses
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from billing_assets.definitions import build_definitions
from billing_assets_tests.faults.proxy import Fault, FaultProxy, Rule
from billing_assets_tests.graph.conftest import CHAIN

if TYPE_CHECKING:
    import dagster as dg

    from billing_assets.settings import Settings
    from billing_assets_tests.graph.conftest import World

PERIOD = "2026-01"


def _letter(result: dg.ExecuteInProcessResult) -> str:
    (event,) = result.get_step_failure_events()
    failure = event.step_failure_data.user_failure_data
    assert failure is not None, event.step_failure_data.error
    assert failure.description is not None
    return failure.description


def _with(world: World, **changes: Any) -> World:
    settings: Settings = dataclasses.replace(world.settings, **changes)
    return dataclasses.replace(world, settings=settings, definitions=build_definitions(settings))


def test_a_missing_table_is_named_with_its_setting(loaded: World) -> None:
    """The letter names the table and the variable that leads to it."""
    letter = _letter(_with(loaded, assignments_table="no-such-table").run(*CHAIN, partition=PERIOD))
    assert "no such table" in letter
    assert "no-such-table" in letter
    assert "BILLING_ASSIGNMENTS_TABLE" in letter


def test_a_missing_bucket_is_not_taken_for_missing_objects(loaded: World) -> None:
    """Every object of a bucket that doesn't exist would look gone; the run fails instead."""
    letter = _letter(_with(loaded, bucket="no-such-bucket").run(*CHAIN, partition=PERIOD))
    assert "no such bucket" in letter
    assert "BILLING_BUCKET" in letter


def test_a_wrong_endpoint_is_named(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: the letter names the variables that lead to the endpoint."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("billing_assets.defs.failures.MOST_RETRIES", 0)
    letter = _letter(_with(loaded).run("ubi_assignments", partition=PERIOD))
    assert "can't be reached" in letter
    assert "AWS_ENDPOINT_URL" in letter


def test_too_much_that_cannot_be_billed_stops_the_period(loaded: World) -> None:
    """With no tolerance for unbilled rows nothing is published, also when the asset is run alone."""
    strict = _with(loaded, max_unbilled=type(loaded.settings.max_unbilled)("0.0001"), master_bills_prefix="strict/")
    assert not strict.run(*CHAIN, partition=PERIOD).success
    alone = strict.run("master_bills_json", partition=PERIOD)
    assert "can't be billed; nothing was published" in _letter(alone)
    with pytest.raises(ClientError):
        loaded.clients.s3.head_object(Bucket=loaded.settings.bucket, Key=f"strict/{PERIOD}.json")


def test_a_denied_object_lets_part_of_a_period_be_published(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object is refused: the letter names it, the assets below do not run, and nothing is published."""
    denied = next(fate.found_key for fate in loaded.sample.expected if fate.partition == PERIOD and fate.found_key)
    rule = Rule((Fault.DENIED,), when=lambda seen: seen.path.endswith(denied))
    with FaultProxy(os.environ["AWS_ENDPOINT_URL_S3"], [rule]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        result = _with(loaded, master_bills_prefix="denied/").run(*CHAIN, partition=PERIOD)
    letter = _letter(result)
    assert "AWS denies access" in letter
    assert denied in letter
    assert "listing the bucket is not allowed" in letter
    monkeypatch.undo()
    with pytest.raises(ClientError):
        loaded.clients.s3.head_object(Bucket=loaded.settings.bucket, Key=f"denied/{PERIOD}.json")
