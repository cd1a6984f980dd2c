"""Links beside a search on /explore: categories by their names, and series by their titles."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.modules import serve_modules
from tests.browser.service import Service

CATEGORIES = ["Sports", "Climate and Weather", "Elections", "Science and Technology"]


def test_a_search_for_a_category_leads_to_it(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    page.get_by_role("searchbox").fill("world today")  # the category of the prepared markets: one is always open
    page.keyboard.press("Enter")
    related(page).get_by_role("link", name="World", exact=True).click()
    expect(page).to_have_url(f"{service.url}/explore?category=World&status=active&order_by=volume_24h")
    expect(page.locator(".rows tbody tr").first).to_be_visible()
    expect(related(page)).to_have_count(0)
    page.go_back()
    expect(related(page)).to_be_visible()


def test_a_search_leads_to_the_series_with_its_words(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore?search=ladder")
    related(page).get_by_role("link", name="Series with ladder in the title").click()
    expect(page).to_have_url(service.url + "/explore/series?search=ladder")


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("weather", ["Climate and Weather"]),
        ("ELECTION in 2028", ["Elections"]),
        ("sports, tech", ["Sports", "Science and Technology"]),
        ("the and", []),
        ("rain", []),
        ("", []),
    ],
)
def test_categories_match_by_the_beginning_of_a_word(
    page: Page, service: Service, search: str, expected: list[str]
) -> None:
    serve_modules(page)
    page.goto(service.url + "/explore/status")
    expect(page.get_by_role("heading", name="Status", level=1)).to_be_visible()
    call = f"matchingCategories({json.dumps(search)}, {json.dumps(CATEGORIES)})"
    script = f"import('/sources/pages/explore/matching_categories.js').then(({{ matchingCategories }}) => {call})"
    assert page.evaluate(script) == expected


def test_only_a_search_requests_the_categories(page: Page, service: Service) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(service.url + "/explore?search=ladder")
    expect(page.locator(".rows tbody tr").first).to_be_visible()
    page.get_by_role("searchbox").fill("hostile")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("search=hostile"))
    page.wait_for_timeout(500)
    assert len([url for url in requests if url.endswith("facets?facet=category&limit=100")]) == 1


def related(page: Page) -> Locator:
    return page.get_by_role("list", name="Related to the search")
