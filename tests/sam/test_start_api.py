"""`sam local start-api` compared with the gateway of `make run`: one contract, and equal responses over one table."""

import re
from collections.abc import Iterator

import httpx
import pytest

from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.gateway import gateway_in_thread
from local.sam.host import Host
from tests.support.database import environment_of
from tests.support.http_contract import HttpContract

FILTERS = (
    *("ticker__startswith=KX", "title__icontains=the", "title_regex=^w", "event_ticker__ne=X", "status=active"),
    *("status__in=active,closed", "result=", "result=yes", "market_type=binary", "strike_type__isnull=false"),
    *(
        "volume__gte=1000",
        "volume__lt=10",
        "open_interest__gt=0.5",
        "liquidity__lte=100",
        "settlement_value__isnull=true",
    ),
    *("close_time__gte=2026-01-01", "open_time__lt=1900000000", "min_duration_minutes=60", "max_duration_minutes=1440"),
    *(
        "fields=all",
        "fields=ticker,last_price_dollars,yes_bid_size",
        "count_total=exact",
        "changed_since=0",
        "offset=100",
    ),
    *("format=ndjson", "format=csv", "title=a%20b%2Bc", "title__icontains=%C3%A9", "custom_strike__isnull=false"),
)
ORDERS = ("recent", "ticker", "open_time", "close_time", "volume", "liquidity", "open_interest", "settlement_value")
INVALID_QUERIES = ("nosuch=1", "limit=0", "limit=1&limit=2", "title_regex=(", "cursor=x", "volume=%FF", "status=open")
PATHS = ("/", "/health", "/status", "/markets/columns", "/openapi.json", "/nowhere", "/markets/NO-SUCH")
PAGES = ("/explore", "/explore/markets/A", "/docs", "/favicon.ico", "/assets/0/style.css")
REQUESTS = (
    *(f"/markets?limit=20&{query}" for query in FILTERS),
    *(f"/markets?limit=300&order_by={order}&order_direction=asc" for order in ORDERS),
    *(f"/markets?{query}" for query in INVALID_QUERIES),
    *PATHS,
    *PAGES,
)


@pytest.fixture(scope="module")
def client(api: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def gateway(host: Host, api: str) -> Iterator[httpx.Client]:
    """Serve the API function of the source tree as `make run` does, over the same table and exchange."""
    variables = environment_of(host.postgres, host.postgres.database)
    variables |= {"DB_SSLMODE": "disable", "EXCHANGE_URL": host.exchange.url}
    with (
        gateway_in_thread(function_spec("api", variables), workers=1) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


class TestStartApi(HttpContract):
    """HTTP contract of `sam local start-api`."""


def comparable(answer: httpx.Response) -> tuple[int, str | None, str]:
    """Return status, type and text, without the parts that differ by design: request id, address and age."""
    text = answer.text.replace(str(answer.request.url.copy_with(raw_path=b"/")).rstrip("/"), "")
    text = re.sub(r'"request_id": ?"[^"]*"', '"request_id":"*"', text)
    text = re.sub(r'"lag_seconds": ?\d+', '"lag_seconds":0', text)
    return answer.status_code, answer.headers.get("content-type"), text


def test_there_are_fifty_different_questions_and_more() -> None:
    assert len(set(REQUESTS)) == len(REQUESTS) >= 50


@pytest.mark.parametrize("url", REQUESTS)
def test_both_answer_a_request_with_the_same_body(gateway: httpx.Client, client: httpx.Client, url: str) -> None:
    assert comparable(client.get(url)) == comparable(gateway.get(url))
