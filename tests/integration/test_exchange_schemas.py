"""Every response of the simulated exchange matches the official schemas, for generated and recorded data.

The models of the official SDK (3.34.0) are always checked. With KALSHI_SCHEMAS the official JSON Schemas (3.34.0) and
the official OpenAPI documents (2026-10-26 and 3.31.0) in that folder are checked too.
"""

import json
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jsonschema import Draft4Validator, Draft202012Validator
from pydantic import BaseModel

from local.exchange.catalogue import Exchange
from local.exchange.clock import SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer
from local.exchange.recording import replay

KEY = Ed25519PrivateKey.generate()
WEEK = 7 * 86_400


@dataclass(frozen=True)
class Answer:
    """Request, the official model of its response, and the parts of the response that the model describes."""

    path: str
    model: str
    part: Callable[[Any], list[Any]] = lambda body: [body]


# The values of {now}, {market}, {series}, … come from the exchange's listings.
ANSWERS = {
    **{
        f"markets {status}": Answer(f"/markets?limit=1000&status={status}", "GetMarketsResponse")
        for status in ("unopened", "open", "paused", "closed", "settled")
    },
    "combos": Answer("/markets?limit=500&mve_filter=only", "GetMarketsResponse"),
    "market": Answer("/markets/{market}", "Market", lambda body: [body["market"]]),
    "events": Answer("/events?limit=200", "EventData", lambda body: body["events"]),
    "events with markets": Answer("/events?with_nested_markets=true", "EventData", lambda body: body["events"]),
    "event": Answer("/events/{event}", "EventData", lambda body: [body["event"]]),
    "markets beside an event": Answer("/events/{event}", "Market", lambda body: body["markets"]),
    "all series": Answer("/series", "Series", lambda body: body["series"]),
    "series": Answer("/series/{series}", "Series", lambda body: [body["series"]]),
    "candlesticks": Answer(
        "/series/{series}/markets/{market}/candlesticks?{range}&period_interval=60", "GetMarketCandlesticksResponse"
    ),
    "candlesticks with the latest before": Answer(
        "/series/{series}/markets/{market}/candlesticks?{range}&period_interval=60&include_latest_before_start=true",
        "GetMarketCandlesticksResponse",
    ),
    "candlesticks of several": Answer(
        "/markets/candlesticks?market_tickers={market},NOSUCH&{range}&period_interval=1440",
        "BatchGetMarketCandlesticksResponse",
    ),
    "candlesticks of an event": Answer(
        "/series/{series}/events/{event}/candlesticks?{range}&period_interval=60", "GetEventCandlesticksResponse"
    ),
    "trades": Answer("/markets/trades?limit=1000", "GetTradesResponse"),
    "trades of a market": Answer("/markets/trades?ticker={market}", "GetTradesResponse"),
    "archived trades": Answer("/historical/trades?limit=1000", "GetTradesResponse"),
    "order book": Answer("/markets/{market}/orderbook?depth=10", "GetMarketOrderbookResponse"),
    "order books": Answer("/markets/orderbooks?tickers={market}&tickers=NOSUCH", "GetMarketOrderbooksResponse"),
    "series with their metadata": Answer("/series?include_product_metadata=true", "GetSeriesListResponse"),
    "event without markets": Answer("/events/{event}?exclude_markets=true", "EventData", lambda body: [body["event"]]),
    "cutoff": Answer("/historical/cutoff", "GetHistoricalCutoffResponse"),
    "archive": Answer("/historical/markets?limit=1000", "GetMarketsResponse"),
    "archived market": Answer("/historical/markets/{archived}", "Market", lambda body: [body["market"]]),
    "archived candlesticks": Answer(
        "/historical/markets/{archived}/candlesticks?{life}&period_interval=1440",
        "GetMarketCandlesticksHistoricalResponse",
    ),
    "status": Answer("/exchange/status", "ExchangeStatus"),
    "costs": Answer("/account/endpoint_costs", "GetAccountEndpointCostsResponse"),
    "limits": Answer("/account/limits", "GetAccountApiLimitsResponse"),
    "not found": Answer("/markets/NOSUCH", "ErrorResponse", lambda body: [body["error"]]),
    "refused": Answer("/markets?status=all", "ErrorResponse", lambda body: [body["error"]]),
    "unsigned": Answer("/account/limits?", "ErrorResponse", lambda body: [body["error"]]),
}
# Changes of the Market object from version 3.31.0 to 3.34.0 (docs.kalshi.com, changelog 2026-10-01).
REMOVED = {"liquidity_dollars"}
ADDED = {"settlement_bounds_type": "default"}
UNDOCUMENTED = {"available_on_brokers"}  # fields that production sends and no schema has
# Models that only the OpenAPI documents have.
DOCUMENTED_ONLY = {
    "GetAccountEndpointCostsResponse",
    "GetTradesResponse",
    "GetMarketOrderbookResponse",
    "GetMarketOrderbooksResponse",
    "GetSeriesListResponse",
}
ARCHIVE = {name for name in ANSWERS if name.startswith("archived")}
SOURCES = ["generated", pytest.param("recorded", marks=pytest.mark.recordings)]


def made(source: str) -> Exchange:
    if source == "generated":
        return generate(11, 3000, Clock(), archived=500)
    return replay(Path(os.environ["RECORDINGS"]) / "markets.jsonl.gz", Clock())


@pytest.fixture(scope="module", params=SOURCES)
def answered(request: pytest.FixtureRequest) -> Iterator[Mapping[str, list[Any]]]:
    """Yield, by name, the parts of each response that its model describes."""
    with (
        ExchangeServer(made(request.param), {"me": KEY.public_key()}, ServerOptions()) as server,
        httpx.Client(base_url=server.url) as api,
    ):
        texts = _texts(api)
        yield {
            name: answer.part(_get(api, answer.path.format_map(texts)))
            for name, answer in ANSWERS.items()
            if "{archived}" not in answer.path or "archived" in texts
        }


def _get(api: httpx.Client, path: str) -> Any:
    headers = {}
    if path == "/account/limits":
        at = str(time.time_ns() // 1_000_000)
        signature = b64encode(KEY.sign(f"{at}GET/trade-api/v2{path}".encode())).decode()
        headers = {
            "KALSHI-ACCESS-KEY": "me",
            "KALSHI-ACCESS-TIMESTAMP": at,
            "KALSHI-ACCESS-SIGNATURE": signature,
        }
    return api.get(path, headers=headers).json()


def _texts(api: httpx.Client) -> dict[str, object]:
    """Return the values of the paths: a market with many days of trades, its event and series, an archived market."""
    listed = [
        *api.get("/markets?limit=1000&status=open&mve_filter=exclude").json()["markets"],
        *api.get("/markets?limit=1000&status=settled&mve_filter=exclude").json()["markets"],
    ]
    market = max(listed, key=lambda row: float(row["volume_fp"]))
    event = api.get(f"/events/{market['event_ticker']}").json()["event"]
    end = int(time.time())
    texts: dict[str, object] = {"market": market["ticker"], "event": event["event_ticker"]}
    texts |= {"series": event["series_ticker"], "range": f"start_ts={end - WEEK}&end_ts={end}"}
    archived = api.get("/historical/markets?limit=1000&mve_filter=exclude").json()["markets"]
    if archived:
        old = max(archived, key=lambda row: float(row["volume_fp"]))
        closed = parse(old["close_time"]) // SECOND
        texts |= {"archived": old["ticker"], "life": f"start_ts={closed - 52 * WEEK}&end_ts={closed + WEEK}"}
    return texts


def test_every_endpoint_was_requested_and_answered(
    answered: Mapping[str, list[Any]], request: pytest.FixtureRequest
) -> None:
    empty = {name for name, parts in answered.items() if not parts or parts[0].get("markets") == []}
    lacking = set(ANSWERS) - set(answered)
    if request.node.callspec.params["answered"] == "generated":
        assert (empty, lacking) == (set(), set())
    else:  # a recording has no unopened markets and no archive
        assert empty <= {"markets unopened", "markets paused", "markets closed", "archive"}
        assert lacking <= ARCHIVE


@pytest.mark.sdk
@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_is_what_the_sdk_s_models_say(answered: Mapping[str, list[Any]], name: str) -> None:
    import kalshi_python_sync as kalshi

    model: type[BaseModel] = getattr(kalshi, ANSWERS[name].model)
    for part in renewed(answered.get(name, [])):
        model.model_validate(part)
        assert set(part) - set(model.model_fields) <= UNDOCUMENTED


@pytest.mark.schemas
@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_is_what_the_newest_official_schemas_say(answered: Mapping[str, list[Any]], name: str) -> None:
    schemas = schemas_of("market-schemas-3.34.0.json")
    if ANSWERS[name].model not in schemas:
        assert ANSWERS[name].model in DOCUMENTED_ONLY
        return
    validator = Draft202012Validator(schemas[ANSWERS[name].model])
    for part in renewed(answered.get(name, [])):
        assert [error.message for error in validator.iter_errors(part)] == []


@pytest.mark.schemas
@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_is_what_the_newest_official_document_says(answered: Mapping[str, list[Any]], name: str) -> None:
    validator = validator_of("openapi-2026-10-26.yaml", ANSWERS[name].model)
    for part in renewed(answered.get(name, [])):
        assert [error.message for error in validator.iter_errors(part)] == []


@pytest.mark.schemas
def test_a_market_with_a_floor_is_what_the_newest_official_document_says() -> None:
    fault = {"kind": "unusual", "content": "floor"}
    with ExchangeServer(made("generated"), options=ServerOptions(faults=[fault])) as server:
        answer = httpx.get(f"{server.url}/markets").json()
    assert {row["settlement_bounds_type"] for row in answer["markets"]} == {"floor"}
    validator = validator_of("openapi-2026-10-26.yaml", "GetMarketsResponse")
    assert [error.message for error in validator.iter_errors(answer)] == []


@pytest.mark.schemas
@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_is_what_the_older_official_document_says_but_for_what_was_removed_since(
    answered: Mapping[str, list[Any]], name: str
) -> None:
    validator = validator_of("openapi-3.31.0.yaml", ANSWERS[name].model)
    for part in answered.get(name, []):
        missing = {error.message for error in validator.iter_errors(part)}
        assert missing <= {f"'{member}' is a required property" for member in REMOVED}


def validator_of(document: str, model: str) -> Draft4Validator:
    """Return the validator of a model in an OpenAPI document."""
    components = schemas_of(document)["components"]
    return Draft4Validator({"$ref": f"#/components/schemas/{model}", "components": components})


def renewed(value: Any) -> Any:
    """Convert a response recorded before 2026-10-01 to the format since then."""
    if isinstance(value, list):
        return [renewed(item) for item in value]
    if not isinstance(value, dict):
        return value
    members = {name: renewed(member) for name, member in value.items()}
    if not REMOVED & members.keys():
        return members
    return {**ADDED, **{name: member for name, member in members.items() if name not in REMOVED}}


@lru_cache
def schemas_of(file: str) -> dict[str, Any]:
    text = (Path(os.environ["KALSHI_SCHEMAS"]) / file).read_bytes()
    schemas = json.loads(text) if file.endswith(".json") else _nullable(yaml.load(text, yaml.CSafeLoader))  # in C: 1 s
    assert isinstance(schemas, dict)
    return schemas


def _nullable(schema: Any) -> Any:
    """Apply `nullable: true` next to a reference too. OpenAPI 3.0 ignores it there, but the document relies on it."""
    if isinstance(schema, list):
        return [_nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _nullable(item) for name, item in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
