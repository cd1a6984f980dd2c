"""Recording replayed by the simulated exchange: each ticker's last object, byte for byte."""

import gzip
import json
import os
from pathlib import Path

import httpx
import pytest

from local.exchange.catalogue import Order
from local.exchange.clock import Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.exchange.recording import replay

NOW = parse("2026-11-24T12:00:00Z")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a recording of generated markets: unsorted, one twice, one with more digits than a float has."""
    lines = [market.json for _, market in generate(5, 1200, Clock(NOW, speed=0)).markets(Order.CREATED, None)]
    superseded = lines[0].replace(b'"volume_fp":"', b'"volume_fp":"9')
    lines[3] = lines[3].replace(b"{", b'{ "precise" : 0.10000000000000000000000001, ', 1)
    path = tmp_path_factory.mktemp("recording") / "markets.jsonl"
    path.write_bytes(b"\n".join([superseded, *reversed(lines), b"", b""]))
    return path


def recorded(name: str) -> Path:
    return Path(os.environ["RECORDINGS"]) / name


def last_lines(path: Path) -> dict[str, bytes]:
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    return {json.loads(line)["ticker"]: line for line in lines if line}


def assert_replayed_verbatim(path: Path) -> None:
    expected = last_lines(path)
    served: set[str] = set()
    with ExchangeServer(replay(path, Clock(NOW))) as server, httpx.Client(base_url=server.url) as api:
        cursor = ""
        while True:
            response = api.get("/markets", params={"limit": 1000, "cursor": cursor})
            page = response.json()
            tickers = [market["ticker"] for market in page["markets"]]
            assert b",".join(expected[ticker] for ticker in tickers) in response.content
            served.update(tickers)
            cursor = page["cursor"]
            if not cursor:
                break
        ticker = next(iter(expected))
        assert api.get(f"/markets/{ticker}").content == b'{"market":' + expected[ticker] + b"}"
    assert served == set(expected)


def test_every_market_is_served_as_it_was_recorded(recording: Path) -> None:
    assert_replayed_verbatim(recording)


@pytest.mark.recordings
def test_every_recorded_market_is_served_as_it_was_recorded() -> None:
    assert_replayed_verbatim(recorded("markets.jsonl.gz"))


@pytest.mark.recordings
def test_the_last_recorded_snapshot_of_a_ticker_is_served() -> None:
    assert_replayed_verbatim(recorded("market-snapshots.jsonl.gz"))


def assert_cutoff_before_the_oldest_settlement(path: Path) -> None:
    settled = [
        market["settlement_ts"] for market in map(json.loads, last_lines(path).values()) if "settlement_ts" in market
    ]
    with ExchangeServer(replay(path, Clock(NOW))) as server, httpx.Client(base_url=server.url) as api:
        cutoff = api.get("/historical/cutoff").json()["market_settled_ts"]
    assert cutoff == min(settled)[:10] + "T00:00:00Z"


def test_the_cutoff_is_the_midnight_before_the_oldest_settlement(recording: Path) -> None:
    assert_cutoff_before_the_oldest_settlement(recording)


@pytest.mark.recordings
def test_the_cutoff_is_the_midnight_before_the_oldest_recorded_settlement() -> None:
    assert_cutoff_before_the_oldest_settlement(recorded("markets.jsonl.gz"))


def assert_whole_market_data_api(path: Path) -> None:
    with ExchangeServer(replay(path, Clock(NOW))) as server, httpx.Client(base_url=server.url) as api:
        events = api.get("/events", params={"limit": 3, "with_nested_markets": "true"}).json()["events"]
        for event in events:
            assert event["series_ticker"] == event["event_ticker"].split("-")[0]
            assert {market["event_ticker"] for market in event["markets"]} == {event["event_ticker"]}
            assert api.get(f"/series/{event['series_ticker']}").json()["series"]["ticker"] == event["series_ticker"]
        market = events[0]["markets"][0]
        close = parse(market["close_time"]) // 1_000_000
        query = {"market_tickers": market["ticker"], "start_ts": close - 86_400, "end_ts": close, "period_interval": 60}
        batch = api.get("/markets/candlesticks", params=query).json()["markets"]
        assert [item["market_ticker"] for item in batch] == [market["ticker"]]


def test_a_recording_has_events_series_and_candlesticks(recording: Path) -> None:
    assert_whole_market_data_api(recording)


@pytest.mark.recordings
def test_recorded_markets_have_events_series_and_candlesticks() -> None:
    assert_whole_market_data_api(recorded("markets.jsonl.gz"))


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"ticker":"A"}', b'{"ticker":"A","event_ticker":"A","status":"novel"}', b"1"]
)
def test_a_line_that_is_no_market_is_named(tmp_path: Path, recording: Path, line: bytes) -> None:
    first = recording.read_bytes().splitlines()[0]
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(first + b"\n" + line)
    with pytest.raises(ValueError, match="line 2 is not a Market object"):
        replay(broken, Clock(NOW))
