"""The README's two commands as a stranger meets them: `demo`, again `demo`, and `dev` in a real browser."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

import psutil
import pytest

from billing_assets.local.environment import demo_environment
from billing_assets.local.stack import EmbeddedStack
from billing_assets.settings import Settings
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.publication import MasterBillLocation, published_periods, read_published
from billing_assets_tests.browser.conftest import PROJECT
from billing_assets_tests.browser.serving import CHROMIUM, CHROMIUM_ARGUMENTS, dev, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from billing_assets.domain.master_bills import MasterBill
    from billing_assets_tests.browser.conftest import Home

SCREENSHOTS = os.environ.get("BILLING_ASSETS_SCREENSHOTS")
"""Set to write the pictures of docs/images."""


def _published(home: Home) -> tuple[bytes, list[MasterBill]]:
    with EmbeddedStack.start(home.state) as stack, pytest.MonkeyPatch.context() as patch:
        for name, value in demo_environment(stack.environment()).items():
            patch.setenv(name, value)
        settings = Settings.from_environment({})
        s3 = AwsClients().s3
        combined = s3.get_object(Bucket=settings.bucket, Key=settings.master_bills_key)["Body"].read()
        location = MasterBillLocation(settings.bucket, settings.master_bills_key, settings.master_bills_prefix)
        periods = [read_published(s3, location, period) for period in published_periods(s3, location)]
        return combined, [bill for period in periods if period for bill in period.bills]


def test_a_second_demo_changes_no_byte(home: Home) -> None:
    """The combined list and the bills are the same after it, and its totals reconcile again."""
    before = _published(home)
    assert before[1]
    second = home.run("demo")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "JSON and Snowflake agree to the cent" in second.stdout
    assert _published(home) == before


def test_the_demo_prints_a_row_for_every_period(home: Home) -> None:
    """Fourteen periods and their sum; every record has its row."""
    for month in ("2025-05", "2025-12", "2026-06"):
        assert month in home.first_output
    assert "Every record has its row" in home.first_output


def test_another_sample_is_refused_while_one_is_loaded(home: Home) -> None:
    """A demo never mixes two samples, and says how to get the other one."""
    other = home.run("demo", "--scale", "0.5")
    assert other.returncode == 1
    assert "make clean" in other.stderr
    assert "Traceback" not in other.stderr


def test_a_busy_port_is_named(home: Home) -> None:
    """`dev` on a taken port gives a letter and starts nothing."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = home.run("dev", "--port", str(port))
    assert refused.returncode == 1
    assert f"127.0.0.1:{port}" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_ctrl_c_leaves_no_process(home: Home) -> None:
    """Webserver, daemon, code servers and both emulators end with `dev`."""
    with dev(home) as (_, process):
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 4
        process.send_signal(signal.SIGINT)
        process.wait(60)
        until(lambda: not any(_lives(member) for member in family), seconds=10, what="a process is left")


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium, which .ci/run installs")
def test_the_ui_shows_the_graph_and_the_runs_of_the_demo(home: Home) -> None:
    """A real browser sees the assets of the chain, materialized for fourteen periods."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only where there is a browser

    with dev(home) as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=CHROMIUM_ARGUMENTS,
        )
        page = browser.new_page(viewport={"width": 1900, "height": 800})
        page.goto(f"{url}/locations/billing_assets/asset-groups/master_bills")
        for asset in ("ubi_assignments", "resolved_line_items", "master_bills_json", "snowflake_master_bills"):
            page.get_by_text(asset, exact=True).first.wait_for(timeout=60_000)
        # Fourteen of the partitions are materialized, whatever month it is.
        page.get_by_text("% filled").nth(3).wait_for(timeout=60_000)
        _picture(page, "asset-graph")
        page.set_viewport_size({"width": 1600, "height": 1000})
        page.goto(f"{url}/assets/resolved_line_items?view=checks")
        page.get_by_text("every_assignment_has_a_row").first.wait_for(timeout=60_000)
        page.get_by_text("rows_out").first.wait_for(timeout=60_000)
        _picture(page, "checks")
        show_completion_check(page, url)
        show_completion_grid(page, url)
        show_period_status(page, url)
        browser.close()


def show_completion_check(page: Page, url: str) -> None:
    """The check tells which accounts have no bill."""
    page.goto(f"{url}/assets/resolved_line_items?view=checks&checkDetail=every_expected_account_has_a_bill")
    page.get_by_text("missing_accounts", exact=True).wait_for(timeout=60_000)
    page.get_by_text("Show Markdown").nth(1).click()
    page.get_by_text("last billed", exact=True).wait_for(timeout=30_000)
    _picture(page, "completion-check")
    page.get_by_role("button", name="Close").click()


def show_completion_grid(page: Page, url: str) -> None:
    """The heat map is drawn by the browser, and is not what a sanitizer left of it."""
    page.goto(f"{url}/assets/completion_grid?view=overview")
    page.get_by_role("row").filter(has_text="heat_map").get_by_text("Show Markdown").click(timeout=60_000)
    heat_map = page.get_by_role("img", name="properties by month")
    heat_map.wait_for(timeout=30_000)
    assert heat_map.evaluate("image => image.complete && image.naturalWidth > 500")
    _picture(page, "completion-grid")


def show_period_status(page: Page, url: str) -> None:
    """The page to look at is made anew by its button, and has its picture."""
    from playwright.sync_api import Error  # noqa: PLC0415  # only where there is a browser

    page.goto(f"{url}/assets/period_status?view=overview")
    page.get_by_role("button", name="Materialize").first.click(timeout=60_000)
    row = page.get_by_role("row").filter(has=page.get_by_text("picture", exact=True))

    def shown() -> bool:
        with contextlib.suppress(Error):
            row.wait_for(timeout=20_000)
        if not row.is_visible():
            # The page itself may not look again after a first materialization.
            page.reload()
        return row.is_visible()

    until(shown, seconds=180, what="period_status has no picture")
    row.get_by_text("Show Markdown").click()
    drawn = page.get_by_role("img", name="periods by what was done")
    drawn.wait_for(timeout=30_000)
    assert drawn.evaluate("image => image.complete && image.naturalWidth > 500")
    _picture(page, "period-status")


def _picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        # A dialog that is still fading in would be half a picture.
        page.screenshot(path=PROJECT / "docs" / "images" / f"{name}.png", animations="disabled")
