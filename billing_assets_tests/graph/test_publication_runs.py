"""Publication through Dagster: closed months stay closed, shrinking ones stop, and people's decisions are on record."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.defs.checks.published import (
    AMOUNTS_CHANGED_LITTLE,
    NO_BILL_IS_NEGATIVE_OR_ZERO,
    NO_RESTATEMENT_IS_PENDING,
    PUBLISHED_EQUALS_RESOLVED,
)
from billing_assets.domain.money import plain, total
from billing_assets.stores.publication import read_closed
from billing_assets_tests.graph.publication_world import (
    DECEMBER,
    JANUARY,
    PublicationWorld,
    check_of,
    letter_of,
    metadata_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGREED = {"restate": True, "reason": "agreed with finance on 3 March"}


@pytest.fixture
def world(
    stack_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PublicationWorld]:
    """Two periods, assigned and not yet run."""
    for name, value in stack_environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        yield PublicationWorld.make(instance, tmp_path, stack_environment)


@pytest.fixture
def published(world: PublicationWorld) -> PublicationWorld:
    """Both periods published, December first."""
    for period in (DECEMBER, JANUARY):
        assert world.run(period=period).success
    return world


@pytest.fixture
def closed(published: PublicationWorld) -> PublicationWorld:
    """January closed by the job."""
    assert published.launch("close_period", "close", period=JANUARY, closed_by="ann").success
    return published


def _observations(world: PublicationWorld, key: str | list[str]) -> list[dict[str, Any]]:
    records = world.instance.fetch_observations(dg.AssetKey(key), limit=10).records
    found = [record.asset_observation for record in records]
    return [{name: value.value for name, value in seen.metadata.items()} for seen in found if seen is not None]


def test_archiving_a_closed_month_empties_it(closed: PublicationWorld) -> None:
    """Nothing is published; the check warns with the amount, the bills, and that the lines are archived since."""
    before = closed.period_object(), closed.combined
    amount = total(bill.utility_amount for bill in closed.published().bills)
    moved = closed.archive(JANUARY)
    result = closed.run()
    assert result.success
    assert (closed.period_object(), closed.combined) == before
    pending = check_of(result, NO_RESTATEMENT_IS_PENDING)
    assert not pending.passed
    assert pending.severity is dg.AssetCheckSeverity.WARN
    assert pending.metadata["closed"].value is True
    assert pending.metadata["bills_that_wait"].value == 12
    assert pending.metadata["amount_before_usd"].value == plain(amount)
    assert pending.metadata["amount_after_usd"].value == "0.00"
    assert moved == 24
    assert pending.description is not None
    assert f"${plain(amount)} before, $0.00 after" in pending.description
    assert pending.description.count("of 2 lines gone, 2 archived since ($") == 12
    assert check_of(result, PUBLISHED_EQUALS_RESOLVED).description == "not compared: pending restatement"


def test_a_closed_month_changes_without_a_reason_on_record(closed: PublicationWorld) -> None:
    """With `restate` and a reason the archived month is emptied, and the record says why, by bill."""
    closed.archive(JANUARY)
    result = closed.run(config=AGREED)
    assert result.success
    assert closed.published().bills == ()
    record = json.loads(closed.place.content(metadata_of(result)["restatement_record"]))
    assert record["reason"] == AGREED["reason"]
    assert record["run_id"] == result.run_id
    assert record["period_closed"] is True
    assert {bill["change"] for bill in record["bills"]} == {"vanished"}
    assert check_of(result, NO_RESTATEMENT_IS_PENDING).passed
    assert closed.check_combined().passed


def test_archiving_an_open_month_empties_it(published: PublicationWorld) -> None:
    """The run fails at the shrink guard, with the difference; `restate` with a reason publishes it."""
    before = published.period_object(), published.combined
    published.archive(JANUARY, Decimal("0.5"))
    letter = letter_of(published.run())
    assert "publishing 2025-01 would take too much away; nothing was published" in letter
    assert "archived since ($" in letter
    assert "`restate: true` and a `reason`" in letter
    assert (published.period_object(), published.combined) == before
    result = published.run(config=AGREED)
    assert result.success
    assert len(published.published().bills) == 12 - metadata_of(result)["bills_vanished"]
    record = json.loads(published.place.content(metadata_of(result)["restatement_record"]))
    assert (record["reason"], record["period_closed"]) == (AGREED["reason"], False)


def test_a_restatement_goes_through_without_a_reason(closed: PublicationWorld) -> None:
    """A blank reason is refused before anything is written."""
    before = closed.period_object()
    closed.change_amount(JANUARY, "1.00")
    assert "a reason is missing" in letter_of(closed.run(config={"restate": True, "reason": " "}))
    assert closed.period_object() == before


def test_a_run_that_only_computes_writes_or_fails(published: PublicationWorld) -> None:
    """`publish: false` reports the difference, writes nothing, and its checks don't call that an error."""
    before = published.place.s3.list_objects_v2(Bucket=published.settings.bucket)["Contents"]
    published.archive(JANUARY)
    result = published.run(config={"publish": False})
    assert result.success
    assert published.place.s3.list_objects_v2(Bucket=published.settings.bucket)["Contents"] == before
    metadata = metadata_of(result)
    assert metadata["verdict"] == "computed only: would be refused by the shrink guard"
    assert metadata["bills_vanished"] == 12
    published.change_amount(DECEMBER, "7.77")
    result = published.run(period=DECEMBER, config={"publish": False})
    compared = check_of(result, PUBLISHED_EQUALS_RESOLVED)
    assert (compared.passed, compared.description) == (True, "not compared: only computed (`publish: false`)")


def test_running_twice_changes_a_byte(published: PublicationWorld) -> None:
    """Both objects are the same to the byte, and were not written again."""
    before = published.period_object(), published.combined
    result = published.run()
    assert (published.period_object(), published.combined) == before
    assert (metadata_of(result)["period_object_written"], metadata_of(result)["combined_list_written"]) == (
        False,
        False,
    )


def test_a_rewrite_of_the_source_objects_changes_a_bill(closed: PublicationWorld) -> None:
    """Every line is found under a newer timestamp and at another position; no content hash is another."""
    before = {bill.master_bill_id: bill.content_hash for bill in closed.published().bills}
    assert closed.rewrite_objects(lambda key: key.replace("T150300Z", "T180000Z")) == 24
    result = closed.run()
    assert metadata_of(result)["verdict"] == "unchanged"
    assert metadata_of(result)["bills_unchanged"] == len(before) == 12
    assert {bill.master_bill_id: bill.content_hash for bill in closed.published().bills} == before
    assert check_of(result, NO_RESTATEMENT_IS_PENDING).passed


def test_changes_are_not_shown_with_their_amounts(published: PublicationWorld) -> None:
    """The table has each changed bill before and after, and the chart a bar for each utility."""
    published.change_amount(JANUARY, "110.10")
    metadata = metadata_of(published.run())
    assert "| P3\\|CC\\|Water\\|01/2025\\|01/2025 | changed | 234.20 | 221.20 |" in metadata["changes"]
    chart = metadata["amounts_by_utility"]
    assert all(f"| {utility} | " in chart for utility in ("Water", "Gas", "Trash"))
    assert "█" in chart
    assert len(chart) < 2_000


def test_a_jump_against_the_previous_period_goes_unseen(published: PublicationWorld) -> None:
    """January's lines cost far more than December's: each property is named with both amounts."""
    jump = check_of(published.run(), AMOUNTS_CHANGED_LITTLE)
    assert (jump.passed, jump.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert jump.metadata["previous_period"].value == DECEMBER
    assert jump.metadata["properties_that_changed_much"].value == 4
    first = check_of(published.run(period=DECEMBER), AMOUNTS_CHANGED_LITTLE)
    assert (first.passed, first.description) == (True, "not compared: 2024-11 was never published")


def test_damage_to_the_previous_period_fails_a_run(published: PublicationWorld) -> None:
    """January is published and complete; what its neighbour's object lacks is said, and no failure."""
    published.place.put(published.location.period_key(DECEMBER), "not JSON")
    result = published.run()
    assert result.success
    description = check_of(result, AMOUNTS_CHANGED_LITTLE).description or ""
    assert description.startswith("not compared: 2024-12 can't be read")


def test_a_negative_bill_goes_unseen(published: PublicationWorld) -> None:
    """A credit that turns a bill negative is a warning with bill and amount."""
    published.change_amount(JANUARY, "-500")
    result = published.run(config=AGREED)
    check = check_of(result, NO_BILL_IS_NEGATIVE_OR_ZERO)
    assert (check.passed, check.severity, check.metadata["bills"].value) == (False, dg.AssetCheckSeverity.WARN, 1)
    assert str(check.metadata["amount_usd"].value).startswith("-")


def test_closing_is_not_in_the_history(closed: PublicationWorld) -> None:
    """The job's record stands in S3 and as an observation of the period; doing it again changes nothing."""
    record = read_closed(closed.clients.s3, closed.location, JANUARY)
    assert record is not None
    assert (record.closed_by, record.bills) == ("ann", 12)
    assert closed.launch("close_period", "close", period=JANUARY, closed_by="bob").success
    assert read_closed(closed.clients.s3, closed.location, JANUARY) == record
    seen = _observations(closed, "master_bills_json")
    assert [observed["closed_by"] for observed in seen] == ["ann", "ann"]
    assert seen[0]["amount_usd"] == plain(record.amount_usd)


def test_a_reopened_month_stays_closed(closed: PublicationWorld) -> None:
    """After the job runs publish again, and reason and name are in the history."""
    assert closed.launch(
        "reopen_period", "reopen", period=JANUARY, reason="meter was misread", reopened_by="bob"
    ).success
    closed.change_amount(JANUARY, "122.00")
    assert metadata_of(closed.run())["verdict"] == "published"
    (reopened, _) = _observations(closed, "master_bills_json")
    assert (reopened["decision"], reopened["reason"], reopened["reopened_by"]) == (
        "reopened",
        "meter was misread",
        "bob",
    )


def test_a_job_runs_with_what_the_launchpad_shows(world: PublicationWorld) -> None:
    """Nothing is closed by pressing the button: all that is not filled in is named at once, and nothing is guessed."""
    untouched = world.definitions.resolve_job_def("reopen_period").execute_in_process(
        instance=world.instance, raise_on_error=False
    )
    assert "not given: period, reason, reopened_by" in letter_of(untouched)
    assert "'2025-13' is not a month" in letter_of(
        world.launch("close_period", "close", period="2025-13", closed_by="ann")
    )
    never = letter_of(world.launch("close_period", "close", period=JANUARY, closed_by="ann"))
    assert "2025-01 was never published" in never
    assert "is not closed" in letter_of(
        world.launch("reopen_period", "reopen", period=JANUARY, reason="r", reopened_by="bob")
    )


def test_an_overwritten_period_is_not_found_or_not_healed(published: PublicationWorld) -> None:
    """An old tool drops, alters, doubles and invents bills: one check names them, one job heals them all."""
    clean = published.check_combined()
    assert clean.passed
    good = published.combined
    foreign = {"note": "of the app", "amount": 12.5}

    def overwrite(entries: list[Any]) -> None:
        january = [entry for entry in entries if entry["billback_month_start"] == "01/01/2025"]
        entries.remove(january[0])
        january[1]["utility_amount"] = 1.5
        entries.append(january[2])
        entries.append({**january[3], "master_bill_id": "P9|CC|Water|01/2025|01/2025", "property_id": "P9"})
        entries.append(foreign)

    published.place.edit(overwrite)
    found = published.check_combined()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.metadata["periods_that_differ"].value == 1
    assert found.metadata["bills_that_differ"].value == 4
    assert "2025-01: 1 missing, 1 altered, 1 extra, 1 twice" in (found.description or "")
    assert "`republish`" in (found.description or "")
    assert published.launch("republish", "heal").success
    healed = published.check_combined()
    assert healed.passed
    *ours, last = json.loads(published.combined)
    assert last == foreign
    assert ours == json.loads(good)
    (observed,) = _observations(published, ["bill_review", "master_bills_latest"])
    assert (observed["period"], observed["bills_added"], observed["bills_removed"]) == (JANUARY, 1, 1)


def test_a_healthy_list_is_rewritten_by_the_job(published: PublicationWorld) -> None:
    """With nothing to heal the job writes nothing, for all periods and for one."""
    before = published.combined
    assert published.launch("republish", "heal").success
    assert published.launch("republish", "heal", period=JANUARY).success
    assert published.combined == before
