"""The sensor of the accounts list: looks again on a new ETag, acts on new content only."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from billing_assets.definitions import build_definitions
from billing_assets.settings import Settings
from billing_assets.stores.aws import AwsClients

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

    from billing_assets.local.stack import EmbeddedStack

_serial = itertools.count()
ONE = [{"accountNumber": "12345678", "is_ubi": True}]
TWO = [*ONE, {"accountNumber": "87654321"}]


class Listed:
    """A list of accounts that people save, and the sensor over it."""

    def __init__(self, s3: S3Client, storage: Path, instance: dg.DagsterInstance) -> None:
        bucket = f"accounts-{next(_serial)}"
        self.s3, self.instance = s3, instance
        self.settings = Settings.from_environment({"BILLING_BUCKET": bucket, "BILLING_STORAGE_URI": str(storage)})
        self.definitions = build_definitions(self.settings)
        self.cursor: str | None = None
        self.keys: set[str] = set()
        s3.create_bucket(Bucket=bucket)

    def save(self, text: str) -> None:
        """Save the list on the app's page."""
        self.s3.put_object(Bucket=self.settings.bucket, Key=self.settings.accounts_key, Body=text.encode())

    def tick(self) -> bool:
        """Whether a run is asked for, by a run key that Dagster doesn't know."""
        repository = self.definitions.get_repository_def()
        resources = {"accounts": (self.definitions.resources or {})["accounts"]}
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=repository, resources=resources
        )
        found = repository.get_sensor_def("changed_accounts").evaluate_tick(context)
        self.cursor = found.cursor
        new = {request.run_key or "" for request in found.run_requests or []} - self.keys
        self.keys |= new
        return bool(new)

    def run(self) -> bool:
        """Do what was asked for; whether it succeeded."""
        job = self.definitions.get_repository_def().get_job("accounts")
        return job.execute_in_process(instance=self.instance, raise_on_error=False).success


@pytest.fixture
def listed(stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listed]:
    """No list yet."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Listed(AwsClients().s3, tmp_path, instance)


def test_only_what_the_list_says_is_acted_on(listed: Listed) -> None:
    """Saved again with other blanks it is the same list; what it said before is news again."""
    assert not listed.tick()
    listed.save(json.dumps(ONE))
    assert listed.tick()
    assert listed.run()
    assert not listed.tick()
    listed.save(json.dumps(ONE, indent=2))
    assert not listed.tick()
    listed.save(json.dumps(TWO))
    assert listed.tick()
    listed.save(json.dumps(ONE))
    assert listed.tick()


def test_a_lost_cursor_repeats_nothing_that_was_read(listed: Listed) -> None:
    """The instance knows what the last run read."""
    listed.save(json.dumps(ONE))
    assert listed.tick()
    assert listed.run()
    listed.cursor = None
    assert not listed.tick()
    listed.save(json.dumps(TWO))
    listed.cursor = None
    assert listed.tick()


def test_a_list_that_cannot_be_read_is_run_once_so_that_somebody_is_told(listed: Listed) -> None:
    """The run fails with its letter, which the alert carries; each tick doesn't."""
    listed.save("not a list")
    assert listed.tick()
    assert not listed.run()
    assert not listed.tick()


def test_a_list_saved_during_a_run_is_read_after_it(listed: Listed) -> None:
    """Two runs at once could end in the wrong order."""
    listed.save(json.dumps(ONE))
    assert listed.tick()
    run = create_run_for_test(listed.instance, job_name="accounts", status=dg.DagsterRunStatus.STARTED)
    listed.save(json.dumps(TWO))
    assert not listed.tick()
    listed.instance.report_run_canceled(run)
    assert listed.tick()
