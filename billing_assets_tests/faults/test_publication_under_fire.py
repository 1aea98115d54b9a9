"""Twelve processes publish beside a writing app, and processes are killed in every window: real ones, by SIGKILL.

Small by default; `BILLING_ASSETS_FULL=1` runs 12 processes by 25 rounds and 20 deaths a window. Counts are printed.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing as mp
import os
import random
import signal
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest

from billing_assets.stores.publication import (
    MasterBillLocation,
    Patience,
    PublicationRequest,
    combined_differs,
    publish,
    read_published,
    republish,
)
from billing_assets_tests.stores.published import MINUTE, NOON, Place, s3_client
from billing_assets_tests.unit.made_bills import bill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Barrier, Event

    from types_boto3_s3 import S3Client

    from billing_assets.domain.master_bills import MasterBill

FULL = os.environ.get("BILLING_ASSETS_FULL") == "1"
PROCESSES, ROUNDS, DEATHS = (12, 25, 20) if FULL else (4, 3, 2)
BILLS = 6
SEED = 20250131
BUCKET = "under-fire"
WINDOWS = ("before the period object", "after the period object", "before the combined list", "after the combined list")
ANYWHERE = "at a random moment"
PATIENT = Patience(seconds=280.0)
_LONGEST_WAIT_SECONDS = 120.0
_REST_SECONDS = 0.05
# A server that forks children with everything imported: a child starts in milliseconds, and no thread is forked.
PROCESS = mp.get_context("forkserver")

pytestmark = pytest.mark.timeout(1800 if FULL else 300)


def _location(folder: str) -> MasterBillLocation:
    return MasterBillLocation(BUCKET, f"{folder}/latest.json", f"{folder}/master-bills/")


def _bills(period: str, number: int) -> list[MasterBill]:
    """One bill that stays the same, and five that each round makes others."""
    changing = (bill(f"Q{place}", f"{number}.10", period=period) for place in range(BILLS - 1))
    return [bill("P1", period=period), *changing]


def _publish(s3: S3Client, folder: str, period: str, number: int) -> None:
    """A run as the asset does it; the number is its round, and the minute at which it read."""
    request = PublicationRequest(
        period=period,
        bills=_bills(period, number),
        run_id=f"{period} {number}",
        read_at=NOON + number * MINUTE,
        now=NOON,
        max_shrink=Decimal("0.10"),
    )
    publish(s3, _location(folder), request, patience=PATIENT)


def _work(environment: dict[str, str], folder: str, period: str, rounds: int, together: Barrier) -> None:
    with s3_client(environment) as s3:
        for number in range(1, rounds + 1):
            together.wait(_LONGEST_WAIT_SECONDS)
            _publish(s3, folder, period, number)


def _play_the_app(environment: dict[str, str], folder: str, stop: Event, ledger_to: Connection) -> None:
    """Add, edit and remove entries in turn until told to stop, but each at least once; then say what must be there."""
    ledger: dict[str, dict[str, Any]] = {}
    done = {"added": 0, "edited": 0, "removed": 0}
    with s3_client(environment) as s3:
        place = Place(s3, _location(folder))
        for number in iter(range(10**9)):
            # A slow machine's publications may be over before the app has done everything once.
            if stop.is_set() and all(done.values()):
                break
            name = f"app-{number % 2 if number < 4 else number % 7}"
            entry = {"id": name, "utility_amount": number / 10, "billback_month_start": "01/01/2025"}
            kind = "added" if name not in ledger else "removed" if number % 3 == 2 else "edited"

            def change(entries: list[Any], name: str = name, kind: str = kind, entry: dict[str, Any] = entry) -> None:
                entries[:] = [known for known in entries if known.get("id") != name]
                if kind != "removed":
                    entries.insert(len(entries) // 2, entry)

            place.edit(change)
            done[kind] += 1
            ledger.pop(name, None)
            if kind != "removed":
                ledger[name] = entry
            # A person rests; without it each run loses most of its races.
            stop.wait(_REST_SECONDS)
    ledger_to.send((ledger, done))


class _HaltingClient:
    """An S3 client that halts right before or after writing one object, says so, and waits for its death."""

    def __init__(self, s3: S3Client, window: str, location: MasterBillLocation, period: str, tell: Connection) -> None:
        self._s3 = s3
        self._before = window.startswith("before")
        self._key = location.combined_key if window.endswith("list") else location.period_key(period)
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        """The real method; writing that object never comes back."""
        method = getattr(self._s3, name)
        if name != "put_object":
            return method

        def put_object(**arguments: Any) -> Any:
            if arguments["Key"] != self._key:
                return method(**arguments)
            if not self._before:
                method(**arguments)
            self._tell.send("halted")
            signal.pause()
            raise AssertionError("nobody killed us")

        return put_object


def _die(  # noqa: PLR0913, PLR0917  # a process is given all that it knows
    environment: dict[str, str], folder: str, period: str, number: int, window: str, tell: Connection
) -> None:
    with s3_client(environment) as s3:
        client = s3
        if window == ANYWHERE:
            tell.send("begun")
        else:
            client = cast("S3Client", _HaltingClient(s3, window, _location(folder), period, tell))
        _publish(client, folder, period, number)


def _killed(environment: dict[str, str], folder: str, number: int, window: str, after_seconds: float) -> bool:
    """Run in a process of its own until it says where it is, then kill it; whether it died of that."""
    hear, tell = PROCESS.Pipe(duplex=False)
    process = PROCESS.Process(target=_die, args=(environment, folder, "2025-01", number, window, tell))
    process.start()
    try:
        assert hear.poll(_LONGEST_WAIT_SECONDS), f"the process never came {window}"
        hear.recv()
        time.sleep(after_seconds)
    finally:
        _end(process)
    # 0: it was done before the signal came.
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode == -signal.SIGKILL


def _end(process: BaseProcess) -> None:
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    process.join()


def _state(s3: S3Client, folder: str) -> tuple[set[str], set[str]]:
    """The amounts of the changing bills in the period's object and in the list; both must be readable and whole."""
    published = read_published(s3, _location(folder), "2025-01")
    assert published is not None
    listed = [entry for entry in Place(s3, _location(folder)).listed() if "property_id" in entry]
    assert len(published.bills) == len(listed) == BILLS
    return (
        {str(made.utility_amount) for made in published.bills if made.property_id != "P1"},
        {f"{entry['utility_amount']:.2f}" for entry in listed if entry["property_id"] != "P1"},
    )


@pytest.fixture(scope="module")
def s3(stack_environment: dict[str, str]) -> Iterator[S3Client]:
    """A client and its bucket, shared by the module."""
    PROCESS.set_forkserver_preload([__name__])
    with s3_client(stack_environment) as client:
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a count where people see it, also where the test passes."""

    def print_it(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}")  # noqa: T201  # the counts are the evidence

    return print_it


def test_processes_that_publish_at_once_lose_something(
    s3: S3Client, stack_environment: dict[str, str], say: Callable[[str], None]
) -> None:
    """Beside a writing app no period is missing, doubled or stale, and no edit of the app is lost."""
    folder, began = "rounds", time.monotonic()
    periods = [f"2025-{month:02}" for month in range(1, PROCESSES + 1)]
    place = Place(s3, _location(folder))
    place.put(place.location.combined_key, "[]")
    stop, together = PROCESS.Event(), PROCESS.Barrier(PROCESSES)
    hear, tell = PROCESS.Pipe(duplex=False)
    app = PROCESS.Process(target=_play_the_app, args=(stack_environment, folder, stop, tell))
    workers = [
        PROCESS.Process(target=_work, args=(stack_environment, folder, period, ROUNDS, together)) for period in periods
    ]
    try:
        for process in (app, *workers):
            process.start()
        for worker in workers:
            worker.join(1500)
        stop.set()
        assert hear.poll(_LONGEST_WAIT_SECONDS)
        ledger, edits = hear.recv()
    finally:
        for process in (app, *workers):
            _end(process)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    entries = place.listed()
    ours = [entry for entry in entries if "id" not in entry]
    apps = [entry for entry in entries if "id" in entry]
    changing = [entry["utility_amount"] for entry in ours if entry["property_id"] != "P1"]
    missing = PROCESSES * BILLS - len({entry["master_bill_id"] for entry in ours})
    doubled = len(entries) - len({entry.get("id", entry.get("master_bill_id")) for entry in entries})
    stale = sum(amount != ROUNDS + 0.1 for amount in changing)
    lost = [entry for entry in apps if ledger.get(entry["id"]) != entry] + [
        name for name in ledger if name not in {entry["id"] for entry in apps}
    ]
    say(
        f"{PROCESSES} processes x {ROUNDS} rounds = {PROCESSES * ROUNDS} publications beside {sum(edits.values())} "
        f"edits of the app ({json.dumps(edits)}) in {time.monotonic() - began:.1f} s: {missing} bills missing, "
        f"{doubled} doubled, {stale} stale, {len(lost)} edits lost"
    )
    assert (missing, doubled, stale, lost) == (0, 0, 0, [])
    assert all(edits.values())
    assert combined_differs(s3, _location(folder)).agrees
    _overwritten_and_healed(s3, folder, periods[1])


def _overwritten_and_healed(s3: S3Client, folder: str, period: str) -> None:
    """The app drops a whole period; the comparison names it, and republishing it heals."""
    place = Place(s3, _location(folder))
    month = f"{period[5:]}/01/{period[:4]}"

    def drop(entries: list[Any]) -> None:
        entries[:] = [entry for entry in entries if entry["billback_month_start"] != month]

    place.edit(drop)
    (found,) = combined_differs(s3, place.location).periods
    assert (found.period, len(found.missing)) == (period, BILLS)
    republish(s3, place.location, period)
    assert combined_differs(s3, place.location).agrees


@pytest.mark.parametrize("window", [*WINDOWS, ANYWHERE])
def test_a_killed_process_leaves_something_half_done(
    s3: S3Client, stack_environment: dict[str, str], say: Callable[[str], None], window: str
) -> None:
    """Both objects are whole, old or new; the next run heals; no temporary object is left."""
    folder, began = f"killed {window}".replace(" ", "-"), time.monotonic()
    rng = random.Random(SEED)  # noqa: S311  # moments, no secrets
    _publish(s3, folder, "2025-01", 1)
    deaths = healed = 0
    for number in range(2, 2 + DEATHS):
        delay = rng.uniform(0.0, 0.15) if window == ANYWHERE else 0.0
        deaths += _killed(stack_environment, folder, number, window, delay)
        old, new = {f"{number - 1}.10"}, {f"{number}.10"}
        in_period, in_list = _state(s3, folder)
        if window == ANYWHERE:
            assert (in_period, in_list) in ((old, old), (new, old), (new, new))
        else:
            written = WINDOWS.index(window)
            assert (in_period, in_list) == (new if written else old, new if written == len(WINDOWS) - 1 else old)
        healed += in_period != new or in_list != new
        _publish(s3, folder, "2025-01", number)
        assert _state(s3, folder) == (new, new)
    left = Place(s3, _location(folder)).everything()
    say(
        f"killed {window}: {deaths} of {DEATHS} by SIGKILL, {healed} of them left work, all whole and healed by the "
        f"next run; objects left: {len(left)} ({time.monotonic() - began:.1f} s)"
    )
    if window != ANYWHERE:
        assert deaths == DEATHS
    assert left.keys() == {"latest.json", "master-bills/2025-01.json"}
