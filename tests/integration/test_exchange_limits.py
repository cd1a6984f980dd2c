"""Token bucket of the simulated exchange: admitted requests, 429 responses, and the reported limits."""

from base64 import b64encode
from collections.abc import Mapping

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local.exchange.clock import SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.rate_limiter import TIERS
from local.exchange.http.server import ExchangeServer

NOW = parse("2026-11-24T12:00:00Z")
KEYS = {"one": Ed25519PrivateKey.generate(), "other": Ed25519PrivateKey.generate()}
OBJECT = {"error": {"code": "too_many_requests", "message": "too many requests"}}
STRING = {"error": "too many requests"}


def serve(setup: ServerOptions) -> ExchangeServer:
    """Return an exchange with a stopped clock."""
    return ExchangeServer(generate(1, 5, Clock(NOW, 0)), {name: key.public_key() for name, key in KEYS.items()}, setup)


def signed(server: ExchangeServer, key: str, path: str = "/exchange/status") -> Mapping[str, str]:
    at = str(server.exchange.clock.now() // 1000)
    signature = KEYS[key].sign(f"{at}GET/trade-api/v2{path}".encode())
    return {
        "KALSHI-ACCESS-KEY": key,
        "KALSHI-ACCESS-TIMESTAMP": at,
        "KALSHI-ACCESS-SIGNATURE": b64encode(signature).decode(),
    }


def passing(server: ExchangeServer, tries: int, headers: Mapping[str, str] | None = None) -> int:
    """Return the number of requests that are not rate limited."""
    with httpx.Client(base_url=server.url, headers=headers) as client:
        return [client.get("/exchange/status").status_code for _ in range(tries)].count(200)


def test_a_key_has_its_burst_and_then_its_rate() -> None:
    with serve(ServerOptions(tier="basic")) as server:
        headers = signed(server, "one")
        assert passing(server, 70, headers) == 60
        server.exchange.clock.set(NOW + SECOND)
        assert passing(server, 30, headers) == 20
        server.exchange.clock.set(NOW + 20 * SECOND)
        assert passing(server, 70, headers) == 60


def test_a_429_costs_no_tokens() -> None:
    with serve(ServerOptions(tier="basic")) as server:
        headers = signed(server, "one")
        passing(server, 100, headers)
        server.exchange.clock.set(NOW + SECOND // 20)
        assert passing(server, 2, headers) == 1


def test_each_key_and_the_unsigned_have_buckets_of_their_own() -> None:
    with serve(ServerOptions(tier="basic", unsigned_rate=50)) as server:
        assert passing(server, 70, signed(server, "one")) == 60
        assert passing(server, 10) == 5
        assert passing(server, 70, signed(server, "other")) == 60


def test_a_bucket_survives_a_clock_that_is_set_back() -> None:
    with serve(ServerOptions(tier="basic", unsigned_rate=50)) as server:
        assert passing(server, 10) == 5
        server.exchange.clock.set(NOW - 3600 * SECOND)
        assert passing(server, 10) == 0
        server.exchange.clock.set(NOW - 3599 * SECOND)
        assert passing(server, 10) == 5


def test_without_a_tier_nothing_is_rate_limited() -> None:
    with serve(ServerOptions()) as server:
        assert passing(server, 200) == 200


def test_every_market_data_request_costs_the_same_found_or_not() -> None:
    with serve(ServerOptions(tier="basic", unsigned_rate=40)) as server, httpx.Client(base_url=server.url) as client:
        paths = ("/markets?limit=1000", "/markets/NOSUCH", "/markets?limit=x", "/markets/candlesticks", "/series")
        assert [client.get(path).status_code for path in paths] == [200, 404, 400, 400, 429]


def rate_limit_bodies(options: ServerOptions) -> list[object]:
    with serve(options) as server, httpx.Client(base_url=server.url) as client:
        answers = [client.get("/markets") for _ in range(41)][1:]
    for answer in answers:
        assert answer.status_code == 429
        assert not {name for name in answer.headers if name.startswith(("retry", "x-ratelimit", "cache"))}
    return [answer.json() for answer in answers]


def test_a_429_has_one_of_two_bodies_and_no_retry_after() -> None:
    assert rate_limit_bodies(ServerOptions(tier="basic", unsigned_rate=10, rate_limit_body="object")) == [OBJECT] * 40
    assert rate_limit_bodies(ServerOptions(tier="basic", unsigned_rate=10, rate_limit_body="string")) == [STRING] * 40
    both = rate_limit_bodies(ServerOptions(tier="basic", unsigned_rate=10, seed=3))
    assert OBJECT in both
    assert STRING in both
    assert rate_limit_bodies(ServerOptions(tier="basic", unsigned_rate=10, seed=3)) == both


@pytest.mark.parametrize("tier", TIERS)
def test_an_account_s_limits_are_those_that_hold(tier: str) -> None:
    with serve(ServerOptions(tier=tier)) as server:
        limits = httpx.get(f"{server.url}/account/limits", headers=signed(server, "one", "/account/limits")).json()
        assert (limits["usage_tier"], limits["grants"]) == (tier, [])
        burst = limits["read"]["bucket_capacity"] // 10 - 1  # the request for the limits was the first
        assert passing(server, min(burst, 100), signed(server, "one")) == min(burst, 100)
        if burst < 100:
            assert passing(server, 1, signed(server, "one")) == 0
            server.exchange.clock.set(NOW + SECOND)
            assert passing(server, 100, signed(server, "one")) == limits["read"]["refill_rate"] // 10


def test_the_costs_are_public_and_all_the_default() -> None:
    with serve(ServerOptions()) as server:
        costs = httpx.get(f"{server.url}/account/endpoint_costs")
        assert (costs.status_code, costs.json()) == (200, {"default_cost": 10, "endpoint_costs": []})


@pytest.mark.sdk
def test_a_path_may_cost_more_than_the_default_and_says_so() -> None:
    from kalshi_python_sync.models.get_account_endpoint_costs_response import GetAccountEndpointCostsResponse

    setup = ServerOptions(
        tier="basic", unsigned_rate=100, costs={"/markets": 30, "/markets/{ticker}": 20, "/events": 10}
    )
    with serve(setup) as server, httpx.Client(base_url=server.url) as client:
        assert [client.get("/markets").status_code for _ in range(4)] == [200, 200, 200, 429]
        path = "/account/endpoint_costs"
        body = httpx.get(server.url + path, headers=signed(server, "one", path)).json()
        costs = GetAccountEndpointCostsResponse.model_validate(body)
        assert client.get("/markets/NOSUCH").status_code == 429  # 10 of 100 tokens are left
        assert [client.get("/exchange/status").status_code for _ in range(2)] == [200, 429]
    listed = [(cost.method, cost.path, cost.cost) for cost in costs.endpoint_costs]
    assert listed == [("GET", "/trade-api/v2/markets", 30), ("GET", "/trade-api/v2/markets/{ticker}", 20)]


def test_a_request_that_costs_more_than_the_bucket_is_never_answered() -> None:
    with serve(ServerOptions(tier="basic", costs={"/markets": 601})) as server:
        for second in range(0, 10_000, 1000):
            server.exchange.clock.set(NOW + second * SECOND)
            assert httpx.get(f"{server.url}/markets", headers=signed(server, "one", "/markets")).status_code == 429
        assert passing(server, 70, signed(server, "one")) == 60


def test_a_cost_of_an_unknown_path_is_rejected() -> None:
    with pytest.raises(ValueError, match="unknown path '/market'; must be one of /markets, /markets/candlesticks, "):
        serve(ServerOptions(costs={"/market": 20}))


def test_a_request_with_an_invalid_signature_is_not_charged() -> None:
    with serve(ServerOptions(tier="basic", unsigned_rate=10)) as server:
        assert httpx.get(f"{server.url}/account/limits").status_code == 401
        assert passing(server, 2) == 1
