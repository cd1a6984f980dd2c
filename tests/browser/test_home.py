"""The home page: search, movers, most traded, closing next, freshness."""

import re
import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Response, Route, expect

from tests.browser.service import Service

LISTS = ("Largest rises", "Largest falls", "Most traded", "Closing next")


def test_search_leads_to_explore(page: Page, service: Service) -> None:
    page.goto(service.url)
    page.get_by_role("searchbox", name="Search markets").fill("testville high")
    page.keyboard.press("Enter")
    expect(page).to_have_url(service.url + "/explore?search=testville+high&status=active&order_by=volume_24h")
    expect(page.get_by_role("list", name="Filters")).to_contain_text("search: testville high")


def test_first_view_sends_five_requests(page: Page, service: Service) -> None:
    paths: list[str] = []
    page.on("request", lambda request: paths.append(urlsplit(request.url).path))
    page.goto(service.url)
    expect(page.get_by_role("link", name="Show more")).to_have_count(4)
    page.wait_for_load_state("networkidle")
    assert sorted(path for path in paths if path in ("/markets", "/status")) == ["/markets"] * 4 + ["/status"]
    assert not [path for path in paths if "candlesticks" in path]


@pytest.mark.parametrize("title", LISTS)
def test_list_has_the_markets_of_its_request(page: Page, service: Service, title: str) -> None:
    received: dict[str, Response] = {}
    page.on("response", lambda response: received.update({response.url: response}))
    page.goto(service.url)
    card = _card(page, title)
    expect(card.locator("tbody tr").first).to_be_visible()
    card.get_by_text("API").click()
    request = card.get_by_label("URL request", exact=True).inner_text()
    assert request.startswith(service.url + "/markets?")
    assert "status=active" in request
    assert "limit=5" in request
    assert card.locator("tbody tr").count() <= 5
    shown = [link.get_attribute("href") for link in card.locator("tbody a").all()]
    # A later response may have other markets: prices change, and markets close.
    answered = received[request].json()["items"]
    assert shown
    assert set(shown) <= {f"/explore/markets/{market['ticker']}" for market in answered}


def test_movers_move_and_closing_markets_are_open(page: Page, service: Service) -> None:
    page.clock.set_fixed_time(time.time())
    page.goto(service.url)
    expect(_card(page, "Largest rises").locator(".change").first).to_have_text(re.compile(r"^\+"))
    expect(_card(page, "Largest falls").locator(".change").first).to_have_text(re.compile(r"^−"))
    expect(_card(page, "Closing next").locator("time").first).to_have_text(re.compile(r"^in |^now|tomorrow|next"))


def test_markets_of_the_present_minute_are_not_closing_next(page: Page, service: Service) -> None:
    page.clock.set_fixed_time("2026-01-01T10:59:20Z")
    with page.expect_request(re.compile("order_by=close_time")) as request:
        page.goto(service.url)
    assert "close_time__gte=2026-01-01T11:00Z&" in request.value.url


def test_show_more_continues_the_list(page: Page, service: Service) -> None:
    page.goto(service.url)
    _card(page, "Largest falls").get_by_role("link", name="Show more of Largest falls").click()
    expected = "/explore?status=active&order_by=price_change_24h_dollars&order_direction=asc"
    expect(page).to_have_url(service.url + expected)
    expect(page.locator("tbody .change").first).to_have_text(re.compile(r"^−"))


def test_movers_are_hidden_when_nothing_moved(page: Page, service: Service) -> None:
    def answer_without_moves(route: Route) -> None:
        body = route.fetch().json()
        route.fulfill(json=body | {"items": [item | {"price_change_24h_dollars": 0} for item in body["items"]]})

    page.route(re.compile(r"/markets\?.*order_by=price_change"), answer_without_moves)
    page.goto(service.url)
    expect(_card(page, "Most traded").locator("tbody tr").first).to_be_visible()
    expect(page.get_by_role("heading", name="Largest")).to_have_count(0)


def test_freshness_is_that_of_status(page: Page, service: Service) -> None:
    page.goto(service.url)
    freshness = page.locator(".freshness")
    expect(freshness).to_contain_text(re.compile(r"[\d,]+ markets"))
    expect(freshness).to_contain_text(re.compile(r"live data complete, confirmed .+ ago|confirmed now"))
    expect(freshness.get_by_role("link", name="Status")).to_have_attribute("href", "/explore/status")
    expect(page.locator("#first-crawl")).to_have_count(0)


def test_first_crawl_has_a_notice(page: Page, service: Service) -> None:
    page.route(re.compile("/status$"), _answer_incomplete)
    page.goto(service.url)
    expect(page.locator("#first-crawl")).to_contain_text("The first crawl is running.")
    expect(page.locator(".freshness")).to_contain_text("live data incomplete")


def test_failure_of_a_list_leaves_the_others(quiet_page: Page, service: Service) -> None:
    problem = {"detail": "The database is starting.", "code": "database_unavailable", "hint": "Retry in a minute."}
    quiet_page.route(
        re.compile(r"/markets\?.*order_by=volume_24h"), lambda route: route.fulfill(status=503, json=problem)
    )
    quiet_page.goto(service.url)
    card = _card(quiet_page, "Most traded")
    expect(card.get_by_role("alert")).to_contain_text("The database is starting. Retry in a minute.")
    expect(_card(quiet_page, "Closing next").locator("tbody tr").first).to_be_visible()
    quiet_page.unroute_all()
    card.get_by_role("button", name="Retry").click()
    expect(card.locator("tbody tr").first).to_be_visible()


def test_narrow_screen_has_no_horizontal_scroll(page: Page, service: Service) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(service.url)
    expect(page.get_by_role("link", name="Show more")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def _card(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title).and_(page.locator(".card"))


def _answer_incomplete(route: Route) -> None:
    body = route.fetch().json()
    route.fulfill(json=body | {"live": body["live"] | {"complete": False, "finished_at": None}})
