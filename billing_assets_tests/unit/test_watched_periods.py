"""The law of the watch: whatever happens to the table, to runs and to the watcher, every period ends up read as it is.

The table is a text that changes. A machine of Hypothesis edits it, restores it, starts and ends runs (ours and other
people's), lets them fail, and restarts the watcher.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from billing_assets.domain.fingerprints import EMPTY
from billing_assets.domain.watched_periods import Look, Reading, Watch, in_turn, look

PERIOD = "2025-01"
TEXTS = st.sampled_from(["1-a", "1-b", "1-c"])


class Watching(RuleBasedStateMachine):
    """One period. A run reads the table at one moment of its life, and ends after that."""

    def __init__(self) -> None:
        super().__init__()
        self.table = self.baseline = "1-a"
        self.cursor: str | None = None
        self.events: list[str] = []
        """What was read, in order; blank where it was not read to be published."""
        self.runs: list[bool] = []
        """Of each run in flight, whether it has read."""
        self.keys: set[str] = set()
        self.tick()

    def _look(self, cursor: str | None, *, in_flight: bool) -> Look:
        watch = Watch.from_text(cursor)
        known = watch.periods[PERIOD].event if watch else 0
        newer = self.events[known:]
        published = [text for text in newer if text]
        readings = {PERIOD: Reading(len(self.events), published[-1] if published else "")} if newer else {}
        return look(watch, {PERIOD: self.table}, began="0", readings=readings, in_flight={PERIOD} if in_flight else ())

    @rule(text=TEXTS)
    def edit(self, text: str) -> None:
        """The app writes; writing back what stood there before is a restore."""
        self.table = text

    @rule()
    def tick(self) -> None:
        """The sensor looks, with the cursor as text, since it may have been restarted."""
        found = self._look(self.cursor, in_flight=bool(self.runs))
        for request in found.requests:
            assert not self.runs, "two runs of one period at once"
            assert request.run_key not in self.keys, "Dagster would drop a run key that it knows"
            self.keys.add(request.run_key)
            self.runs.append(False)
        self.cursor = found.watch.text()

    @precondition(lambda self: len(self.runs) < 3)
    @rule()
    def somebody_else_launches_a_run(self) -> None:
        """A schedule or a person."""
        self.runs.append(False)

    @precondition(lambda self: False in self.runs)
    @rule()
    def a_run_reads(self) -> None:
        """What it reads stands in its materialization."""
        self.runs[self.runs.index(False)] = True
        self.events.append(self.table)

    @precondition(lambda self: True in self.runs)
    @rule()
    def a_run_ends(self) -> None:
        """Only one that has read ends well."""
        self.runs.remove(True)

    @rule()
    def somebody_reads_without_publishing(self) -> None:
        """`ubi_assignments` alone, or `publish: false`: no change was handled by that."""
        self.events.append("")

    @invariant()
    def what_is_published_in_the_end_is_what_the_table_holds(self) -> None:
        """Once runs have read and ended, one look finds everything in order, or asks for the run that brings it."""
        if self.cursor is None or False in self.runs:
            return
        asked = self._look(self.cursor, in_flight=False).requests
        published = [text for text in self.events if text]
        in_order = self.table == (published[-1] if published else self.baseline)
        assert bool(asked) is not in_order


Watching.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestWatching = Watching.TestCase


def _look(cursor: Watch | None, seen: dict[str, str], **given: object) -> Look:
    readings: dict[str, Reading] = given.get("readings", {})  # type: ignore[assignment]
    in_flight: set[str] = given.get("in_flight", set())  # type: ignore[assignment]
    return look(cursor, seen, began="7", readings=readings, in_flight=in_flight)


def _periods(found: Look) -> list[str]:
    return [request.period for request in found.requests]


def test_a_new_watch_asks_for_nothing_that_was_never_run() -> None:
    """The first tick in a deployment doesn't publish years of bills."""
    first = _look(None, {"2024-05": "1-a", "2024-06": "1-b"})
    assert not first.requests
    assert _periods(_look(first.watch, {"2024-05": "1-a", "2024-06": "1-x"})) == ["2024-06"]


def test_a_watch_that_lost_its_cursor_asks_for_what_changed_meanwhile() -> None:
    """What runs read is the instance's to know."""
    readings = {"2024-05": Reading(3, "1-a"), "2024-06": Reading(4, "1-b")}
    assert _periods(_look(None, {"2024-05": "1-a", "2024-06": "1-x"}, readings=readings)) == ["2024-06"]


def test_a_change_while_a_run_is_under_way_waits_and_is_not_lost() -> None:
    """It is asked for when the run has ended."""
    watch = _look(None, {PERIOD: "1-a"}).watch
    during = _look(watch, {PERIOD: "1-b"}, in_flight={PERIOD})
    assert (during.requests, during.waiting) == ([], [PERIOD])
    assert _periods(_look(during.watch, {PERIOD: "1-b"}, readings={PERIOD: Reading(1, "1-a")})) == [PERIOD]


def test_what_a_run_read_by_itself_is_not_run_again() -> None:
    """The daily run saw the change before the sensor did."""
    watch = _look(None, {PERIOD: "1-a"}).watch
    assert not _look(watch, {PERIOD: "1-b"}, readings={PERIOD: Reading(1, "1-b")}).requests


def test_a_run_that_read_something_that_stood_there_for_a_moment_is_followed_by_another() -> None:
    """Edited and restored between two looks, and read in between."""
    watch = _look(None, {PERIOD: "1-a"}).watch
    assert _periods(_look(watch, {PERIOD: "1-a"}, readings={PERIOD: Reading(1, "1-c")})) == [PERIOD]


def test_a_request_whose_run_failed_before_it_read_is_not_made_for_ever() -> None:
    """The alert tells a person; the sensor asks once."""
    first = _look(_look(None, {PERIOD: "1-a"}).watch, {PERIOD: "1-b"})
    assert _periods(first) == [PERIOD]
    assert not _look(first.watch, {PERIOD: "1-b"}).requests


def test_a_record_that_is_restored_has_a_run_key_of_its_own() -> None:
    """The same fingerprint as before, and another request."""
    watch, keys = _look(None, {PERIOD: "1-a"}).watch, []
    for text in ("1-b", "1-a", "1-b"):
        found = _look(watch, {PERIOD: text})
        watch = found.watch
        keys += [request.run_key for request in found.requests]
    assert keys == [f"{PERIOD}/7/1/1-b", f"{PERIOD}/7/2/1-a", f"{PERIOD}/7/3/1-b"]


def test_a_period_that_got_its_first_record_and_one_that_lost_its_last_are_run() -> None:
    """Both ends of a move."""
    watch = _look(None, {"2025-01": "1-a"}).watch
    assert _periods(_look(watch, {"2025-01": EMPTY, "2025-02": "1-a"})) == ["2025-01", "2025-02"]


@pytest.mark.parametrize("text", [None, "", "nonsense", '{"v":"0","b":"7"}', "[]"])
def test_a_cursor_that_cannot_be_understood_counts_as_none(text: str | None) -> None:
    """Somebody may set it by hand, or an older release wrote it."""
    assert Watch.from_text(text) is None


def test_the_cursor_of_hundreds_of_periods_is_small() -> None:
    """It is stored with every tick."""
    periods = {f"{year}-{month:02d}": f"1-{year * month:016x}" for year in range(2000, 2030) for month in range(1, 13)}
    watch = _look(None, periods).watch
    watch = _look(watch, dict.fromkeys(periods, EMPTY)).watch
    assert len(watch.text()) < 50 * len(periods)
    assert Watch.from_text(watch.text()) == watch


def test_every_period_has_its_turn_and_the_open_ones_always() -> None:
    """Above the scan limit no period is passed over for ever."""
    others = [f"2024-{month:02d}" for month in range(1, 11)]
    turn, looked = 0, []
    for _ in range(4):
        chosen, turn = in_turn(Watch("1", "0", turn=turn), ["2024-11", "2024-12"], others, 3)
        assert {"2024-11", "2024-12"} <= set(chosen)
        looked += [period for period in chosen if period in others]
    assert set(looked) == set(others)
    assert len(looked) == 12
    assert in_turn(None, ["2024-12"], [], 3) == (["2024-12"], 0)
