"""Tool that returns the candlesticks of one market, with a period that fits into a short table."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.candlesticks.request import CANDLESTICK_PARAMETERS, DAY, DAY_MINUTES, MAX_SECOND, parse_path
from api.formats import NDJSON
from api.mcp.api_calls import api_url, dump, get_request, path_of, query_pairs, query_string, text_of
from api.mcp.get_market import TICKER, require_ticker
from api.mcp.schemas import object_schema, parameter_schemas
from api.mcp.tool import Answer, Arguments, Tool, ToolContext
from api.query_string import Parameter, parse_parameters
from api.responses import time_text
from api.value_parsers import check_unix_seconds, parse_time
from kalshi_markets.text import is_valid_pg_text

if TYPE_CHECKING:
    from api.candlesticks.lifetimes import Lifetime

MAX_CANDLES: Final = 200
CHOSEN_PERIODS: Final = (1, 5, 15, 60, 240, DAY_MINUTES)
"""Lengths of a period that are chosen for a range, in minutes."""
_TIME_SCHEMA: Final[Mapping[str, Any]] = {"type": ["string", "integer"]}
_PRICES: Final = ("open", "high", "low", "close", "mean")
_HEADER: Final = ("end", *_PRICES, "volume", "open_interest", "yes_bid", "yes_ask")


def _parse_second(text: str) -> int:
    second = math.ceil(datetime.fromisoformat(parse_time(text)).timestamp())
    check_unix_seconds(second, MAX_SECOND)
    return max(0, second)


PARAMETERS: Final = {
    parameter.name: parameter
    for parameter in (
        TICKER,
        Parameter(
            "start_ts",
            _parse_second,
            "Earliest end of a period, in ISO 8601 or Unix seconds. Default: the opening of the market.",
            "2026-11-23T12:00:00Z",
            {**_TIME_SCHEMA},
        ),
        Parameter(
            "end_ts",
            _parse_second,
            "Latest end of a period, in ISO 8601 or Unix seconds. Default: now, or the close of the market.",
            "2026-11-24T12:00:00Z",
            {**_TIME_SCHEMA},
        ),
        CANDLESTICK_PARAMETERS["period_interval"]._replace(
            description="Length of a period in minutes; it divides a day. Default: the shortest of"
            f" {', '.join(map(str, CHOSEN_PERIODS))} that fits into {MAX_CANDLES} candles.",
            schema={"type": "integer", "minimum": 1, "maximum": DAY_MINUTES},
        ),
        CANDLESTICK_PARAMETERS["fill"],
        CANDLESTICK_PARAMETERS["tz"],
    )
}


class _Range(NamedTuple):
    """Range of ends of periods, in Unix seconds, and the length of a period in minutes."""

    start: int
    end: int
    period: int


async def run(arguments: Arguments, context: ToolContext) -> Answer:
    """Return the newest candles of a range. Raises ApiError and DatabaseError."""
    # Imported here: they import the exchange client, which takes 150 ms and which the other methods do not need.
    from api.candlesticks.derived_fetch import fetch_derived
    from api.candlesticks.single_response import single_response

    values = parse_parameters(query_string(query_pairs(arguments)).encode(), PARAMETERS)
    ticker, exchange = require_ticker(values), context.resources.exchange
    range_ = _choose_range(values, _lifetime(ticker, context), int(exchange.now()))
    path = path_of("markets", ticker, "candlesticks")
    query = _query(values, range_)
    candlesticks_request, _ = parse_path(ticker, query.encode())
    [result] = await fetch_derived(candlesticks_request, context.resources, deadline=context.deadline, in_body=False)
    response = single_response(get_request(context.request, path, query), result, NDJSON, with_filled=False)
    candles = text_of(response).splitlines()
    newest = candles[-MAX_CANDLES:]
    facts = {
        "ticker": ticker,
        "period_interval": range_.period,
        "period_chosen": "period_interval" not in values,
        "start": _rfc3339(range_.start),
        "end": _rfc3339(range_.end),
        "count": len(newest),
        **({"truncated": True, "total": len(candles)} if len(newest) < len(candles) else {}),
        "as_of": _rfc3339(int(exchange.now())),
        "api_url": api_url(context.request, path, query),
    }
    return Answer(dump(facts), _table(newest, with_filled=candlesticks_request.fill != "none"))


def _lifetime(ticker: str, context: ToolContext) -> "Lifetime | None":
    """Return the lifetime of a market; None if it is not in the table. Raises DatabaseError."""
    known = context.resources.market_lifetimes.by_ticker([ticker]) if is_valid_pg_text(ticker) else {}
    return known.get(ticker)


def _choose_range(values: Mapping[str, Any], lifetime: "Lifetime | None", now: int) -> _Range:
    """Return the range of a call. Its defaults are the opening of the market, and its close or the present."""
    opens_at, closes_at = (lifetime.opens_at, lifetime.closes_at) if lifetime else (None, None)
    is_closed = closes_at is not None and closes_at < now
    end = values.get("end_ts", math.ceil(closes_at) if is_closed and closes_at is not None else now)
    opening = end - DAY if opens_at is None or opens_at >= end else math.floor(opens_at)
    start = values.get("start_ts", max(0, opening))
    period = values.get("period_interval") or _fitting_period(end - start)
    # The period in which the market closed ends after the close.
    return _Range(start, end if "end_ts" in values or not is_closed else end + period * 60, period)


def _fitting_period(seconds: int) -> int:
    """Return the shortest period of which a range has at most MAX_CANDLES, with one more at each end."""
    fitting = (period for period in CHOSEN_PERIODS if seconds // (period * 60) + 2 <= MAX_CANDLES)
    return next(fitting, CHOSEN_PERIODS[-1])


def _query(values: Mapping[str, Any], range_: _Range) -> str:
    bounds = {"start_ts": range_.start, "end_ts": range_.end, "period_interval": range_.period}
    further = {name: values[name] for name in ("fill", "tz") if name in values}
    return query_string([(name, str(value)) for name, value in {**bounds, **further}.items()])


def _rfc3339(second: int) -> str:
    return time_text(datetime.fromtimestamp(second, UTC))


def _table(candles: list[str], *, with_filled: bool) -> str:
    header = ",".join([*_HEADER, *(["filled"] if with_filled else [])])
    rows = (_row(json.loads(candle, parse_float=str), with_filled=with_filled) for candle in candles)
    return "".join(f"{line}\r\n" for line in [header, *rows])


def _row(candle: Mapping[str, Any], *, with_filled: bool) -> str:
    """Return the CSV line of a candle. A missing value is an empty cell."""
    price, bid, ask = (candle.get(name) or {} for name in ("price", "yes_bid", "yes_ask"))
    cells = [_rfc3339(candle["end_period_ts"]), *(price.get(f"{name}_dollars") for name in _PRICES)]
    cells += [candle.get("volume_fp"), candle.get("open_interest_fp")]
    cells += [bid.get("close_dollars"), ask.get("close_dollars")]
    cells += ["true" if candle.get("filled") else None] if with_filled else []
    return ",".join("" if cell is None else str(cell) for cell in cells)


TOOL: Final = Tool(
    "get_candlesticks",
    "Candlesticks of one market",
    f"Prices of one market over time: at most {MAX_CANDLES} candles as CSV, oldest first; without a range, its whole"
    " life. The JSON before it has the chosen period_interval; truncated means that only the newest candles are"
    " present. Prices are in dollars, end is the end of a period in UTC, yes_bid and yes_ask are the last quotes of a"
    " period. as_of is the time of the answer: candles come from the exchange, those of closed periods also from a"
    " cache. api_url has all candles with all members.",
    object_schema(parameter_schemas(PARAMETERS.values()), ["ticker"]),
    run,
)
