"""`make smoke` against `make run`, and against services that fail."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.smoke import DEFAULT_MAX_LAG, main
from local.tools.presets import presets
from tests.browser.service import Service, database_server, running_service, wait_for_crawl
from tests.support.http_server import HttpServer, Request, Response

KEY = secrets.token_hex(24)
NAMES = ["status", "markets", "market", "event", "candlesticks", "landing page", "asset"]
HTML = b'<script type="module" src="/assets/0/pages/home.js"></script>'
MARKET = {"ticker": "KXA-1/2", "event_ticker": "KXA-1"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service of `make run` that has crawled and requires a key."""
    folder = tmp_path_factory.mktemp("service")
    with (
        database_server(folder) as database,
        running_service(folder, generate(7, 200, Clock()), database, API_KEY=KEY) as service,
    ):
        wait_for_crawl(service)
        service.program.wait_for_line(r"curl -H \"x-api-key: \$API_KEY\" 'http")
        yield service
        assert KEY not in service.program.output


def status(lag: int | None = 10, markets: int = 5) -> dict[str, Any]:
    """Return a body of /status. lag: seconds, or None while the first crawl is running."""
    started_at = None if lag is None else "2026-11-28T00:00:00Z"
    jobs = [{"job": "archive", "lag_seconds": None}, {"job": "live/open", "lag_seconds": lag}]
    return {"markets": markets, "live": {"complete": lag is not None, "started_at": started_at}, "jobs": jobs}


def responses(**changes: Response | None) -> dict[str, Response | None]:
    """Return the responses of a service in good order, by path, with changes by the first part of the path."""
    result: dict[str, Any] = {"ticker": MARKET["ticker"], "candlesticks": [{}], "error": None, "code": None}
    good: dict[str, Response | None] = {
        "/status": data(status()),
        "/markets?": data({"items": [MARKET]}),
        "/markets/KXA-1%2F2": data(MARKET),
        "/events/KXA-1": data({"event_ticker": "KXA-1"}),
        "/markets/candlesticks": data({"results": [result]}),
        "/": Response(200, HTML),
        "/assets/0/pages/home.js": Response(200, b"script"),
    }
    names = dict(zip(("status", "markets", "market", "event", "candlesticks", "page", "asset"), good, strict=True))
    return good | {names[name]: response for name, response in changes.items()}


def data(body: object, code: int = 200, **headers: str) -> Response:
    return Response(code, json.dumps(body).encode(), {name.replace("_", "-"): value for name, value in headers.items()})


class ScriptedService(HttpServer):
    """Service with prepared responses. requests: the requests up to now."""

    def __init__(self, responses: Mapping[str, Response | None]) -> None:
        super().__init__(["GET", "POST"])
        self.requests: list[Request] = []
        self._responses = responses

    def respond(self, request: Request) -> Response | None:
        self.requests.append(request)
        path, mark, _ = request.path.partition("?")
        return self._responses[path + mark]


def run(url: str, capsys: pytest.CaptureFixture[str], **variables: str) -> tuple[int, dict[str, str]]:
    """Run the smoke test and return its exit status and the outcome of each line, by name."""
    code = main({"URL": url, **variables})
    lines = re.findall(r"^(\S[a-z ]+?) +(\d{3}|–) +[\d,]+ ms  (.+)$", capsys.readouterr().out, re.MULTILINE)
    return code, {name: f"{shown} {outcome}" for name, shown, outcome in lines}


def scripted(capsys: pytest.CaptureFixture[str], **changes: Response | None) -> tuple[int, dict[str, str]]:
    with ScriptedService(responses(**changes)) as service:
        return run(service.address, capsys)


def test_a_service_that_works_passes_with_one_request_to_the_exchange(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    before = service.exchange_requests()
    code, lines = run(f"{service.url}/", capsys, API_KEY=KEY)
    assert code == 0, lines
    assert list(lines) == [*NAMES, "protection"]
    assert [line for line in lines.values() if not re.match(r"(200|401) ok: ", line)] == []
    assert re.fullmatch(r"200 ok: \d+ markets, the live data is \d+ s old", lines["status"])
    assert service.exchange_requests() - before <= 1


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({}, "401 FAILED: the service requires an API key: set API_KEY."),
        ({"API_KEY": "other"}, "403 FAILED: the service rejected the API key: set API_KEY to a key of its secret."),
    ],
)
def test_a_missing_and_a_wrong_key_are_named(
    service: Service, capsys: pytest.CaptureFixture[str], variables: dict[str, str], outcome: str
) -> None:
    code, lines = run(service.url, capsys, **variables)
    assert code == 1
    assert lines["status"] == lines["markets"] == outcome
    assert lines["candlesticks"] == "– FAILED: not tried, because there is no page of markets."
    assert lines["landing page"].startswith("200 ok"), "pages need no key"


def test_a_service_without_its_database_is_a_503(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    with service.without_database():
        code, lines = run(service.url, capsys, API_KEY=KEY)
    assert code == 1
    assert lines["status"].startswith("503 FAILED: ")
    assert "database_unavailable" in lines["status"]
    assert lines["asset"].startswith("200 ok")


def test_a_first_crawl_that_is_running_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = scripted(capsys, status=data(status(None, 0)), markets=data({"items": []}))
    assert code == 0
    first = "200 ok: the first crawl is still running, 0 markets so far; repeat this test in some minutes."
    assert lines["status"] == first
    assert lines["event"] == "– ok: not tried, because no market is stored yet"
    missing = data({"detail": "Not found.", "code": "event_not_found"}, 404)
    code, lines = scripted(capsys, status=data(status(None)), event=missing)
    assert (code, lines["event"]) == (0, "404 ok: not stored yet")
    assert scripted(capsys, event=missing)[0] == 1, "after the first crawl"


@pytest.mark.parametrize(
    ("name", "response", "line", "outcome"),
    [
        ("status", data(status(DEFAULT_MAX_LAG + 1)), "status", "the live data is 3,601 s old"),
        ("status", data({"message": "Service Unavailable"}, 503), "status", "Service Unavailable"),
        ("status", data({}, 302, location="https://other.example/"), "status", "the response is no error of this"),
        ("status", None, "status", "no response (RemoteProtocolError"),
        ("status", Response(200, b"<html>"), "status", "the response is not JSON"),
        ("status", data([1]), "status", "unknown JSON"),
        ("status", data({}, 401, www_authenticate="Bearer"), "status", "the service requires a valid token"),
        ("markets", data({"items": []}), "markets", "there is no active market"),
        ("candlesticks", data({"results": []}), "candlesticks", "unknown JSON"),
        (
            "candlesticks",
            data({"results": [{"ticker": "A", "candlesticks": [], "error": "Too late.", "code": "deadline"}]}),
            "candlesticks",
            "Too late. (deadline)",
        ),
        ("page", Response(200, b"<html>"), "landing page", "the page has no script"),
        (
            "asset",
            data({"detail": "Asset not found.", "code": "not_found"}, 404),
            "asset",
            "Asset not found. not_found",
        ),
    ],
)
def test_what_is_wrong_is_said_and_the_other_requests_are_sent(
    capsys: pytest.CaptureFixture[str], name: str, response: Response | None, line: str, outcome: str
) -> None:
    code, lines = scripted(capsys, **{name: response})
    assert code == 1
    assert list(lines) == NAMES
    assert f"FAILED: {outcome}" in lines[line]
    assert "ok" in lines["landing page"] or name == "page"


def test_an_address_without_a_server_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run("http://127.0.0.1:1", capsys)
    assert code == 1
    assert all(" FAILED: " in line for line in lines.values())
    assert "no response (ConnectError" in lines["status"]


def test_credentials_are_sent_with_requests_for_data_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedService(responses()) as service:
        code, lines = run(service.address, capsys, TOKEN="t")
    assert code == 1
    assert "the service does not require them" in lines["protection"]
    sent = {request.path: request.headers.get("authorization") for request in service.requests[:-1]}
    assert sent.pop("/") is None
    assert sent.pop("/assets/0/pages/home.js") is None
    assert len(sent) == 5
    assert set(sent.values()) == {"Bearer t"}
    assert "authorization" not in service.requests[-1].headers


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "URL must be the address of the service"),
        ({"URL": "example.com"}, "URL must be the address of the service"),
        ({"URL": "https://x", "API_KEY": "k", "TOKEN": "t"}, "API_KEY cannot be combined with TOKEN"),
        ({"URL": "https://x", "MAX_LAG": "1h"}, "MAX_LAG must be a number of seconds"),
        ({"URL": "https://x", "API_KEY": "k\u200b"}, "API_KEY and TOKEN must be printable ASCII"),
    ],
)
def test_invalid_variables_are_named(
    capsys: pytest.CaptureFixture[str], variables: dict[str, str], message: str
) -> None:
    assert main(variables) == 2
    assert message in capsys.readouterr().err


def test_the_limit_of_the_lag_is_above_that_of_the_alarm() -> None:
    intervals = [int(parameters["LiveIntervalSeconds"]) for parameters in presets().values()]
    assert intervals
    assert 2 * max(intervals) + 300 < DEFAULT_MAX_LAG


def test_a_longer_interval_has_a_limit_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedService(responses(status=data(status(100_000)))) as service:
        assert run(service.address, capsys, MAX_LAG="")[0] == 1
        assert run(service.address, capsys, MAX_LAG="99999")[0] == 1
        assert run(service.address, capsys, MAX_LAG="100000")[0] == 0
