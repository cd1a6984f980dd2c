"""The pages of the explorer, each with a path that the prepared exchange has data for."""

from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser.prepared_markets import LADDER_EVENT, WEATHER_EVENT
from tests.support.waiting import wait_until

SCRIPT_BYTES, CHART_BYTES = 30_000, 100_000
"""Limits of the scripts and styles of a page, as compressed on the wire, without and with a chart."""


@dataclass(frozen=True)
class PagePath:
    """Page and a path to it. max_bytes: limit of its scripts and styles."""

    name: str
    path: str
    max_bytes: int = SCRIPT_BYTES

    def __str__(self) -> str:
        return self.name


PAGES: Final = (
    PagePath("home", "/"),
    PagePath("explore", "/explore"),
    PagePath("market", f"/explore/markets/{WEATHER_EVENT}-T50", CHART_BYTES),
    PagePath("event", f"/explore/events/{LADDER_EVENT}", CHART_BYTES),
    PagePath("series_list", "/explore/series"),
    PagePath("series", "/explore/series/KXTESTHIGH"),
    PagePath("status", "/explore/status"),
    PagePath("docs", "/docs", CHART_BYTES),
)


def open_all(page: Page, url: str) -> None:
    """Open a page and scroll through it, until all of its sections have loaded."""
    page.goto(url)
    expect(page.locator("main h1").first).to_be_visible()
    load_all(page)
    page.wait_for_load_state("networkidle")
    page.evaluate("scrollTo(0, 0)")


def load_all(page: Page) -> None:
    """Scroll through an open page until all of its sections have loaded.

    A section may appear when another one has loaded, and it loads when it is seen. So the scrolling is repeated.
    """

    def is_loaded() -> bool:
        page.evaluate(_SCROLL_THROUGH)
        return page.locator("main .loading:visible").count() == 0

    wait_until(is_loaded, "A section of the page has not loaded.")


_SCROLL_THROUGH: Final = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  for (let top = 0; top < document.documentElement.scrollHeight; top += innerHeight / 2) {
    scrollTo(0, top);
    await frame();
    await frame();
  }
}"""
"""Function that shows every part of a page for two frames, in which observers of intersections are called."""
