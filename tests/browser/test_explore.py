"""The page /explore: its requests, rows, order and states."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.service import Service

LADDER = "event_ticker=KXLADDER-1&order_by=ticker"
"""Query with 200 markets, in an order that does not change."""
FIRST_CRAWL = {"complete": False, "started_at": None, "finished_at": None}
"""Member "live" of GET /status during the first crawl."""


def test_default_view_has_open_markets(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    expect(_chips(page)).to_have_text(re.compile("status: open"))
    expect(page.get_by_role("columnheader", name="Vol. 24 h")).to_have_attribute("aria-sort", "descending")
    expect(_rows(page)).to_have_count(50)
    request = _shown_request(page)
    assert "/markets?status=active&order_by=volume_24h&" in request
    assert "limit=50" in request


def test_first_view_sends_few_requests(page: Page, service: Service) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(f"{request.method} {request.url.removeprefix(service.url)}"))
    page.goto(service.url + "/explore")
    expect(page.locator("svg.sparkline").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    api = sorted(re.sub(r"\?.*", "", request) for request in requests if re.search(r" /(markets|status)", request))
    expected = [
        "GET /markets",
        "GET /markets/facets",
        "GET /markets/facets",
        "GET /status",
        "POST /markets/candlesticks",
    ]
    assert api == expected


def test_rows_are_those_of_the_shown_request(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore?{LADDER}")
    expect(_rows(page)).to_have_count(50)
    markets = page.request.get(_shown_request(page)).json()["items"]
    assert _shown_tickers(page) == [market["ticker"] for market in markets]


def test_csv_has_the_shown_markets(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore?{LADDER}")
    expect(_rows(page)).to_have_count(50)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of markets").click()
    lines = download.value.path().read_text().splitlines()
    assert download.value.suggested_filename == "markets.csv"
    assert [line.split(",")[0].strip('"') for line in lines[1:]] == _shown_tickers(page)


def test_load_more_appends_and_reload_restores(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore?{LADDER}")
    expect(page.locator("#shown")).to_have_text("200 markets, 50 shown")
    first = _shown_tickers(page)
    more = page.get_by_role("button", name="Load more")
    more.focus()
    page.keyboard.press("Enter")
    expect(_rows(page)).to_have_count(100)
    assert _shown_tickers(page)[:50] == first
    assert len(set(_shown_tickers(page))) == 100
    expect(more).to_be_focused()
    expect(page).to_have_url(f"{service.url}/explore?{LADDER}&limit=100")
    page.reload()
    expect(_rows(page)).to_have_count(100)
    expect(page.locator("#shown")).to_have_text("200 markets, 100 shown")


def test_last_rows_end_the_list(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore?{LADDER}&limit=150")
    page.get_by_role("button", name="Load more").click()
    expect(_rows(page)).to_have_count(200)
    expect(page.get_by_text("These are all matching markets.")).to_be_focused()
    expect(page.get_by_role("button", name="Load more")).to_have_count(0)


def test_rows_are_limited(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore?{LADDER}&limit=5000")
    expect(_rows(page)).to_have_count(200)
    assert "limit=1000" in _shown_request(page)


def test_failure_of_load_more_keeps_the_rows(quiet_page: Page, service: Service) -> None:
    quiet_page.route(re.compile(r"/markets\?.*cursor="), _fail)
    quiet_page.goto(f"{service.url}/explore?{LADDER}")
    more = quiet_page.get_by_role("button", name="Load more")
    more.click()
    expect(quiet_page.get_by_role("alert")).to_contain_text("The database is starting.")
    expect(_rows(quiet_page)).to_have_count(50)
    quiet_page.unroute_all()
    more.click()
    expect(_rows(quiet_page)).to_have_count(100)
    expect(quiet_page.get_by_role("alert")).to_have_count(0)


def test_headers_sort(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    header = page.get_by_role("columnheader", name="Volume", exact=True)
    header.get_by_role("link").click()
    expect(page).to_have_url(service.url + "/explore?status=active&order_by=volume")
    expect(header).to_have_attribute("aria-sort", "descending")
    header.get_by_role("link").click()
    expect(page).to_have_url(service.url + "/explore?status=active&order_by=volume&order_direction=asc")
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(page.get_by_label("Sort by")).to_have_value("volume")


@pytest.mark.parametrize("order", ["liquidity", "open_time", "settlement_value", "ticker", "recent", "open_interest"])
def test_every_order_can_be_chosen(page: Page, service: Service, order: str) -> None:
    page.goto(service.url + "/explore")
    page.get_by_label("Sort by").select_option(order)
    expect(page).to_have_url(re.compile(f"order_by={order}"))
    expect(page.locator(".rows")).to_have_attribute("aria-busy", "false")
    expect(_rows(page)).to_have_count(50)


@pytest.mark.parametrize("name", ["24 h", "Vol. 24 h"])
def test_orders_by_a_day_add_the_filter_that_they_need(page: Page, service: Service, name: str) -> None:
    page.goto(service.url + "/explore?status=finalized")
    header = page.get_by_role("columnheader", name=name, exact=True)
    expect(header).to_have_attribute("title", re.compile("adds the filter status=active"))
    header.get_by_role("link").click()
    expect(_chips(page)).to_contain_text("status: open")
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(_rows(page)).to_have_count(50)


def test_sparklines_are_one_request_after_the_table(page: Page, service: Service) -> None:
    bodies: list[Any] = []
    page.on("request", lambda request: bodies.append(request.post_data_json) if request.method == "POST" else None)
    page.goto(service.url + "/explore")
    expect(page.locator("svg.sparkline title").first).to_have_text(re.compile(r"^7 days: .+¢ to .+¢$"))
    assert len(bodies) == 1
    assert 0 < len(bodies[0]["tickers"]) <= 50
    assert set(bodies[0]["tickers"]) <= set(_shown_tickers(page))


def test_failed_sparklines_are_blank(quiet_page: Page, service: Service) -> None:
    quiet_page.route(re.compile("/candlesticks"), _fail)
    with quiet_page.expect_response(re.compile("/candlesticks")):
        quiet_page.goto(service.url + "/explore")
    expect(_rows(quiet_page)).to_have_count(50)
    expect(quiet_page.locator("svg.sparkline")).to_have_count(0)
    expect(quiet_page.get_by_role("alert")).to_have_count(0)


def test_failure_has_the_sentences_of_the_api(quiet_page: Page, service: Service) -> None:
    quiet_page.goto(service.url + "/explore?order_by=volume_24h&nonsense=1")
    alert = quiet_page.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text("nonsense")
    quiet_page.get_by_role("link", name="Remove the filter nonsense: 1").click()
    expect(_rows(quiet_page)).to_have_count(50)
    expect(alert).to_have_count(0)


def test_failure_does_not_leave_the_rows_of_another_query(quiet_page: Page, service: Service) -> None:
    quiet_page.goto(f"{service.url}/explore?{LADDER}")
    expect(_rows(quiet_page)).to_have_count(50)
    quiet_page.route(re.compile(r"/markets\?"), _fail)
    quiet_page.get_by_role("columnheader", name="Volume", exact=True).get_by_role("link").click()
    expect(quiet_page.get_by_role("alert")).to_contain_text("The database is starting. Retry in a minute.")
    expect(_rows(quiet_page)).to_have_count(0)
    quiet_page.unroute_all()
    quiet_page.get_by_role("button", name="Retry").click()
    expect(_rows(quiet_page)).to_have_count(50)


def test_first_crawl_has_a_notice(page: Page, service: Service) -> None:
    def answer_incomplete(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"live": FIRST_CRAWL})

    page.route(re.compile("/status$"), answer_incomplete)
    page.goto(service.url + "/explore")
    expect(page.locator("#first-crawl")).to_contain_text("The first crawl is running.")
    expect(_rows(page)).to_have_count(50)


def test_notice_of_the_first_crawl_moves_until_the_crawl_has_ended(page: Page, service: Service) -> None:
    status = page.request.get(service.url + "/status").json()
    first_crawl = status | {"live": FIRST_CRAWL}
    answers = iter([first_crawl | {"markets": 1000}, first_crawl | {"markets": 2000}, status])
    page.clock.install()
    requested: list[str] = []

    def answer(route: Route) -> None:
        requested.append(route.request.url)
        route.fulfill(json=next(answers, status))

    page.route(re.compile("/status$"), answer)
    page.goto(service.url + "/explore")
    notice = page.locator("#first-crawl")
    expect(notice).to_contain_text("1,000 markets are stored")
    page.clock.run_for(65_000)
    expect(notice).to_contain_text("2,000 markets are stored")
    page.clock.run_for(65_000)
    expect(notice).to_have_count(0)
    page.clock.run_for(65_000)
    page.wait_for_timeout(500)
    assert len(requested) == 3


def test_hostile_texts_are_text(page: Page, service: Service) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(service.url + "/explore?event_ticker=KXHOSTILE-1")
    expect(_rows(page).first).to_be_visible()
    expect(page.get_by_text("<script>document.title=")).to_have_count(1)
    expect(page.get_by_text("&lt;b&gt;bold&lt;/b&gt;")).to_have_count(1)
    expect(page).to_have_title("Explore · Kalshi Markets")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_nothing_moves_while_loading(page: Page, service: Service) -> None:
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => {"
        "for (const entry of list.getEntries()) { window.shift += entry.value; }"
        "}).observe({ type: 'layout-shift', buffered: true });"
    )
    page.goto(service.url + "/explore")
    expect(page.locator("svg.sparkline").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.shift") < 0.05


def _rows(page: Page) -> Locator:
    return page.locator(".rows tbody tr")


def _chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Filters")


def _shown_tickers(page: Page) -> list[str]:
    links = page.locator(".rows tbody .market-link")
    return [path.rpartition("/")[2] for path in links.evaluate_all("all => all.map((link) => link.pathname)")]


def _shown_request(page: Page) -> str:
    """Return the URL that the panel of the table shows."""
    panel = page.locator(".rows .request-panel")
    panel.get_by_text("API").click()
    return panel.get_by_label("URL request", exact=True).inner_text()


def _fail(route: Route) -> None:
    problem = {"detail": "The database is starting.", "code": "database_unavailable", "hint": "Retry in a minute."}
    route.fulfill(status=503, json=problem)
