"""The pictures of docs/images: each asset's page after a demo, taken in a real browser.

Run it from the project's folder, with Debian's Chromium installed:

    python -m billing_assets_tests.browser.pictures

It makes a demo of its own in a temporary folder (or uses `--url` of a UI that runs already), asks the code location for
its assets, so that new ones come by themselves, and writes `docs/images/assets/<asset>.jpg`, 1400 pixels wide.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from billing_assets_tests.browser.conftest import PROJECT, demo_home
from billing_assets_tests.browser.serving import CHROMIUM, CHROMIUM_ARGUMENTS, dev

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

IMAGES = PROJECT / "docs" / "images" / "assets"
MOST_BYTES = 150_000
_WIDTH, _LEAST_HEIGHT, _MOST_HEIGHT = 1400, 900, 2400
_TIMEOUT_MS = 120_000
_QUERY = """{ assetNodes { assetKey { path } groupName description isMaterializable } }"""
_BUSY = ".bp5-spinner, .bp4-spinner, [class*='Spinner'], [class*='skeleton'], [class*='Skeleton']"
_HIDE_TOASTS = ".bp5-toast-container, .bp4-toast-container { display: none !important }"
_RENDERED = """busy => {
  const main = document.querySelector('main') || document.body;
  const visible = element => element.getClientRects().length > 0;
  const text = main.innerText;
  if ([...document.querySelectorAll(busy)].some(visible) || /Loading|Fetching/.test(text)) return false;
  const before = window.__shown;
  window.__shown = text + document.images.length + main.scrollHeight;
  window.__still = before === window.__shown ? (window.__still || 0) + 1 : 0;
  return window.__still >= 8;
}"""
"""Nothing is busy, and the page has said the same for eight looks one after the other."""


def assets_of(url: str) -> list[dict[str, Any]]:
    """Every asset that the UI knows, in order of group and key."""
    request = urllib.request.Request(  # noqa: S310  # our own server
        f"{url}/graphql",
        data=json.dumps({"query": _QUERY}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # our own server
        nodes: list[dict[str, Any]] = json.load(answer)["data"]["assetNodes"]
    return sorted(nodes, key=lambda node: (node["groupName"], node["assetKey"]["path"]))


def take_pictures(url: str, folder: Path) -> Iterator[Path]:
    """A picture of each asset's page; each is written before the next is taken.

    Raises:
        RuntimeError: A picture can't be made small enough.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only where there is a browser

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": _WIDTH, "height": _LEAST_HEIGHT})
        page.set_default_timeout(_TIMEOUT_MS)
        for node in assets_of(url):
            path = node["assetKey"]["path"]
            page.goto(f"{url}/assets/{'/'.join(path)}?view=overview")
            page.get_by_text("Description", exact=True).first.wait_for()
            _show_whole(page)
            target = folder / f"{'-'.join(path)}.jpg"
            target.write_bytes(_small_picture(page))
            yield target
        browser.close()


def _show_whole(page: Page) -> None:
    """Wait until nothing moves any more, then make the window as tall as the page."""
    page.set_viewport_size({"width": _WIDTH, "height": _LEAST_HEIGHT})
    page.add_style_tag(content=_HIDE_TOASTS)
    _until_rendered(page)
    for _ in range(2):
        # What comes into view is rendered only then, and may be taller.
        height = int(page.evaluate("Math.max(...[...document.querySelectorAll('*')].map(e => e.scrollHeight))"))
        page.set_viewport_size({"width": _WIDTH, "height": min(_MOST_HEIGHT, max(_LEAST_HEIGHT, height))})
        _until_rendered(page)


def _small_picture(page: Page) -> bytes:
    for quality in range(85, 20, -5):
        picture = page.screenshot(type="jpeg", quality=quality)
        if len(picture) <= MOST_BYTES:
            return picture
    raise RuntimeError(f"the picture of {page.url} is larger than {MOST_BYTES:,} bytes at any quality")


def _until_rendered(page: Page) -> None:
    page.evaluate("() => { window.__shown = undefined; window.__still = 0 }")
    page.wait_for_function(_RENDERED, arg=_BUSY, polling=250)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description="Write docs/images/assets.")
    parser.add_argument("--url", help="a Dagster UI that runs already, after a demo")
    parser.add_argument("--folder", type=Path, default=IMAGES)
    arguments = parser.parse_args()
    if arguments.url:
        _write(arguments.url, arguments.folder)
        return
    scratch = Path(tempfile.mkdtemp(prefix="pictures-"))
    try:
        with dev(demo_home(scratch)) as (url, _):
            _write(url, arguments.folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(url: str, folder: Path) -> None:
    for picture in take_pictures(url, folder):
        print(f"{picture.name}: {picture.stat().st_size:,} bytes")  # noqa: T201  # a script that says what it does


if __name__ == "__main__":
    main()
