"""A small assignments table that people edit, and the periods that must be run for it: for the sensors' tests.

The story is told twice: by evaluating the sensor in this process, and on a live daemon.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from billing_assets.definitions import build_definitions
from billing_assets.domain.line_hash import line_hash
from billing_assets.settings import Settings
from billing_assets.stores.publication import MasterBillLocation, PublishedPeriod, read_published
from billing_assets_tests.stores.aws_data import PREFIX, bill_line, jsonl, make_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import dagster as dg

    from billing_assets.stores.aws import AwsClients

PERIODS = ("2025-01", "2025-02", "2025-03")
LINES = 6
_serial = itertools.count()
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class WatchedWorld:
    """A table with six lines in each of three periods, and whatever was done to it since.

    Attributes:
        environment: The variables that lead to it, for a process of its own.
        clients: Of the emulator.
    """

    environment: dict[str, str]
    clients: AwsClients
    instance: dg.DagsterInstance
    items: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = Settings.from_environment(self.environment)
        self.definitions = build_definitions(self.settings)
        self.repository = self.definitions.get_repository_def()

    @property
    def table(self) -> str:
        """Of the assignments."""
        return self.settings.assignments_table

    def name(self, period: str, number: int) -> str:
        """The key of the record of a line."""
        return line_hash(_line(period, number), "v1")

    def add(self, period: str, number: int, **changed: Any) -> None:
        """Assign a line, or write over its record."""
        item = {
            "line_hash": {"S": self.name(period, number)},
            "ubi_period": {"S": _app(period)},
            "s3_key": {"S": _key(period)},
            "line_index": {"N": str(number)},
            "amount": {"N": f"{number}.10"},
            "assigned_date": {"S": "2025-04-01T10:00:00"},
            **changed,
        }
        self.items[self.name(period, number)] = item
        self.clients.dynamodb.put_item(TableName=self.table, Item=item)

    def remove(self, period: str, number: int) -> None:
        """Delete the record of a line."""
        key = {"line_hash": {"S": self.name(period, number)}}
        self.clients.dynamodb.delete_item(TableName=self.table, Key=key)

    def published(self, period: str) -> PublishedPeriod | None:
        """What stands in S3 of a period."""
        settings = self.settings
        location = MasterBillLocation(settings.bucket, settings.master_bills_key, settings.master_bills_prefix)
        return read_published(self.clients.s3, location, period)

    def amounts(self, period: str) -> list[str]:
        """The published amounts of a period's lines."""
        published = self.published(period)
        assert published is not None
        return sorted(str(line.amount) for bill in published.bills for line in bill.source_line_items)

    def job(self, name: str) -> dg.JobDefinition:
        """One of the jobs, with its resources."""
        return self.repository.get_job(name)

    def run(self, request: dg.RunRequest, job: str = "master_bills_of_a_period") -> dg.ExecuteInProcessResult:
        """Do what the daemon does with a request, in this process."""
        return self.job(job).execute_in_process(
            partition_key=request.partition_key,
            run_config={**_QUIET, **request.run_config},
            tags=dict(request.tags) | {"dagster/run_key": request.run_key or ""},
            instance=self.instance,
            raise_on_error=False,
        )


def made_world(
    stack: Mapping[str, str], clients: AwsClients, storage: Path, instance: dg.DagsterInstance, **more: str
) -> WatchedWorld:
    """The world with every line assigned and nothing run yet."""
    number = next(_serial)
    table = make_table(clients.dynamodb)
    environment = {
        **stack,
        "BILLING_BUCKET": f"watched-{number}",
        "BILLING_ASSIGNMENTS_TABLE": table,
        "BILLING_ARCHIVED_TABLE": make_table(clients.dynamodb),
        "BILLING_STORAGE_URI": str(storage),
        "BILLING_MAX_SHRINK": "1",
        "SNOWFLAKE_DATABASE": f"WATCHED_{number}",
        **more,
    }
    world = WatchedWorld(environment, clients, instance)
    clients.s3.create_bucket(Bucket=world.settings.bucket)
    for period in PERIODS:
        body = jsonl(*(_line(period, number) for number in range(LINES)))
        clients.s3.put_object(Bucket=world.settings.bucket, Key=_key(period), Body=body)
        for number in range(1, LINES):
            world.add(period, number)
    accounts = json.dumps([{"accountNumber": "12345678", "is_ubi": True}])
    clients.s3.put_object(Bucket=world.settings.bucket, Key=world.settings.accounts_key, Body=accounts.encode())
    return world


@dataclass(frozen=True)
class Chapter:
    """One thing that people do to the table, and the periods that must be run for it: these and no other."""

    title: str
    change: Callable[[WatchedWorld], None]
    periods: tuple[str, ...]
    amounts: tuple[str, ...]
    """Of the lines that the first of them publishes afterwards."""


JANUARY, FEBRUARY, MARCH = PERIODS
_USUAL = ("1.10", "2.10", "3.10", "4.10", "5.10")
STORY = (
    Chapter("add", lambda world: world.add(JANUARY, 0, amount={"N": "0.50"}), (JANUARY,), ("0.50", *_USUAL)),
    Chapter("remove", lambda world: world.remove(JANUARY, 0), (JANUARY,), _USUAL),
    Chapter(
        "edit the amount under the same date",
        lambda world: world.add(FEBRUARY, 1, amount={"N": "1.15"}),
        (FEBRUARY,),
        ("1.15", *_USUAL[1:]),
    ),
    Chapter(
        "move to another period",
        lambda world: world.add(FEBRUARY, 2, ubi_period={"S": "03/2025"}),
        (FEBRUARY, MARCH),
        ("1.15", *_USUAL[2:]),
    ),
    Chapter("remove again", lambda world: world.remove(JANUARY, 5), (JANUARY,), _USUAL[:-1]),
    Chapter("restore", lambda world: world.add(JANUARY, 5), (JANUARY,), _USUAL),
    Chapter("write the same record again", lambda world: world.add(JANUARY, 5), (), ()),
)


def _line(period: str, number: int) -> dict[str, object]:
    return bill_line(int(period.replace("-", "")) * 100 + number, **{"Line Item Charge": f"{number}.10"})


def _key(period: str) -> str:
    return f"{PREFIX}bills_{period}_20251021T150300Z.jsonl"


def _app(period: str) -> str:
    year, month = period.split("-")
    return f"{month}/{year}"
