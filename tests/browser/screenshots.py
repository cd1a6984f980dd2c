"""`make screenshots`: pictures of every page for the documentation, in docs/images.

The data is that of the simulated exchange, with a fixed seed, at the present.
"""

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from local import ROOT
from local.exchange.clock import Clock
from local.exchange.generated import generate
from tests.browser.chromium import ChromiumMissing, ensure_chromium, launch_options
from tests.browser.service import Service, database_server, running_service, wait_for_crawl

IMAGES: Final = ROOT / "docs" / "images"
SEED, MARKETS = 1, 5_000
WIDE, NARROW = (1280, 900), (390, 844)
"""Sizes of the screen, in CSS pixels."""
COLORS: Final = 256
"""Colors of a picture. A palette makes a file a third as large, and the difference is not seen."""
SETTLE_MS: Final = 30_000


def paths(service: Service) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of each page, with the markets that are traded most."""
    query = "status=active&order_by=volume&limit=1&last_price_dollars__gte=0.3&last_price_dollars__lte=0.7"
    [market] = service.get(f"/markets?{query}&fields=ticker,series_ticker")["items"]
    query = "status=active&order_by=volume_24h&limit=1&strike_type=structured"
    [outcome] = service.get(f"/markets?{query}&fields=event_ticker")["items"]
    yield "home", "/"
    yield "explore", "/explore"
    yield "market", f"/explore/markets/{market['ticker']}?range=1m&interval=1440"
    yield "event", f"/explore/events/{outcome['event_ticker']}"
    yield "series-list", "/explore/series"
    yield "series", f"/explore/series/{market['series_ticker']}"
    yield "status", "/explore/status"
    yield "api-reference", "/docs"


def take(browser: Browser, url: str, size: tuple[int, int], colors: Literal["light", "dark"]) -> bytes:
    """Return a picture of the first screen of a page, after everything on it has loaded."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=colors,
        locale="en-US",
        timezone_id="America/New_York",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    expect(page.locator("main h1").first).to_be_visible(timeout=SETTLE_MS)
    page.wait_for_load_state("networkidle")
    picture = page.screenshot(animations="disabled", caret="hide")
    context.close()
    return picture


def compress(picture: bytes) -> bytes:
    """Return a PNG with a palette."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def write_all(service: Service, browser: Browser) -> None:
    """Write the pictures: every page on a wide and a narrow screen, and the wide ones in dark colors, too."""
    IMAGES.mkdir(exist_ok=True)
    for name, path in paths(service):
        for suffix, size, colors in (("", WIDE, "light"), ("-narrow", NARROW, "light"), ("-dark", WIDE, "dark")):
            file = IMAGES / f"{name}{suffix}.png"
            file.write_bytes(compress(take(browser, service.url + path, size, colors)))  # type: ignore[arg-type]
            print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1000} kB", flush=True)


def main() -> int:
    """Run a service, write the pictures, and return the exit code."""
    try:
        chromium = ensure_chromium()
    except ChromiumMissing as error:
        print(f"make screenshots: {error}", file=sys.stderr)
        return 1
    exchange = generate(SEED, MARKETS, Clock())
    with (
        tempfile.TemporaryDirectory() as folder,
        database_server(Path(folder)) as database,
        running_service(Path(folder), exchange, database) as service,
    ):
        wait_for_crawl(service)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=launch_options())
            write_all(service, browser)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
