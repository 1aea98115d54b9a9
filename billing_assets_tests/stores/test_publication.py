"""Publication against the emulator: what is written, when nothing is, and what the letters say."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from billing_assets.domain.errors import (
    AccessDeniedError,
    ConfigurationError,
    PublicationRefusedError,
    StoreUnavailableError,
    UnreadableInputError,
)
from billing_assets.domain.restatement import Verdict
from billing_assets.stores.publication import (
    MasterBillLocation,
    Patience,
    close_period,
    combined_differs,
    published_periods,
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
    IntrudingClient,
    Place,
    refusal,
    s3_client,
)
from billing_assets_tests.unit.made_bills import bill, line, with_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from types_boto3_s3 import S3Client


BUCKET = "publication"
FOLDERS = itertools.count()
TEN = [bill(f"P{number}", "10.00") for number in range(10)]
PATIENT_BUT_UNHURRIED = Patience(seconds=30.0, sleep=lambda _: None)


@pytest.fixture(scope="module")
def s3(stack_environment: dict[str, str]) -> Iterator[S3Client]:
    """A client and its bucket, shared by the module."""
    with s3_client(stack_environment) as client:
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def place(s3: S3Client) -> Place:
    """A folder of the test's own."""
    folder = f"test-{next(FOLDERS)}"
    return Place(s3, MasterBillLocation(BUCKET, f"{folder}/latest.json", f"{folder}/master-bills/"))


def close(place: Place, s3: S3Client | None = None) -> None:
    """Close January."""
    close_period(s3 or place.s3, place.location, JANUARY, closed_by="ann", now=NOON, patience=QUICK)


def reopen(place: Place, s3: S3Client | None = None) -> None:
    """Reopen January."""
    reopen_period(
        s3 or place.s3,
        place.location,
        JANUARY,
        reason="meter swapped",
        reopened_by="bob",
        now=NOON + MINUTE,
        patience=QUICK,
    )


def test_a_period_is_published_whole(place: Place) -> None:
    """Both objects hold the bills exactly, in order, and the period's object says who read what when."""
    report = place.run(bill("P2", "2.10"), bill("P1", "1.20", months=2))
    assert (report.verdict, report.period_written) == (Verdict.PUBLISH, True)
    key = place.location.period_key(JANUARY)
    assert place.content(key) == place.content(place.location.combined_key)
    assert b'"utility_amount":2.10' in place.content(key)
    published = read_published(place.s3, place.location, JANUARY)
    assert published is not None
    assert published.bills == (bill("P1", "1.20", months=2), bill("P2", "2.10"))
    assert published.recorded_sha256 == published.content_sha256 == report.content_sha256
    assert (published.run_id, published.read_at) == ("run 1", NOON + MINUTE)


def test_a_period_without_bills_is_an_empty_list(place: Place) -> None:
    """Nothing to bill is published as `[]`, so that it differs from never published."""
    assert read_published(place.s3, place.location, JANUARY) is None
    assert place.run().period_written
    assert place.content(place.location.period_key(JANUARY)) == b"[]\n"
    assert published_periods(place.s3, place.location) == [JANUARY]


def test_running_again_writes_nothing(place: Place) -> None:
    """The same bills, in another order and made later, leave every object as it is."""
    place.run(*TEN)
    before = place.everything()
    writes = FaultyClient(place.s3, only={"put_object", "delete_object"})
    report = place.run(*(bill(made.property_id, "10.00", created_by="later") for made in TEN[::-1]), s3=writes.client)
    assert (report.verdict, report.period_written) == (Verdict.UNCHANGED, False)
    assert writes.calls == 0
    assert place.everything() == before


def test_a_moved_source_is_brought_up_to_date(place: Place) -> None:
    """A rewrite of the source objects changes no content, only where it is found; a closed month stays."""
    moved = bill(lines=(line(name="P1-a", s3_key="in/x_20250303T000000Z.jsonl"),))
    place.run(bill())
    assert place.run(moved).period_written
    assert place.listed()[0]["source_line_items"][0]["s3_key"].endswith("20250303T000000Z.jsonl")
    close(place)
    report = place.run(bill())
    assert (report.verdict, report.period_written) == (Verdict.UNCHANGED, False)


def test_a_list_in_the_apps_own_format_passes_unharmed(place: Place) -> None:
    """Floats, other key order, unknown fields, a range and foreign ids of other writers keep every character."""
    others = [
        (
            '{"status": "final",  "utility_amount": 12.10, "master_bill_id": "A|B|C|12/2024|02/2025", "x": {"y": [1.0]}'
            ', "billback_month_start": "12/01/2024"}'
        ),
        '{"id": 7, "billback_month_start": "01/01/2025", "utility_amount": 0.30000000000000004}',
        '{"score": NaN}',
    ]
    place.put(place.location.combined_key, "[" + ",\n  ".join(others) + "]")
    report = place.run(*TEN)
    content = place.content(place.location.combined_key).decode()
    assert all(other in content for other in others)
    assert report.combined is not None
    assert report.combined.report.foreign == ("entry 1: without id, a JSON object",)
    assert report.combined.report.without_month == ("entry 2: without id, a JSON object",)


@pytest.mark.parametrize("content", ["", "{}", "[1,", "not JSON"])
def test_an_unreadable_list_is_never_overwritten(place: Place, content: str) -> None:
    """The run stops before it writes anything, with a remedy."""
    place.put(place.location.combined_key, content)
    before = place.everything()
    with pytest.raises(UnreadableInputError, match="remedy: bring back its last readable version"):
        place.run(*TEN)
    assert place.everything() == before


def test_an_unreadable_period_object_is_never_overwritten(place: Place) -> None:
    """A damaged truth is not replaced by a guess."""
    place.put(place.location.period_key(JANUARY), '[{"master_bill_id": "P1"}]')
    with pytest.raises(UnreadableInputError, match="published bills of 2025-01"):
        place.run(*TEN)


def test_a_slow_run_does_not_overwrite_a_faster_one(place: Place) -> None:
    """What was read earlier never replaces what was read later, not even with a reason."""
    place.run(bill("P1", "2.00"), minutes=10)
    before = place.everything()
    for reason in (None, "because"):
        report = place.run(bill("P1", "1.00"), minutes=9, reason=reason)
        assert (report.verdict, report.published_read_at) == (Verdict.STALE, NOON + 10 * MINUTE)
    assert place.everything() == before


def test_a_slow_run_that_decided_already_does_not_overwrite_a_faster_one(place: Place) -> None:
    """A faster run between deciding and writing is noticed by the write itself; the reason is taken back."""
    place.run(bill("P1", "1.00"), minutes=1)
    before = place.everything()
    slow = IntrudingClient(place.s3, lambda: place.run(bill("P1", "3.00"), minutes=3), before=2, only={"put_object"})
    report = place.run(bill("P1", "2.00"), minutes=2, reason="slow", s3=slow.client)
    assert report.verdict is Verdict.STALE
    assert [entry["utility_amount"] for entry in place.listed()] == [3.0]
    assert place.everything().keys() == before.keys()


def test_the_combined_list_follows_whoever_published_last(place: Place) -> None:
    """A slow run that wrote its object first doesn't put its bills back into the list afterwards."""
    place.run(bill("P1", "1.00"), minutes=1)
    slow = IntrudingClient(place.s3, lambda: place.run(bill("P1", "3.00"), minutes=3), before=2, only={"put_object"})
    place.run(bill("P1", "2.00"), minutes=2, s3=slow.client)
    assert [entry["utility_amount"] for entry in place.listed()] == [3.0]
    assert combined_differs(place.s3, place.location).agrees


def test_the_shrink_guard_stops_an_open_month_that_was_archived(place: Place) -> None:
    """A run that would take much away fails with the difference; with a reason it goes through, and that is kept."""
    place.run(*TEN)
    before = place.everything()
    with pytest.raises(PublicationRefusedError) as caught:
        place.run(*TEN[3:], archived=lambda gone: gone)
    assert caught.value.found is not None
    assert caught.value.found.splitlines()[:2] == [
        "0 new, 0 changed, 7 unchanged, 3 vanished; $100.00 before, $70.00 after",
        (
            "vanished: P0|WTR|Water|01/2025|01/2025, $10.00 -> nothing, status draft; "
            "of 1 lines gone, 1 archived since ($10.00)"
        ),
    ]
    assert "10.000000%" not in str(caught.value)
    assert place.everything() == before
    report = place.run(*TEN[3:], reason="moved out")
    assert report.restatement_key == place.location.restatement_key(JANUARY, "run 3")
    record = json.loads(place.content(report.restatement_key))
    assert (record["reason"], len(record["bills"]), record["period_closed"]) == ("moved out", 3, False)
    published = read_published(place.s3, place.location, JANUARY)
    assert published is not None
    assert published.restatement_key == report.restatement_key


def test_a_run_that_empties_a_month_is_refused(place: Place) -> None:
    """An archived month is not published as nothing."""
    place.run(bill())
    with pytest.raises(PublicationRefusedError):
        place.run()


def test_a_closed_month_waits_for_a_decision(place: Place) -> None:
    """Archived assignments of a closed month become a pending restatement with amounts, and change nothing."""
    place.run(*TEN)
    close(place)
    before = place.everything()
    report = place.run(*TEN[1:], archived=lambda _: {"P0-a"})
    assert (report.verdict, report.closed, report.combined) == (Verdict.PENDING, True, None)
    (change,) = report.difference.touched
    assert (change.before_usd, change.after_usd) == (Decimal("10.00"), None)
    assert change.archived_since(report.archived) == (1, Decimal("10.00"))
    assert place.everything() == before
    assert place.run(*TEN, bill("P99")).verdict is Verdict.PENDING
    assert place.run(*TEN[1:], reason="moved out").verdict is Verdict.PUBLISH
    assert len(place.listed()) == 9
    assert read_closed(place.s3, place.location, JANUARY) is not None


def test_a_reason_must_say_something(place: Place) -> None:
    """A blank reason is no reason."""
    with pytest.raises(ConfigurationError, match="a reason is missing"):
        place.run(*TEN, reason="  ")


def test_a_bill_decided_on_in_the_app_is_frozen(place: Place) -> None:
    """Others of an open month are published around it only as long as itself stays."""
    place.run(*TEN)
    place.set_status("sent", of="P0")
    assert place.run(*TEN[:-1]).verdict is Verdict.PUBLISH
    published = read_published(place.s3, place.location, JANUARY)
    assert published is not None
    assert published.bills[0] == with_status(TEN[0], "sent")
    before = place.everything()
    assert place.run(bill("P0", "10.01"), *TEN[1:-1]).verdict is Verdict.PENDING
    assert place.run(*TEN[1:-1]).verdict is Verdict.PENDING
    assert place.everything() == before
    place.run(bill("P0", "10.01"), *TEN[1:-1], reason="corrected")
    assert [entry["status"] for entry in place.listed() if entry["property_id"] == "P0"] == ["draft"]


def test_computing_only_writes_nothing(place: Place) -> None:
    """`publish: false` tells what would become of the bills, refusals included."""
    place.run(*TEN)
    before = place.everything()
    assert place.run(*TEN[:5], publishing=False).verdict is Verdict.REFUSED
    assert place.run(*TEN, bill("P99"), publishing=False).verdict is Verdict.PUBLISH
    assert place.run(*TEN[:5], publishing=False, reason="test").verdict is Verdict.PUBLISH
    assert place.everything() == before


def test_bills_of_another_month_are_refused(place: Place) -> None:
    """A caller's mistake doesn't reach a resident."""
    with pytest.raises(ValueError, match="there is a bill of 2025-02"):
        place.run(bill(period="2025-02"))
    with pytest.raises(ValueError, match="a bill is there twice"):
        place.run(bill(), bill())


@pytest.mark.parametrize("put", [1, 2])
@pytest.mark.parametrize(
    "fault", [refusal("PreconditionFailed", 412), refusal("InternalError", 500), refusal("SlowDown", 503)]
)
def test_a_put_of_ours_that_succeeded_unseen_is_recognised(
    place: Place, put: int, fault: Callable[[], Exception]
) -> None:
    """An error after the object was written (a client's own retry) is no conflict, and the report says written."""
    faulty = FaultyClient(place.s3, fault=fault, after=put, only={"put_object"})
    report = place.run(*TEN, s3=faulty.client)
    assert (report.verdict, report.period_written) == (Verdict.PUBLISH, True)
    assert report.combined is not None
    assert report.combined.written
    assert len(report.combined.report.added) == 10
    assert faulty.calls == 2


@pytest.mark.parametrize(
    "status", [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409), ("NoSuchKey", 404)]
)
@pytest.mark.parametrize("put", [1, 2])
def test_a_lost_race_is_run_again(place: Place, put: int, status: tuple[str, int]) -> None:
    """409, 412 and 404 lead to reading again and writing again."""
    faulty = FaultyClient(place.s3, fault=refusal(*status), before=put, only={"put_object"})
    assert place.run(*TEN, s3=faulty.client).period_written
    assert faulty.calls == 3
    assert combined_differs(place.s3, place.location).agrees


def test_an_edit_of_the_app_while_we_write_is_kept(place: Place) -> None:
    """The app's write between our reading and our writing survives."""
    place.run(*TEN)
    slow = IntrudingClient(
        place.s3, lambda: place.edit(lambda entries: entries.append({"note": "kept"})), before=2, only={"put_object"}
    )
    place.run(*TEN, bill("P99"), s3=slow.client)
    assert {"note": "kept"} in place.listed()
    assert len(place.listed()) == 12


def test_whoever_is_denied_learns_which_right(place: Place) -> None:
    """A 403 is not retried and names its remedy."""
    for call in ("get_object", "put_object"):
        faulty = FaultyClient(place.s3, fault=refusal("AccessDenied", 403), before=1, only={call})
        with pytest.raises(AccessDeniedError, match="s3:PutObject"):
            place.run(*TEN, s3=faulty.client)
        assert faulty.calls == 1
    assert place.everything() == {}


def test_a_missing_bucket_is_a_setting(place: Place) -> None:
    """A wrong bucket is told at once, and not waited for."""
    elsewhere = Place(place.s3, MasterBillLocation("nowhere", "latest.json", "master-bills/"))
    with pytest.raises(ConfigurationError, match="no such bucket"):
        elsewhere.run(*TEN)


def test_other_writers_are_not_awaited_for_ever(place: Place) -> None:
    """After the deadline the run fails as one that a later run may heal."""
    ticks = itertools.count()
    patience = Patience(seconds=5.0, clock=lambda: float(next(ticks)), sleep=lambda _: None)

    place.run(*TEN)
    place.put(place.location.combined_key, "[]")
    loser = FaultyClient(place.s3, fault=refusal("PreconditionFailed", 412), always=True, only={"put_object"})
    with pytest.raises(StoreUnavailableError, match="other writers were faster for 5 seconds"):
        republish(loser.client, place.location, JANUARY, patience=patience)


def test_closing_records_what_was_published(place: Place) -> None:
    """The record has bills, amount, content, who and when; closing again changes nothing."""
    place.run(*TEN)
    close(place)
    record = read_closed(place.s3, place.location, JANUARY)
    assert record is not None
    published = read_published(place.s3, place.location, JANUARY)
    assert published is not None
    assert (record.bills, record.amount_usd, record.closed_by) == (10, Decimal("100.00"), "ann")
    assert record.content_sha256 == published.content_sha256
    again = close_period(place.s3, place.location, JANUARY, closed_by="bob", now=NOON + MINUTE)
    assert again == record


def test_a_month_that_was_never_published_is_not_closed(place: Place) -> None:
    """There is nothing to hold fast."""
    with pytest.raises(PublicationRefusedError, match="never published"):
        close(place)
    with pytest.raises(PublicationRefusedError, match="not closed"):
        reopen(place)


def test_closing_notices_a_run_that_publishes_meanwhile(place: Place) -> None:
    """The record never states another content than the one that is published."""
    place.run(*TEN)
    racing = IntrudingClient(place.s3, lambda: place.run(*TEN, bill("P99")), before=1, only={"put_object"})
    close(place, racing.client)
    record = read_closed(place.s3, place.location, JANUARY)
    assert record is not None
    assert record.bills == 11


def test_reopening_puts_the_record_aside_with_its_reason(place: Place) -> None:
    """After reopening the month can be published again, and the record stands with who, when and why."""
    place.run(*TEN)
    close(place)
    reopen(place)
    assert read_closed(place.s3, place.location, JANUARY) is None
    aside = [key for key in place.everything() if key.startswith("master-bills/closed/")]
    assert aside == ["master-bills/closed/reopened/2025-01-20250201T120000000000Z.json"]
    record = json.loads(place.content(place.location.combined_key.partition("/")[0] + "/" + aside[0]))
    assert (record["reason"], record["reopened_by"], record["bills"]) == ("meter swapped", "bob", 10)
    assert place.run(*TEN, bill("P99")).verdict is Verdict.PUBLISH


def test_an_unreadable_record_counts_as_neither_open_nor_closed(place: Place) -> None:
    """A run stops rather than take a damaged record for an open month."""
    place.run(*TEN)
    place.put(place.location.closed_key(JANUARY), "{")
    with pytest.raises(UnreadableInputError, match="the record of a decision"):
        place.run(*TEN)


def test_a_month_overwritten_by_the_app_is_found_and_healed(place: Place) -> None:
    """One look names missing, altered, extra and doubled bills; republishing heals them and keeps what was decided."""
    place.run(*TEN)
    place.run(bill(period="2025-02"), period="2025-02")
    place.set_status("sent", of="P5")

    def overwrite(entries: list[dict[str, object]]) -> None:
        entries[1]["utility_amount"] = 99.0
        entries.append(dict(entries[2]))
        entries.append(json.loads(json.dumps(entries[3]).replace("P3|WTR", "P3|SEW")))
        del entries[0]

    place.edit(overwrite)
    found = combined_differs(place.s3, place.location, patience=PATIENT_BUT_UNHURRIED)
    assert found.text().splitlines() == [
        "2025-01: 1 missing, 1 altered, 1 extra, 1 twice",
        "  missing: P0|WTR|Water|01/2025|01/2025",
        "  altered: P1|WTR|Water|01/2025|01/2025, published $10.00, listed $99.00",
        "  extra: P3|SEW|Water|01/2025|01/2025",
        "  twice: P2|WTR|Water|01/2025|01/2025",
    ]
    assert republish(place.s3, place.location, JANUARY).written
    assert combined_differs(place.s3, place.location).agrees
    assert [entry["status"] for entry in place.listed() if entry["property_id"] == "P5"] == ["sent"]
    assert not republish(place.s3, place.location, JANUARY).written


def test_statuses_and_older_tools_are_no_difference(place: Place) -> None:
    """The app's decisions and months that were never published here raise no alarm; the latter are named."""
    place.run(*TEN)
    place.set_status("sent", of="P5")
    place.edit(lambda entries: entries.append(json.loads(json.dumps(entries[0]).replace("01/", "03/"))))
    found = combined_differs(place.s3, place.location)
    assert found.agrees
    assert found.never_published == ("2025-03",)


def test_a_publication_under_way_is_no_damage(place: Place) -> None:
    """What differs only for a moment is not reported."""
    place.run(*TEN)
    place.put(place.location.combined_key, "[]")

    def second_object_written(_seconds: float) -> None:
        republish(place.s3, place.location, JANUARY)

    patience = Patience(sleep=second_object_written)
    assert combined_differs(place.s3, place.location, patience=patience).agrees


def test_only_a_published_month_is_republished(place: Place) -> None:
    """There is nothing to derive from."""
    with pytest.raises(PublicationRefusedError, match="never published"):
        republish(place.s3, place.location, JANUARY)


def test_only_objects_of_months_are_published_periods(place: Place) -> None:
    """Records and strangers beside them are passed over."""
    place.run(period="2024-12")
    place.run(bill())
    close(place)
    place.put(f"{place.location.periods_prefix}2025-13.json", "[]")
    place.put(f"{place.location.periods_prefix}notes.txt", "")
    assert published_periods(place.s3, place.location) == ["2024-12", JANUARY]
