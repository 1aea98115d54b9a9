"""The project's own promises about its files."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from billing_assets.cli import app
from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.periods import Month
from billing_assets.settings import Settings, markdown_table

PROJECT = Path(__file__).parents[2]


def test_the_documentation_lists_every_variable() -> None:
    """The table in docs/operations.md is made from settings.py, and is still equal to it."""
    text = (PROJECT / "docs" / "operations.md").read_text()
    assert f"<!-- variables -->\n{markdown_table()}\n<!-- /variables -->" in text


def test_all_settings_that_cannot_be_read_are_named_at_once() -> None:
    """Nobody mends one variable a run."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(
            {"BILLING_FIRST_PERIOD": "01/2024", "BILLING_MAX_UNBILLED": "5 %", "BILLING_S3_REQUESTS": "0"}
        )
    assert str(caught.value) == (
        "3 setting(s) can't be read\n"
        "  where:  the environment\n"
        "  found:  BILLING_FIRST_PERIOD: '01/2024' is no month written YYYY-MM\n"
        "          BILLING_MAX_UNBILLED: '5 %' is no number from 0 to 1, such as 0.05\n"
        "          BILLING_S3_REQUESTS: '0' is no whole number of 1 or more\n"
        "  remedy: correct or unset the variables named above; docs/operations.md lists them all"
    )


def test_a_default_is_another_than_the_contracts() -> None:
    """SPEC.md section 9; intermediate data stand in a folder that git ignores."""
    settings = Settings.from_environment({})
    contract = {
        "bucket": "jrk-analytics-billing",
        "assignments_table": "jrk-bill-ubi-assignments",
        "assignments_index": "ubi-period-index",
        "archived_table": "jrk-bill-ubi-archived",
        "config_table": "jrk-bill-config",
        "stage4_prefix": "Bill_Parser_4_Enriched_Outputs/",
        "accounts_key": "Bill_Parser_Config/accounts_to_track.json",
        "master_bills_key": "config/master-bills-latest.json",
        "master_bills_prefix": "config/master-bills/",
        "first_period": Month(2024, 1),
        "max_unbilled": Decimal("0.05"),
        "max_shrink": Decimal("0.10"),
        "scan_limit_mb": 64,
    }
    assert {name: getattr(settings, name) for name in contract} == contract
    ignored = (PROJECT / ".gitignore").read_text().splitlines()
    assert f"{settings.storage_uri.partition('/')[0]}/" in ignored


def test_blank_variables_count_as_not_set() -> None:
    """A variable that a deployment leaves blank keeps its default."""
    assert Settings.from_environment({"BILLING_FIRST_PERIOD": " "}).first_period == Month(2024, 1)


def test_the_constraints_pin_everything_with_hashes_and_name_no_address() -> None:
    """Every package is pinned and hashed, and no file says where it comes from."""
    text = (PROJECT / "constraints.txt").read_text()
    packages = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert len(packages) > 100
    assert all("==" in line for line in packages)
    assert text.count("--hash=sha256:") > len(packages)
    assert "://" not in text


def test_no_path_of_a_machine_is_committed() -> None:
    """A clone works wherever it stands."""
    homes = re.compile(r"(?:^|[^\w.])/(?:work|root|home)/")
    files = [path for room in ("billing_assets", "docs", "deploy") for path in (PROJECT / room).rglob("*")]
    texts = [path for path in files if path.suffix in {".py", ".md", ".yaml", ".toml"}]
    assert texts
    assert not [path for path in texts if homes.search(path.read_text())]


@pytest.mark.parametrize("command", ["demo", "dev", "bills", "doctor", "explain"])
def test_a_command_has_no_example(command: str) -> None:
    """Each command's help has an example, and the list of commands the exit codes, nothing of it cut off."""
    runner = CliRunner()
    assert f"billing-assets {command} " in runner.invoke(app, [command, "--help"]).output
    listed = runner.invoke(app, ["--help"], terminal_width=80).output
    commands = listed.partition("Commands:")[2]
    assert command in commands
    assert "..." not in commands
    assert re.findall(r"^ +(\d+)  ", listed, re.MULTILINE) == ["0", "1", "2", "130"]


def test_the_runbook_sends_nobody_to_a_section_that_is_not_there() -> None:
    """What its first table names begins a heading of its own."""
    text = (PROJECT / "docs" / "runbook.md").read_text()
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    table = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    named = [name for line in table for name in re.findall(r"\*([^*]+)\*", line)]
    assert len(named) >= 10
    assert not [name for name in named if not any(heading.startswith(name) for heading in headings)]
