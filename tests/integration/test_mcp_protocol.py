"""Messages, headers and statuses of POST /mcp, as the specification has them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.mcp.methods import INSTRUCTIONS, SERVER_INFO
from api.mcp.tools import TOOLS
from tests.support.api_client import ApiClient, ApiResponse, error
from tests.support.mcp_messages import META, headers, request

SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
REVISIONS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"


def send(api: ApiClient, message: Mapping[str, Any], **changes: str | None) -> ApiResponse:
    """Send a request of the newest revision. changes: other headers, None for none."""
    return api.request("POST", "/mcp", json.dumps(message), headers(message, **changes))


def send_old(api: ApiClient, message: Any, **values: str) -> ApiResponse:
    """Send a body without the headers of the newest revision."""
    body = message if isinstance(message, str) else json.dumps(message)
    return api.request("POST", "/mcp", body, {name.replace("_", "-"): value for name, value in values.items()})


def old(method: str, params: Mapping[str, Any] | None = None, id_: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, **({} if params is None else {"params": params})}


def failed(answer: ApiResponse, status: int, code: int, id_: Any = 1) -> dict[str, Any]:
    """Check the status and the JSON-RPC error of a response, and return the error."""
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json
    assert body["jsonrpc"] == "2.0"
    assert body.get("id") == id_
    assert "result" not in body
    assert body["error"]["code"] == code, body
    failure: dict[str, Any] = body["error"]
    return failure


def test_discovery_names_revisions_capabilities_and_the_server(api: ApiClient) -> None:
    answer = send(api, request("server/discover", id="discover-1"))
    assert answer.status == 200
    assert answer.json == {
        "jsonrpc": "2.0",
        "id": "discover-1",
        "result": {
            "resultType": "complete",
            "supportedVersions": REVISIONS,
            "capabilities": {"tools": {}},
            "instructions": INSTRUCTIONS,
            "ttlMs": 3_600_000,
            "cacheScope": "public",
            "_meta": {"io.modelcontextprotocol/serverInfo": SERVER_INFO},
        },
    }
    assert "mcp-session-id" not in answer.headers


def test_the_list_of_tools_has_a_lifetime_and_is_the_same_each_time(api: ApiClient) -> None:
    answers = [send(api, request("tools/list")).json["result"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["resultType"], answers[0]["cacheScope"]) == ("complete", "public")
    assert answers[0]["ttlMs"] > 0
    failed(send(api, request("tools/list", {"cursor": "2"})), 400, -32602)


def test_a_result_of_a_tool_is_complete_and_has_no_structured_content(api: ApiClient) -> None:
    message = request("tools/call", {"name": "search_markets", "arguments": {"limit": 1}})
    result = send(api, message).json["result"]
    assert set(result) == {"resultType", "content", "isError", "_meta"}
    assert [block["type"] for block in result["content"]] == ["text", "text"]


@pytest.mark.parametrize("version", REVISIONS[1:])
def test_initialize_confirms_the_revision_that_the_client_requests(api: ApiClient, version: str) -> None:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    answer = send_old(api, old("initialize", params))
    assert answer.status == 200
    assert answer.json["result"] == {
        "protocolVersion": version,
        "capabilities": {"tools": {}},
        "serverInfo": SERVER_INFO,
        "instructions": INSTRUCTIONS,
    }
    assert "mcp-session-id" not in answer.headers
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    accepted = send_old(api, notification, mcp_protocol_version=version)
    assert (accepted.status, accepted.text) == (202, "")
    listed = send_old(api, old("tools/list"), mcp_protocol_version=version).json["result"]
    assert set(listed) == {"tools"}
    assert send_old(api, old("ping"), mcp_protocol_version=version).json["result"] == {}


@pytest.mark.parametrize("version", ["2024-11-05", "2026-07-28", "soon"])
def test_initialize_offers_the_newest_revision_that_has_it(api: ApiClient, version: str) -> None:
    answer = send_old(api, old("initialize", {"protocolVersion": version}))
    assert answer.json["result"]["protocolVersion"] == "2025-11-25"


def test_initialize_requires_a_revision(api: ApiClient) -> None:
    failed(send_old(api, old("initialize", {})), 200, -32602)


def test_methods_of_other_revisions_are_not_found(api: ApiClient) -> None:
    for method in ("ping", "initialize", "resources/list", "subscriptions/listen"):
        failed(send(api, request(method)), 404, -32601)
    for method in ("server/discover", "resources/list", "logging/setLevel"):
        # To a client of these revisions, a 404 means that its session has ended.
        failed(send_old(api, old(method)), 200, -32601)


@pytest.mark.parametrize(("version", "status"), [("2026-07-28", 400), ("2025-11-25", 200)])
def test_an_unknown_tool_or_arguments_that_are_no_object_are_invalid(api: ApiClient, version: str, status: int) -> None:
    for params in ({"name": "nosuch"}, {}, {"name": "search_markets", "arguments": [1]}):
        message = request("tools/call", params) if version == REVISIONS[0] else old("tools/call", params)
        answer = send(api, message) if version == REVISIONS[0] else send_old(api, message, mcp_protocol_version=version)
        failed(answer, status, -32602)


@pytest.mark.parametrize(
    "changes",
    [
        {"mcp_protocol_version": None},
        {"mcp_protocol_version": "2025-11-25"},
        {"mcp_method": None},
        {"mcp_method": "tools/list"},
        {"mcp_method": "TOOLS/CALL"},
        {"mcp_name": None},
        {"mcp_name": "get_market"},
        {"mcp_name": "=?base64?Z2V0X21hcmtldA==?="},
        {"mcp_name": "=?base64?!?="},
    ],
    ids=str,
)
def test_headers_that_are_missing_or_differ_from_the_body_are_rejected(
    api: ApiClient, changes: Mapping[str, str | None]
) -> None:
    message = request("tools/call", {"name": "get_freshness"})
    assert send(api, message).status == 200
    assert "Header mismatch" in failed(send(api, message, **changes), 400, -32020)["message"]


def test_a_name_in_base64_is_decoded(api: ApiClient) -> None:
    message = request("tools/call", {"name": "get_freshness"})
    assert send(api, message, mcp_name="=?base64?Z2V0X2ZyZXNobmVzcw==?=").status == 200


@pytest.mark.parametrize("version", ["1900-01-01", "2024-11-05", ""])
def test_an_unsupported_revision_is_rejected_with_the_supported_ones(api: ApiClient, version: str) -> None:
    message = request("tools/list")
    message["params"]["_meta"] = {**META, VERSION_KEY: version}
    data = {"supported": REVISIONS, "requested": version}
    assert failed(send(api, message, mcp_protocol_version=version), 400, -32022)["data"] == data
    assert failed(send_old(api, old("tools/list"), mcp_protocol_version=version), 400, -32022)["data"] == data


def test_a_revision_of_null_differs_from_every_header(api: ApiClient) -> None:
    message = request("tools/list")
    message["params"]["_meta"] = {**META, VERSION_KEY: None}
    assert "MCP-Protocol-Version" in failed(send(api, message), 400, -32020)["message"]


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        "text",
        {VERSION_KEY: "2026-07-28"},
        {CAPABILITIES_KEY: {}},
        {VERSION_KEY: "2026-07-28", CAPABILITIES_KEY: "none"},
    ],
    ids=str,
)
def test_a_request_without_its_metadata_is_invalid(api: ApiClient, meta: Any) -> None:
    message = request("tools/list")
    message["params"] = {} if meta is None else {"_meta": meta}
    assert "io.modelcontextprotocol/" in failed(send(api, message), 400, -32602)["message"]


@pytest.mark.parametrize(
    "body", ["", "{", "nothing", '{"a": NaN}', '{"id": 1, "id": 2}', '"\\ud800"', "[" * 100_000, "1e" + "9" * 30]
)
def test_a_body_that_is_not_json_is_a_parse_error(api: ApiClient, body: str) -> None:
    failed(send_old(api, body), 400, -32700, None)


def test_a_body_that_is_not_utf_8_is_a_parse_error(api: ApiClient) -> None:
    failed(api.request("POST", "/mcp", b'{"method": "\xff"}'), 400, -32700, None)


@pytest.mark.parametrize(
    ("message", "code", "id_"),
    [
        (1, -32600, None),
        ({"id": 1, "method": "ping"}, -32600, 1),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600, 1),
        ({"jsonrpc": "2.0", "id": 1}, -32600, 1),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, -32600, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": 2}, -32600, 1),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, -32600, None),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, -32600, None),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, -32600, None),
        ({"jsonrpc": "2.0", "id": "a", "method": "ping", "params": []}, -32602, "a"),
    ],
    ids=str,
)
def test_an_invalid_message_is_rejected_with_its_id(api: ApiClient, message: Any, code: int, id_: Any) -> None:
    failed(send_old(api, message), 400, code, id_)


def test_a_notification_has_no_response(api: ApiClient) -> None:
    for message in ({"jsonrpc": "2.0", "method": "notifications/cancelled"}, {"jsonrpc": "2.0", "method": "nosuch"}):
        for version in REVISIONS:
            answer = send_old(api, message, mcp_protocol_version=version)
            assert (answer.status, answer.text) == (202, "")
        failed(send_old(api, message, mcp_protocol_version="1900-01-01"), 400, -32022, None)


def test_only_the_oldest_revision_has_batches(api: ApiClient) -> None:
    batch = [old("ping"), {"jsonrpc": "2.0", "method": "notifications/initialized"}, 7, old("nosuch", id_="b")]
    for values in ({}, {"mcp_protocol_version": "2025-03-26"}):
        answer = send_old(api, batch, **values)
        assert answer.status == 200
        assert [(reply.get("id"), reply.get("error", {}).get("code")) for reply in answer.json] == [
            (1, None),
            (None, -32600),
            ("b", -32601),
        ]
        assert send_old(api, batch[1:2], **values).status == 202
        for invalid in ([], batch * 3):
            failed(send_old(api, invalid, **values), 400, -32600, None)
    for version in REVISIONS[:-1]:
        failed(send_old(api, batch, mcp_protocol_version=version), 400, -32600, None)


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("https://api.example.com", "api.example.com", 200),  # the custom domain, which API Gateway has as its host
        ("https://api.example.com:8443", "api.example.com:8443", 200),
        ("http://localhost:8000", "localhost:8000", 200),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", 200),
        ("https://other.example.com", "api.example.com", 403),
        ("http://localhost:9000", "localhost:8000", 403),
        ("http://rebound.example.com:8000", "rebound.example.com:8000", 403),
        ("null", "api.example.com", 403),
        ("", "", 403),
        ("http://[", "[", 403),
        ("file://localhost:8000", "localhost:8000", 403),
    ],
)
def test_pages_of_other_sites_are_rejected(api: ApiClient, origin: str, host: str, status: int) -> None:
    answer = send(api, request("tools/list"), origin=origin, host=host)
    if status == 403:
        failed(answer, 403, -32600, None)
    assert answer.status == status


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json, text/event-stream", 200),
        ("application/json;q=0.5", 200),
        ("*/*", 200),
        (None, 200),
        ("text/event-stream", 406),
        ("", 406),
    ],
)
def test_a_client_must_accept_json(api: ApiClient, accept: str | None, status: int) -> None:
    assert send(api, request("tools/list"), accept=accept).status == status


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
def test_there_is_no_stream_and_no_session(api: ApiClient, method: str) -> None:
    answer = api.request(method, "/mcp", headers={"accept": "text/event-stream", "mcp-session-id": "1"})
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def test_a_query_string_is_rejected(api: ApiClient) -> None:
    error(api.post("/mcp?limit=1", old("ping")), 422, "unknown_parameter")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
METHODS = st.sampled_from(["initialize", "ping", "tools/list", "tools/call", "server/discover"]) | JSON
CALLS = st.fixed_dictionaries(
    {"name": st.sampled_from([name for name in TOOLS if name != "get_candlesticks"]) | JSON},  # needs an exchange
    optional={
        "arguments": JSON
        | st.dictionaries(
            st.sampled_from(["filters", "limit", "fields", "cursor", "ticker", "search", "order_by"]), JSON
        ),
    },
)
MESSAGES = JSON | st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers(), "method": METHODS, "params": CALLS}
)


@settings(max_examples=200, deadline=None, suppress_health_check=SUPPRESSED)
@given(MESSAGES, st.sampled_from([None, *REVISIONS, "1900-01-01"]))
def test_every_body_has_a_response(api: ApiClient, message: Any, version: str | None) -> None:
    answer = send_old(api, json.dumps(message), **({} if version is None else {"mcp_protocol_version": version}))
    assert answer.status in (200, 202, 400, 404), answer.text


@settings(max_examples=200, deadline=None, suppress_health_check=SUPPRESSED)
@given(CALLS)
def test_every_call_has_a_result_or_an_error_of_the_protocol(api: ApiClient, params: Mapping[str, Any]) -> None:
    answer = send_old(api, old("tools/call", params))
    assert answer.status == 200, answer.text
    assert ("result" in answer.json) != ("error" in answer.json)


def test_an_error_of_the_database_is_a_result(environment: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    api = ApiClient(environment | {"DB_NAME": "nosuch"})
    answer = send_old(api, old("tools/call", {"name": "search_markets", "arguments": {}}))
    result = answer.json["result"]
    assert (answer.status, result["isError"]) == (200, True)
    assert json.loads(result["content"][0]["text"])["code"] == "database_login_failed"
    assert "tool failed" in caplog.messages
    api.close()
