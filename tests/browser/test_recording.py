"""The pages show the exchange's real markets."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import PAGES, PagePath, open_all
from tests.browser.service import Service

pytestmark = pytest.mark.recordings
LISTS = [path for path in PAGES if path.name not in ("market", "event", "series")]


@pytest.mark.parametrize("path", LISTS, ids=str)
def test_a_page_shows_recorded_markets(page: Page, recorded_service: Service, path: PagePath) -> None:
    open_all(page, recorded_service.url + path.path)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("order", ["volume", "open_interest", "close_time"])
def test_recorded_markets_and_their_events_have_pages(page: Page, recorded_service: Service, order: str) -> None:
    [market] = recorded_service.get(f"/markets?order_by={order}&limit=1&fields=ticker,event_ticker,title")["items"]
    open_all(page, f"{recorded_service.url}/explore/markets/{market['ticker']}")
    expect(page.get_by_role("alert")).to_have_count(0)
    open_all(page, f"{recorded_service.url}/explore/events/{market['event_ticker']}")
    expect(page.get_by_role("alert")).to_have_count(0)
