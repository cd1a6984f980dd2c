"""A recorded exchange: real Market objects, one a line, served byte for byte as recorded. Nothing in it ages."""

import gzip
import json
from pathlib import Path

from local.exchange.catalogue import Event, Exchange, JsonObject, Market, Series
from local.exchange.clock import DAY, Clock

GZIP_MAGIC = b"\x1f\x8b"


def replay(path: Path, clock: Clock) -> Exchange:
    """The exchange of a JSON lines file, gzip or plain; the last line of a ticker counts. Raises OSError or ValueError.

    Its cutoff is the midnight (UTC) before the oldest settlement. Events and series are not recorded: they are
    made up of what the markets tell of them.
    """
    content = path.read_bytes()
    lines = (gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content).splitlines()
    markets = [_market(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    oldest = min((market.settled for market in markets if market.settled is not None), default=clock.start)
    events = [_event(ticker) for ticker in dict.fromkeys(market.event_ticker for market in markets)]
    series = dict.fromkeys(event["series_ticker"] for event in events)
    return Exchange(
        clock=clock,
        cutoff=oldest // DAY * DAY,
        markets=markets,
        events=map(Event.of, events),
        series=map(Series.of, map(_series, series)),
    )


def _market(number: int, line: bytes) -> Market:
    try:
        return Market.of(json.loads(line), line.strip())
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"line {number} is no Market object: {error!r}") from error


def _event(ticker: str) -> JsonObject:
    return {
        "event_ticker": ticker,
        "series_ticker": ticker.partition("-")[0],
        "title": ticker,
        "sub_title": "",
        "mutually_exclusive": False,
        "collateral_return_type": "",
        "settlement_sources": [],
    }


def _series(ticker: str) -> JsonObject:
    return {
        "ticker": ticker,
        "title": ticker,
        "category": "",
        "categories": [],
        "tags": None,
        "frequency": "custom",
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": "quadratic",
        "fee_multiplier": 1,
        "additional_prohibitions": None,
    }
