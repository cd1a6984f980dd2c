"""State in the URL: fragments are no state, and malformed paths are texts."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import counted_requests
from tests.browser.service import Service
from tests.browser.watch import Watch


def test_a_fragment_sends_no_requests(page: Page, watches: dict[Page, Watch], service: Service) -> None:
    page.goto(service.url + "/explore?order_by=ticker")
    expect(page.locator("main tbody tr").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    with counted_requests(page, watches) as requests:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page).to_have_url(service.url + "/explore?order_by=ticker#main")
        page.go_back()
        expect(page).to_have_url(service.url + "/explore?order_by=ticker")
        page.wait_for_timeout(500)
    assert requests == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/explore/markets/KX%E0%A4%A", "There is no market KX%E0%A4%A"),
        ("/explore/events/KX%E0%A4%A", "There is no event KX%E0%A4%A"),
        ("/explore/series/KX%E0%A4%A", "KX%E0%A4%A"),
    ],
)
def test_a_malformed_ticker_is_not_found(quiet_page: Page, service: Service, path: str, text: str) -> None:
    quiet_page.goto(service.url + path)
    expect(quiet_page.get_by_role("heading", level=1)).to_have_text(text)
