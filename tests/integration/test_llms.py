"""GET /llms.txt."""

import re

from fastapi.routing import APIRoute

from api.app import create_app
from api.listing.filters import OPERATORS
from api.markets.parameters import LISTING_PARAMETERS
from api.mcp.tools import TOOLS
from kalshi_markets.columns import COLUMNS
from tests.support.api_client import ApiClient, error

MAX_BYTES = 8_192


def test_the_guide_is_short_plain_markdown_with_the_host_of_the_request(api: ApiClient) -> None:
    answer = api.get("/llms.txt", host="markets.example.com")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert len(answer.text.encode()) < MAX_BYTES
    title, _, summary, *_ = answer.text.splitlines()
    assert title.startswith("# ")
    assert summary.startswith("> ")
    assert "$" not in answer.text
    assert "POST https://markets.example.com/mcp" in answer.text
    assert "(https://markets.example.com/openapi.json)" in answer.text


def test_an_unchanged_guide_is_a_304(api: ApiClient) -> None:
    etag = api.get("/llms.txt").headers["etag"]
    for known in (etag, f'"other", {etag.removeprefix("W/")}', "*"):
        answer = api.get("/llms.txt", if_none_match=known)
        assert (answer.status, answer.text, answer.headers["etag"]) == (304, "", etag)
    assert api.get("/llms.txt", if_none_match='W/"other"').status == 200
    assert api.get("/llms.txt", host="other", if_none_match=etag).status == 200


def test_every_parameter_operator_tool_and_default_column_is_in_it(api: ApiClient) -> None:
    text = api.get("/llms.txt").text
    for name in LISTING_PARAMETERS:
        assert f"- {name}: " in text
    for operator in OPERATORS:
        assert f"- column{operator.suffix}= " in text
    for column in COLUMNS:
        assert f"- {column.name} (" in text or not column.in_default_response
    for name in TOOLS:
        assert name in text


def test_every_path_in_it_exists_and_its_example_works(api: ApiClient) -> None:
    text = api.get("/llms.txt").text
    paths = {route.path for route in create_app(api.resources).routes if isinstance(route, APIRoute)}
    named = set(re.findall(r"(?:GET|POST) (/[a-z/{}_]*)", text))
    assert len(named) > 12
    assert named <= paths
    [example] = re.findall(r"Example: GET (\S+)", text)
    assert api.get(example).status == 200


def test_a_parameter_is_rejected(api: ApiClient) -> None:
    error(api.get("/llms.txt?a=1"), 422, "unknown_parameter")
