"""The pages /explore/series and /explore/series/{series_ticker}."""

import csv
import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, Response, Route, expect

from tests.browser.service import Service

SERIES = "/explore/series/KXLADDER"
FACETS = "**/markets/facets?facet=series_ticker*"
FIRST_CRAWL = {"complete": False, "started_at": None, "finished_at": None}
"""Member "live" of GET /status during the first crawl."""


def test_categories_are_those_of_the_api(page: Page, service: Service) -> None:
    with page.expect_response(re.compile("/markets/facets.facet=category&limit=100")) as response:
        page.goto(service.url + "/explore/series")
    values = response.value.json()["facets"]["category"]["values"]
    links = page.get_by_role("navigation", name="Categories").get_by_role("link")
    expect(links).to_have_count(len(values) + 1)
    expect(links.nth(1)).to_contain_text(values[0]["value"])
    expect(links.nth(1)).to_contain_text(f"{values[0]['count']:,}")


def test_a_category_is_in_the_url_and_history_restores_it(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore/series")
    link = page.get_by_role("navigation", name="Categories").get_by_role("link", name=re.compile("^World"))
    link.click()
    expect(page).to_have_url(service.url + "/explore/series?category=World")
    expect(link).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("heading", name="World")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="All categories")).to_be_visible()
    page.go_forward()
    page.reload()
    expect(page.get_by_role("heading", name="World")).to_be_visible()


def test_largest_series_come_first(page: Page, service: Service) -> None:
    with page.expect_response(FACETS) as response:
        page.goto(service.url + "/explore/series?limit=5")
    expect(_rows(page)).to_have_count(5)
    values = response.value.json()["facets"]["series_ticker"]["values"]
    assert _tickers(page) == [value["value"] for value in values]
    expect(_rows(page).first.get_by_role("cell").nth(3)).to_have_text(f"{values[0]['count']:,}")
    expect(page.get_by_text("Market counts as of")).to_be_visible()


def test_load_more_appends_and_reload_restores(page: Page, service: Service) -> None:
    # The crawler counts the markets again and again, and another count may have another ranking.
    ranking = _ranking(page, service)
    page.route(FACETS, lambda route: route.fulfill(json=_series_facet(ranking, _limit(route))))
    for order in ("markets", "ticker"):
        page.goto(f"{service.url}/explore/series?order={order}&limit=3")
        expect(_rows(page)).to_have_count(3)
        first = _tickers(page)
        page.get_by_role("button", name="Load more").click()
        expect(_rows(page)).not_to_have_count(3)
        tickers = _tickers(page)
        assert tickers[:3] == first
        assert len(set(tickers)) == len(tickers)
        page.reload()
        expect(_rows(page)).to_have_count(len(tickers))
        assert _tickers(page) == tickers


def test_a_ranking_that_changes_between_two_pages_repeats_no_series(page: Page, service: Service) -> None:
    ranking = _ranking(page, service)
    page.route(FACETS, lambda route: route.fulfill(json=_series_facet(ranking, _limit(route))))
    page.goto(service.url + "/explore/series?limit=3")
    expect(_rows(page)).to_have_count(3)
    first = _tickers(page)
    ranking.insert(0, ranking.pop(3))
    page.get_by_role("button", name="Load more").click()
    expect(_rows(page)).not_to_have_count(3)
    tickers = _tickers(page)
    assert tickers[:4] == [*first, ranking[0]["value"]]
    assert len(set(tickers)) == len(tickers)


def test_failure_of_load_more_keeps_the_rows(quiet_page: Page, service: Service) -> None:
    quiet_page.route(re.compile(r"/series\?.*cursor="), _unavailable)
    quiet_page.goto(service.url + "/explore/series?order=ticker&limit=3")
    quiet_page.get_by_role("button", name="Load more").click()
    expect(quiet_page.get_by_role("alert")).to_contain_text("The database is starting.")
    expect(_rows(quiet_page)).to_have_count(3)
    quiet_page.unroute_all()
    quiet_page.get_by_role("button", name="Load more").click()
    expect(_rows(quiet_page)).not_to_have_count(3)


def test_orders_are_links(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore/series")
    page.get_by_role("link", name="Ticker", exact=True).click()
    expect(page).to_have_url(service.url + "/explore/series?order=ticker")
    expect(page.get_by_role("link", name="Ticker", exact=True)).to_have_attribute("aria-current", "true")
    expect(page.get_by_text(re.compile(r"\d+ series, \d+ of them below"))).to_be_visible()
    tickers = _tickers(page)
    assert tickers == sorted(tickers)


def test_sorting_loaded_rows_says_that_it_is_no_order_of_the_api(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore/series")
    page.get_by_role("columnheader", name="Open").get_by_role("link").click()
    expect(page).to_have_url(service.url + "/explore/series?sort=open")
    expect(page.get_by_role("columnheader", name="Open")).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_text(re.compile(r"Sorted among the \d+ loaded series only"))).to_be_visible()
    texts = [row.get_by_role("cell").nth(4).inner_text() for row in _rows(page).all()]
    numbers = [int(text.replace(",", "")) if text != "–" else -1 for text in texts]
    assert numbers == sorted(numbers, reverse=True)


def test_search_finds_titles_and_tickers(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore/series")
    box = page.get_by_role("searchbox", name="Search for series")
    box.fill("temperature in testville")
    box.press("Enter")
    expect(page).to_have_url(re.compile(r"\?search=temperature\+in\+testville$"))
    expect(_rows(page)).to_have_count(1)
    assert _tickers(page) == ["KXTESTHIGH"]
    box.fill("xladde")
    box.press("Enter")
    expect(page.get_by_text("No series matches.")).to_be_visible()
    page.get_by_role("link", name="Search in tickers instead").click()
    expect(_rows(page)).to_have_count(1)
    expect(page.get_by_label("Search in")).to_have_value("ticker")
    page.go_back()
    expect(page.get_by_role("link", name="Remove the search")).to_be_visible()


def test_first_crawl_is_said_where_there_is_nothing_yet(page: Page, service: Service) -> None:
    status = _json(page, service, "/status")
    page.route(FACETS, lambda route: route.fulfill(json=_series_facet([])))
    status["live"] = FIRST_CRAWL
    page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    page.goto(service.url + "/explore/series")
    expect(page.get_by_text("The first crawl is running.")).to_be_visible()
    expect(page.get_by_role("link", name="Progress")).to_have_attribute("href", "/explore/status")


def test_retry_finds_out_why_there_is_nothing(quiet_page: Page, service: Service) -> None:
    status = service.get("/status") | {"live": FIRST_CRAWL}
    quiet_page.route(FACETS, _unavailable)
    quiet_page.goto(service.url + "/explore/series")
    expect(quiet_page.get_by_role("alert")).to_contain_text("The database is starting.")
    quiet_page.route(FACETS, lambda route: route.fulfill(json=_series_facet([])))
    quiet_page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    quiet_page.get_by_role("button", name="Retry").click()
    expect(quiet_page.get_by_text("The first crawl is running.")).to_be_visible()


def test_series_that_cannot_be_counted_have_another_order(page: Page, service: Service) -> None:
    page.route(FACETS, lambda route: route.fulfill(json=_series_facet(None)))
    page.goto(service.url + "/explore/series")
    expect(page.get_by_role("alert")).to_contain_text("could not be counted in time")
    expect(page.get_by_text("No series")).to_have_count(0)
    page.get_by_role("link", name="Order the series by ticker").click()
    expect(page).to_have_url(service.url + "/explore/series?order=ticker")
    expect(_rows(page).first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    tickers = _tickers(page)
    assert tickers == sorted(tickers)


def test_more_series_that_cannot_be_counted_keep_the_rows(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore/series?limit=3")
    expect(_rows(page)).to_have_count(3)
    page.route(FACETS, lambda route: route.fulfill(json=_series_facet(None)))
    page.get_by_role("button", name="Load more").click()
    expect(page.get_by_role("alert")).to_contain_text("could not be counted in time")
    expect(_rows(page)).to_have_count(3)
    expect(page.get_by_text("no other series has a market")).to_have_count(0)


def test_list_page_has_csv_and_requests(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore/series?order=ticker&limit=4")
    expect(_rows(page)).to_have_count(4)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of series").click()
    with download.value.path().open(newline="") as file:
        assert [row["series_ticker"] for row in csv.DictReader(file)] == _tickers(page)
    page.get_by_text("API request of series").click()
    url = page.get_by_label("URL request", exact=True).inner_text()
    assert [row["series_ticker"] for row in page.request.get(url).json()["items"]] == _tickers(page)


def test_series_page_shows_its_facts(page: Page, service: Service) -> None:
    page.goto(service.url + SERIES)
    series = _json(page, service, "/series/KXLADDER?fields=all")
    expect(page.get_by_role("heading", name=series["title"])).to_be_visible()
    expect(page).to_have_title(f"{series['title']} – Kalshi Markets")
    expect(page.get_by_role("definition").first).to_have_text("World")
    markets = page.get_by_role("link", name=re.compile(r"^200 markets$"))
    expect(markets).to_have_attribute("href", "/explore?series_ticker=KXLADDER")
    expect(page.get_by_role("link", name="200 open")).to_have_attribute(
        "href", "/explore?series_ticker=KXLADDER&status=active"
    )
    expect(page.get_by_text("The exchange names none.")).to_be_visible()
    breadcrumb = page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="World")
    expect(breadcrumb).to_have_attribute("href", "/explore/series?category=World")


def test_sources_and_contracts_are_links_without_a_referrer(page: Page, service: Service) -> None:
    series = _json(page, service, "/series/KXLADDER?fields=all") | {
        "settlement_sources": [{"name": "Bulletin", "url": "https://sources.example/a"}],
        "contract_url": "https://contracts.example/a.pdf",
        "contract_terms_url": "javascript:alert(1)",
    }
    page.route("**/series/KXLADDER?*", lambda route: route.fulfill(json=series))
    page.goto(service.url + SERIES)
    source = page.get_by_role("link", name="Bulletin")
    expect(source).to_have_attribute("href", "https://sources.example/a")
    expect(source).to_have_attribute("rel", "noreferrer noopener")
    expect(page.get_by_role("link", name="Original filing")).to_be_visible()
    expect(page.get_by_role("link", name="Current terms")).to_have_count(0)
    expect(page.get_by_text("javascript:alert(1)")).to_be_visible()


def test_markets_of_a_series_by_volume(page: Page, service: Service) -> None:
    page.goto(service.url + SERIES)
    rows = page.get_by_role("table", name="Most traded open markets").locator("tbody tr")
    expect(rows).to_have_count(10)
    query = "/markets?series_ticker=KXLADDER&status=active&order_by=volume_24h&limit=10"
    links = [f"/explore/markets/{market['ticker']}" for market in _json(page, service, query)["items"]]
    assert [row.get_by_role("link").get_attribute("href") for row in rows.all()] == links


def test_events_of_a_series_are_loaded_page_by_page(page: Page, service: Service) -> None:
    ticker = _series_with_events(page, service, 4)
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response) if "/events?" in response.url else None)
    page.goto(f"{service.url}/explore/series/{ticker}?order=event_ticker&limit=2")
    rows = page.get_by_role("table", name="Events").locator("tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Load more").click()
    expect(rows).not_to_have_count(2)
    # A later response may have further events.
    tickers = [event["event_ticker"] for response in responses for event in response.json()["items"]]
    assert tickers == sorted(set(tickers))
    links = [row.get_by_role("link").get_attribute("href") for row in rows.all()]
    assert links == [f"/explore/events/{event_ticker}" for event_ticker in tickers]
    expect(page).to_have_url(re.compile(f"limit={len(links)}$"))


def test_first_view_of_a_series_sends_three_requests(page: Page, service: Service) -> None:
    paths: list[str] = []
    page.on("request", lambda request: paths.append(request.url) if request.resource_type == "fetch" else None)
    page.goto(service.url + SERIES)
    page.wait_for_load_state("networkidle")
    assert len(paths) == 3


def test_unknown_series_has_suggestions(quiet_page: Page, service: Service) -> None:
    quiet_page.goto(service.url + "/explore/series/KXLADX")
    expect(quiet_page.get_by_role("alert")).to_contain_text("Series not found")
    expect(quiet_page.get_by_role("link", name="KXLADDER")).to_have_attribute("href", SERIES)
    quiet_page.get_by_role("link", name="Search for series with this ticker").click()
    expect(quiet_page.get_by_text("No series matches.")).to_be_visible()


def test_hostile_title_is_text(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore/series/KXHOSTILE")
    expect(page.get_by_role("heading", name="<b>Texts</b> & markup")).to_be_visible()
    assert page.locator("h1 b").count() == 0


def test_long_titles_do_not_widen_the_page(page: Page, service: Service) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    series = _json(page, service, "/series/KXLADDER?fields=all") | {"title": "W" * 500, "tags": ["\u202e" + "x" * 300]}
    page.route("**/series/KXLADDER?*", lambda route: route.fulfill(json=series))
    for path in (SERIES, "/explore/series", "/explore/series/KXHOSTILE"):
        page.goto(service.url + path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def _rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Series").locator("tbody tr")


def _tickers(page: Page) -> list[str]:
    return page.get_by_role("table", name="Series").locator(".outcome").all_inner_texts()


def _json(page: Page, service: Service, path: str) -> Any:
    return page.request.get(service.url + path).json()


def _series_with_events(page: Page, service: Service, count: int) -> str:
    """Return the ticker of a series with at least a number of events."""
    events = _json(page, service, "/events?limit=1000")["items"]
    tickers = [event["series_ticker"] for event in events]
    return str(max((ticker for ticker in tickers if tickers.count(ticker) >= count), key=tickers.count))


def _ranking(page: Page, service: Service) -> list[Any]:
    """Return the series with their numbers of markets, the largest first."""
    values: list[Any] = _json(page, service, "/markets/facets?facet=series_ticker&limit=1000")["facets"][
        "series_ticker"
    ]["values"]
    return values


def _limit(route: Route) -> int:
    """Return the number of values that a request asks for."""
    return int(route.request.url.rpartition("limit=")[2])


def _series_facet(values: list[Any] | None, limit: int = 1_000) -> Any:
    """Return a response of GET /markets/facets. None: the values could not be counted."""
    facet = {"values": values and values[:limit], "truncated": values is not None and len(values) > limit}
    return {"facets": {"series_ticker": facet}, "count": None, "counted_at": None}


def _unavailable(route: Route) -> None:
    body = {"detail": "The database is starting.", "code": "database_unavailable", "hint": "Retry.", "request_id": "r"}
    route.fulfill(status=503, content_type="application/json", body=json.dumps(body))
