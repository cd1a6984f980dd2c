"""The page of a market: its facts, its chart, its order book and trades, and its states."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.modules import serve_modules
from tests.browser.pixels import chart_pixels
from tests.browser.prepared_markets import (
    HOSTILE_EVENT,
    HOSTILE_TEXTS,
    IDLE_MARKET,
    REMOVED_MARKET,
    SETTLED_MARKET,
    WEATHER_EVENT,
)
from tests.browser.service import Service

MARKET = f"{WEATHER_EVENT}-T50"


def test_facts_are_those_of_the_api(page: Page, service: Service) -> None:
    market = _open(page, service)
    expect(page.get_by_role("heading", level=1)).to_have_text("Will the high temp in Testville be >50°?")
    expect(page).to_have_title("Will the high temp in Testville be >50°? · Kalshi Markets")
    expect(page.locator(".market-price .number")).to_have_text(f"{round(market['last_price_dollars'] * 100)}%")
    expect(_fact(page, "Bid")).to_contain_text(f"{round(market['yes_bid_dollars'] * 100)}¢")
    expect(_fact(page, "Ask")).to_contain_text(f"{round(market['yes_ask_dollars'] * 100)}¢")
    expect(_fact(page, "Volume")).to_contain_text(f"{market['volume']:,}")
    expect(_fact(page, "Closes")).to_contain_text(re.compile(r"GMT\+1.*E[SD]T", re.DOTALL))
    expect(page.locator(".badge").first).to_have_text("open")


def test_breadcrumb_leads_to_category_series_and_event(page: Page, service: Service) -> None:
    _open(page, service)
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
    page.goto(_url(service))
    expect(page.get_by_role("table", name="States of the market")).to_be_attached()
    page.wait_for_load_state("networkidle")
    paths = [request.partition("?")[0] for request in requests]
    assert paths == ["/markets", f"/markets/{MARKET}/history", f"/events/{WEATHER_EVENT}/markets"]
    for name in ("chart", "book", "trades"):
        page.locator(f"#{name}").scroll_into_view_if_needed()
        expect(page.locator(f"#{name} .loading")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    unseen = {f"/markets/{MARKET}/{part}" for part in ("candlesticks", "orderbook", "trades")}
    assert {request.partition("?")[0] for request in requests[3:]} == unseen
    assert len(requests) == 6


def test_chart_is_drawn_and_summarized(page: Page, service: Service) -> None:
    _open(page, service)
    candles = _candles(page)
    chart = _chart(page)
    summary = str(chart.get_attribute("aria-label"))
    lowest = min(float(candle["price"]["low_dollars"]) for candle in candles)
    assert f"low {_cents(lowest)}" in summary
    assert f"last {_cents(candles[-1]['price']['close_dollars'])}" in summary
    assert "volume" in summary
    assert chart_pixels(page, "--yes") + chart_pixels(page, "--no") > 50
    expect(page.get_by_role("link", name="Charts by TradingView Lightweight Charts™")).to_have_attribute(
        "href", "https://www.tradingview.com/"
    )


def test_candles_without_a_trade_have_their_own_color(page: Page, service: Service) -> None:
    _open(page, service, IDLE_MARKET)
    assert any(candle.get("filled") for candle in _candles(page))
    expect(page.get_by_text("Nobody traded: from bid to ask around their middle")).to_be_visible()
    assert chart_pixels(page, "--quote") > 50


def test_chart_follows_the_color_scheme(page: Page, service: Service) -> None:
    _open(page, service)
    expect(_chart(page).locator("canvas").first).to_be_visible()
    light = chart_pixels(page, "--page")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("matchMedia('(prefers-color-scheme: dark)').matches")
    assert light > 10_000
    assert chart_pixels(page, "--page") > 10_000


def test_chart_follows_the_width(page: Page, service: Service) -> None:
    _open(page, service)
    expect(_chart(page).locator("canvas").first).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function(
        "() => document.querySelector('.chart-box table').offsetWidth <= document.querySelector('.chart-box').offsetWidth"
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_arrow_keys_read_the_candles(page: Page, service: Service) -> None:
    _open(page, service)
    candles = _candles(page)
    _chart(page).focus()
    live = page.locator("candle-chart [aria-live=polite]")
    page.keyboard.press("Home")
    expect(live).to_contain_text(_reading(candles[0]))
    page.keyboard.press("ArrowRight")
    expect(live).to_contain_text(_reading(candles[1]))
    page.keyboard.press("End")
    expect(live).to_contain_text(_reading(candles[-1]))
    page.keyboard.press("ArrowLeft")
    expect(live).to_contain_text(_reading(candles[-2]))
    expect(page.locator(".chart-reading strong")).to_have_text(re.compile(r"^\w{3} \d+, 2\d{3}, .* GMT\+1$"))


def test_pointer_reads_the_date_and_the_price(page: Page, service: Service) -> None:
    _open(page, service)
    reading = page.locator(".chart-reading")
    last = reading.inner_text()
    box = _chart(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 80)
    expect(reading).not_to_have_text(last)
    expect(reading).to_contain_text(re.compile(r"20\d\d"))
    expect(reading).to_contain_text("bid")


def test_table_of_the_chart_has_all_candles(page: Page, service: Service) -> None:
    _open(page, service)
    candles = _candles(page)
    page.get_by_text("Table of the chart").click()
    rows = page.get_by_role("region", name="Candlesticks, the newest first").locator("tbody tr")
    expect(rows).to_have_count(len(candles))
    expect(rows.first.locator("td").nth(4)).to_have_text(_cents(candles[-1]["price"]["close_dollars"]))


def test_range_is_in_the_url_and_history_restores_it(page: Page, service: Service) -> None:
    _open(page, service)
    ranges = page.get_by_role("navigation", name="Range")
    expect(ranges.get_by_role("link", name="All time")).to_have_attribute("aria-current", "true")
    ranges.get_by_role("link", name="6 hours").click()
    expect(page).to_have_url(_url(service) + "?range=6h")
    expect(ranges.get_by_role("link", name="6 hours")).to_have_attribute("aria-current", "true")
    expect(_chart(page)).to_have_attribute("aria-label", re.compile(r"of 7\d periods"))
    page.reload()
    expect(_chart(page)).to_have_attribute("aria-label", re.compile(r"of 7\d periods"))
    page.go_back()
    expect(page).to_have_url(_url(service))
    expect(ranges.get_by_role("link", name="All time")).to_have_attribute("aria-current", "true")


def test_intervals_are_limited_by_the_range(page: Page, service: Service) -> None:
    _open(page, service, query="?range=1d")
    intervals = page.get_by_role("navigation", name="Interval")
    expect(intervals.get_by_role("link", name="15 minutes")).to_have_attribute("aria-current", "true")
    expect(intervals.get_by_role("link", name="1 minute", exact=True)).to_have_count(0)
    intervals.get_by_role("link", name="1 hour").click()
    expect(page).to_have_url(_url(service) + "?range=1d&interval=60")
    expect(_chart(page)).to_have_attribute("aria-label", re.compile(r"of 2\d periods"))
    page.goto(_url(service) + "?range=1d&interval=1")
    expect(intervals.get_by_role("link", name="15 minutes")).to_have_attribute("aria-current", "true")


@pytest.mark.parametrize("days", [0.01, 0.5, 3, 40, 400, 3000])
def test_no_choice_exceeds_a_thousand_candles(page: Page, service: Service, days: float) -> None:
    serve_modules(page)
    page.goto(_url(service))
    counts = page.evaluate(
        """async (seconds) => {
          const { RANGES, rangeWindow, permittedIntervals, exchangeCalls } = await import("/sources/lib/candlesticks.js");
          const life = { start: 1_700_000_000, end: 1_700_000_000 + seconds };
          return RANGES.flatMap((range) => {
            const span = rangeWindow(range, life);
            return permittedIntervals(span).map(({ minutes }) =>
              [(span.end - span.start) / 60 / minutes, exchangeCalls(1, span, minutes)]);
          });
        }""",
        days * 86_400,
    )
    assert counts
    assert all(candles <= max(1_000, days) and calls <= 2 for candles, calls in counts)


def test_times_of_the_axis_rise_when_the_clocks_change(open_page: OpenPage, service: Service) -> None:
    page = open_page(timezone_id="America/New_York")
    serve_modules(page)
    page.goto(_url(service))
    times = page.evaluate(
        """async () => {
          const { axisTimes } = await import("/sources/lib/candlesticks.js");
          const start = Date.UTC(2026, 10, 1) / 1000;
          return axisTimes([...Array(24).keys()].map((hour) => ({ start: start + 3600 * hour, end: start + 3600 * (hour + 1) })));
        }"""
    )
    assert times == sorted(set(times))
    assert times[0] % 86_400 == 20 * 3_600


def test_shown_request_has_the_candles_of_the_chart(page: Page, service: Service) -> None:
    _open(page, service)
    summary = str(_chart(page).get_attribute("aria-label"))
    assert f"of {len(_candles(page))} periods" in summary


def test_order_book_shows_ten_levels_and_more(page: Page, service: Service) -> None:
    market = _open(page, service)
    book = page.locator("#book")
    book.scroll_into_view_if_needed()
    asks = book.get_by_role("table", name="Asks to sell YES").locator("tbody tr")
    expect(asks).to_have_count(10)
    expect(asks.first).to_contain_text(f"{round(market['yes_ask_dollars'] * 100)}¢")
    book.get_by_role("button", name=re.compile(r"^All \d+ levels$")).click()
    levels = service.get(f"/markets/{MARKET}/orderbook")["orderbook"]["yes_asks"]
    expect(asks).to_have_count(len(levels))
    with page.expect_download() as download:
        book.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == '"side","price_dollars","contracts"'
    assert sum(line.startswith('"yes_ask"') for line in lines) == len(levels)


def test_trades_continue_by_cursor(page: Page, service: Service) -> None:
    ticker = service.get("/markets?status=active&order_by=volume&limit=1&fields=ticker")["items"][0]["ticker"]
    _open(page, service, ticker)
    trades = page.locator("#trades")
    trades.scroll_into_view_if_needed()
    expect(trades.locator("tbody tr")).to_have_count(20)
    trades.get_by_role("button", name="More trades").click()
    expect(trades.locator("tbody tr")).to_have_count(40)
    times = [element.get_attribute("datetime") for element in trades.locator("tbody time").all()]
    expected = service.get(f"/markets/{ticker}/trades?limit=40")["items"]
    assert times == [trade["created_time"] for trade in expected]
    expect(trades.get_by_role("link", name="CSV")).to_have_attribute("href", re.compile("limit=40"))
    expect(page).to_have_url(_url(service, ticker) + "?trades=40")
    page.reload()
    expect(trades.locator("tbody tr")).to_have_count(40)


def test_failure_of_more_trades_keeps_the_trades(quiet_page: Page, service: Service) -> None:
    ticker = service.get("/markets?status=active&order_by=volume&limit=1&fields=ticker")["items"][0]["ticker"]
    quiet_page.route(re.compile("/trades.*cursor="), _unavailable)
    _open(quiet_page, service, ticker)
    trades = quiet_page.locator("#trades")
    trades.scroll_into_view_if_needed()
    trades.get_by_role("button", name="More trades").click()
    expect(trades.get_by_role("alert")).to_contain_text("The exchange did not respond in time.")
    expect(trades.locator("tbody tr")).to_have_count(20)
    quiet_page.unroute_all()
    trades.get_by_role("button", name="More trades").click()
    expect(trades.locator("tbody tr")).to_have_count(40)
    expect(trades.get_by_role("alert")).to_have_count(0)


def test_other_markets_lead_to_their_pages(page: Page, service: Service) -> None:
    _open(page, service)
    others = page.get_by_role("region", name="Other markets of the event").first
    expect(others.locator("tbody tr")).to_have_count(5)
    others.get_by_role("link", name="52° or above").click()
    expect(page).to_have_url(_url(service, f"{WEATHER_EVENT}-T52"))


def test_settled_market_ends_at_its_close(page: Page, service: Service) -> None:
    market = _open(page, service, SETTLED_MARKET)
    expect(page.locator(".market-price")).to_contain_text("settlement value of YES")
    expect(page.locator(".badge").first).to_have_text("settled · YES")
    expect(page.locator("#book")).to_have_count(0)
    expect(page.get_by_role("navigation", name="Range").get_by_role("link", name="All time")).to_have_attribute(
        "aria-current", "true"
    )
    close = page.evaluate("Date.parse", market["close_time"]) / 1000
    assert all(candle["end_period_ts"] - 3_600 <= close for candle in _candles(page))


def test_removed_market_says_so(page: Page, service: Service) -> None:
    _open(page, service, REMOVED_MARKET)
    expect(page.get_by_text("The exchange no longer has this market.")).to_be_visible()


def test_unknown_market_leads_to_a_search(page: Page, service: Service) -> None:
    page.goto(_url(service, "KXNOSUCH-1-A"))
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no market KXNOSUCH-1-A")
    expect(page).to_have_title("Market not found · Kalshi Markets")
    search = page.get_by_role("link", name="Search for KXNOSUCH-1-A")
    expect(search).to_have_attribute("href", "/explore?search=KXNOSUCH-1-A")


def test_states_of_the_market_are_listed(page: Page, service: Service) -> None:
    _open(page, service)
    states = service.get(f"/markets/{MARKET}/history")["items"]
    rows = page.get_by_role("region", name="States of the market").locator("tbody tr")
    expect(rows).to_have_count(len(states))
    expect(rows.first).to_contain_text("now")


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_hostile_text_is_text(open_page: OpenPage, service: Service, name: str) -> None:
    page = open_page(width=390)
    _open(page, service, f"{HOSTILE_EVENT}-{name}")
    assert page.locator("h1").text_content() == HOSTILE_TEXTS[name]
    expect(page.locator(".rules p").first).to_have_text(HOSTILE_TEXTS[name], use_inner_text=False)
    expect(page.locator("main script, main img")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_exchange_that_is_unavailable_leaves_the_rest(quiet_page: Page, service: Service) -> None:
    quiet_page.route(re.compile(r"/candlesticks\?"), _unavailable)
    quiet_page.goto(_url(service))
    failure = quiet_page.locator("#chart").get_by_role("alert")
    expect(failure).to_contain_text("The exchange is unavailable")
    expect(quiet_page.get_by_role("heading", level=1)).to_be_visible()
    quiet_page.unroute_all()
    failure.get_by_role("button", name="Retry").click()
    expect(_chart(quiet_page)).to_be_visible()


def test_failed_range_does_not_show_another_one(quiet_page: Page, service: Service) -> None:
    _open(quiet_page, service)
    expect(_chart(quiet_page)).to_be_visible()
    quiet_page.route(re.compile(r"/candlesticks\?"), _unavailable)
    quiet_page.get_by_role("link", name="1 day", exact=True).first.click()
    expect(quiet_page.locator("#chart").get_by_role("alert")).to_be_visible()
    expect(_chart(quiet_page)).to_have_count(0)
    quiet_page.unroute_all()
    quiet_page.go_back()
    expect(_chart(quiet_page)).to_be_visible()


def test_nothing_moves_while_the_page_loads(page: Page, service: Service) -> None:
    page.add_init_script(
        """globalThis.shifts = [];
        new PerformanceObserver((list) => shifts.push(...list.getEntries().map((entry) => entry.value)))
          .observe({ type: "layout-shift", buffered: true });"""
    )
    _open(page, service)
    expect(_chart(page).locator("canvas").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("shifts.reduce((sum, shift) => sum + shift, 0)") < 0.02


def _url(service: Service, ticker: str = MARKET) -> str:
    return f"{service.url}/explore/markets/{ticker}"


def _open(page: Page, service: Service, ticker: str = MARKET, *, query: str = "") -> Any:
    """Open a market's page, and return the market of the API."""
    page.goto(_url(service, ticker) + query)
    expect(page.locator("main h1")).to_be_visible()
    return service.get(f"/markets?ticker={ticker}&fields=all")["items"][0]


def _chart(page: Page) -> Locator:
    return page.locator("candle-chart .chart-box")


def _candles(page: Page) -> list[Any]:
    """Return the candles of the request that the chart's panel shows."""
    expect(_chart(page)).to_be_visible()
    url = page.locator("#chart .request .snippet pre").first.text_content()
    candles: list[Any] = page.request.get(str(url)).json()["candlesticks"]
    return candles


def _fact(page: Page, name: str) -> Locator:
    term = page.locator("dt", has_text=re.compile(f"^{name}$"))
    return page.locator(".facts > div").filter(has=term).locator("dd")


def _cents(dollars: str | float) -> str:
    return f"{round(float(dollars) * 100, 2):g}¢"


def _reading(candle: Any) -> str:
    price = _cents(candle["price"]["close_dollars"])
    return f"no trade, price {price}" if candle.get("filled") else f"close {price}"


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


def _unavailable(route: Route) -> None:
    body = {
        "detail": "The exchange did not respond in time.",
        "code": "exchange_unavailable",
        "hint": "Retry in a minute.",
        "request_id": "request-1",
    }
    route.fulfill(status=503, json=body)
