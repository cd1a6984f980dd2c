"""States of the pages that are not data: each says why, and what to do."""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from local.exchange.clock import Clock
from tests.browser.conftest import SEED, OpenPage
from tests.browser.exchange import PreparedExchange
from tests.browser.pages import PAGES, PagePath, load_all
from tests.browser.prepared_markets import IDLE_MARKET, LADDER_EVENT, REMOVED_MARKET, SETTLED_MARKET
from tests.browser.service import Service, database_server, running_service

WITH_DATA = [path for path in PAGES if path.name != "docs"]
"""Pages that show rows of the database."""

_PRESS_RETRY: Final = """() => {
  const buttons = [...document.querySelectorAll("[role=alert] button")];
  buttons.forEach((button) => button.click());
  return buttons.length === 0;
}"""
"""Function that presses all buttons of failures, and returns true when there are none.

A press cancels the requests of the press before. Each process of the service may fail once more: it replaces its
connection to the database at its own next request.
"""


@pytest.fixture(scope="module")
def crawling_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service whose first crawl waits for the page of the open markets."""
    folder = tmp_path_factory.mktemp("crawling")
    slow = {"kind": "latency", "path": "/markets?*status=open*", "seconds": 600}
    with (
        database_server(folder) as database,
        running_service(folder, PreparedExchange(SEED, 300, Clock()), database, [slow]) as service,
    ):
        yield service


@pytest.mark.parametrize("path", [path for path in WITH_DATA if not path.name.startswith("series")], ids=str)
def test_the_first_crawl_is_named_where_rows_are_missing(
    open_page: OpenPage, crawling_service: Service, path: PagePath
) -> None:
    page = open_page(allows_failures=path.name in ("market", "event"))
    page.goto(crawling_service.url + path.path)
    notice = page.locator("#first-crawl")
    expect(notice).to_contain_text("The first crawl is running.")
    if path.name != "status":
        expect(notice.get_by_role("link", name="Progress")).to_have_attribute("href", "/explore/status")


def test_a_failed_listing_is_no_first_crawl(page: Page, service: Service) -> None:
    status = service.get("/status")
    status["live"]["complete"] = False
    assert status["live"]["finished_at"]
    page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    page.goto(service.url)
    expect(page.locator("main")).to_contain_text("live data incomplete")
    expect(page.locator("#first-crawl")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_without_scripts_names_the_request_of_its_data(
    open_page: OpenPage, service: Service, path: PagePath
) -> None:
    # Chromium still tries to load the modules, and reports each as blocked.
    page = open_page(java_script_enabled=False, allows_failures=True)
    page.goto(service.url + path.path)
    link = page.locator("noscript a").first
    expect(link).to_be_visible()
    assert page.request.get(service.url + (link.get_attribute("href") or "")).ok
    expect(page.locator("noscript p").first).to_contain_text("This page needs JavaScript.")
    expect(page.get_by_role("link", name="llms.txt").first).to_be_visible()


@pytest.mark.parametrize("path", WITH_DATA, ids=str)
def test_an_unavailable_database_is_named_and_retry_loads_the_page(
    quiet_page: Page, service: Service, path: PagePath
) -> None:
    with service.without_database():
        quiet_page.goto(service.url + path.path)
        expect(quiet_page.get_by_role("alert").first).to_contain_text("The database is unavailable.")
        quiet_page.wait_for_load_state("networkidle")
    quiet_page.wait_for_function(_PRESS_RETRY, polling=5_000, timeout=120_000)
    load_all(quiet_page)


def test_an_unavailable_exchange_leaves_the_stored_data(quiet_page: Page, service: Service) -> None:
    market = f"/explore/markets/{LADDER_EVENT}-T1100"
    with service.faults({"kind": "5xx", "path": "/*"}):
        quiet_page.goto(service.url + market)
        expect(quiet_page.get_by_role("heading", level=1)).to_contain_text("Where will the index close?")
        expect(quiet_page.locator("#chart").get_by_role("alert")).to_contain_text("exchange")
    quiet_page.locator("#chart").get_by_role("button", name="Retry").click()
    expect(quiet_page.locator("#chart canvas").first).to_be_visible()


def test_a_removed_market_says_so(quiet_page: Page, service: Service) -> None:
    quiet_page.goto(f"{service.url}/explore/markets/{REMOVED_MARKET}")
    expect(quiet_page.locator("main")).to_contain_text("The exchange no longer has this market.")


def test_a_settled_market_shows_its_result(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore/markets/{SETTLED_MARKET}")
    expect(page.locator("main .badge").first).to_have_text("settled · YES")


def test_a_market_that_nobody_traded_shows_its_quotes(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore/markets/{IDLE_MARKET}")
    expect(page.locator("main")).to_contain_text("40¢")
    page.locator("#trades").scroll_into_view_if_needed()
    expect(page.locator("#trades")).to_contain_text(re.compile("no trade|not been traded|nobody", re.IGNORECASE))


def test_no_match_offers_looser_filters(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore?search=testville&status=finalized")
    state = page.locator("main .empty")
    expect(state).to_be_visible()
    state.get_by_role("link").first.click()
    expect(page.locator("main tbody tr").first).to_be_visible()
