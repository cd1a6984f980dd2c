"""Questions about candlesticks: limits, bounds, and the field names of the archive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from api.candlesticks.lifetimes import Lifetime
from api.candlesticks.planner import Call, MissingRange, plan_calls
from api.candlesticks.time_ranges import TimeRange, count_periods, grid_seconds
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    MAX_ARCHIVE_CANDLES,
    MAX_BATCH_CANDLES,
    Candle,
    CandleQuery,
    ExchangeClientError,
    parse_archived,
    parse_batch,
)
from local.exchange.candles import NEW_YORK
from local.exchange.clock import SECOND, parse
from local.probe.listings import MIN_SHARE, UNKNOWN_TICKER
from local.probe.question import Finding, NotObservableError, Question, compare, expect_rejection
from local.probe.samples import (
    HOUR,
    Market,
    fetch_archive_page,
    fetch_open_page,
    fetch_settled_page,
    find_busiest,
    find_markets,
    list_tickers,
)
from local.probe.session import Answer, Session

DAY: Final = 24 * HOUR
_MAX_SETTLED: Final = 50
_PLAN: Final = "functions/api/candlesticks/planner.py"
_CLIENT: Final = "layers/shared/kalshi_markets/exchange/client.py"
_TIME_RANGES: Final = "functions/api/candlesticks/time_ranges.py"
_CANDLES: Final = "layers/shared/kalshi_markets/exchange/candles.py"


async def _fetch_batch(session: Session, names: Sequence[str], query: CandleQuery) -> Mapping[str, list[Candle]]:
    """Return candles by ticker, requested as in the API."""
    answer = await session.get("/markets/candlesticks", {"market_tickers": ",".join(names), **query.parameters()})
    return parse_batch(answer.response)


async def _fetch_archived(session: Session, ticker: str, query: CandleQuery) -> Answer:
    return await session.get(f"/historical/markets/{ticker}/candlesticks", query.parameters())


def _plan_largest_call(session: Session, names: Sequence[str], *, archived: bool) -> Call:
    """Return the largest request that the API plans for one-minute candles that end ten days ago."""
    end = (session.now - 10 * DAY) // 60 * 60
    start = end - (20_000 if len(names) == 1 else MAX_BATCH_CANDLES * 99 // 100 // len(names) - 1) * 60
    missing = [MissingRange(index, name, TimeRange(start, end), archived) for index, name in enumerate(names)]
    return max(plan_calls(missing, 1), key=lambda call: (len(call.missing), count_periods(call.range, 1)))


async def _check_batch_cap(session: Session) -> Finding:
    names = list_tickers(await find_markets(fetch_open_page, session), BATCH_TICKERS)
    span = _plan_largest_call(session, names, archived=False).range
    candles = await _fetch_batch(session, names, CandleQuery(*span, 1))
    returned = len(candles.keys() & {*names})
    observed = f"{returned} of {len(names)} tickers are returned, for {count_periods(span, 1)} periods"
    return compare(returned >= len(names) * MIN_SHARE, observed)


async def _check_batch_too_many_tickers(session: Session) -> Finding:
    names = list_tickers(await find_markets(fetch_open_page, session), BATCH_TICKERS + 1)
    query = CandleQuery(session.now - HOUR, session.now, 60).parameters()
    return await expect_rejection(session, "/markets/candlesticks", {"market_tickers": ",".join(names), **query})


async def _check_batch_too_many_candles(session: Session) -> Finding:
    [name] = list_tickers(await find_markets(fetch_open_page, session), 1)
    query = CandleQuery(session.now - MAX_BATCH_CANDLES * 61, session.now, 1).parameters()
    return await expect_rejection(session, "/markets/candlesticks", {"market_tickers": name, **query})


async def _check_omitted(session: Session) -> Finding:
    [live] = list_tickers(await find_markets(fetch_open_page, session), 1)
    archived = (await find_markets(fetch_archive_page, session))[-1]["ticker"]
    kinds = {live: "live", archived: "archived", UNKNOWN_TICKER: "unknown"}
    candles = await _fetch_batch(session, [*kinds], CandleQuery(session.now - HOUR, session.now, 60))
    returned = ", ".join(kind for ticker, kind in kinds.items() if ticker in candles) or "none"
    return compare(candles.keys() == {live}, f"of a live, an archived and an unknown ticker: {returned}")


async def _fetch_hourly(session: Session) -> tuple[str, list[int]]:
    """Return the busiest recently settled market and the ends of its candles in the week before its close.

    Raises NotObservableError.
    """
    market = find_busiest(await find_markets(fetch_settled_page, session))
    end = parse(market["close_time"]) // SECOND // HOUR * HOUR + HOUR
    query = CandleQuery(end - 7 * DAY, end, 60)
    candles = (await _fetch_batch(session, [market["ticker"]], query)).get(market["ticker"], [])
    if not candles:
        raise NotObservableError("the market with the highest volume among those settled last has no candles.")
    return market["ticker"], [candle.end for candle in candles]


async def _fetch_daily(session: Session) -> Answer:
    """Return the daily candles of the busiest market on the archive's first page. Raises NotObservableError."""
    market = find_busiest(await find_markets(fetch_archive_page, session))
    start, end = (parse(market[member]) // SECOND for member in ("open_time", "close_time"))
    days = min((end - start) // DAY + 2, MAX_ARCHIVE_CANDLES // 2)
    answer = await _fetch_archived(session, market["ticker"], CandleQuery(end - days * DAY, end + 2 * DAY, 1440))
    if not parse_archived(answer.response)["candlesticks"]:
        raise NotObservableError("the archived market with the highest volume has no candles.")
    return answer


async def _check_hours(session: Session) -> Finding:
    _, ends = await _fetch_hourly(session)
    others = sum(end % grid_seconds(60) != 0 for end in ends)
    return compare(not others, f"{others} of {len(ends)} candles end at another time")


async def _check_days(session: Session) -> Finding:
    candles = parse_archived((await _fetch_daily(session)).response)["candlesticks"]
    hours = {datetime.fromtimestamp(candle.end, NEW_YORK).time().isoformat() for candle in candles}
    return compare(hours == {"00:00:00"}, f"{len(candles)} candles end at {', '.join(sorted(hours))} in New York")


async def _check_bounds(session: Session) -> Finding:
    ticker, ends = await _fetch_hourly(session)
    candles = (await _fetch_batch(session, [ticker], CandleQuery(ends[0], ends[0], 60))).get(ticker, [])
    return compare(
        [candle.end for candle in candles] == ends[:1],
        f"{len(candles)} candles, where the range is only the end of one",
    )


async def _check_after_close(session: Session) -> Finding:
    """Count the candles of settled markets that end after the range that the API would request."""
    markets = {market["ticker"]: market for market in await find_markets(fetch_settled_page, session)}
    names = [name for name, market in markets.items() if "," not in name and float(market["volume_fp"]) > 0][
        :_MAX_SETTLED
    ]
    if not names:
        raise NotObservableError("no settled market of the page has a volume.")
    span = TimeRange(session.now // HOUR * HOUR - 8 * DAY, session.now // HOUR * HOUR)
    candles = await _fetch_batch(session, names, CandleQuery(*span, 60))
    late = sum(candle.end > _find_last_end(markets[name], span) for name in names for candle in candles.get(name, []))
    count = sum(map(len, candles.values()))
    if not count:
        raise NotObservableError("the settled markets of the page have no candles.")
    return compare(not late, f"{late} of {count} candles end later than that")


def _find_last_end(market: Market, span: TimeRange) -> int:
    """Return the end of the range that the API requests for a settled market, in Unix seconds."""
    closed_at = parse(market["close_time"]) / SECOND
    trimmed = Lifetime("finalized", None, closed_at, None).trimmed(span, 60)
    return trimmed.end if trimmed else 0


async def _check_series_segment(session: Session) -> Finding:
    [name] = list_tickers(await find_markets(fetch_open_page, session), 1)
    query = CandleQuery(session.now - HOUR, session.now, 60).parameters()
    await session.get(f"/series/NO-SUCH-SERIES/markets/{name}/candlesticks", query)
    return compare(agrees=True, observed="a path with another series is answered with 200")


async def _check_archive_fields(session: Session) -> Finding:
    answer = await _fetch_daily(session)
    names = _list_fields(answer.json()["candlesticks"])
    has_suffix = any(name.endswith(("_fp", "_dollars")) for name in names)
    return compare({"volume", "open_interest"} <= names and not has_suffix, ", ".join(sorted(names)))


def _list_fields(candles: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the names of the fields of candles and of the objects in them."""
    nested = [value for candle in candles for value in candle.values() if isinstance(value, dict)]
    return {name for fields in (*candles, *nested) for name in fields}


async def _check_archive_cap(session: Session) -> Finding:
    [name] = list_tickers(await find_markets(fetch_archive_page, session), 1)
    span = _plan_largest_call(session, [name], archived=True).range
    parse_archived((await _fetch_archived(session, name, CandleQuery(*span, 1))).response)
    return compare(agrees=True, observed=f"{count_periods(span, 1):,} periods are accepted")


async def _check_archive_too_many(session: Session) -> Finding:
    [name] = list_tickers(await find_markets(fetch_archive_page, session), 1)
    query = CandleQuery(session.now - MAX_ARCHIVE_CANDLES * 61, session.now, 1).parameters()
    return await expect_rejection(session, f"/historical/markets/{name}/candlesticks", query)


async def _check_archive_unknown(session: Session) -> Finding:
    try:
        await _fetch_archived(session, UNKNOWN_TICKER, CandleQuery(session.now - HOUR, session.now, 60))
    except ExchangeClientError as error:
        return compare(error.status == 404, f"{error.status}, code {error.code}")
    return compare(agrees=False, observed="answered with 200")


QUESTIONS: Final = (
    Question(
        "candles: tickers × periods",
        f"{BATCH_TICKERS} tickers and 99 % of {MAX_BATCH_CANDLES:,} are accepted",
        _PLAN,
        1,
        _check_batch_cap,
    ),
    Question(f"candles: {BATCH_TICKERS + 1} tickers", "rejected with 400", _PLAN, 1, _check_batch_too_many_tickers),
    Question(
        f"candles: more than {MAX_BATCH_CANDLES:,} periods",
        "rejected with 400, however few candles there are",
        _PLAN,
        1,
        _check_batch_too_many_candles,
    ),
    Question("candles: archived, unknown tickers", "omitted from the response", _CLIENT, 1, _check_omitted),
    Question("hourly candles: ends", "whole hours of Unix time", _TIME_RANGES, 1, _check_hours),
    Question("candles: bounds of the range", "both are inclusive", _TIME_RANGES, 1, _check_bounds),
    Question(
        "candles after the close",
        "end within one period of it",
        "functions/api/candlesticks/lifetimes.py",
        1,
        _check_after_close,
    ),
    Question(
        "candles: series in the path",
        "not validated",
        "local/exchange/http/endpoints.py",
        1,
        _check_series_segment,
    ),
    Question("archived daily candles: ends", "midnight in New York", _TIME_RANGES, 1, _check_days),
    Question("archived candles: fields", "without the suffixes _fp and _dollars", _CANDLES, 0, _check_archive_fields),
    Question(
        "archived candles: periods", f"98 % of {MAX_ARCHIVE_CANDLES:,} are accepted", _PLAN, 1, _check_archive_cap
    ),
    Question(
        f"archived candles: more than {MAX_ARCHIVE_CANDLES:,}", "rejected with 400", _CLIENT, 1, _check_archive_too_many
    ),
    Question("archived candles: unknown ticker", "404", _CLIENT, 1, _check_archive_unknown),
)
