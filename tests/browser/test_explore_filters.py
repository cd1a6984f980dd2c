"""Filters of the page /explore: facets, search, further filters and chosen columns."""

import re

from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.service import Service


def test_facet_links_toggle_and_history_restores(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    facet = page.get_by_role("region", name="Status")
    facet.get_by_role("link", name=re.compile("^settled")).click()
    expect(page).to_have_url(re.compile(r"/explore\?status__in=active,finalized"))
    expect(_chips(page)).to_contain_text("status: open, settled")
    expect(facet.get_by_role("listitem").nth(1)).to_contain_text("settled")
    expect(facet.locator("[aria-current=true]")).to_have_count(2)
    facet.get_by_role("link", name=re.compile("^open")).click()
    expect(page).to_have_url(re.compile(r"/explore\?status=finalized"))
    expect(_badges(page).first).to_contain_text("settled")
    page.go_back()
    expect(_chips(page)).to_contain_text("status: open, settled")
    page.go_back()
    expect(page).to_have_url(service.url + "/explore")
    expect(_badges(page).first).to_have_text("open")
    page.go_forward()
    expect(_chips(page)).to_contain_text("status: open, settled")


def test_order_that_a_filter_forbids_is_dropped(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    page.get_by_role("region", name="Status").get_by_role("link", name="remove the filter Status").click()
    expect(page).to_have_url(service.url + "/explore?order_by=recent")
    expect(page.get_by_text("No filters: all markets")).to_be_visible()
    expect(_rows(page)).to_have_count(50)


def test_facets_combine_and_keep_their_focus(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore?order_by=recent")
    category = page.get_by_role("region", name="Category")
    link = category.get_by_role("link").nth(1)
    name = link.locator("bdi").inner_text()
    link.focus()
    page.keyboard.press("Enter")
    expect(category.get_by_role("listitem").first).to_contain_text(name)
    expect(category.locator("[aria-current=true]")).to_be_focused()
    expect(category.get_by_role("listitem").nth(1)).to_be_visible()


def test_empty_value_is_a_choice(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore?order_by=recent")
    result = page.get_by_role("region", name="Result")
    result.get_by_role("link", name=re.compile("undetermined")).click()
    expect(page).to_have_url(re.compile(r"[?&]result=(&|$)"))
    expect(_chips(page)).to_contain_text("result: undetermined")
    result.get_by_role("link", name=re.compile("^NO")).click()
    expect(page).to_have_url(re.compile(r"[?&]result__in=,no(&|$)"))
    expect(_chips(page)).to_contain_text("result: undetermined, NO")
    expect(page.locator("#shown")).to_have_text(re.compile("shown$"))


def test_values_without_a_filter_are_filtered_as_missing(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore?order_by=recent")
    page.get_by_role("region", name="Strike type").get_by_role("link", name=re.compile("^none")).click()
    expect(page).to_have_url(re.compile(r"strike_type__isnull=true"))
    expect(_chips(page)).to_contain_text("strike type is missing")


def test_estimated_and_unknown_counts_are_marked(page: Page, service: Service) -> None:
    def answer_estimates(route: Route) -> None:
        body = route.fetch().json()
        for facet in body["facets"].values():
            facet["estimated"] = True
            facet["values"] = [{"value": "active", "count": 1_200_000}, {"value": "closed", "count": None}]
        route.fulfill(json=body | {"count": 1_234_567})

    page.route(re.compile("/markets/facets"), answer_estimates)
    page.goto(service.url + "/explore?volume__gte=1")
    expect(page.locator("#shown")).to_have_text("≈ 1,234,567 markets, 50 shown")
    status = page.get_by_role("region", name="Status")
    expect(status.get_by_role("link", name=re.compile("^open"))).to_contain_text("≈ 1,200,000")
    expect(status.get_by_role("link", name=re.compile("^closed"))).to_contain_text("–")


def test_uncounted_facets_say_why(page: Page, service: Service) -> None:
    def answer_nothing(route: Route) -> None:
        body = route.fetch().json()
        for facet in body["facets"].values():
            facet["values"] = None
        route.fulfill(json=body | {"count": None})

    page.route(re.compile("/markets/facets"), answer_nothing)
    page.goto(service.url + "/explore?volume__gte=1")
    expect(page.get_by_role("region", name="Category")).to_contain_text("Too many markets to count in time.")
    expect(page.locator("#shown")).to_have_text("Markets, 50 shown")


def test_further_filter_is_a_chip(page: Page, service: Service) -> None:
    columns: list[str] = []
    page.on("request", lambda request: columns.append(request.url) if "/markets/columns" in request.url else None)
    page.goto(service.url + "/explore")
    expect(_rows(page)).to_have_count(50)
    assert not columns
    page.get_by_text("Add filter", exact=True).first.click()
    page.get_by_role("combobox", name="Column").select_option("volume")
    page.get_by_role("combobox", name="Operator").select_option("volume__gte")
    page.get_by_role("textbox", name="Value").fill("1000")
    page.get_by_role("button", name="Add filter").click()
    expect(page).to_have_url(service.url + "/explore?status=active&volume__gte=1000&order_by=volume_24h")
    expect(_chips(page)).to_contain_text("volume ≥ 1000")
    assert len(columns) == 1
    page.get_by_role("link", name="Remove the filter volume ≥ 1000").click()
    expect(page).to_have_url(service.url + "/explore")


def test_another_column_starts_with_its_first_operator(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    page.get_by_text("Add filter", exact=True).first.click()
    operator = page.get_by_role("combobox", name="Operator")
    # A browser ignores the attribute "selected" of an option that was chosen before.
    for index in (0, 1, 0, 1):
        operator.select_option(index=index)
    page.get_by_role("combobox", name="Column").select_option("open_interest")
    shown = operator.input_value()
    assert shown == operator.get_by_role("option").first.get_attribute("value")
    page.get_by_role("textbox", name="Value").fill("1000")
    page.get_by_role("button", name="Add filter").click()
    expect(page).to_have_url(re.compile(rf"[?&]{shown}=1000(&|$)"))


def test_filter_by_known_values_offers_them(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    page.get_by_text("Add filter", exact=True).first.click()
    page.get_by_role("combobox", name="Column").select_option("market_type")
    page.get_by_role("combobox", name="Value").select_option("scalar")
    page.get_by_role("button", name="Add filter").click()
    expect(page).to_have_url(re.compile("market_type=scalar"))
    expect(_chips(page)).to_contain_text("market type: scalar")


def test_chosen_columns_are_fields(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="category").check()
    page.get_by_role("checkbox", name="close_time").check()
    page.get_by_role("button", name="Show these columns").click()
    expect(page).to_have_url(service.url + "/explore?fields=close_time,category")
    headers = page.get_by_role("columnheader")
    expect(headers).to_have_text(["Market", "close_time", "category"])
    page.get_by_role("link", name="Usual columns").click()
    expect(page).to_have_url(service.url + "/explore")
    expect(page.get_by_role("columnheader", name="Probability")).to_be_visible()
    expect(page.get_by_role("checkbox", name="category")).not_to_be_checked()


def test_search_keeps_the_filters(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore")
    page.get_by_role("searchbox").fill('testville "high temp"')
    page.get_by_role("button", name="Search").click()
    expect(_chips(page)).to_contain_text('search: testville "high temp"')
    expect(_rows(page)).to_have_count(6)
    expect(_rows(page).first).to_contain_text("Will the high temp in Testville be")
    expect(page).to_have_url(re.compile(r"search=testville\+%22high\+temp%22&status=active&order_by=volume_24h"))
    expect(page).to_have_title(re.compile("testville"))


def test_no_match_says_which_filters_to_remove(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore?search=testville&status=finalized&volume__gte=1")
    expect(page.get_by_text("No market matches these filters.")).to_be_visible()
    expect(page.locator("#shown")).to_have_text("0 markets, none shown")
    expect(page.get_by_role("link", name="Without search: testville")).to_be_visible()
    expect(page.get_by_role("link", name="Show all markets")).to_be_visible()
    page.get_by_role("link", name="Without status: settled").click()
    expect(_rows(page).first).to_contain_text("Testville")
    page.go_back()
    page.get_by_role("link", name="Search all markets for testville").click()
    expect(page).to_have_url(service.url + "/explore?search=testville")
    expect(_rows(page)).to_have_count(6)


def test_search_is_shown_as_text(page: Page, service: Service) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(service.url + "/explore?search=%3Cimg+src%3Dx%3E" + "W" * 150)
    expect(page.get_by_text("No market matches these filters.")).to_be_visible()
    expect(_chips(page)).to_contain_text("<img src=x>WWW")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def _rows(page: Page) -> Locator:
    return page.locator(".rows tbody tr")


def _chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Filters")


def _badges(page: Page) -> Locator:
    return page.locator(".rows tbody .badge")
