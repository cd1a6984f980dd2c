"""Ten recorded objects from RECORDINGS/samples, through a crawl, the database and the API, field by field."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from kalshi_markets.columns import MARKET_COLUMNS, Column, Kind
from kalshi_markets.database import Database
from tests.support.api_client import ApiClient, crawl
from tests.support.database import connect
from tests.support.scripted_server import Reply, ScriptedServer

pytestmark = pytest.mark.recordings

LIVE = (
    "01-market-active-newest-schema",
    "07-market-tapered-deci-cent-subpenny",
    "10-market-btcd-hourly-fractional-strike",
)
SETTLED = ("02-market-combo-finalized-5-legs-shard1", "05-market-provisional-combo-finalized-zero-volume-2026-02")
ARCHIVED = ("04-market-archive-4-digit-fraction",)
CANDLES_ARCHIVED, CANDLES_LIVE = "13-candlesticks-archive-1m", "14-candlesticks-live-60m"
IN_ARCHIVE = "KXSAMPLE-13"
"""Ticker of the sample of archived candles, which does not contain it."""


@pytest.fixture(scope="module")
def samples(recordings: Path) -> dict[str, str]:
    """Return the recorded texts by name."""
    return {path.stem: path.read_text(encoding="utf-8").strip() for path in (recordings / "samples").glob("*.json")}


def reply(body: str) -> list[Reply]:
    return [Reply(body=body.encode(), headers={"date": format_datetime(datetime.now(UTC), usegmt=True)})]


@pytest.fixture(scope="module")
def exchange(samples: Mapping[str, str]) -> Iterator[ScriptedServer]:
    def page(*names: str, cursor: str = "") -> list[Reply]:
        return reply(f'{{"cursor":"{cursor}","markets":[{",".join(samples[name] for name in names)}]}}')

    live = json.loads(samples[CANDLES_LIVE])
    candles = samples[CANDLES_LIVE].partition('"candlesticks":')[2]
    batch = f'{{"markets":[{{"market_ticker":{json.dumps(live["ticker"])},"candlesticks":{candles}]}}'
    paths = {
        "/markets?*status=open*": page(*LIVE),
        # One market to a page: the windows exclude them, and a page of only such markets looks like an ignored filter.
        "/markets?*settled_ts*cursor=next": page(SETTLED[1]),
        "/markets?*settled_ts*": page(SETTLED[0], cursor="next"),
        "/historical/markets/*/candlesticks*": reply(samples[CANDLES_ARCHIVED]),
        "/historical/markets?*tickers=*": reply(f'{{"markets":[{{"ticker":"{IN_ARCHIVE}"}}],"cursor":""}}'),
        "/historical/markets?*": page(*ARCHIVED),
        "/historical/cutoff": reply('{"market_settled_ts":"2026-11-27T00:00:00Z"}'),
        "/markets/candlesticks*": reply(batch),
        "/events?*min_updated_ts=*": reply('{"cursor":"","events":[]}'),
        "/events*": reply(
            samples["11-events-2026-10-06"].replace(
                '"cursor":"CgYI8Kmw1gYSF0tYTkZMR0FNRS0yNk9DVDExQ0lOTUlB"', '"cursor":""'
            )
        ),
        "/series*": reply(samples["12-series-with-categories-2026-10-06"]),
    }
    with ScriptedServer(reply('{"cursor":"","markets":[]}'), paths) as server:
        yield server


@pytest.fixture(scope="module")
def crawled(environment: dict[str, str], exchange: ScriptedServer) -> Iterator[Database]:
    settings = {"EXCHANGE_URL": exchange.url, "EXCHANGE_RATE": "1000", "COMBOS": "true"}
    summary = crawl(environment | settings)
    assert (summary["errors"], summary["rejected"]) == ({}, 0)
    assert summary["added"] == 6
    database = connect(environment)
    yield database
    database.close()


@pytest.fixture(scope="module")
def api(environment: dict[str, str], exchange: ScriptedServer, crawled: Database) -> Iterator[ApiClient]:
    api = ApiClient(environment | {"EXCHANGE_URL": exchange.url, "EXCHANGE_RATE": "1000"})
    yield api
    api.close()


def expected(column: Column, market: Mapping[str, Any]) -> Any:
    """Return the expected value of a market's column, parsed without the projection."""
    value = market.get(column.source_field)
    if column.name == "subtitle":
        return value or market["yes_sub_title"]
    if column.name == "liquidity":
        if "yes_bid_size_fp" not in market:
            return None
        bid, bid_size, ask, ask_size = (
            Decimal(market[f"yes_{name}"]) for name in ("bid_dollars", "bid_size_fp", "ask_dollars", "ask_size_fp")
        )
        return (100 * (bid * bid_size + (1 - ask) * ask_size)).quantize(Decimal(1), ROUND_HALF_EVEN)
    if value is None:
        return None
    if column.kind is Kind.TIME:
        return datetime.fromisoformat(value)
    return Decimal(value) if column.kind is Kind.NUMBER else value


def comparable(column: Column, value: Any) -> Any:
    """Return a value of a response in the form that `expected` returns."""
    if value is None:
        return None
    if column.kind is Kind.TIME:
        return datetime.fromisoformat(value)
    return Decimal(value) if column.kind is Kind.NUMBER else value


@pytest.mark.parametrize("name", [*LIVE, *SETTLED, *ARCHIVED])
def test_a_market_is_answered_as_it_was_sent(api: ApiClient, samples: Mapping[str, str], name: str) -> None:
    sent = json.loads(samples[name], parse_float=Decimal)
    answer = api.get(f"/markets/{sent['ticker']}?fields=all")
    assert answer.status == 200, answer.text
    answered = answer.json
    assert {column.name: comparable(column, answered[column.name]) for column in MARKET_COLUMNS} == {
        column.name: expected(column, sent) for column in MARKET_COLUMNS
    }


def get_field(api: ApiClient, ticker_part: str, name: str) -> Any:
    [market] = api.get(f"/markets?ticker__icontains={ticker_part}&fields={name}").json["items"]
    return market[name]


def test_peculiarities_of_each_are_preserved(api: ApiClient) -> None:
    assert get_field(api, "TBDAL", "settlement_bounds_type") == "default"
    assert get_field(api, "TBDAL", "custom_strike") == {"football_team": "62b97b7c-5503-461c-b328-fd8543219b22"}
    assert get_field(api, "SHARD1-S2026", "event_ticker") == "KXMVECROSSCATEGORY-SHARD1-S2026BCEFC3D1D8F"
    assert len(get_field(api, "SHARD1-S2026", "mve_selected_legs")) == 5
    assert datetime.fromisoformat(get_field(api, "MIACOL", "created_time")).microsecond == 793_100
    assert get_field(api, "EXTENDED", "subtitle").startswith("yes Donovan Mitchell: 20+,")
    assert get_field(api, "EXTENDED", "is_provisional") is True
    assert (get_field(api, "PPIZ", "yes_bid_dollars"), len(get_field(api, "PPIZ", "price_ranges"))) == ("0.031", 3)
    assert get_field(api, "BTCD", "floor_strike") == "74299.99"


def test_only_the_oldest_one_drifts(crawled: Database) -> None:
    """It was recorded two days before markets had sizes."""
    drift = crawled.query(f"SELECT member, change FROM {crawled.settings.table}_drift ORDER BY member")
    assert drift == [["yes_ask_size_fp", "removed"], ["yes_bid_size_fp", "removed"]]


def test_events_and_series_are_stored_beside_them(
    api: ApiClient, crawled: Database, samples: Mapping[str, str]
) -> None:
    assert get_field(api, "TBDAL", "series_ticker") == "KXNFLGAME"
    [event, _] = json.loads(samples["11-events-2026-10-06"])["events"]
    [series] = json.loads(samples["12-series-with-categories-2026-10-06"])["series"]
    table = crawled.settings.table
    events = crawled.query(
        f"SELECT event_ticker, series_ticker, title FROM {table}_events WHERE series_ticker IS NOT NULL"
    )
    assert events == [[event["event_ticker"], event["series_ticker"], event["title"]]]
    assert crawled.query(f"SELECT series_ticker, title, category FROM {table}_series") == [
        [series["ticker"], series["title"], series["category"]]
    ]


def test_live_candles_are_answered_as_they_were_sent(api: ApiClient, samples: Mapping[str, str]) -> None:
    sent = json.loads(samples[CANDLES_LIVE])
    span = {"start_ts": sent["candlesticks"][0]["end_period_ts"], "end_ts": sent["candlesticks"][-1]["end_period_ts"]}
    [result] = api.post("/markets/candlesticks", {"tickers": [sent["ticker"]], **span}).json["results"]
    assert result == {"ticker": sent["ticker"], "candlesticks": sent["candlesticks"], "error": None, "code": None}


def test_archived_candles_have_the_names_of_live_ones(api: ApiClient, samples: Mapping[str, str]) -> None:
    sent = json.loads(samples[CANDLES_ARCHIVED])["candlesticks"]
    span = f"start_ts={sent[0]['end_period_ts']}&end_ts={sent[-1]['end_period_ts']}&period_interval=1"
    answer = api.get(f"/markets/{IN_ARCHIVE}/candlesticks?{span}")
    assert answer.status == 200, answer.text
    assert [candle["end_period_ts"] for candle in answer.json["candlesticks"]] == [1782439260, 1782439320, 1782439620]
    for answered, candle in zip(answer.json["candlesticks"], sent, strict=True):
        assert (answered["volume_fp"], answered["open_interest_fp"]) == (candle["volume"], candle["open_interest"])
        for name in ("price", "yes_bid", "yes_ask"):
            prices = {f"{key}_dollars": price for key, price in candle[name].items() if price is not None}
            assert answered[name] == prices
        assert len(answered) == len(candle)
    assert answer.json["candlesticks"][1]["price"] == {"previous_dollars": "0.3600"}
    lines = api.get(f"/markets/{IN_ARCHIVE}/candlesticks?{span}&format=csv").text.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("1782439260,0.3500,")
