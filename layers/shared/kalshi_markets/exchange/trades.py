"""Parser of the exchange's trades: pages of one market, newest first."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import httpx

from kalshi_markets.exchange.errors import FilterIgnored, InvalidResponse
from kalshi_markets.exchange.parsing import parse_object
from kalshi_markets.exchange.values import parse_time

MAX_TRADES: Final = 1_000
"""Maximum of trades on a page (docs.kalshi.com, Get Trades)."""
MICROSECONDS_PER_SECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


class Trade(NamedTuple):
    """Trade of a market. Trades sort by time; trades of one instant by their ID.

    created: time of the trade, in microseconds since the epoch.
    text: the exchange's JSON object on one line.
    """

    created: int
    trade_id: str
    text: str


class TradePage(NamedTuple):
    """Page of trades. cursor: start of the next page; None on the last page. Any page may be empty."""

    trades: Sequence[Trade]
    cursor: str | None


class TradeQuery(NamedTuple):
    """Query for the trades of one market between two instants, in microseconds since the epoch, both included.

    limit: maximum of trades on a page.
    """

    ticker: str
    start: int
    end: int
    limit: int = MAX_TRADES

    def parameters(self, cursor: str | None) -> dict[str, str | int]:
        """Return the query parameters of the exchange.

        They cover a second more on both sides: whether the exchange includes its bounds is undocumented.
        """
        bounds = {
            "min_ts": max(0, self.start // MICROSECONDS_PER_SECOND - 1),
            "max_ts": self.end // MICROSECONDS_PER_SECOND + 1,
        }
        parameters: dict[str, str | int] = {"ticker": self.ticker, **bounds, "limit": self.limit}
        return parameters | ({"cursor": cursor} if cursor else {})


def parse_trades(response: httpx.Response, ticker: str) -> TradePage:
    """Return a page of the trades of one market. Raises InvalidResponse and FilterIgnored."""
    answer = parse_object(response, parse_float=str)  # numbers become strings and keep their digits
    try:
        rows, cursor = answer["trades"] or [], answer.get("cursor")
        trades = [parse_trade(fields) for fields in rows]
        tickers = {fields["ticker"] for fields in rows}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _invalid_response() from error
    if cursor is not None and not isinstance(cursor, str):
        raise _invalid_response()
    if tickers - {ticker}:
        raise FilterIgnored("the exchange returned trades of another market.")
    return TradePage(trades, cursor or None)


def to_microseconds(instant: datetime) -> int:
    """Return an instant in microseconds since the epoch."""
    return (instant - _EPOCH) // _MICROSECOND


def parse_trade(fields: Mapping[str, Any]) -> Trade:
    """Return the trade of an object of the exchange. Raises KeyError, ValueError and InvalidResponse."""
    trade_id = fields["trade_id"]
    if not isinstance(trade_id, str) or not trade_id:
        raise _invalid_response()
    return Trade(to_microseconds(parse_time(fields["created_time"])), trade_id, _ENCODER.encode(fields))


def _invalid_response() -> InvalidResponse:
    return InvalidResponse("the exchange returned invalid trades.")
