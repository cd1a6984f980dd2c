"""/admin of the simulated exchange: the clock, the faults and the counts."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx
import pytest

from local.exchange.clock import Clock, moment, parse
from local.exchange.faults.kinds import KINDS
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer

NOW = parse("2026-11-24T12:00:00Z")


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(generate(1, 20, Clock(NOW, 0))) as server:
        yield server


@pytest.fixture
def admin(server: ExchangeServer) -> Iterator[httpx.Client]:
    """Yield a client of /admin that restores the exchange afterwards."""
    with httpx.Client(base_url=f"{server.root}/admin") as client:
        yield client
        client.delete("/faults")
        client.post("/clock", json={"now": "2026-11-24T12:00:00Z", "speed": 0})


def test_the_clock_is_read_set_stopped_and_sped_up(server: ExchangeServer, admin: httpx.Client) -> None:
    assert admin.get("/clock").json() == {"now": "2026-11-24T12:00:00Z", "speed": 0}
    assert admin.post("/clock", json={"now": "2026-12-01T00:00:00+01:00"}).json()["now"] == "2026-11-30T23:00:00Z"
    date = httpx.get(f"{server.url}/exchange/status").headers["date"]
    assert parsedate_to_datetime(date) == moment(parse("2026-11-30T23:00:00Z"))
    assert admin.post("/clock", json={"speed": 1e6}).json()["speed"] == 1e6
    assert parse(admin.get("/clock").json()["now"]) > parse("2026-11-30T23:00:00Z")
    stopped = admin.post("/clock", json={"now": "2026-12-01", "speed": 0}).json()
    assert stopped == admin.get("/clock").json() == {"now": "2026-12-01T00:00:00Z", "speed": 0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"now": "soon"}, "now must be an ISO 8601 time between 1971 and 2999"),
        ({"now": "9999-12-31T23:59:59Z"}, "now must be an ISO 8601 time between 1971 and 2999"),
        ({"now": 1}, "now must be an ISO 8601 time between 1971 and 2999"),
        ({"speed": -1}, "speed must be a number between 0 and 1e+06"),
        ({"speed": True}, "speed must be a number between 0 and 1e+06"),
        ({"time": 1}, "the body must be an object with now, speed or both"),
        ({}, "the body must be an object with now, speed or both"),
        ([], "the body must be an object with now, speed or both"),
    ],
)
def test_a_clock_that_cannot_be_set_so_goes_on(admin: httpx.Client, body: object, message: str) -> None:
    response = admin.post("/clock", json=body)
    assert (response.status_code, response.json()) == (400, {"error": message})
    assert admin.get("/clock").json() == {"now": "2026-11-24T12:00:00Z", "speed": 0}


def test_faults_are_listed_replaced_and_ended(admin: httpx.Client) -> None:
    assert admin.get("/faults").json() == []
    admin.post("/faults", json=[{"kind": "429"}, {"kind": "cut", "bytes": 5}])
    admin.post("/faults", json=[{"kind": "latency", "from": "2026-11-24", "for": 3600}])
    assert admin.get("/faults").json() == [
        {
            "kind": "latency",
            "path": "*",
            "probability": 1.0,
            "from": "2026-11-24T00:00:00Z",
            "for": 3600.0,
            "seed": 0,
            "seconds": 1.0,
            "matched": 0,
            "fired": 0,
        }
    ]
    assert admin.delete("/faults").json() == admin.get("/faults").json() == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([{"kind": "flood"}], "unknown kind 'flood'; must be one of " + ", ".join(KINDS)),
        ([{}], "unknown kind 'None'"),
        (
            [{"kind": "cut", "byte": 1}],
            "unknown parameter 'byte' of cut; must be one of path, probability, from, for, requests",
        ),
        ([{"kind": "cut", "bytes": -1}], "bytes of cut must be an integer between 0 and "),
        ([{"kind": "cut", "bytes": 1.5}], "bytes of cut must be an integer between 0 and "),
        ([{"kind": "5xx", "status": 418}], "status of 5xx must be one of 500, 502, 503, 504"),
        ([{"kind": "429", "probability": "1e0"}], "probability of 429 must be a number between 0 and 1"),
        ([{"kind": "429", "path": ""}], "path of 429 must be a non-empty string"),
        ([{"kind": "429", "from": "noon"}], "from of 429 must be an ISO 8601 time"),
        ({"kind": "429"}, "the body must be a list of objects, each with a kind"),
        (["429"], "the body must be a list of objects, each with a kind"),
    ],
)
def test_an_unknown_fault_is_rejected_with_the_list_of_kinds(admin: httpx.Client, body: object, message: str) -> None:
    response = admin.post("/faults", json=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith(message)
    assert admin.get("/faults").json() == []


def test_costs_are_set_while_it_runs(server: ExchangeServer, admin: httpx.Client) -> None:
    assert admin.post("/costs", json={"/markets": 30, "/series": 10}).json() == {"/markets": 30}
    costs = httpx.get(f"{server.url}/account/endpoint_costs").json()
    assert costs["endpoint_costs"] == [{"method": "GET", "path": "/trade-api/v2/markets", "cost": 30}]
    assert admin.post("/costs", json={}).json() == admin.get("/costs").json() == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"/markets": -1}, "the cost of /markets must be an integer between 0 and 1000000"),
        ({"/markets": "dear"}, "the cost of /markets must be an integer between 0 and 1000000"),
        ({"/markets/KXA": 20}, "unknown path '/markets/KXA'; must be one of /markets, /markets/candlesticks, "),
        ([20], "the body must be an object of paths and their tokens"),
    ],
)
def test_invalid_costs_are_rejected(admin: httpx.Client, body: object, message: str) -> None:
    response = admin.post("/costs", json=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith(message)
    assert admin.get("/costs").json() == {}


def test_a_non_json_body_is_a_400(admin: httpx.Client) -> None:
    for path in ("/faults", "/clock", "/costs"):
        for body in (b"", b"{", b"\xff"):
            assert admin.post(path, content=body).status_code == 400


def test_requests_are_counted_by_route_and_status() -> None:
    with ExchangeServer(generate(1, 20, Clock(NOW))) as server, httpx.Client(base_url=server.url) as api:
        ticker = api.get("/markets").json()["markets"][0]["ticker"]
        for path in (f"/markets/{ticker}", "/markets/A", "/markets/B", "/nosuch", "/markets?limit=x"):
            api.get(path)
        api.post(f"{server.root}/admin/faults", json=[{"kind": "429"}])
        api.get("/events/A")
        counts = api.get(f"{server.root}/admin/requests").json()
    assert counts == [
        {"path": "*", "status": 404, "count": 1},
        {"path": "/events/{event_ticker}", "status": 429, "count": 1},
        {"path": "/markets", "status": 200, "count": 1},
        {"path": "/markets", "status": 400, "count": 1},
        {"path": "/markets/{ticker}", "status": 200, "count": 1},
        {"path": "/markets/{ticker}", "status": 404, "count": 2},
    ]


def test_the_admin_is_beside_the_api_not_in_it(server: ExchangeServer) -> None:
    assert httpx.get(f"{server.url}/admin/clock").status_code == 404


def test_the_admin_can_be_left_out() -> None:
    with ExchangeServer(generate(1, 5, Clock(NOW)), options=ServerOptions(admin=False)) as server:
        for path in ("/admin/clock", "/admin/faults", "/admin/costs", "/admin/requests"):
            assert httpx.get(server.root + path).status_code == 404
