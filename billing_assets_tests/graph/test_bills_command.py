"""`billing-assets bills` over the emulator, in all its forms: exact, read only, and a letter where it can't answer."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from billing_assets.cli import main
from billing_assets.domain.money import plain, total
from billing_assets_tests.graph.publication_world import DECEMBER, JANUARY, PublicationWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

BILL = "P3|CC|Water|01/2025|01/2025"


@pytest.fixture(scope="module")
def shared(
    stack_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PublicationWorld, dict[str, str]]]:
    """January published and closed; December assigned and never run."""
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name, value in stack_environment.items():
            patch.setenv(name, value)
        world = PublicationWorld.make(instance, tmp_path_factory.mktemp("storage"), stack_environment)
        assert world.run(period=JANUARY).success
        assert world.launch("close_period", "close", period=JANUARY, closed_by="ann").success
        world.archive(JANUARY, Decimal("0.25"))
        yield world, world.environment


@pytest.fixture
def world(shared: tuple[PublicationWorld, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> PublicationWorld:
    """The same, with its names in the environment."""
    for name, value in shared[1].items():
        monkeypatch.setenv(name, value)
    return shared[0]


class Shell:
    """Types commands and keeps what they answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def bills(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        self._monkeypatch.setattr(sys, "argv", ["billing-assets", "bills", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return int(ended.value.code or 0), out, err

    def printed(self, *words: str) -> str:
        """Standard output of a command that must succeed."""
        code, out, err = self.bills(*words)
        assert code == 0, err
        return out


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """One of the test's own."""
    return Shell(monkeypatch, capsys)


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_shows_other_bills_than_those_published(world: PublicationWorld, shell: Shell) -> None:
    """Every bill with its id and amount, the total, and who closed the period; without a colour code in a pipe."""
    out = shell.printed(JANUARY)
    bills = world.published().bills
    assert all(bill.master_bill_id in out and f"{bill.utility_amount:,}" in out for bill in bills)
    assert f"2025-01: 12 bills, 24 lines, ${total(bill.utility_amount for bill in bills):,}" in out
    assert "closed by ann at " in out
    assert "\x1b" not in out


def test_json_is_not_what_was_published(world: PublicationWorld, shell: Shell) -> None:
    """The whole bills with their lines, byte for byte; one bill alone, numbers exact."""
    assert shell.printed(JANUARY, "--json").encode() == world.period_object()
    (only,) = json.loads(shell.printed(JANUARY, "--bill", BILL, "--json"), parse_float=Decimal)
    assert only["master_bill_id"] == BILL
    assert only["utility_amount"] == Decimal("234.20")


def test_csv_loses_a_bill_or_a_cent(world: PublicationWorld, shell: Shell) -> None:
    """A row a bill, and with `--lines` a row a line, add up to what is published."""
    bills = world.published().bills
    amounts = [row["utility_amount"] for row in _rows(shell.printed(JANUARY, "--csv"))]
    assert amounts == [plain(bill.utility_amount) for bill in bills]
    lines = _rows(shell.printed(JANUARY, "--csv", "--lines"))
    assert len(lines) == 24
    assert total(Decimal(row["amount"]) for row in lines) == total(bill.utility_amount for bill in bills)
    assert [row["line_ordinal"] for row in _rows(shell.printed(JANUARY, "--csv", "--bill", BILL))] == ["0", "1"]


def test_a_bill_cannot_be_traced_to_its_lines(world: PublicationWorld, shell: Shell) -> None:
    """`--bill` shows that bill's lines with account, amount and object, and no other bill's."""
    bill = next(bill for bill in world.published().bills if bill.master_bill_id == BILL)
    out = shell.printed(JANUARY, "--bill", BILL)
    for line in bill.source_line_items:
        assert line.account_number in out
        assert plain(line.amount) in out
        assert line.s3_key.rsplit("/", 1)[-1] in out
    assert out.count("|01/2025|") == 1
    assert shell.printed(JANUARY, "--lines").count("|CC|") == 12


def test_a_difference_is_not_what_a_run_would_make(world: PublicationWorld, shell: Shell) -> None:
    """Six lines of the closed month are archived: the bills, before and after, and that a run would wait."""
    before = world.place.s3.list_objects_v2(Bucket=world.settings.bucket)["Contents"]
    found: dict[str, Any] = json.loads(shell.printed(JANUARY, "--diff", "--json"), parse_float=Decimal)
    assert (found["verdict"], found["closed"]) == ("pending restatement", True)
    assert found["before_usd"] == total(bill.utility_amount for bill in world.published().bills)
    assert found["bills"] == {"new": 0, "changed": 6, "unchanged": 6, "vanished": 0}
    assert sum(change["archived_since"] for change in found["changes"]) == 6
    taken = total(change["before_usd"] - change["after_usd"] for change in found["changes"])
    assert found["before_usd"] - found["after_usd"] == taken > 0
    out = shell.printed(JANUARY, "--diff")
    assert "A run now would publish nothing: it would wait as a pending restatement" in out
    rows = _rows(shell.printed(JANUARY, "--diff", "--csv"))
    assert [row["master_bill_id"] for row in rows] == [change["master_bill_id"] for change in found["changes"]]
    assert world.place.s3.list_objects_v2(Bucket=world.settings.bucket)["Contents"] == before


@pytest.mark.usefixtures("world")
def test_the_first_publication_cannot_be_looked_at_before(shell: Shell) -> None:
    """A period that was never published has a difference, too: all bills are new."""
    out = shell.printed(DECEMBER, "--diff")
    assert "2024-12 (open): 12 new, 0 changed, 0 unchanged, 0 vanished; $0.00 before" in out
    assert "A run now would publish this." in out


@pytest.mark.usefixtures("world")
def test_an_error_is_no_letter(shell: Shell) -> None:
    """What is missing is said on standard error with its remedy; the exit code is 1, and nothing is printed."""
    for words, said in (
        ((DECEMBER,), "2024-12 was never published"),
        ((JANUARY, "--bill", "P3|nothing"), "of the same property: P3|CC|"),
        ((JANUARY, "--bill", "P77|nothing"), "no bill of that property"),
        (("2001-01", "--diff"), "partitions run from 2024-01"),
        ((JANUARY, "--stack", "no/such/folder"), "`make demo` makes it in .billing/stack"),
        # A folder that is there, and is none of a stack's, must not become one.
        ((JANUARY, "--stack", "docs"), "there is no embedded stack in this folder"),
    ):
        code, out, err = shell.bills(*words)
        assert (code, out) == (1, ""), words
        assert said in err
        assert "remedy:" in err
        assert "Traceback" not in err


@pytest.mark.usefixtures("world")
def test_a_command_that_is_not_understood_is_run(shell: Shell) -> None:
    """Exit code 2 for a month that is none, and for options that exclude each other."""
    for words in (("2025-13",), (), (JANUARY, "--json", "--csv"), (JANUARY, "--diff", "--lines")):
        assert shell.bills(*words)[0] == 2, words


@pytest.mark.usefixtures("world")
def test_a_store_that_is_not_there_gives_a_traceback(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong bucket and a wrong table are named with their settings."""
    monkeypatch.setenv("BILLING_ASSIGNMENTS_TABLE", "no-such-table")
    code, _, err = shell.bills(JANUARY, "--diff")
    assert code == 1
    assert "BILLING_ASSIGNMENTS_TABLE" in err
    monkeypatch.setenv("BILLING_BUCKET", "no-such-bucket-at-all")
    code, _, err = shell.bills(JANUARY)
    assert code == 1
    assert "BILLING_BUCKET" in err


def test_texts_of_bills_drive_the_terminal(world: PublicationWorld, shell: Shell) -> None:
    """Markup and escape sequences of other people's texts are shown, not obeyed."""
    key = world.location.period_key(JANUARY)
    good = world.period_object()
    try:
        world.place.put(key, good.replace(b'"property_name":""', b'"property_name":"[red]x\\u001b[31m"', 1))
        out = shell.printed(JANUARY)
    finally:
        world.place.put(key, good)
    assert "[red]x\ufffd[31m" in out
    assert "\x1b" not in out


def test_the_command_as_a_process(world: PublicationWorld) -> None:
    """`billing-assets bills … | head -1` ends without a traceback, also where the reader has gone."""
    command = f"{sys.executable} -m billing_assets bills {JANUARY} --csv --lines | head -1"
    ended = subprocess.run(  # noqa: S602  # a pipe is what is tested
        command,
        shell=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **world.environment},
        check=True,
    )
    assert ended.stdout.startswith("master_bill_id,line_ordinal,")
    assert ended.stderr == ""
