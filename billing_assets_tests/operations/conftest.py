"""A deployment in small: deploy/dagster.yaml over PostgreSQL and S3, the processes of it, and a world to bill.

Where there is no PostgreSQL, the tests of lost processes run on the dagster.yaml of one machine. BILLING_ASSETS_FULL=1
runs them on both.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.domain.money import total
from billing_assets_tests.graph.publication_world import PublicationWorld
from billing_assets_tests.operations import postgres as pg
from billing_assets_tests.operations.gate import Gate
from billing_assets_tests.operations.house import PROJECT, House

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

FULL = os.environ.get("BILLING_ASSETS_FULL") == "1"
DEPLOYMENT, ONE_MACHINE = "deployment", "one machine"
_SHELL = ("PATH", "HOME", "LANG", "PYTHONPATH")


@dataclass
class Deployment:
    """The house, what it bills, and the gate before its DynamoDB."""

    house: House
    world: PublicationWorld
    gate: Gate
    kind: str
    secrets: tuple[str, ...]

    @property
    def logs_bucket(self) -> str:
        """Where the steps' output goes."""
        return self.house.environment["DAGSTER_LOGS_BUCKET"]

    def published_usd(self, period: str) -> Decimal | None:
        """What is published of a period; None if nothing is."""
        published = self.world.place.everything()
        if not any(name.endswith(f"/{period}.json") for name in published):
            return None
        return total(bill.utility_amount for bill in self.world.published(period).bills)


def kinds() -> list[object]:
    """The instances that the tests run on, each with why not."""
    reason = pg.why_not()
    deployment = pytest.param(DEPLOYMENT, marks=pytest.mark.skipif(bool(reason), reason=reason))
    return [deployment, ONE_MACHINE] if FULL or reason else [deployment]


@pytest.fixture(scope="module", params=kinds())
def deployment(
    request: pytest.FixtureRequest, stack_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Running; a pool has one slot."""
    folder = tmp_path_factory.mktemp("deployment")
    with deployed(request.param, folder, stack_environment, concurrency={"pools": {"default_limit": 1}}) as running:
        yield running


@contextlib.contextmanager
def deployed(
    kind: str,
    folder: Path,
    stack_environment: dict[str, str],
    variables: dict[str, str] | None = None,
    **changes: Any,
) -> Iterator[Deployment]:
    """A world and its house, over a `dagster.yaml` of the project's in which every daemon looks each second."""
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in stack_environment.items():
            patch.setenv(name, value)
        instance = stack.enter_context(dg.DagsterInstance.ephemeral())
        world = PublicationWorld.make(instance, folder / "storage", stack_environment)
        gate = stack.enter_context(Gate(stack_environment["AWS_ENDPOINT_URL"]))
        environment = {
            **{name: os.environ[name] for name in _SHELL if name in os.environ},
            **world.environment,
            "AWS_ENDPOINT_URL_DYNAMODB": gate.url,
            **(variables or {}),
            "SNOWFLAKE_DATABASE": f"DEPLOYMENT_{world.settings.bucket.rpartition('-')[2]}",
        }
        file = PROJECT / "dagster.yaml"
        if kind == DEPLOYMENT:
            file = PROJECT / "deploy" / "dagster.yaml"
            environment |= stack.enter_context(pg.postgres()) | {"DAGSTER_LOGS_BUCKET": _logs_bucket(world)}
            # The test opens the instance itself, and Dagster takes these from its own environment.
            for name, value in environment.items():
                if name.startswith("DAGSTER_"):
                    patch.setenv(name, value)
        daemons = {
            "run_queue": {"dequeue_interval_seconds": 1, "user_code_failure_retry_delay": 1},
            "run_monitoring": {"poll_interval_seconds": 1},
        }
        house = House.of(folder, file, environment, **{**daemons, **changes})
        secrets = (environment.get("DAGSTER_POSTGRES_PASSWORD", environment["AWS_SECRET_ACCESS_KEY"]),)
        yield Deployment(stack.enter_context(house), world, gate, kind, secrets)


def _logs_bucket(world: PublicationWorld) -> str:
    name = f"dagster-logs-{world.settings.bucket}"
    world.clients.s3.create_bucket(Bucket=name)
    return name
