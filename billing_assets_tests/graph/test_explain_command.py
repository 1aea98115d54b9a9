"""`billing-assets explain` after real runs: correct and complete beside the stored rows and the sample's oracle."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.cli import main
from billing_assets.definitions import build_definitions
from billing_assets.domain.money import plain
from billing_assets.domain.rivals import rivals_of
from billing_assets.domain.status_rules import rule_of
from billing_assets.settings import Settings
from billing_assets.stores.publication import read_published
from billing_assets.stores.stored_rows import resolved_periods
from billing_assets_tests.graph.conftest import CHAIN, World, failures_of
from billing_assets_tests.graph.publication_world import JANUARY, PublicationWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from billing_assets.domain.resolved import ResolvedLineItem
    from billing_assets.local.sample import ExpectedFate

STATUSES = {"billable", "duplicate", "excluded", "unresolved", "unbillable", "invalid"}
REASON = "misread meter, agreed with finance"


class Shell:
    """Types `billing-assets explain …` and keeps what it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def explain(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        self._monkeypatch.setattr(sys, "argv", ["billing-assets", "explain", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return int(ended.value.code or 0), out, err

    def printed(self, *words: str) -> str:
        """Standard output of a command that must succeed, its lines joined as a reader reads them."""
        code, out, err = self.explain(*words)
        assert code == 0, err
        return " ".join(out.split())

    def told(self, *words: str) -> dict[str, Any]:
        """The story as JSON, numbers exact."""
        code, out, err = self.explain(*words, "--json")
        assert code == 0, err
        story: dict[str, Any] = json.loads(out, parse_float=Decimal)
        return story


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """One of the test's own."""
    return Shell(monkeypatch, capsys)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A home with its own history, which DAGSTER_HOME names."""
    home: Path = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.from_config(str(home)) as opened:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("BILLING_UI_URL", "https://dagster.example")
        yield opened


@pytest.fixture(scope="module")
def sampled(loaded: World, instance: dg.DagsterInstance) -> World:
    """As few of the sample's periods as hold every status and a relocated line, run once."""
    world = dataclasses.replace(loaded, instance=instance)
    missing = {*STATUSES, "relocated"}
    for period in world.sample.periods:
        fates = [fate for fate in world.sample.expected if fate.partition == period]
        held = {fate.status for fate in fates} | {"relocated" for fate in fates if fate.relocated}
        if missing & held:
            result = world.run(*CHAIN, partition=period)
            assert result.success, failures_of(result)
            missing -= {kind for kind in held if kind is not None}
    assert not missing
    return world


def _rows(world: World) -> dict[str, tuple[str, ResolvedLineItem]]:
    tables = resolved_periods(world.storage, world.sample.periods)
    return {row.assignment.assignment_id: (period, row) for period, table in tables.items() for row in table.rows}


def _first(world: World, wanted: Callable[[ExpectedFate], bool]) -> tuple[str, ResolvedLineItem, ExpectedFate]:
    """A stored row whose fate is wanted and whose hash names it alone, with its period."""
    rows = _rows(world)
    for fate in world.sample.expected:
        if fate.assignment_id in rows and wanted(fate) and rows[fate.assignment_id][1].assignment.line_hash:
            return *rows[fate.assignment_id], fate
    pytest.fail("the sample has no such row")


def _told_of(story: dict[str, Any], row: ResolvedLineItem) -> dict[str, Any]:
    (told,) = [found for found in story["rows"] if found["assignment"]["assignment_id"] == row.assignment.assignment_id]
    return dict(told)


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_status_is_told_otherwise_than_it_was_stored(sampled: World, shell: Shell, status: str) -> None:
    """For a row of each status: assignment, amounts, place, rule and rivals are the stored ones and the oracle's."""
    period, row, fate = _first(sampled, lambda fate: fate.status == status)
    record = row.assignment
    story = shell.told(record.line_hash)
    told = _told_of(story, row)
    assert (story["kind"], story["subject"], told["period"]) == ("line", record.line_hash, period)
    assert (told["status"], told["reason"] or None) == (fate.status, fate.reason)
    assert told["rule"] == rule_of(row)
    names = ("assigned_by", "assigned_date", "s3_key", "line_index", "months", "amount_text", "notes", "bill_id")
    assert {name: told["assignment"][name] for name in names} == {name: getattr(record, name) for name in names}
    assert told["billed_usd"] == row.billed_usd
    if row.line is not None:
        assert (told["place"]["s3_key"], told["place"]["position"]) == (row.found_key, row.line.position)
        assert told["place"]["hash_version"] == row.line.version
        assert told["line"]["account_number"] == row.line.item.account_number
    rows = resolved_periods(sampled.storage, [period])[period].rows
    (stored,) = [other for other in rows if other.assignment == record]
    assert [rival["assignment_id"] for rival in told["rivals"]] == [
        rival.row.assignment.assignment_id for rival in rivals_of(stored, rows)
    ]
    assert bool(told["rivals"]) or status != "duplicate"
    out = shell.printed(record.line_hash[:12])
    assert f"of line {record.line_hash[:12]} in {period} {status}" in out
    for part in (rule_of(row), record.assigned_by, record.assigned_date):
        assert part in out


def test_a_billed_line_is_not_followed_to_its_bill_snowflake_and_run(sampled: World, shell: Shell) -> None:
    """Published bill, combined list, Snowflake row, change log, and the run with its link are all there."""
    period, row, fate = _first(sampled, lambda fate: fate.status == "billable")
    published = read_published(sampled.clients.s3, sampled.location, period)
    assert published is not None
    (bill,) = [bill for bill in published.bills if bill.master_bill_id == fate.master_bill_id]
    story = shell.told(row.assignment.line_hash)
    told = _told_of(story, row)
    assert told["standing"].startswith("Published in this bill")
    assert bill.source_line_items[told["ordinal"]].line_hash == row.assignment.line_hash
    (of_bill,) = [found for found in story["bills"] if found["master_bill_id"] == bill.master_bill_id]
    assert (of_bill["amount_usd"], of_bill["content_hash"]) == (bill.utility_amount, bill.content_hash)
    assert of_bill["standing"] == "Published, and equal to the stored rows."
    assert of_bill["listed"] == {
        "times": 1,
        "amount_usd": bill.utility_amount,
        "status": "draft",
        "same_content": True,
    }
    assert of_bill["exported"]["amount_usd"] == bill.utility_amount
    assert of_bill["exported_standing"] == "In Snowflake with the content and status that are published."
    assert [change["change"] for change in of_bill["changes"]] == ["inserted"]
    assert story["absent"] == {}
    (run,) = [run for run in story["runs"] if run["run_id"] == published.run_id]
    assert (run["status"], run["assets"], run["verdict"]) == ("SUCCESS", list(CHAIN), "published")
    assert run["link"] == f"https://dagster.example/runs/{published.run_id}"
    out = shell.printed(bill.master_bill_id)
    assert f"Bill {bill.master_bill_id}: ${bill.utility_amount:,}" in out
    for line in bill.source_line_items:
        assert f"{line.line_hash[:12]} {line.account_number}" in out
    assert run["link"] in out


def test_a_relocated_line_is_not_told_from_where(sampled: World, shell: Shell) -> None:
    """Both the object that it was assigned in and the one that holds it now are named."""
    _, row, fate = _first(sampled, lambda fate: fate.relocated and fate.status == "billable")
    place = _told_of(shell.told(row.assignment.line_hash), row)["place"]
    assert (place["relocated"], place["s3_key"], place["position"]) == (True, fate.found_key, fate.found_index)
    _, out, _ = shell.explain(row.assignment.line_hash)
    joined = "".join(out.split())
    assert f"yes,from{row.assignment.s3_key}" in joined
    assert str(fate.found_key) in joined


def test_an_account_is_told_incompletely(sampled: World, shell: Shell) -> None:
    """Every row of the account in the period is told, and no other; both ways to name it are the same."""
    period, row, _ = _first(sampled, lambda fate: fate.status == "billable")
    assert row.item is not None
    account = row.item.account_number
    ids = sorted(
        name
        for name, (at, other) in _rows(sampled).items()
        if at == period and other.item is not None and other.item.account_number == account
    )
    story = shell.told(period, "--account", account)
    assert sorted(told["assignment"]["assignment_id"] for told in story["rows"]) == ids
    assert shell.told(period, account) == story
    assert f"Account {account} in {period}" in shell.printed(period, account)


def test_what_is_unknown_gets_no_letter(sampled: World, shell: Shell) -> None:
    """An unknown hash, bill, account or period is said with what comes nearest; bad input is exit code 2."""
    period, row, fate = _first(sampled, lambda fate: fate.status == "billable")
    assert fate.master_bill_id is not None
    assert row.item is not None
    for words, said in (
        (("0123456789abcdef",), "no line hash begins with 0123456789abcdef"),
        ((fate.master_bill_id.replace("|", "x|", 1),), fate.master_bill_id),
        (("P|W|W|01/2024|01/2024",), "nothing is stored of 2024-01"),
        ((period, row.item.account_number[:-1]), row.item.account_number),
        (("2024-01", "A"), "nothing is stored of 2024-01"),
    ):
        code, out, err = shell.explain(*words)
        assert (code, out) == (1, ""), words
        assert said in err
        assert "remedy:" in err
    unreadable: list[list[str]] = [["abc"], [period], ["abcdef01", "A-1"], [period, "A", "--account", "B"], []]
    for typed in unreadable:
        assert shell.explain(*typed)[0] == 2, typed


def test_an_ambiguous_beginning_picks_a_line(sampled: World, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where several hashes begin so, each is listed with what tells it apart, and none is explained."""
    hashes = sorted({row.assignment.line_hash for _, row in _rows(sampled).values() if row.assignment.line_hash})
    begin = next(a[:2] for a, b in itertools.pairwise(hashes) if a[:2] == b[:2])
    monkeypatch.setattr("billing_assets.domain.subjects._HASH", re.compile(r"[0-9a-f]{2,64}"))
    code, out, err = shell.explain(begin)
    assert (code, out) == (1, "")
    for line_hash in hashes:
        assert (line_hash in err) == line_hash.startswith(begin)


def test_a_story_without_snowflake_and_dagster_fails(
    sampled: World, shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without Snowflake's variables, a Dagster home or an archive the rest is told, and each absence said."""
    _, row, _ = _first(sampled, lambda fate: fate.status == "billable")
    for name in sampled.settings.variables_set:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("BILLING_ARCHIVED_TABLE", "no-such-table")
    story = shell.told(row.assignment.line_hash)
    assert set(story["absent"]) == {"Snowflake", "Dagster", "the archive"}
    assert _told_of(story, row)["standing"].startswith("Published in this bill")
    assert "Not looked at: Snowflake" in shell.printed(row.assignment.line_hash)


def test_a_story_takes_three_seconds(sampled: World, shell: Shell) -> None:
    """Once all is imported (two seconds), a story takes less than one; without a terminal there are no colours."""
    _, row, _ = _first(sampled, lambda fate: fate.status == "billable")
    shell.printed(row.assignment.line_hash)
    # Of the processor, since other tests share it.
    began = time.process_time()
    _, out, _ = shell.explain(row.assignment.line_hash)
    assert time.process_time() - began < 1
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_who_waits_is_not_told_for_what(sampled: World, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal standard error says what is asked, in a pipe nothing; the story is the same."""
    _, row, _ = _first(sampled, lambda fate: fate.status == "billable")
    _, out, err = shell.explain(row.assignment.line_hash, "--json")
    assert err == ""
    # As rich is told of a terminal.
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    code, again, err = shell.explain(row.assignment.line_hash, "--json")
    assert (code, again) == (0, out)
    assert "loading" in err or "reading what the runs have stored" in err


@pytest.fixture(scope="module")
def decided(
    stack_environment: dict[str, str], instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PublicationWorld, str, str]]:
    """January exported and closed, one line restated and exported again, three lines archived and run once more.

    Returns:
        The world, the hash of the restated line, and that of an archived one.
    """
    own = {"SNOWFLAKE_DATABASE": "EXPLAINED"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (stack_environment | own).items():
            patch.setenv(name, value)
        world = PublicationWorld.make(instance, tmp_path_factory.mktemp("storage"), stack_environment | own)
        world.settings = Settings.from_environment(world.environment)
        world.definitions = build_definitions(world.settings)
        assert world.run(*CHAIN, period=JANUARY).success
        assert world.launch("close_period", "close", period=JANUARY, closed_by="ann").success
        restated = world.records[JANUARY][-1]["line_hash"]["S"]
        world.change_amount(JANUARY, "1.25")
        assert world.run(period=JANUARY, config={"restate": True, "reason": REASON}).success
        assert world.run("snowflake_master_bills", period=JANUARY).success
        archived = world.records[JANUARY][0]["line_hash"]["S"]
        world.archive(JANUARY, Decimal("0.125"))
        assert world.run(period=JANUARY).success
        yield world, restated, archived


@pytest.fixture
def january(decided: tuple[PublicationWorld, str, str], monkeypatch: pytest.MonkeyPatch) -> PublicationWorld:
    """The same, with its names in the environment."""
    for name, value in decided[0].environment.items():
        monkeypatch.setenv(name, value)
    return decided[0]


def test_a_restated_line_keeps_its_history_to_itself(
    decided: tuple[PublicationWorld, str, str], january: PublicationWorld, shell: Shell
) -> None:
    """Who closed the period, the restatement's reason with both amounts, and both exports stand in the story."""
    restated = decided[1]
    story = shell.told(restated)
    (told,), (bill,) = story["rows"], story["bills"]
    assert (told["status"], told["billed_usd"]) == ("billable", Decimal("1.25"))
    assert told["standing"].startswith("Published in this bill")
    assert bill["is_closed"]
    decisions = {decision["decision"]: decision for decision in bill["decisions"]}
    assert set(decisions) == {"closed", "restated"}
    assert decisions["closed"]["by"] == "ann"
    assert decisions["restated"]["reason"] == REASON
    (change,) = [each for each in decisions["restated"]["bills"] if each["master_bill_id"] == bill["master_bill_id"]]
    published = {each.master_bill_id: each for each in january.published().bills}[bill["master_bill_id"]]
    assert (change["change"], change["after_usd"]) == ("changed", published.utility_amount)
    logged = [(each["change"], each["before_usd"], each["after_usd"]) for each in bill["changes"]]
    assert logged == [
        ("inserted", None, change["before_usd"]),
        ("updated", change["before_usd"], change["after_usd"]),
    ]
    verdicts = [run["verdict"] for run in story["runs"]]
    assert verdicts == ["published", "published", "", "pending restatement"]
    assert decisions["restated"]["run_id"] in {run["run_id"] for run in story["runs"]}
    out = shell.printed(restated)
    assert REASON in out
    assert f"${plain(change['before_usd'])} -> ${plain(change['after_usd'])}" in out


def test_an_archived_line_is_called_unknown(
    decided: tuple[PublicationWorld, str, str], january: PublicationWorld, shell: Shell
) -> None:
    """A line that left the table is told from its published bill and the archive, and that the bill waits."""
    archived = decided[2]
    story = shell.told(archived)
    (told,), (bill,) = story["rows"], story["bills"]
    assert (told["status"], told["assignment"], told["archived_since"]) == ("published only", None, True)
    published = {each.master_bill_id: each for each in january.published().bills}[bill["master_bill_id"]]
    line = published.source_line_items[told["ordinal"]]
    assert (line.line_hash, line.amount) == (archived, told["billed_usd"])
    assert [record["line_hash"] for record in story["archived"]] == [archived]
    assert bill["amount_usd"] - bill["rows_usd"] == told["billed_usd"]
    assert "1 published line is gone or changed" in bill["standing"]
    whole = shell.told(bill["master_bill_id"])
    (of_bill,) = whole["bills"]
    assert [(each["now"], each["archived_since"]) for each in of_bill["lines"] if each["line_hash"] == archived] == [
        ("gone", True)
    ]
    assert "it stands in the archive now" in shell.printed(archived)
