"""Requests of every page: sizes of its code, and few requests to the API and to the exchange."""

from typing import Final

import pytest
from playwright.sync_api import Page, Response

from tests.bench.explorer import FIRST_VIEW
from tests.browser.page_clock import REFRESH_MS, install_clock, pause_before_refresh
from tests.browser.pages import PAGES, PagePath, open_all
from tests.browser.service import Service
from tests.browser.watch import Watch, is_api_request

MAX_API_REQUESTS: Final = 6
"""Limit of the API requests of a first view."""
MAX_EXCHANGE_REQUESTS: Final = 4
"""Limit of the requests that reach the exchange, while all of a page is looked at."""
REFRESHED: Final = [path for path in PAGES if path.name in ("home", "market", "event", "status")]
"""Pages that show the present. The rows of the others are replaced by the viewer's own actions alone."""
HIDE: Final = """() => {
  Object.defineProperty(document, "hidden", { value: true, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
SHOW: Final = """() => {
  delete document.hidden;
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_the_code_of_a_page_is_small(page: Page, service: Service, path: PagePath) -> None:
    sizes: dict[str, int] = {}

    def measure(response: Response) -> None:
        if response.request.resource_type in ("script", "stylesheet"):
            assert response.headers["content-encoding"] == "gzip", response.url
            sizes[response.url.rpartition("/assets/")[2]] = int(response.headers["content-length"])

    page.on("response", measure)
    open_all(page, service.url + path.path)
    assert 5_000 < sum(sizes.values()) <= path.max_bytes, sizes


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_first_view_sends_few_requests(
    page: Page, watches: dict[Page, Watch], service: Service, path: PagePath
) -> None:
    page.goto(service.url + path.path)
    page.wait_for_load_state("networkidle")
    requests = watches[page].api_requests
    assert 1 <= len(requests) <= MAX_API_REQUESTS, requests
    assert len(set(requests)) == len(requests), "a request is sent once"


def test_the_benchmark_measures_the_first_view_of_explore(
    page: Page, watches: dict[Page, Watch], service: Service
) -> None:
    page.goto(service.url + "/explore")
    page.wait_for_load_state("networkidle")
    sent = [request.removeprefix("GET ") for request in watches[page].api_requests if request.startswith("GET ")]
    assert sorted(sent) == sorted(FIRST_VIEW)


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_view_costs_the_exchange_little(page: Page, service: Service, path: PagePath) -> None:
    before = service.exchange_requests()
    open_all(page, service.url + path.path)
    assert service.exchange_requests() - before <= MAX_EXCHANGE_REQUESTS


@pytest.mark.parametrize("path", REFRESHED, ids=str)
def test_a_visible_page_is_refreshed_once_a_minute_and_a_hidden_one_is_not(
    page: Page, watches: dict[Page, Watch], service: Service, path: PagePath
) -> None:
    requests = watches[page].api_requests
    installed_at = install_clock(page)
    open_all(page, service.url + path.path)
    first_view = len(requests)

    pause_before_refresh(page, installed_at)
    assert len(requests) == first_view, "before a minute has passed"
    with page.expect_request(is_api_request):
        page.clock.run_for(REFRESH_MS)
    refreshed = requests[first_view:]
    assert len(set(refreshed)) == len(refreshed) <= MAX_API_REQUESTS, refreshed

    page.evaluate(HIDE)
    page.clock.run_for(200_000)
    assert len(requests) == first_view + len(refreshed), "while the tab is hidden"
    with page.expect_request(is_api_request):
        page.evaluate(SHOW)
