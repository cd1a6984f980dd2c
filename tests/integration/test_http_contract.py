"""HTTP contract through the local gateway."""

from collections.abc import Iterator

import httpx
import pytest

from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.gateway import gateway_in_thread
from tests.support.api_client import crawl
from tests.support.http_contract import HttpContract


@pytest.fixture(scope="module")
def client(environment: dict[str, str]) -> Iterator[httpx.Client]:
    with ExchangeServer(generate(3, 300, Clock(speed=0))) as exchange:
        variables = environment | {"EXCHANGE_URL": exchange.url, "EXCHANGE_RATE": "1000", "DB_SSLMODE": "disable"}
        assert crawl(variables)["outcome"] == "idle"
        with (
            gateway_in_thread(function_spec("api", variables), workers=1) as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            yield client


class TestGateway(HttpContract):
    """HTTP contract of `make run`."""
