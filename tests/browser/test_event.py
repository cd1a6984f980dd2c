"""The page of an event: the ladder of its outcomes, and their lines in one chart."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.held_requests import hold_requests
from tests.browser.page_clock import stop_at_full_hour
from tests.browser.pixels import chart_pixels
from tests.browser.prepared_markets import HOSTILE_EVENT, HOSTILE_TEXTS, LADDER_EVENT, OUTCOMES, WEATHER_EVENT
from tests.browser.service import Service

MAX_EXCHANGE_REQUESTS = 4
COUNT_REQUESTS = {"kind": "latency", "seconds": 0, "path": f"/markets/candlesticks?*{LADDER_EVENT}-*"}
"""Rule of the exchange that counts the requests for candlesticks of the ladder, and not those of an earlier page."""
RANGES = ("1h", "6h", "1d", "1w", "1m", "all")


def test_first_view_sends_three_requests(page: Page, service: Service) -> None:
    requests: list[str] = []
    page.on(
        "request",
        lambda request: requests.append(request.method) if request.resource_type == "fetch" else None,
    )
    _open(page, service)
    expect(_chart(page)).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert sorted(requests) == ["GET", "GET", "POST"]


def test_outcomes_are_ordered_by_strike(page: Page, service: Service) -> None:
    _open(page, service)
    markets = service.get(f"/events/{WEATHER_EVENT}/markets")["items"]
    expect(_names(page)).to_have_text([market["subtitle"] for market in markets])
    first = _rows(page).first
    expect(first).to_contain_text(re.compile(r"\d+%"))
    expect(first).to_contain_text(re.compile(r"\d+¢ / \d+¢"))
    expect(first).to_contain_text("open")


def test_sort_links_are_in_the_url(page: Page, service: Service) -> None:
    _open(page, service, LADDER_EVENT)
    header = page.get_by_role("columnheader", name="Volume")
    header.get_by_role("link").click()
    expect(page).to_have_url(f"{service.url}/explore/events/{LADDER_EVENT}?order=volume")
    expect(header).to_have_attribute("aria-sort", "descending")
    markets = service.get(f"/events/{LADDER_EVENT}/markets?limit=200&order_by=volume&order_direction=desc")["items"]
    expect(_rows(page).first).to_contain_text(markets[0]["subtitle"])
    page.go_back()
    expect(page.get_by_role("columnheader", name="Outcome")).to_have_attribute("aria-sort", "ascending")
    expect(_rows(page).first).to_contain_text("1,000 or above")


def test_outcome_leads_to_its_market(page: Page, service: Service) -> None:
    _open(page, service)
    page.get_by_role("link", name="50° or above").click()
    expect(page).to_have_url(f"{service.url}/explore/markets/{WEATHER_EVENT}-T50")


@pytest.mark.parametrize("range_", RANGES)
def test_chart_of_200_outcomes_takes_few_calls_to_the_exchange(page: Page, service: Service, range_: str) -> None:
    with service.faults(COUNT_REQUESTS):
        _open(page, service, LADDER_EVENT, query=f"?range={range_}")
        expect(_chart(page)).to_have_attribute("aria-label", re.compile(f"Probabilities of {OUTCOMES} outcomes"))
        assert 1 <= service.matched_requests() <= MAX_EXCHANGE_REQUESTS
    expect(page.locator(".chart-lines button")).to_have_count(8)
    expect(page.locator(".chart-lines")).to_contain_text("192 more")
    assert chart_pixels(page, "--series-1") > 20


def test_range_is_in_the_url_and_history_restores_it(page: Page, service: Service) -> None:
    _open(page, service)
    links = page.get_by_role("navigation", name="Range")
    links.get_by_role("link", name="1 hour").click()
    expect(page).to_have_url(f"{service.url}/explore/events/{WEATHER_EVENT}?range=1h")
    expect(page.get_by_text("Interval: 1 minute")).to_be_visible()
    page.reload()
    expect(links.get_by_role("link", name="1 hour")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(links.get_by_role("link", name="All time")).to_have_attribute("aria-current", "true")


def test_a_range_chosen_before_the_first_chart_is_shown(page: Page, service: Service) -> None:
    held = hold_requests(page, "/markets/candlesticks")
    _open(page, service, query="?range=1d")
    expect(page.get_by_text("Interval: 15 minutes")).to_be_visible()
    held.wait(1)
    page.get_by_role("link", name="1H: 1 hour", exact=True).click()
    expect(page.get_by_text("Interval: 1 minute")).to_be_visible()
    held.wait(2)[-1].continue_()
    expect(_chart(page)).to_be_visible()
    expect(page.locator("#chart [aria-busy=false]")).to_have_count(1)
    expect(page).to_have_url(re.compile("range=1h"))


def test_a_range_that_was_left_again_is_not_shown(page: Page, service: Service) -> None:
    stop_at_full_hour(page)
    _open(page, service, query="?range=1d")
    expect(_chart(page)).to_be_visible()
    day = _chart(page).get_attribute("aria-label")
    held = hold_requests(page, "/markets/candlesticks")
    page.get_by_role("link", name="1H: 1 hour", exact=True).click()
    expect(page.locator("#chart [aria-busy=true]")).to_have_count(1)
    held.wait(1)
    page.go_back()
    expect(page.locator("#chart [aria-busy=false]")).to_have_count(1)
    hour_route, day_route = held.wait(2)
    with page.expect_response(re.compile("/markets/candlesticks")):
        day_route.continue_()
    hour_route.continue_()  # late, or canceled: neither may replace the chart
    page.wait_for_timeout(500)
    expect(_chart(page)).to_have_attribute("aria-label", str(day))
    assert len(held.wait(2)) == 2


def test_a_range_chosen_after_a_failure_is_loaded(quiet_page: Page, service: Service) -> None:
    quiet_page.route(re.compile("/markets/candlesticks"), lambda route: route.fulfill(status=503, json={}))
    _open(quiet_page, service)
    expect(quiet_page.locator("#chart").get_by_role("alert")).to_be_visible()
    quiet_page.unroute_all()
    quiet_page.get_by_role("link", name="1H: 1 hour", exact=True).click()
    expect(_chart(quiet_page)).to_be_visible()


def test_csv_is_offered_with_the_chart(page: Page, service: Service) -> None:
    held = hold_requests(page, "/markets/candlesticks")
    _open(page, service)
    expect(page.locator("#chart").get_by_text("API")).to_be_visible()
    expect(page.locator("#chart").get_by_role("button", name="CSV")).to_have_count(0)
    held.wait(1)[0].continue_()
    expect(page.locator("#chart").get_by_role("button", name="CSV")).to_be_visible()


def test_a_failure_of_the_outcomes_of_an_unstored_event_is_shown(quiet_page: Page, service: Service) -> None:
    url = f"/events/{WEATHER_EVENT}/markets"
    quiet_page.route(re.compile(r"/events\?event_ticker="), lambda route: route.fulfill(json={"items": []}))
    quiet_page.route(re.compile(url), lambda route: route.fulfill(status=503, json={"detail": "Starting."}))
    quiet_page.goto(f"{service.url}/explore/events/{WEATHER_EVENT}")
    expect(quiet_page.get_by_role("alert")).to_contain_text("Starting.")
    expect(quiet_page.locator("main .loading")).to_have_count(0)
    quiet_page.unroute(re.compile(url))
    quiet_page.get_by_role("button", name="Retry").click()
    expect(_rows(quiet_page)).to_have_count(6)
    expect(_chart(quiet_page)).to_be_visible()


def test_csv_has_the_candles_of_all_outcomes(page: Page, service: Service) -> None:
    stop_at_full_hour(page)
    sent: list[Any] = []
    page.on("request", lambda request: sent.append(request.post_data_json) if request.method == "POST" else None)
    _open(page, service)
    expect(_chart(page)).to_be_visible()
    with page.expect_download() as download:
        page.locator("#chart").get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    results = page.request.post(f"{service.url}/markets/candlesticks", data=sent[0]).json()["results"]
    assert lines[0].startswith('"ticker","end_period_ts","price_close_dollars"')
    assert len(lines) - 1 == sum(len(result["candlesticks"]) for result in results)


def test_legend_highlights_an_outcome(page: Page, service: Service) -> None:
    _open(page, service)
    expect(_chart(page)).to_be_visible()
    button = page.locator(".chart-lines button").first
    name = button.locator("bdi").inner_text()
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    reading = page.locator(".chart-reading")
    expect(reading.locator("bdi")).to_have_count(1)
    expect(reading).to_contain_text(name)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(reading.locator("bdi")).to_have_count(5)


def test_arrow_keys_read_the_outcomes(page: Page, service: Service) -> None:
    _open(page, service)
    expect(_chart(page)).to_be_visible()
    name = page.locator(".chart-lines button bdi").first.inner_text()
    _chart(page).focus()
    live = page.locator("line-chart [aria-live=polite]")
    page.keyboard.press("ArrowDown")
    expect(live).to_contain_text(f"{name} ")
    last = live.inner_text()
    page.keyboard.press("Home")
    expect(live).not_to_have_text(last)
    expect(live).to_have_text(re.compile(r"20\d\d.*%"))


def test_keys_read_the_outcomes_before_the_chart_is_drawn(page: Page, service: Service) -> None:
    held = hold_requests(page, "/vendor/lightweight-charts.js")
    _open(page, service)
    expect(_chart(page)).to_be_visible()
    name = page.locator(".chart-lines button bdi").first.inner_text()
    _chart(page).focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("line-chart [aria-live=polite]")).to_contain_text(f"{name} ")
    held.wait(1)[0].continue_()
    expect(page.locator("line-chart canvas").first).to_be_visible()


def test_table_of_the_chart(page: Page, service: Service) -> None:
    _open(page, service, LADDER_EVENT)
    expect(_chart(page)).to_be_visible()
    page.get_by_text("Table of the chart").click()
    table = page.get_by_role("region", name="Probabilities, the newest first")
    expect(table.get_by_role("columnheader")).to_have_count(9)
    expect(page.get_by_text("The 8 leading outcomes; the CSV has all.")).to_be_visible()
    # In a period that has just begun, only outcomes that are not in the table may have a price.
    expect(table.locator("tbody tr").filter(has_text="%").first).to_be_visible()


def test_probabilities_of_exclusive_outcomes_are_added_up(page: Page, service: Service) -> None:
    events = service.get("/events?mutually_exclusive=true&fields=event_ticker&limit=50")["items"]
    ticker = next(
        event["event_ticker"]
        for event in events
        if service.get(f"/events/{event['event_ticker']}/markets?limit=1")["count"]
    )
    _open(page, service, ticker)
    expect(page.get_by_text("At most one outcome resolves to YES")).to_be_visible()
    expect(page.get_by_text(re.compile(r"probabilities add up to [\d.]+%"))).to_be_visible()


def test_unknown_event_leads_to_a_search(quiet_page: Page, service: Service) -> None:
    quiet_page.goto(f"{service.url}/explore/events/KXNOSUCH-1")
    expect(quiet_page.get_by_role("heading", level=1)).to_have_text("There is no event KXNOSUCH-1")
    expect(quiet_page.get_by_role("link", name="Search for KXNOSUCH-1")).to_be_visible()


def test_event_that_is_not_stored_shows_its_markets(page: Page, service: Service) -> None:
    page.route(re.compile(r"/events\?"), lambda route: route.fulfill(json={"items": [], "count": 0}))
    _open(page, service)
    expect(page.get_by_role("heading", level=1)).to_have_text("Highest temperature in Testville today?")
    expect(page.get_by_text("The event itself is not stored yet; its markets are")).to_be_visible()
    expect(_rows(page)).to_have_count(6)


def test_exchange_that_is_unavailable_leaves_the_ladder(quiet_page: Page, service: Service) -> None:
    def answer_errors(route: Route) -> None:
        body: Any = route.request.post_data_json
        tickers = body["tickers"]
        error = {"candlesticks": [], "error": "The exchange did not respond in time.", "code": "exchange_error"}
        results = [{"ticker": ticker, **error} for ticker in tickers]
        route.fulfill(json={"results": results, "unanswered": tickers})

    quiet_page.route(re.compile("/markets/candlesticks"), answer_errors)
    _open(quiet_page, service)
    failure = quiet_page.locator("#chart").get_by_role("alert")
    expect(failure).to_contain_text("The exchange is unavailable")
    expect(_rows(quiet_page)).to_have_count(6)
    quiet_page.unroute_all()
    failure.get_by_role("button", name="Retry").click()
    expect(_chart(quiet_page)).to_be_visible()


def test_outcome_without_an_answer_is_named(page: Page, service: Service) -> None:
    def lose_one(route: Route) -> None:
        body = route.fetch().json()
        body["results"][0] |= {"candlesticks": [], "error": "The deadline passed.", "code": "deadline"}
        route.fulfill(json=body | {"unanswered": [body["results"][0]["ticker"]]})

    page.route(re.compile("/markets/candlesticks"), lose_one)
    _open(page, service)
    notice = page.locator("#chart .notice")
    expect(notice).to_contain_text("has not sent 1 of the outcomes in time")
    page.unroute_all()
    notice.get_by_role("button", name="Retry").click()
    expect(notice).to_have_count(0)


def test_archived_event_draws_four_lines_at_first(page: Page, service: Service) -> None:
    def archive(route: Route) -> None:
        body = route.fetch().json()
        body["items"] = [market | {"settlement_ts": "2024-01-01T00:00:00Z"} for market in body["items"]]
        route.fulfill(json=body)

    page.route(re.compile(f"/events/{WEATHER_EVENT}/markets"), archive)
    _open(page, service)
    expect(_chart(page)).to_have_attribute("aria-label", re.compile("Probabilities of 4 outcomes"))
    page.get_by_role("link", name="Draw all 6 outcomes").click()
    expect(page).to_have_url(re.compile(r"\?outcomes=all$"))
    expect(_chart(page)).to_have_attribute("aria-label", re.compile("Probabilities of 6 outcomes"))


def test_further_outcomes_are_loaded_by_cursor(page: Page, service: Service) -> None:
    _open(page, service, LADDER_EVENT, query="?limit=150")
    expect(_rows(page)).to_have_count(150)
    page.get_by_role("button", name="More outcomes").click()
    expect(_rows(page)).to_have_count(200)
    expect(page.get_by_role("button", name="More outcomes")).to_have_count(0)


def test_hostile_texts_are_texts(open_page: OpenPage, service: Service) -> None:
    page = open_page(width=390)
    _open(page, service, HOSTILE_EVENT)
    assert page.locator("h1").text_content() == HOSTILE_TEXTS["SCRIPT"]
    expect(_rows(page)).to_have_count(len(HOSTILE_TEXTS))
    assert set(_names(page).all_text_contents()) == set(HOSTILE_TEXTS.values())
    expect(_chart(page)).to_be_visible()
    expect(page.locator("main script, main img")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _open(page: Page, service: Service, ticker: str = WEATHER_EVENT, *, query: str = "") -> None:
    page.goto(f"{service.url}/explore/events/{ticker}{query}")
    expect(_rows(page).first).to_be_visible()


def _chart(page: Page) -> Locator:
    return page.locator("line-chart .chart-box")


def _rows(page: Page) -> Locator:
    return page.get_by_role("region", name="Outcomes of the event").locator("tbody tr")


def _names(page: Page) -> Locator:
    return _rows(page).locator(".market-link .title")
