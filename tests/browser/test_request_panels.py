"""Requests that pages show to take away: their texts run elsewhere, and a button copies them."""

from typing import Any, Final

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.page_clock import install_clock, pause_before_refresh
from tests.browser.pages import PAGES, PagePath, open_all
from tests.browser.service import Service

WITH_PANELS: Final = [path for path in PAGES if path.name != "docs"]
BREAK_CLIPBOARD: Final = "navigator.clipboard.writeText = () => Promise.reject(new Error('not permitted'));"


@pytest.mark.parametrize("path", WITH_PANELS, ids=str)
def test_every_text_repeats_its_request(page: Page, service: Service, path: PagePath) -> None:
    open_all(page, service.url + path.path)
    panels = page.locator("details.request").all()
    assert panels
    for panel in panels:
        response = _variable(panel, "Python", "response")
        assert response, panel.inner_text()
        assert len(_variable(panel, "pandas", "frame").columns) > 1, panel.inner_text()


def test_pandas_reads_nested_lists(page: Page, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    status = service.get("/status")
    rejected = {"ticker": "KXODD-1", "reason": "close_time is invalid", "last_at": "2026-01-01T00:00:00Z"}
    status["rejects"] = {"count": 1200, "newest": [rejected]}
    page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    page.goto(service.url + "/explore/status")
    panel = page.locator("details.request", has_text="API request of rejected markets")
    expect(panel).to_be_visible()
    request = httpx.Request("GET", service.url + "/status")
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, json=status, request=request))
    assert _variable(panel, "pandas", "frame").to_dict("records") == [rejected]


def test_pandas_reads_facets_with_their_names(page: Page, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    # A later response may have other numbers.
    responses: list[httpx.Response] = []
    get = httpx.get

    def record(*arguments: Any, **options: Any) -> httpx.Response:
        responses.append(get(*arguments, **options))
        return responses[-1]

    monkeypatch.setattr(httpx, "get", record)
    open_all(page, service.url + "/explore")
    panel = page.locator("details.request", has_text="API request of facets")
    frame = _variable(panel, "pandas", "frame")
    [response] = responses
    values = response.json()["facets"]["category"]["values"]
    assert list(frame.loc["category"]["value"]) == [row["value"] for row in values]
    assert isinstance(frame, pd.DataFrame)


def test_a_button_copies_the_text(open_page: OpenPage, service: Service) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    # The label of the button stays until the clock runs on.
    installed_at = install_clock(page)
    page.goto(service.url + "/explore/status")
    panel = _open_panel(page, "jobs")
    pause_before_refresh(page, installed_at)
    copy = panel.get_by_role("button", name="Copy").nth(1)
    copy.click()
    expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"curl '{service.url}/status'"


def test_a_text_that_cannot_be_copied_can_be_selected(page: Page, service: Service) -> None:
    page.add_init_script(BREAK_CLIPBOARD)
    installed_at = install_clock(page)
    page.goto(service.url + "/explore/status")
    panel = _open_panel(page, "jobs")
    pause_before_refresh(page, installed_at)
    panel.get_by_role("button", name="Copy").first.click()
    expect(panel.get_by_role("button", name="Select the text and copy it")).to_be_visible()


def test_texts_have_the_host_of_the_page(page: Page, service: Service) -> None:
    # Browsers resolve every name below localhost to this machine.
    url = service.url.replace("127.0.0.1", "markets.localhost")
    page.goto(url + "/explore/series?order=ticker&limit=3")
    panel = _open_panel(page, "series")
    for name in ("URL", "curl", "Python", "pandas"):
        expect(panel.get_by_label(f"{name} request", exact=True)).to_contain_text(f"{url}/series?")


def _open_panel(page: Page, subject: str) -> Locator:
    panel = page.locator("details.request", has_text=f"API request of {subject}").first
    panel.locator("summary").click()
    return panel


def _variable(panel: Locator, name: str, variable: str) -> Any:
    """Run a text of a panel and return a variable of it."""
    variables: dict[str, Any] = {}
    exec(panel.locator(f"pre[aria-label='{name} request']").text_content() or "", variables)
    return variables[variable]
