"""Deaths between any two calls to S3, and many writers at once: nothing is lost, halved or doubled."""

from __future__ import annotations

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from billing_assets.domain.restatement import Verdict
from billing_assets.stores.publication import (
    MasterBillLocation,
    close_period,
    combined_differs,
    read_closed,
    read_published,
    reopen_period,
    republish,
)
from billing_assets_tests.stores.published import (
    JANUARY,
    MINUTE,
    NOON,
    QUICK,
    FaultyClient,
    KilledError,
    Place,
    s3_client,
)
from billing_assets_tests.unit.made_bills import bill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from types_boto3_s3 import S3Client

    from billing_assets.domain.master_bills import MasterBill

BUCKET = "publication-faults"
FOLDERS = itertools.count()
OLD = [bill(f"P{number}", "10.00") for number in range(5)]
NEW = [*OLD[:4], bill("P4", "10.10"), bill("P5", "1.00")]
_REST_SECONDS = 0.02
OTHER = {"note": "of the app", "amount": 12.5}


@pytest.fixture(scope="module")
def s3(stack_environment: dict[str, str]) -> Iterator[S3Client]:
    """A client and its bucket, shared by the module."""
    with s3_client(stack_environment) as client:
        client.create_bucket(Bucket=BUCKET)
        yield client


def new_place(s3: S3Client) -> Place:
    """A folder that nobody used."""
    folder = f"test-{next(FOLDERS)}"
    return Place(s3, MasterBillLocation(BUCKET, f"{folder}/latest.json", f"{folder}/master-bills/"))


def begun(s3: S3Client) -> Place:
    """A place where the old bills are published beside an entry of the app."""
    place = new_place(s3)
    place.run(*OLD)
    place.edit(lambda entries: entries.append(OTHER))
    return place


def closed(s3: S3Client) -> Place:
    """The same, with one bill sent and the month closed."""
    place = begun(s3)
    place.set_status("sent", of="P4")
    close_period(s3, place.location, JANUARY, closed_by="ann", now=NOON)
    return place


def every_death(
    arrange: Callable[[S3Client], Place], act: Callable[[Place, S3Client], object], s3: S3Client, where: str
) -> Iterator[Place]:
    """Run something in ever new places, killed before (or after) its first call to S3, its second and so on.

    Yields the place after every death, so that the caller looks at what is left; ends when it survives.
    """
    for number in itertools.count(1):
        place = arrange(s3)
        faulty = FaultyClient(s3, before=number) if where == "before" else FaultyClient(s3, after=number)
        try:
            act(place, faulty.client)
        except KilledError:
            yield place
        else:
            return


def published_bills(place: Place) -> list[MasterBill]:
    """The period's object."""
    published = read_published(place.s3, place.location, JANUARY)
    return [] if published is None else list(published.bills)


def amounts(bills: list[MasterBill]) -> dict[str, str]:
    """What each property is billed."""
    return {made.property_id: str(made.utility_amount) for made in bills}


def listed_amounts(place: Place) -> dict[str, str]:
    """The same from the combined list."""
    return {entry["property_id"]: f"{entry['utility_amount']:.2f}" for entry in place.listed() if entry != OTHER}


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_run_that_dies_anywhere_is_healed_by_the_next(s3: S3Client, where: str) -> None:
    """Both objects are whole, old or new, and the next run does what is left; nothing else is left behind."""
    deaths = 0
    for place in every_death(begun, lambda place, client: place.run(*NEW, s3=client), s3, where):
        deaths += 1
        assert amounts(published_bills(place)) in (amounts(OLD), amounts(NEW))
        assert listed_amounts(place) in (amounts(OLD), amounts(NEW))
        place.run(*NEW)
        assert listed_amounts(place) == amounts(published_bills(place)) == amounts(NEW)
        assert place.listed()[-1] == OTHER
        assert place.everything().keys() == {"latest.json", "master-bills/2025-01.json"}
    assert deaths == 7


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_first_run_that_dies_anywhere_is_healed_by_the_next(s3: S3Client, where: str) -> None:
    """The very first publication of a bucket is no special case."""
    for place in every_death(new_place, lambda place, client: place.run(*NEW, s3=client), s3, where):
        place.run(*NEW)
        assert listed_amounts(place) == amounts(published_bills(place)) == amounts(NEW)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_restatement_that_dies_anywhere_is_whole_after_a_plain_run(s3: S3Client, where: str) -> None:
    """A restatement holds entirely or not at all, though the next run has no reason of its own."""
    seen = set()
    for place in every_death(closed, lambda place, client: place.run(*NEW, s3=client, reason="agreed"), s3, where):
        report = place.run(*NEW)
        seen.add(report.verdict)
        agreed = report.verdict is Verdict.UNCHANGED
        assert report.verdict is (Verdict.UNCHANGED if agreed else Verdict.PENDING)
        assert listed_amounts(place) == amounts(published_bills(place)) == amounts(NEW if agreed else OLD)
        statuses = {entry["status"] for entry in place.listed() if entry.get("property_id") == "P4"}
        assert statuses == {"draft" if agreed else "sent"}
        published = read_published(s3, place.location, JANUARY)
        assert published is not None
        assert bool(published.restatement_key) == agreed
        if agreed:
            assert json.loads(place.content(published.restatement_key))["reason"] == "agreed"
    assert seen == {Verdict.UNCHANGED, Verdict.PENDING}


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_reopening_that_dies_anywhere_holds_or_not(s3: S3Client, where: str) -> None:
    """The month is closed or open, never neither, and trying again leaves one record aside."""

    def reopen(place: Place, client: S3Client) -> None:
        reopen_period(client, place.location, JANUARY, reason="r", reopened_by="bob", now=NOON + MINUTE, patience=QUICK)

    for place in every_death(closed, reopen, s3, where):
        if read_closed(s3, place.location, JANUARY) is not None:
            reopen(place, s3)
        assert read_closed(s3, place.location, JANUARY) is None
        assert sum("/reopened/" in key for key in place.everything()) == 1


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_closing_that_dies_anywhere_holds_or_not(s3: S3Client, where: str) -> None:
    """The month is closed as it was published, or open."""

    def close(place: Place, client: S3Client) -> None:
        close_period(client, place.location, JANUARY, closed_by="ann", now=NOON, patience=QUICK)

    for place in every_death(begun, close, s3, where):
        close(place, s3)
        record = read_closed(s3, place.location, JANUARY)
        assert record is not None
        assert record.bills == len(OLD)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_healing_that_dies_anywhere_is_run_again(s3: S3Client, where: str) -> None:
    """Republishing may die as well."""

    def damaged(s3: S3Client) -> Place:
        place = begun(s3)
        place.edit(lambda entries: entries.remove(entries[0]))
        return place

    for place in every_death(damaged, lambda place, client: republish(client, place.location, JANUARY), s3, where):
        republish(s3, place.location, JANUARY)
        assert combined_differs(s3, place.location).agrees


class App:
    """A person at the Bill Review app, who works on until told to stop; every edit goes into a ledger."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stop = threading.Event()
        self.ledger: dict[str, dict[str, Any]] = {}
        self.edits = 0

    def work(self) -> None:
        """Add, edit and remove entries of its own in turn."""
        while not self._stop.is_set():
            name = f"app-{self.edits % 7}"
            remove = self.edits % 3 == 2 and name in self.ledger
            entry = {"id": name, "utility_amount": self.edits / 10, "billback_month_start": "01/01/2025"}

            def change(
                entries: list[Any], name: str = name, remove: bool = remove, entry: dict[str, Any] = entry
            ) -> None:
                entries[:] = [known for known in entries if known.get("id") != name]
                if not remove:
                    entries.insert(len(entries) // 2, entry)

            self._place.edit(change)
            self.edits += 1
            if remove:
                del self.ledger[name]
            else:
                self.ledger[name] = entry
            # A person rests; without it each run loses most of its races.
            self._stop.wait(_REST_SECONDS)

    def stop(self) -> None:
        """Let the last edit finish."""
        self._stop.set()


def test_many_runs_and_the_app_at_once_lose_nothing(s3: S3Client) -> None:
    """Six periods, four times over, beside a writing app: none missing, doubled or stale, no edit lost."""
    place = new_place(s3)
    periods = [f"2025-{month:02}" for month in range(1, 7)]

    def bills(period: str, count: int) -> list[MasterBill]:
        return [bill("P1", period=period), *(bill(f"Q{number}", f"{count}.10", period=period) for number in range(5))]

    place.put(place.location.combined_key, "[]")
    app = App(place)
    with ThreadPoolExecutor(max_workers=len(periods) + 1) as pool:
        working = pool.submit(app.work)
        try:
            for count in range(1, 5):
                list(pool.map(lambda period, count=count: place.run(*bills(period, count), period=period), periods))
                if count == 1:
                    place.set_status("sent")
        finally:
            app.stop()
        working.result()
    assert app.edits > 4
    assert combined_differs(s3, place.location).agrees
    entries = place.listed()
    assert {entry["id"]: entry for entry in entries if "id" in entry} == app.ledger
    ours = [entry for entry in entries if "id" not in entry]
    assert len(ours) == len({entry["master_bill_id"] for entry in ours}) == 6 * len(periods)
    assert {entry["utility_amount"] for entry in ours if entry["property_id"] != "P1"} == {4.1}
    assert {entry["status"] for entry in ours if entry["property_id"] == "P1"} == {"sent"}


def test_runs_of_one_period_at_once_leave_one_of_them_whole(s3: S3Client) -> None:
    """Eight runs of one month end in the bills of the one that read last, in both objects."""
    place = new_place(s3)
    with ThreadPoolExecutor(max_workers=8) as pool:
        reports = list(
            pool.map(lambda minute: place.run(bill("P1", f"{minute}.00"), minutes=minute, reason="test"), range(1, 9))
        )
    assert {report.verdict for report in reports} <= {Verdict.PUBLISH, Verdict.STALE}
    assert amounts(published_bills(place)) == listed_amounts(place) == {"P1": "8.00"}
