"""The HTTP contract through the local gateway."""

from collections.abc import Iterator

import httpx
import pytest

from local.exchange.clock import Clock
from local.exchange.generator import generate
from local.exchange.server import ExchangeServer
from local.functions import function_spec
from local.gateway import gateway_in_thread
from tests.http_contract import HttpContract
from tests.integration.lambdas import crawl


@pytest.fixture(scope="module")
def client(environment: dict[str, str]) -> Iterator[httpx.Client]:
    with ExchangeServer(generate(3, 300, Clock(speed=0))) as exchange:
        variables = environment | {"EXCHANGE_URL": exchange.url, "DB_SSLMODE": "disable"}
        assert crawl(variables)["outcome"] == "idle"
        with (
            gateway_in_thread(function_spec("api", variables), workers=1) as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            yield client


class TestGateway(HttpContract):
    """Of `make run`."""
