"""Chart of a market: its candles, ranges, readings and failures."""

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.held_requests import hold_requests
from tests.browser.market_page import exchange_unavailable, market_chart, market_url, open_market, shown_candles
from tests.browser.modules import serve_modules
from tests.browser.page_clock import stop_at_full_hour
from tests.browser.pixels import chart_pixels
from tests.browser.prepared_markets import IDLE_MARKET
from tests.browser.service import Service


def test_chart_is_drawn_and_summarized(page: Page, service: Service) -> None:
    stop_at_full_hour(page)
    open_market(page, service)
    candles = shown_candles(page)
    chart = market_chart(page)
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
    open_market(page, service, IDLE_MARKET)
    assert any(candle.get("filled") for candle in shown_candles(page))
    expect(page.get_by_text("Nobody traded: from bid to ask around their middle")).to_be_visible()
    assert chart_pixels(page, "--quote") > 50


def test_chart_follows_the_color_scheme(page: Page, service: Service) -> None:
    open_market(page, service)
    expect(market_chart(page).locator("canvas").first).to_be_visible()
    light = chart_pixels(page, "--page")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("matchMedia('(prefers-color-scheme: dark)').matches")
    assert light > 10_000
    assert chart_pixels(page, "--page") > 10_000


def test_chart_follows_the_width(page: Page, service: Service) -> None:
    open_market(page, service)
    expect(market_chart(page).locator("canvas").first).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function(
        """() => {
          const [box, table] = [".chart-box", ".chart-box table"].map((name) => document.querySelector(name));
          return table.offsetWidth <= box.offsetWidth && document.documentElement.scrollWidth <= 390;
        }"""
    )


def test_arrow_keys_read_the_candles(page: Page, service: Service) -> None:
    stop_at_full_hour(page)
    open_market(page, service)
    candles = shown_candles(page)
    market_chart(page).focus()
    live = page.locator("candle-chart [aria-live=polite]")
    page.keyboard.press("Home")
    expect(live).to_contain_text(_reading(candles[0]))
    page.keyboard.press("ArrowRight")
    expect(live).to_contain_text(_reading(candles[1]))
    page.keyboard.press("End")
    expect(live).to_contain_text(_reading(candles[-1]))
    page.keyboard.press("ArrowLeft")
    expect(live).to_contain_text(_reading(candles[-2]))
    expect(page.locator(".chart-reading strong")).to_have_text(re.compile(r"^\w{3} \d+, 2\d{3}, .* GMT\+[12]$"))


def test_pointer_reads_the_date_and_the_price(page: Page, service: Service) -> None:
    open_market(page, service)
    # The chart reads the pointer as soon as it is drawn.
    expect(market_chart(page).locator("canvas").first).to_be_visible()
    reading = page.locator(".chart-reading")
    last = reading.inner_text()
    box = market_chart(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 80)
    expect(reading).not_to_have_text(last, use_inner_text=True)
    expect(reading).to_contain_text(re.compile(r"20\d\d"))
    expect(reading).to_contain_text("bid")


def test_table_of_the_chart_has_all_candles(page: Page, service: Service) -> None:
    stop_at_full_hour(page)
    open_market(page, service)
    candles = shown_candles(page)
    page.get_by_text("Table of the chart").click()
    rows = page.get_by_role("region", name="Candlesticks, the newest first").locator("tbody tr")
    expect(rows).to_have_count(len(candles))
    expect(rows.first.locator("td").nth(4)).to_have_text(_cents(candles[-1]["price"]["close_dollars"]))


def test_range_is_in_the_url_and_history_restores_it(page: Page, service: Service) -> None:
    open_market(page, service)
    ranges = page.get_by_role("navigation", name="Range")
    expect(ranges.get_by_role("link", name="All time")).to_have_attribute("aria-current", "true")
    ranges.get_by_role("link", name="6 hours").click()
    expect(page).to_have_url(market_url(service) + "?range=6h")
    expect(ranges.get_by_role("link", name="6 hours")).to_have_attribute("aria-current", "true")
    expect(market_chart(page)).to_have_attribute("aria-label", re.compile(r"of 7\d periods"))
    page.reload()
    expect(market_chart(page)).to_have_attribute("aria-label", re.compile(r"of 7\d periods"))
    page.go_back()
    expect(page).to_have_url(market_url(service))
    expect(ranges.get_by_role("link", name="All time")).to_have_attribute("aria-current", "true")


def test_intervals_are_limited_by_the_range(page: Page, service: Service) -> None:
    open_market(page, service, query="?range=1d")
    intervals = page.get_by_role("navigation", name="Interval")
    expect(intervals.get_by_role("link", name="15 minutes")).to_have_attribute("aria-current", "true")
    expect(intervals.get_by_role("link", name="1m: 1 minute", exact=True)).to_have_count(0)
    intervals.get_by_role("link", name="1 hour").click()
    expect(page).to_have_url(market_url(service) + "?range=1d&interval=60")
    expect(market_chart(page)).to_have_attribute("aria-label", re.compile(r"of 2\d periods"))
    page.goto(market_url(service) + "?range=1d&interval=1")
    expect(intervals.get_by_role("link", name="15 minutes")).to_have_attribute("aria-current", "true")


@pytest.mark.parametrize("days", [0.01, 0.5, 3, 40, 400, 3000])
def test_no_choice_exceeds_a_thousand_candles(page: Page, service: Service, days: float) -> None:
    serve_modules(page)
    page.goto(market_url(service))
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
    page.goto(market_url(service))
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
    stop_at_full_hour(page)
    open_market(page, service)
    summary = str(market_chart(page).get_attribute("aria-label"))
    assert f"of {len(shown_candles(page))} periods" in summary


def test_exchange_that_is_unavailable_leaves_the_rest(quiet_page: Page, service: Service) -> None:
    quiet_page.route(re.compile(r"/candlesticks\?"), exchange_unavailable)
    quiet_page.goto(market_url(service))
    failure = quiet_page.locator("#chart").get_by_role("alert")
    expect(failure).to_contain_text("The exchange is unavailable")
    expect(quiet_page.get_by_role("heading", level=1)).to_be_visible()
    quiet_page.unroute_all()
    failure.get_by_role("button", name="Retry").click()
    expect(market_chart(quiet_page)).to_be_visible()


def test_failed_range_does_not_show_another_one(quiet_page: Page, service: Service) -> None:
    open_market(quiet_page, service)
    expect(market_chart(quiet_page)).to_be_visible()
    quiet_page.route(re.compile(r"/candlesticks\?"), exchange_unavailable)
    quiet_page.get_by_role("link", name="1D: 1 day").first.click()
    expect(quiet_page.locator("#chart").get_by_role("alert")).to_be_visible()
    expect(market_chart(quiet_page)).to_have_count(0)
    quiet_page.unroute_all()
    quiet_page.go_back()
    expect(market_chart(quiet_page)).to_be_visible()


def test_a_range_chosen_while_another_one_loads_is_shown(page: Page, service: Service) -> None:
    held = hold_requests(page, "/candlesticks.*period_interval=15")
    open_market(page, service, query="?range=1d")
    held.wait(1)
    page.get_by_role("link", name="6 hours").click()
    expect(market_chart(page)).to_have_attribute("aria-label", re.compile(r"of 7\d periods"))
    page.go_back()
    expect(page.locator("#chart [aria-busy=true]")).to_have_count(1)
    held.wait(2)[-1].continue_()
    expect(market_chart(page)).to_have_attribute("aria-label", re.compile(r"of 9\d periods"))


def test_states_that_arrive_after_the_candles_are_marked(page: Page, service: Service) -> None:
    held = hold_requests(page, "/history")
    open_market(page, service)
    candles = shown_candles(page)
    assert chart_pixels(page, "--text") == 0
    states = held.wait(1)[0]
    body = states.fetch().json()
    middle = candles[len(candles) // 2]["end_period_ts"] * 1000
    change = {**body["items"][0], "from": page.evaluate("(time) => new Date(time).toISOString()", middle)}
    states.fulfill(json=body | {"items": [body["items"][0], change | {"status": "closed"}]})
    expect(page.get_by_role("region", name="States of the market").locator("tbody tr")).to_have_count(2)
    assert chart_pixels(page, "--text") > 10


def test_the_request_is_that_of_the_shown_candles(page: Page, service: Service) -> None:
    page.clock.install(time=(time.time() // 60) * 60 + 5)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/candlesticks?" in request.url else None)
    open_market(page, service)
    expect(market_chart(page)).to_be_visible()
    hold_requests(page, "/candlesticks")
    page.clock.fast_forward(57_000)
    page.get_by_text("Table of the chart").click()
    panel = page.locator("#chart .request .snippet pre").first
    expect(panel).to_have_text(sent[0], use_inner_text=False)


def _cents(dollars: str | float) -> str:
    return f"{round(float(dollars) * 100, 2):g}¢"


def _reading(candle: Any) -> str:
    price = _cents(candle["price"]["close_dollars"])
    return f"no trade, price {price}" if candle.get("filled") else f"close {price}"
