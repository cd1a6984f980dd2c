"""Invalid requests for candlesticks: the location of the error and the suggested fix."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.test_candlesticks import api, server
from tests.support.api_client import ApiClient

__all__ = ["api", "server"]

BODIES: list[tuple[str | bytes, list[Any]]] = [
    ("", ["body"]),
    ("nonsense", ["body"]),
    ("[]", ["body"]),
    ("null", ["body"]),
    ("{}", ["body", "tickers"]),
    ('{"tickers": []}', ["body", "tickers"]),
    ('{"tickers": "A"}', ["body", "tickers"]),
    ('{"tickers": [1]}', ["body", "tickers", 0]),
    ('{"tickers": ["A", ""]}', ["body", "tickers", 1]),
    ('{"tickers": ["\\ud800"]}', ["body"]),
    ('{"tickers": ["a\\u0000b"]}', ["body", "tickers", 0]),
    ('{"tickers": ["a\\nb"]}', ["body", "tickers", 0]),
    (json.dumps({"tickers": ["x" * 201]}), ["body", "tickers", 0]),
    (json.dumps({"tickers": ["A"] * 10_001}), ["body", "tickers"]),
    ('{"tickers": NaN}', ["body", "tickers"]),
    ('{"tickers": ["A"], "start_ts": NaN}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": Infinity}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": "0"}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": 1.5}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": -1}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": true}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "end_ts": 1795521600000}', ["body", "end_ts"]),
    ('{"tickers": ["A"], "start_ts": 5, "end_ts": 4}', ["body"]),
    ('{"tickers": ["A"], "start_ts": 99999999999}', ["body"]),
    ('{"tickers": ["A"], "period_interval": 7}', ["body", "period_interval"]),
    ('{"tickers": ["A"], "period_interval": true}', ["body", "period_interval"]),
    ('{"tickers": ["A"], "period_interval": 0}', ["body", "period_interval"]),
    ('{"tickers": ["A"], "period_interval": 2880}', ["body", "period_interval"]),
    ('{"tickers": ["A"], "fill": "zero"}', ["body", "fill"]),
    ('{"tickers": ["A"], "fill": null}', ["body", "fill"]),
    ('{"tickers": ["A"], "tz": "Europe/Berlin"}', ["body"]),
    ('{"tickers": ["A"], "tz": "Europe/Berlin", "period_interval": 60}', ["body"]),
    ('{"tickers": ["A"], "tz": "Europe/Nowhere", "period_interval": 1440}', ["body", "tz"]),
    ('{"tickers": ["A"], "tz": "FOO+3", "period_interval": 1440}', ["body", "tz"]),
    ('{"tickers": ["A"], "tz": "\\ud800", "period_interval": 1440}', ["body"]),
    ('{"tickers": ["A"], "tz": "a\\u0000b", "period_interval": 1440}', ["body", "tz"]),
    ('{"tickers": ["A"], "tz": "", "period_interval": 1440}', ["body", "tz"]),
    ('{"tickers": ["A"], "tz": 1, "period_interval": 1440}', ["body", "tz"]),
    ('{"tickers": ["A"], "perod_interval": 60}', ["body", "perod_interval"]),
    (b'{"tickers": ["\xff"]}', ["body"]),
    (b"\x00", ["body"]),
    ('{"tickers": ' + "[" * 100_000, ["body"]),
]


@pytest.mark.parametrize(("body", "loc"), BODIES, ids=[str(body)[:40] for body, _ in BODIES])
def test_a_wrong_body_is_a_422_that_says_where(
    api: Callable[..., ApiClient], server: Any, body: str | bytes, loc: list[Any]
) -> None:
    answer = api(server).post("/markets/candlesticks", body)
    assert answer.status == 422, answer.text
    assert answer.json["code"] == "invalid_body"
    assert loc in [problem["loc"] for problem in answer.json["detail"]]
    assert answer.json["hint"]


def test_a_members_name_is_not_repeated_at_length(api: Callable[..., ApiClient], server: Any) -> None:
    answer = api(server).post("/markets/candlesticks", json.dumps({"tickers": ["A"], '"' * 3_000_000: 1}))
    assert answer.status == 422
    assert answer.size < 5000


QUERIES = [
    ("start_ts=1.5", "start_ts"),
    ("start_ts=-1", "start_ts"),
    ("start_ts=", "start_ts"),
    ("start_ts=2026-01-01", "start_ts"),
    ("end_ts=1795521600000", "end_ts"),
    ("start_ts=5&end_ts=4", "start_ts"),
    ("start_ts=1&start_ts=1", "start_ts"),
    ("period_interval=7", "period_interval"),
    ("period_interval=60.0", "period_interval"),
    ("period_interval=", "period_interval"),
    ("period_interval=05", "period_interval"),
    ("fill=zero", "fill"),
    ("fill=", "fill"),
    ("tz=Europe/Berlin", "tz"),
    ("tz=Europe/Berlin&period_interval=60", "tz"),
    ("tz=Europe/Nowhere&period_interval=1440", "tz"),
    ("tz=FOO%2B3&period_interval=1440", "tz"),
    ("tz=&period_interval=1440", "tz"),
    ("tz=..%2FUTC&period_interval=1440", "tz"),
    ("format=xml", "format"),
    ("limit=1", "limit"),
]


@pytest.mark.parametrize(("query", "loc"), QUERIES)
def test_a_wrong_parameter_is_a_422_that_names_it(
    api: Callable[..., ApiClient], server: Any, query: str, loc: str
) -> None:
    answer = api(server).get(f"/markets/A/candlesticks?{query}")
    assert answer.status == 422, answer.text
    assert answer.json["detail"][0]["loc"] == ["query", loc]
    assert answer.json["hint"]


@pytest.mark.parametrize("ticker", ["A%2FB", "..%2Fx", "%C3%A9", "a%20b", "x" * 201, "%00"])
def test_an_invalid_ticker_is_a_404(api: Callable[..., ApiClient], server: Any, ticker: str) -> None:
    answer = api(server).get(f"/markets/{ticker}/candlesticks")
    assert (answer.status, answer.json["code"]) in [(404, "market_not_found"), (404, "not_found")]
