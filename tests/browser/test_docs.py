"""The page /docs: reference of every operation, and the form that sends requests."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.service import Service

METHODS = ("get", "post", "put", "patch", "delete")


def test_every_operation_has_a_page_with_all_of_its_parameters(page: Page, service: Service) -> None:
    document = _document(page, service)
    page.goto(service.url + "/docs")
    links = page.get_by_role("navigation", name="Operations").get_by_role("link")
    operations = [(m, path) for path, item in document["paths"].items() for m in METHODS if m in item]
    expect(links).to_have_count(len(operations))
    for method, path in operations:
        operation = document["paths"][path][method]
        links.get_by_text(path, exact=True).locator("..").filter(has_text=method.upper()).click()
        expect(page.get_by_role("heading", name=f"{method.upper()} {path}", exact=True)).to_be_visible()
        expect(page.get_by_text(operation["summary"], exact=True).first).to_be_visible()
        expected = [_resolved(document, parameter)["name"] for parameter in operation.get("parameters", [])]
        assert sorted(page.locator("table.parameters td .name").all_text_contents()) == sorted(
            expected or _body_members(document, operation)
        )
        statuses = page.locator("details.response > summary strong").all_text_contents()
        # JavaScript has members whose names are integers in the order of these.
        assert statuses == sorted(operation["responses"])


def test_every_parameter_has_type_description_and_example(page: Page, service: Service) -> None:
    document = _document(page, service)
    page.goto(service.url + "/docs?operation=GET /markets")
    rows = page.locator("table.parameters tbody tr")
    expect(rows.first).to_be_visible()
    cells = rows.evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))")
    texts = {row[0]: row for row in cells}
    for reference in document["paths"]["/markets"]["get"]["parameters"]:
        parameter = _resolved(document, reference)
        _, kind, description, example, _ = texts[parameter["name"]]
        assert kind.startswith(parameter["schema"]["type"])
        assert parameter["description"].replace("`", "") in description
        wanted = parameter.get("example", "–")
        assert example == (wanted if isinstance(wanted, str) else json.dumps(wanted))
        for value in parameter["schema"].get("enum", []):
            assert value in description


def test_filters_are_grouped_by_column_with_their_operators(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs")
    group = page.locator("details.column", has=page.locator("summary .name", has_text=re.compile("^close_time$")))
    expect(group).not_to_have_attribute("open", "")
    expect(group.locator("summary")).to_contain_text("When trading closes; the exchange moves it.")
    operators = group.locator(".operators code").all_inner_texts()
    assert operators == ["=", "__eq", "__lt", "__lte", "__gt", "__gte", "__ne", "__in", "__isnull"]
    group.locator("summary").click()
    expect(group.locator("td .name", has_text="close_time__isnull")).to_be_visible()


def test_search_over_parameters(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs")
    page.get_by_label("Search parameters").fill("close_time gte")
    expect(page.get_by_text(re.compile(r"^\s*1 of \d+ parameters"))).to_be_visible()
    expect(page.locator("table.parameters tbody tr:visible")).to_have_count(1)
    page.get_by_role("button", name="Use close_time__gte").click()
    expect(page.get_by_label("close_time__gte", exact=True)).to_be_focused()
    page.get_by_label("Search parameters").fill("nothing like this")
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_text(re.compile(r"^\s*\d+ parameters"))).to_be_visible()


def test_a_request_is_sent_and_shown(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs")
    page.get_by_label("limit", exact=True).fill("2")
    page.get_by_label("order_by", exact=True).select_option("ticker")
    _add_filter(page, "status")
    page.get_by_label("status", exact=True).fill("active")
    url = f"{service.url}/markets?limit=2&order_by=ticker&status=active"
    expect(page.get_by_label("URL request", exact=True)).to_have_text(url)
    expect(page.get_by_label("curl request")).to_have_text(f"curl '{url}'")
    expect(page.get_by_label("Python request")).to_contain_text(f'httpx.get("{url}"')
    expect(page.get_by_label("pandas request")).to_contain_text(f'pd.read_csv("{url}&format=csv")')
    with page.expect_response(url) as response:
        page.get_by_role("button", name="Send").click()
    expect(page.locator(".outcome-line")).to_contain_text("200")
    expect(page.locator(".outcome-line")).to_contain_text("ms")
    shown = json.loads(page.get_by_label("Response body").inner_text())
    assert shown == response.value.json()
    page.get_by_text(re.compile(r"^\d+ response headers$")).click()
    expect(page.get_by_text(response.value.headers["etag"])).to_be_visible()


def test_next_page_follows_the_cursor(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs?operation=GET /markets&limit=1&order_by=ticker&fields=ticker")
    page.get_by_role("button", name="Send").click()
    first = _body(page)["items"]
    page.get_by_role("button", name="Next page").click()
    expect(page.get_by_label("Response body")).not_to_contain_text(first[0]["ticker"])
    assert page.get_by_label("cursor", exact=True).input_value() != ""
    assert _body(page)["items"] != first


def test_the_url_holds_the_operation_and_the_values(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs")
    page.get_by_label("search", exact=True).fill("a & b")
    _add_filter(page, "volume__gte")
    expect(page).to_have_url(re.compile(r"\?operation=GET\+/markets&search=a\+%26\+b&volume__gte=\d+$"))
    page.reload()
    expect(page.get_by_label("search", exact=True)).to_have_value("a & b")
    expect(page.get_by_label("volume__gte", exact=True)).to_be_visible()
    page.get_by_role("link", name="GET /status", exact=True).click()
    expect(page.get_by_role("heading", name="GET /status", exact=True)).to_be_focused()
    page.go_back()
    expect(page.get_by_label("search", exact=True)).to_have_value("a & b")
    page.get_by_role("button", name="Remove volume__gte").click()
    page.get_by_role("button", name="Clear").click()
    expect(page).to_have_url(service.url + "/docs?operation=GET+/markets")


def test_an_added_filter_may_be_empty(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs?operation=GET /markets&result=")
    expect(page.get_by_label("URL request", exact=True)).to_have_text(f"{service.url}/markets?result=")


def test_path_parameters_are_required_and_encoded(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs?operation=GET /markets/{ticker}/history")
    page.get_by_role("button", name="Send").click()
    assert page.get_by_label("ticker").evaluate("input => input.validity.valueMissing")
    page.get_by_label("ticker").fill("A/50%")
    expect(page.get_by_label("URL request", exact=True)).to_have_text(f"{service.url}/markets/A%2F50%25/history")


@pytest.mark.parametrize("path", ["/markets/orderbooks", "/markets/candlesticks", "/markets"])
def test_example_bodies_are_accepted(path: str, page: Page, service: Service) -> None:
    page.goto(f"{service.url}/docs?operation=POST {path}")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".outcome-line")).to_contain_text("200")


def test_a_body_is_json_and_in_the_url(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs?operation=POST /markets")
    body = page.get_by_label("Request body, JSON")
    body.fill("{")
    expect(page.get_by_role("alert")).to_contain_text("not valid JSON")
    body.fill('{"limit": 1, "fields": ["ticker"]}')
    expect(page.get_by_label("curl request")).to_contain_text("""-d '{"limit":1,"fields":["ticker"]}'""")
    page.reload()
    page.get_by_role("button", name="Send").click()
    assert list(_body(page)["items"][0]) == ["ticker"]


def test_use_puts_a_member_into_the_body(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs?operation=POST /markets/candlesticks")
    page.get_by_role("button", name="Use fill").click()
    body = json.loads(page.get_by_label("Request body, JSON").input_value())
    assert body["fill"] == "previous"
    assert body["tickers"]


def test_csv_and_large_bodies_are_text(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs?operation=GET /markets&format=csv&limit=2&fields=ticker")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Response body")).to_have_text(re.compile("^ticker"))
    expect(page.get_by_label("Python request")).to_have_count(0)
    page.goto(service.url + "/docs?operation=GET /markets&limit=500&fields=all")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text(re.compile(r"The first 100,000 of [\d,]+ characters"))).to_be_visible()


def test_every_digit_of_a_number_is_shown(page: Page, service: Service) -> None:
    body = '{"items":[{"a":12345678901234567890.10,"b":[],"c":{},"d":"{\\"x\\": [1,2]}"}]}'
    page.route(
        service.url + "/markets/columns", lambda route: route.fulfill(content_type="application/json", body=body)
    )
    page.goto(service.url + "/docs?operation=GET /markets/columns")
    page.get_by_role("button", name="Send").click()
    lines = page.get_by_label("Response body").inner_text().splitlines()
    assert [line.strip() for line in lines] == [
        "{",
        '"items": [',
        "{",
        '"a": 12345678901234567890.10,',
        '"b": [],',
        '"c": {},',
        '"d": "{\\"x\\": [1,2]}"',
        "}",
        "]",
        "}",
    ]


def test_error_responses_are_shown_as_they_are(quiet_page: Page, service: Service) -> None:
    quiet_page.goto(service.url + "/docs?operation=GET /markets&limit=0")
    quiet_page.get_by_role("button", name="Send").click()
    expect(quiet_page.locator(".outcome-line")).to_contain_text("422")
    assert _body(quiet_page)["code"] == "invalid_parameter"


def test_a_request_without_a_response_says_so(quiet_page: Page, service: Service) -> None:
    quiet_page.route(service.url + "/status", lambda route: route.abort())
    quiet_page.goto(service.url + "/docs?operation=GET /status")
    quiet_page.get_by_role("button", name="Send").click()
    expect(quiet_page.get_by_role("alert")).to_contain_text("The service did not respond.")
    expect(quiet_page.get_by_role("alert")).to_contain_text("Check the connection, then retry.")
    quiet_page.unroute_all()
    quiet_page.get_by_role("button", name="Retry").click()
    expect(quiet_page.locator(".outcome-line")).to_contain_text("200")


def test_references_of_schemas_are_resolved(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs?operation=GET /markets")
    response = page.locator("details.response").first
    response.get_by_text("items", exact=True).click()
    expect(response.get_by_text("Kalshi's unique name of the market.")).to_be_visible()
    page.locator("details.response", has_text="422").locator("summary").first.click()
    expect(page.locator("details.response", has_text="422")).to_contain_text("request_id")


def test_agents_find_their_documents(page: Page, service: Service) -> None:
    page.goto(service.url + "/docs")
    expect(page.get_by_role("link", name="/llms.txt", exact=True)).to_have_attribute("href", "/llms.txt")
    expect(page.get_by_text("POST /mcp").first).to_be_visible()


def test_document_that_fails_to_load_can_be_retried(quiet_page: Page, service: Service) -> None:
    quiet_page.route("**/openapi.json", _unavailable)
    quiet_page.goto(service.url + "/docs")
    expect(quiet_page.get_by_role("alert")).to_contain_text("The function is starting.")
    quiet_page.unroute_all()
    quiet_page.get_by_role("button", name="Retry").click()
    expect(quiet_page.get_by_role("heading", name="GET /markets", exact=True)).to_be_visible()


def test_docs_fit_a_phone(page: Page, service: Service) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    for operation in ("GET /markets", "POST /markets/candlesticks"):
        page.goto(f"{service.url}/docs?operation={operation}")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_label("Response body")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def _document(page: Page, service: Service) -> Any:
    return page.request.get(service.url + "/openapi.json").json()


def _resolved(document: Any, item: Any) -> Any:
    if "$ref" not in item:
        return item
    for part in item["$ref"].removeprefix("#/").split("/"):
        document = document[part]
    return document


def _body_members(document: Any, operation: Any) -> list[str]:
    """Return the names of the members of an operation's request body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return list(_resolved(document, content.get("schema", {})).get("properties", {}))


def _add_filter(page: Page, name: str) -> None:
    box: Locator = page.get_by_label("Add a filter")
    box.fill(name)
    box.press("Tab")


def _body(page: Page) -> Any:
    return json.loads(page.get_by_label("Response body").inner_text())


def _unavailable(route: Route) -> None:
    body = {"detail": "The function is starting.", "code": "unavailable", "hint": "Retry.", "request_id": "r"}
    route.fulfill(status=503, content_type="application/json", body=json.dumps(body))
