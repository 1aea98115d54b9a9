"""The sample inside a stack: loaded once, and recognised afterwards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.periods import Month
from billing_assets.local.sample import generate, load
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.dynamodb import table_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from billing_assets.settings import Settings

_MARKER = "sample.json"
PERIODS = 14


@dataclass(frozen=True, slots=True)
class SampleChoice:
    """Which sample; equal choices are equal to the byte."""

    scale: float
    last_period: str
    seed: int = 7

    @property
    def periods(self) -> list[str]:
        """Its partition keys, the last one last."""
        last = Month.from_key(self.last_period)
        return [last.plus(-distance).key for distance in reversed(range(PERIODS))]


def chosen_sample(state: Path, *, scale: float | None, last_period: str | None, this_month: str) -> SampleChoice:
    """The sample that was asked for, else the one already loaded, else the usual one that ends with this month.

    Raises:
        ConfigurationError: Another one was asked for than the stack holds.
    """
    loaded = loaded_sample(state)
    if loaded is None:
        return SampleChoice(1.0 if scale is None else scale, last_period or this_month)
    if scale not in {None, loaded.scale} or last_period not in {None, loaded.last_period}:
        raise ConfigurationError(
            "the embedded stack holds another sample than the one asked for",
            where=str(state),
            found=f"--scale {loaded.scale} --last-period {loaded.last_period}",
            remedy="`make clean` first, or leave the options out to work with what is there",
        )
    return loaded


def loaded_sample(state: Path) -> SampleChoice | None:
    """What was loaded into a stack, or None."""
    try:
        return SampleChoice(**json.loads((state / _MARKER).read_text())["sample"])
    except FileNotFoundError:
        return None


def ensure_sample(
    state: Path, choice: SampleChoice, settings: Settings, progress: Callable[[str, int, int], None]
) -> None:
    """Make the sample and load it, unless it is there already.

    DynamoDB's emulator keeps what it holds on a graceful stop only, so the number of its records is looked at.
    """
    clients = AwsClients()
    marker = state / _MARKER
    if loaded_sample(state) == choice:
        records = json.loads(marker.read_text())["assignments"]
        if table_size(clients.dynamodb, settings.assignments_table).records >= records:
            return
    sample = generate(last_period=choice.last_period, scale=choice.scale, seed=choice.seed)
    load(
        sample,
        s3=clients.s3,
        dynamodb=clients.dynamodb,
        bucket=settings.bucket,
        assignments_table=settings.assignments_table,
        assignments_index=settings.assignments_index,
        archived_table=settings.archived_table,
        config_table=settings.config_table,
        accounts_key=settings.accounts_key,
        progress=progress,
    )
    marker.write_text(json.dumps({"sample": asdict(choice), "assignments": len(sample.assignments)}))
