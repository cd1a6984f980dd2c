"""The keyboard alone is enough: Tab reaches what a person needs, and what has the focus is seen."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.prepared_markets import WEATHER_EVENT
from tests.browser.service import Service

MAX_TABS = 80


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target or an element in it has the focus. Each element on the way must be visible."""
    for _ in range(MAX_TABS):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.is_visible()
        if target.evaluate("(element) => element.contains(document.activeElement)"):
            return
    raise AssertionError(f"{MAX_TABS} times Tab did not reach {target}")


def test_the_first_tab_skips_to_the_content(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    expect(page.locator("main tbody tr").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page).to_have_url(service.url + "/explore#main")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_a_search_is_typed_and_its_first_result_opened(page: Page, service: Service) -> None:
    page.goto(service.url + "/")
    tab_to(page, page.get_by_role("searchbox"))
    page.keyboard.type("highest temperature testville")
    page.keyboard.press("Enter")
    expect(page.locator("main tbody tr")).to_have_count(6)
    first = page.locator("main tbody a").first
    path = first.get_attribute("href") or ""
    tab_to(page, first)
    page.keyboard.press("Enter")
    expect(page).to_have_url(service.url + path)


def test_the_chart_is_reached_and_read_with_arrow_keys(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/explore/markets/{WEATHER_EVENT}-T50")
    chart = page.locator("#chart [tabindex='0']").first
    expect(page.locator("#chart canvas").first).to_be_visible()
    tab_to(page, chart)
    reading = page.locator("#chart .chart-reading")
    before = reading.inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(reading).not_to_have_text(before, use_inner_text=True)
