"""The page of a market: its facts, its event, its states and its texts."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.market_page import MARKET, market_chart, market_url, open_market, shown_candles
from tests.browser.prepared_markets import HOSTILE_EVENT, HOSTILE_TEXTS, REMOVED_MARKET, SETTLED_MARKET, WEATHER_EVENT
from tests.browser.service import Service


def test_facts_are_those_of_the_api(page: Page, service: Service) -> None:
    market = open_market(page, service)
    expect(page.get_by_role("heading", level=1)).to_have_text("Will the high temp in Testville be >50°?")
    expect(page).to_have_title("Will the high temp in Testville be >50°? · Kalshi Markets")
    expect(page.locator(".market-price .number")).to_have_text(f"{round(market['last_price_dollars'] * 100)}%")
    expect(_fact(page, "Bid")).to_contain_text(f"{round(market['yes_bid_dollars'] * 100)}¢")
    expect(_fact(page, "Ask")).to_contain_text(f"{round(market['yes_ask_dollars'] * 100)}¢")
    expect(_fact(page, "Volume")).to_contain_text(f"{market['volume']:,}")
    expect(_fact(page, "Closes")).to_contain_text(re.compile(r"GMT\+[12].*E[SD]T", re.DOTALL))
    expect(page.locator(".badge").first).to_have_text("open")


def test_breadcrumb_leads_to_category_series_and_event(page: Page, service: Service) -> None:
    open_market(page, service)
    links = page.get_by_role("navigation", name="Breadcrumb").get_by_role("link")
    addresses = [link.get_attribute("href") for link in links.all()]
    assert addresses == [
        "/explore",
        "/explore?category=World",
        "/explore/series/KXTESTHIGH",
        f"/explore/events/{WEATHER_EVENT}",
    ]
    exchange = page.get_by_role("link", name="This series on kalshi.com")
    expect(exchange).to_have_attribute("href", "https://kalshi.com/markets/kxtesthigh")


def test_full_view_sends_six_requests_and_unseen_parts_none(open_page: OpenPage, service: Service) -> None:
    page = open_page(height=300)
    requests = _api_requests(page, service)
    page.goto(market_url(service))
    expect(page.get_by_role("table", name="States of the market")).to_be_attached()
    page.wait_for_load_state("networkidle")
    paths = [request.partition("?")[0] for request in requests]
    assert sorted(paths) == [f"/events/{WEATHER_EVENT}/markets", "/markets", f"/markets/{MARKET}/history"]
    for name in ("chart", "book", "trades"):
        page.locator(f"#{name}").scroll_into_view_if_needed()
        expect(page.locator(f"#{name} .loading")).to_have_count(0)
    page.wait_for_timeout(500)
    unseen = {f"/markets/{MARKET}/{part}" for part in ("candlesticks", "orderbook", "trades")}
    assert {request.partition("?")[0] for request in requests[3:]} == unseen
    assert len(requests) == 6


def test_other_markets_lead_to_their_pages(page: Page, service: Service) -> None:
    open_market(page, service)
    others = page.get_by_role("region", name="Other markets of the event").first
    expect(others.locator("tbody tr")).to_have_count(5)
    others.get_by_role("link", name="52° or above").click()
    expect(page).to_have_url(market_url(service, f"{WEATHER_EVENT}-T52"))


def test_settled_market_ends_at_its_close(page: Page, service: Service) -> None:
    market = open_market(page, service, SETTLED_MARKET)
    expect(page.locator(".market-price")).to_contain_text("settlement value of YES")
    expect(page.locator(".badge").first).to_have_text("settled · YES")
    expect(page.locator("#book")).to_have_count(0)
    expect(page.get_by_role("navigation", name="Range").get_by_role("link", name="All time")).to_have_attribute(
        "aria-current", "true"
    )
    close = page.evaluate("Date.parse", market["close_time"]) / 1000
    assert all(candle["end_period_ts"] - 3_600 <= close for candle in shown_candles(page))


def test_removed_market_says_so(page: Page, service: Service) -> None:
    open_market(page, service, REMOVED_MARKET)
    expect(page.get_by_text("The exchange no longer has this market.")).to_be_visible()


def test_unknown_market_leads_to_a_search(page: Page, service: Service) -> None:
    page.goto(market_url(service, "KXNOSUCH-1-A"))
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no market KXNOSUCH-1-A")
    expect(page).to_have_title("Market not found · Kalshi Markets")
    search = page.get_by_role("link", name="Search for KXNOSUCH-1-A")
    expect(search).to_have_attribute("href", "/explore?search=KXNOSUCH-1-A")


def test_states_of_the_market_are_listed(page: Page, service: Service) -> None:
    open_market(page, service)
    states = service.get(f"/markets/{MARKET}/history")["items"]
    rows = page.get_by_role("region", name="States of the market").locator("tbody tr")
    expect(rows).to_have_count(len(states))
    expect(rows.first).to_contain_text("now")


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_hostile_text_is_text(open_page: OpenPage, service: Service, name: str) -> None:
    page = open_page(width=390)
    open_market(page, service, f"{HOSTILE_EVENT}-{name}")
    assert page.locator("h1").text_content() == HOSTILE_TEXTS[name]
    expect(page.locator(".rules p").first).to_have_text(HOSTILE_TEXTS[name], use_inner_text=False)
    expect(page.locator("main script, main img")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_moves_while_the_page_loads(page: Page, service: Service) -> None:
    page.add_init_script(
        """globalThis.shifts = [];
        new PerformanceObserver((list) => shifts.push(...list.getEntries().map((entry) => entry.value)))
          .observe({ type: "layout-shift", buffered: true });"""
    )
    open_market(page, service)
    expect(market_chart(page).locator("canvas").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("shifts.reduce((sum, shift) => sum + shift, 0)") < 0.02


def _fact(page: Page, name: str) -> Locator:
    term = page.locator("dt", has_text=re.compile(f"^{name}$"))
    return page.locator(".facts > div").filter(has=term).locator("dd")


def _api_requests(page: Page, service: Service) -> list[str]:
    """Return a list that receives the path and query string of the page's requests to the API."""
    requests: list[str] = []
    page.on(
        "request",
        lambda request: (
            requests.append(request.url.removeprefix(service.url)) if request.resource_type == "fetch" else None
        ),
    )
    return requests
