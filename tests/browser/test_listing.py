"""Listings: "load more" on every page, its failures, and what the keyboard keeps."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.held_requests import hold_requests
from tests.browser.modules import serve_modules
from tests.browser.prepared_markets import LADDER_EVENT
from tests.browser.service import Service

LADDER = "/explore?event_ticker=KXLADDER-1&order_by=ticker"
LISTING = """async () => {
  const { Listing } = await import("/sources/lib/listing.js");
  globalThis.loads = [];
  globalThis.grown = [];
  const load = (next, signal) => new Promise((resolve, reject) => loads.push({ next, signal, resolve, reject }));
  globalThis.listing = new Listing(load, () => {}, (count) => grown.push(count));
  listing.reload();
  loads[0].resolve({ items: [1, 2], next: "b" });
}"""
"""Function that makes a listing whose loads the test ends, after its first page."""


@pytest.fixture
def listing(page: Page, service: Service) -> Callable[[str], Any]:
    """Return a function that runs a script beside the listing, and returns the script's value."""
    serve_modules(page)
    # A document without scripts: lit-html can be loaded only once in one with the policy of the pages.
    page.goto(service.url + "/llms.txt")
    page.evaluate(LISTING)
    return page.evaluate


def test_a_further_page_is_appended(listing: Callable[[str], Any]) -> None:
    listing("listing.loadMore(), listing.loadMore()")
    assert listing("[loads.length, loads[1].next, listing.loadingMore]") == [2, "b", True]
    listing("loads[1].resolve({ items: [3], next: null })")
    assert listing("[listing.data.items, listing.data.next, listing.loadingMore]") == [[1, 2, 3], None, False]
    assert listing("grown") == [3]


def test_a_further_page_replaces_a_running_refresh(listing: Callable[[str], Any]) -> None:
    listing("void listing.reload()")
    listing("void listing.loadMore()")
    assert listing("loads[1].signal.aborted")
    listing("loads[2].resolve({ items: [3], next: null })")
    listing("loads[1].resolve({ items: [1, 2], next: 'b' })")
    assert listing("listing.data.items") == [1, 2, 3]


def test_no_further_page_is_loaded_for_another_query(listing: Callable[[str], Any]) -> None:
    listing("void listing.reload({ discardOnFailure: true })")
    listing("void listing.loadMore()")
    assert listing("[loads.length, loads[1].signal.aborted]") == [2, False]
    listing("loads[1].resolve({ items: [7], next: null })")
    assert listing("listing.data.items") == [7]


def test_a_reload_drops_a_further_page(listing: Callable[[str], Any]) -> None:
    listing("void listing.loadMore()")
    listing("void listing.reload()")
    assert listing("[loads[1].signal.aborted, listing.loadingMore]") == [True, False]
    listing("loads[2].resolve({ items: [7, 8], next: 'i' })")
    listing("loads[1].resolve({ items: [3], next: null })")
    assert listing("listing.data.items") == [7, 8]
    listing("void listing.loadMore()")
    assert listing("loads[3].next") == "i"


def test_a_failed_page_is_no_failure_of_the_listing(listing: Callable[[str], Any]) -> None:
    listing("void listing.loadMore()")
    listing("loads[1].reject(new Error('lost'))")
    assert listing("[listing.error === undefined, listing.data.items, listing.loadingMore]") == [True, [1, 2], False]
    listing("void listing.loadMore()")
    listing("loads[2].resolve({ items: [3], next: null })")
    assert listing("[loads[2].next, listing.data.items]") == ["b", [1, 2, 3]]


def test_the_request_has_the_number_of_rows(listing: Callable[[str], Any]) -> None:
    listing("listing.data.request = { path: '/rows', parameters: { limit: 2 } }")
    listing("void listing.loadMore()")
    listing("loads[1].resolve({ items: [3], next: null, request: { path: '/rows', parameters: { limit: 2 } } })")
    assert listing("listing.data.request") == {"path": "/rows", "parameters": {"limit": 3}}


def test_the_button_keeps_the_focus_while_rows_are_loading(page: Page, service: Service) -> None:
    held = hold_requests(page, f"/events/{LADDER_EVENT}/markets.*cursor=")
    page.goto(f"{service.url}/explore/events/{LADDER_EVENT}?limit=150")
    rows = page.get_by_role("region", name="Outcomes of the event").locator("tbody tr")
    expect(rows).to_have_count(150)
    page.get_by_role("button", name="More outcomes").focus()
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="Loading …")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_be_focused()
    held.wait(1)[0].continue_()
    expect(rows).to_have_count(200)
    expect(page.get_by_text("These are all outcomes.")).to_be_focused()


def test_the_focus_stays_where_it_went_meanwhile(page: Page, service: Service) -> None:
    held = hold_requests(page, r"/markets\?.*cursor=")
    page.goto(f"{service.url}{LADDER}&limit=150")
    page.get_by_role("button", name="Load more").click()
    expect(page.get_by_role("button", name="Loading …")).to_be_visible()
    page.get_by_role("searchbox").focus()
    held.wait(1)[0].continue_()
    expect(page.get_by_text("These are all matching markets.")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_outcomes_in_the_url_are_those_of_the_request(page: Page, service: Service) -> None:
    url = f"{service.url}/explore/events/{LADDER_EVENT}"
    page.goto(f"{url}?limit=150")
    page.get_by_role("button", name="More outcomes").click()
    expect(page).to_have_url(f"{url}?limit=200")
    csv = page.get_by_role("link", name=f"CSV of markets of {LADDER_EVENT}")
    expect(csv).to_have_attribute("href", re.compile("limit=200"))
    page.reload()
    expect(page.get_by_role("region", name="Outcomes of the event").locator("tbody tr")).to_have_count(200)
