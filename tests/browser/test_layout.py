"""Layout of every page: nothing moves while it loads, and nothing is wider than the screen."""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.pages import PAGES, PagePath, open_all
from tests.browser.prepared_markets import HOSTILE_EVENT, HOSTILE_TEXTS
from tests.browser.service import Service

MAX_SHIFT: Final = 0.05
"""Limit of the cumulative layout shift. web.dev/articles/cls calls 0.1 good."""
_RECORD_SHIFTS: Final = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const moved = entry.sources.map((source) => `${source.node?.nodeName} ${source.node?.className ?? ""}`);
    window.shifts.push([entry.value, entry.hadRecentInput, moved.join(", ")]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
HOSTILE_PATHS: Final = (
    f"/explore?event_ticker={HOSTILE_EVENT}",
    f"/explore/events/{HOSTILE_EVENT}",
    *(f"/explore/markets/{HOSTILE_EVENT}-{name}" for name in HOSTILE_TEXTS),
)


_TOO_WIDE: Final = """() => {
  const scrolls = (element) => /auto|scroll|hidden|clip/.test(getComputedStyle(element).overflowX);
  const isInBox = (element) => {
    const box = element.parentElement;
    return box !== document.body && (scrolls(box) || isInBox(box));
  };
  const { scrollWidth, clientWidth } = document.documentElement;
  const wide = [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > clientWidth && !isInBox(element))
    .map((element) => `${element.outerHTML.slice(0, 120)}…`);
  return scrollWidth <= clientWidth ? [] : [`The document is ${scrollWidth} pixels wide.`, ...wide];
}"""
"""Function that returns the elements that make the document wider than the screen."""


def assert_fits(page: Page) -> None:
    """Assert that the document is not wider than the screen."""
    too_wide = page.evaluate(_TOO_WIDE)
    assert not too_wide, "\n".join(too_wide[:5])


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_narrow_screen_has_no_horizontal_scroll(open_page: OpenPage, service: Service, path: PagePath) -> None:
    page = open_page(width=360, height=740)
    open_all(page, service.url + path.path)
    assert_fits(page)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", PAGES, ids=str)
def test_nothing_moves_while_a_page_loads(open_page: OpenPage, service: Service, path: PagePath, width: int) -> None:
    page = open_page(width=width)
    page.add_init_script(_RECORD_SHIFTS)
    page.goto(service.url + path.path)
    expect(page.locator("main h1").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    shifts = [(value, moved) for value, after_input, moved in page.evaluate("shifts") if not after_input]
    assert sum(value for value, _ in shifts) <= MAX_SHIFT, shifts


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_hostile_texts_are_shown_as_text(open_page: OpenPage, service: Service, path: str, width: int) -> None:
    page = open_page(width=width)
    open_all(page, service.url + path)
    assert_fits(page)
    assert page.locator("main img, main script").count() == 0
    assert "ran" not in page.title().split()
    text = next((text for name, text in HOSTILE_TEXTS.items() if path.endswith(f"-{name}")), HOSTILE_TEXTS["SCRIPT"])
    assert _joined(text) in _joined(page.locator("main").inner_text())


def _joined(text: str) -> str:
    return "".join(text.split())
