"""Pages of a service that requires an API key: they ask for it once, keep it, and show it nowhere."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from local.exchange.clock import Clock
from tests.browser.conftest import SEED, OpenPage
from tests.browser.exchange import PreparedExchange
from tests.browser.held_requests import hold_requests
from tests.browser.pages import PAGES, open_all
from tests.browser.service import Service, database_server, running_service, wait_for_crawl
from tests.browser.test_accessibility import violations
from tests.browser.watch import is_api_request

KEY: Final = secrets.token_hex(24)
HEADER: Final = "x-api-key"
ROWS: Final = "main table tbody tr"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service with a key, which has crawled the prepared exchange."""
    folder = tmp_path_factory.mktemp("service")
    exchange = PreparedExchange(SEED, 300, Clock())
    with (
        database_server(folder) as database,
        running_service(folder, exchange, database, API_KEY=KEY) as service,
    ):
        wait_for_crawl(service)
        yield service
        assert KEY not in service.program.output


def field(page: Page) -> Locator:
    return page.locator("input#api-key")


def enter(page: Page, key: str) -> None:
    field(page).fill(key)
    field(page).press("Enter")


@pytest.fixture
def unlocked(quiet_page: Page, service: Service) -> Page:
    """Return a page of a browser that has the key."""
    quiet_page.goto(service.url + "/explore/status")
    enter(quiet_page, KEY)
    expect(quiet_page.locator(ROWS).first).to_be_visible()
    return quiet_page


def test_a_page_asks_once_and_repeats_what_failed(quiet_page: Page, service: Service) -> None:
    sent: list[tuple[str, str | None]] = []

    def record(request: Request) -> None:
        if is_api_request(request):
            sent.append((request.url, request.headers.get(HEADER)))

    quiet_page.on("request", record)
    quiet_page.goto(service.url + "/explore")
    expect(field(quiet_page)).to_have_count(1)
    expect(field(quiet_page)).to_be_focused()
    quiet_page.wait_for_load_state("networkidle")
    rejected = [url for url, _ in sent]
    assert len(rejected) > 1
    assert {key for _, key in sent} == {None}

    def repeated() -> list[str]:
        return [url for url, _ in sent[len(rejected) :] if url in rejected]

    with quiet_page.expect_event("requestfinished", lambda _: len(repeated()) >= len(rejected)):
        enter(quiet_page, f"  {KEY} ")
    expect(quiet_page.locator(ROWS).first).to_be_visible()
    expect(field(quiet_page)).to_have_count(0)
    expect(quiet_page.get_by_role("alert")).to_have_count(0)
    assert {key for _, key in sent[len(rejected) :]} == {KEY}
    assert sorted(repeated()) == sorted(rejected), "each once"
    other = quiet_page.context.new_page()
    for path in PAGES:
        open_all(other, service.url + path.path)
        expect(field(other)).to_have_count(0)


def test_a_wrong_key_is_reported_and_another_one_works(quiet_page: Page, service: Service) -> None:
    quiet_page.goto(service.url + "/")
    for wrong in (KEY[:-1], "other"):
        enter(quiet_page, wrong)
        expect(quiet_page.get_by_role("alert")).to_have_text("The service rejected the key. Enter another one.")
        expect(field(quiet_page)).to_have_attribute("aria-invalid", "true")
        expect(field(quiet_page)).to_be_focused()
        expect(field(quiet_page)).to_have_value("")
    enter(quiet_page, KEY)
    expect(quiet_page.locator(ROWS).first).to_be_visible()
    expect(quiet_page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("key", ["", "two words", "schlüssel"])
def test_what_cannot_be_a_key_is_not_sent(quiet_page: Page, service: Service, key: str) -> None:
    quiet_page.goto(service.url + "/explore/status")
    expect(field(quiet_page)).to_be_visible()
    quiet_page.wait_for_load_state("networkidle")
    sent: list[str] = []
    quiet_page.on("request", lambda request: sent.append(request.url))
    enter(quiet_page, key)
    assert field(quiet_page).evaluate("input => !input.validity.valid")
    expect(field(quiet_page)).to_have_value(key)
    quiet_page.wait_for_timeout(500)
    assert sent == []


def test_a_key_of_another_tab_is_used(quiet_page: Page, service: Service) -> None:
    quiet_page.goto(service.url + "/explore/status")
    expect(field(quiet_page)).to_be_visible()
    other = quiet_page.context.new_page()
    other.goto(service.url + "/explore/status")
    enter(other, KEY)
    expect(quiet_page.locator(ROWS).first).to_be_visible()
    expect(field(quiet_page)).to_have_count(0)
    other.get_by_role("button", name="Forget the API key").click()
    expect(field(other)).to_be_visible()
    quiet_page.get_by_role("link", name="Explore", exact=True).click()
    expect(field(quiet_page)).to_be_visible()


def test_a_browser_without_storage_keeps_the_key_until_the_page_is_left(quiet_page: Page, service: Service) -> None:
    quiet_page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } })"
    )
    quiet_page.goto(service.url + "/explore/status")
    enter(quiet_page, KEY)
    expect(quiet_page.locator(ROWS).first).to_be_visible()
    quiet_page.get_by_role("button", name="Forget the API key").click()
    expect(field(quiet_page)).to_be_visible()


def test_a_key_can_be_forgotten(unlocked: Page) -> None:
    unlocked.get_by_role("button", name="Forget the API key").click()
    expect(field(unlocked)).to_be_visible()
    expect(unlocked.get_by_role("button", name="Forget the API key")).to_have_count(0)
    assert unlocked.evaluate("localStorage.length") == 0


def test_the_form_is_accessible(open_page: OpenPage, service: Service) -> None:
    page = open_page(allows_failures=True, width=390)
    page.goto(service.url + "/explore/series")
    enter(page, "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    broken_rules = violations(page)
    page.emulate_media(color_scheme="dark")
    broken_rules += violations(page)
    assert not broken_rules, "\n".join(broken_rules)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_no_address_and_no_text_of_a_page_has_the_key(unlocked: Page, service: Service) -> None:
    addresses: list[str] = []
    unlocked.on("request", lambda request: addresses.append(request.url))
    for path in PAGES:
        open_all(unlocked, service.url + path.path)
        assert KEY not in unlocked.content(), path
        assert KEY not in unlocked.url
    assert len(addresses) > 20
    assert [address for address in addresses if KEY in address] == []


@pytest.mark.parametrize(("path", "subject"), [("/explore/status", "jobs"), ("/explore", "markets")])
def test_requests_to_take_away_have_a_placeholder_for_the_key(
    unlocked: Page, service: Service, path: str, subject: str
) -> None:
    open_all(unlocked, service.url + path)
    panel = unlocked.locator("details.request", has_text=f"API request of {subject}").first
    texts = {name: panel.get_by_label(f"{name} request", exact=True).text_content() or "" for name in ("URL", "curl")}
    assert texts["curl"] == f"curl '{texts['URL']}' -H '{HEADER}: YOUR_API_KEY'"
    response = _run(panel, "Python", "response")
    assert response
    assert isinstance(_run(panel, "pandas", "frame"), pd.DataFrame)


def _run(panel: Locator, name: str, variable: str) -> Any:
    """Run a text of a panel with the key in place of the placeholder, and return a variable of it."""
    text = panel.get_by_label(f"{name} request", exact=True).text_content() or ""
    variables: dict[str, Any] = {}
    exec(text.replace("YOUR_API_KEY", KEY), variables)
    return variables[variable]


def test_csv_and_links_to_the_api_are_saved_with_the_key(unlocked: Page, service: Service) -> None:
    open_all(unlocked, service.url + "/explore")
    with unlocked.expect_download() as download:
        unlocked.get_by_role("link", name="CSV of markets").click()
    assert download.value.suggested_filename == "markets.csv"
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("ticker,")
    assert len(lines) > 10
    open_all(unlocked, service.url + "/")
    with unlocked.expect_download() as download:
        unlocked.get_by_role("link", name="The most recent markets").click()
    assert download.value.suggested_filename == "markets.json"
    assert json.loads(Path(download.value.path()).read_text())["count"] == 10
    with unlocked.expect_download() as download:
        unlocked.get_by_role("link", name="OpenAPI", exact=True).click()
    assert download.value.suggested_filename == "openapi.json"


def test_a_link_that_fails_says_so(unlocked: Page, service: Service) -> None:
    open_all(unlocked, service.url + "/")
    unlocked.route("**/markets?limit=10", _unavailable)
    for _ in range(2):
        with unlocked.expect_response("**/markets?limit=10"):
            unlocked.get_by_role("link", name="The most recent markets").click()
        expect(unlocked.get_by_role("alert")).to_have_count(1)
        expect(unlocked.get_by_role("alert")).to_contain_text("The function is starting.")


def test_two_failures_of_a_link_are_one_message(unlocked: Page, service: Service) -> None:
    open_all(unlocked, service.url + "/")
    held = hold_requests(unlocked, r"/markets\?limit=10$")
    for _ in range(2):
        unlocked.get_by_role("link", name="The most recent markets").click()
    first, second = held.wait(2)
    first.fulfill(status=503, json={"detail": "The first request failed."})
    expect(unlocked.get_by_role("alert")).to_contain_text("The first request failed.")
    second.fulfill(status=503, json={"detail": "The second request failed."})
    expect(unlocked.get_by_role("alert").first).to_contain_text("The second request failed.")
    expect(unlocked.get_by_role("alert")).to_have_count(1)


def test_the_reference_sends_the_key(unlocked: Page, service: Service) -> None:
    unlocked.goto(service.url + "/docs?operation=GET /markets&limit=1")
    expect(unlocked.get_by_text("A request needs a key in the header")).to_be_visible()
    expect(unlocked.get_by_label("curl request")).to_contain_text(f"-H '{HEADER}: YOUR_API_KEY'")
    unlocked.get_by_role("button", name="Send").click()
    expect(unlocked.locator(".outcome-line")).to_contain_text("200")


def test_a_service_with_tokens_is_no_reason_to_ask_for_a_key(quiet_page: Page, service: Service) -> None:
    quiet_page.route("**/status", _unauthorized)
    quiet_page.goto(service.url + "/explore/status")
    expect(quiet_page.get_by_role("alert")).to_contain_text("The service requires a token")
    expect(field(quiet_page)).to_have_count(0)


def test_the_pages_need_no_key_and_the_data_does(service: Service) -> None:
    assert {httpx.get(service.url + path.path, timeout=60).status_code for path in PAGES} == {200}
    assert httpx.get(f"{service.url}/markets", timeout=60).json() == {"message": "Unauthorized"}


def _unavailable(route: Route) -> None:
    body = {"detail": "The function is starting.", "code": "unavailable", "hint": "Retry.", "request_id": "r"}
    route.fulfill(status=503, json=body)


def _unauthorized(route: Route) -> None:
    # As an HTTP API with a JWT authorizer.
    if route.request.resource_type == "document":
        route.continue_()
    else:
        route.fulfill(status=401, headers={"www-authenticate": "Bearer"}, json={"message": "Unauthorized"})
