"""Questions about candlesticks: limits, bounds, and the field names of the archive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

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
from local.exchange.clock import SECOND, parse
from local.probe.listings import NEARLY, UNKNOWN
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
_NEW_YORK: Final = ZoneInfo("America/New_York")
_SETTLED: Final = 50
_PLAN: Final = "functions/api/candlesticks/planner.py"
_CLIENT: Final = "layers/shared/kalshi_markets/exchange/client.py"
_SPANS: Final = "functions/api/candlesticks/time_ranges.py"
_NAMES: Final = "layers/shared/kalshi_markets/exchange/candles.py"


async def _fetch_batch(session: Session, names: Sequence[str], query: CandleQuery) -> Mapping[str, list[Candle]]:
    """Return candles by ticker. The request is that of the API."""
    answer = await session.get("/markets/candlesticks", {"market_tickers": ",".join(names), **query.parameters()})
    return parse_batch(answer.response)


async def _fetch_archived(session: Session, ticker: str, query: CandleQuery) -> Answer:
    return await session.get(f"/historical/markets/{ticker}/candlesticks", query.parameters())


def _plan_largest_call(session: Session, names: Sequence[str], *, archived: bool) -> Call:
    """Return the largest request that the API plans for one-minute candles that end ten days ago."""
    end = (session.now - 10 * DAY) // 60 * 60
    start = end - (20_000 if len(names) == 1 else MAX_BATCH_CANDLES * 99 // 100 // len(names) - 1) * 60
    needs = [MissingRange(index, name, TimeRange(start, end), archived) for index, name in enumerate(names)]
    return max(plan_calls(needs, 1), key=lambda call: (len(call.missing), count_periods(call.range, 1)))


async def _check_batch_cap(session: Session) -> Finding:
    names = list_tickers(await find_markets(fetch_open_page, session), BATCH_TICKERS)
    span = _plan_largest_call(session, names, archived=False).range
    candles = await _fetch_batch(session, names, CandleQuery(*span, 1))
    answered = len(candles.keys() & {*names})
    return compare(
        answered >= len(names) * NEARLY, f"{answered} of {len(names)} tickers × {count_periods(span, 1)} are answered"
    )


async def _check_batch_too_many_tickers(session: Session) -> Finding:
    names = list_tickers(await find_markets(fetch_open_page, session), BATCH_TICKERS + 1)
    query = CandleQuery(session.now - HOUR, session.now, 60).parameters()
    return await expect_rejection(session, "/markets/candlesticks", {"market_tickers": ",".join(names), **query})


async def _check_batch_too_many_candles(session: Session) -> Finding:
    [name] = list_tickers(await find_markets(fetch_open_page, session), 1)
    query = CandleQuery(session.now - MAX_BATCH_CANDLES * 61, session.now, 1).parameters()
    return await expect_rejection(session, "/markets/candlesticks", {"market_tickers": name, **query})


async def _check_left_out(session: Session) -> Finding:
    [live], archived = (
        list_tickers(await find_markets(fetch_open_page, session), 1),
        (await find_markets(fetch_archive_page, session))[-1]["ticker"],
    )
    names = {live: "the live", archived: "the archived", UNKNOWN: "the unknown"}
    candles = await _fetch_batch(session, [*names], CandleQuery(session.now - HOUR, session.now, 60))
    observed = ", ".join(name for ticker, name in names.items() if ticker in candles) or "none"
    return compare(candles.keys() == {live}, f"{observed} of a live, an archived and an unknown one")


async def _fetch_hourly(session: Session) -> tuple[str, list[int]]:
    """Return the busiest recently settled market and the ends of its candles in the week before its close.

    Raises NotObservableError.
    """
    market = find_busiest(await find_markets(fetch_settled_page, session))
    end = parse(market["close_time"]) // SECOND // HOUR * HOUR + HOUR
    query = CandleQuery(end - 7 * DAY, end, 60)
    candles = (await _fetch_batch(session, [market["ticker"]], query)).get(market["ticker"], [])
    if not candles:
        raise NotObservableError("the most traded market of those settled last has no candles.")
    return market["ticker"], [candle.end for candle in candles]


async def _fetch_daily(session: Session) -> Answer:
    """Return the daily candles of the busiest market on the archive's first page. Raises NotObservableError."""
    market = find_busiest(await find_markets(fetch_archive_page, session))
    start, end = (parse(market[member]) // SECOND for member in ("open_time", "close_time"))
    days = min((end - start) // DAY + 2, MAX_ARCHIVE_CANDLES // 2)
    answer = await _fetch_archived(session, market["ticker"], CandleQuery(end - days * DAY, end + 2 * DAY, 1440))
    if not parse_archived(answer.response)["candlesticks"]:
        raise NotObservableError("the most traded archived market has no candles.")
    return answer


async def _check_hours(session: Session) -> Finding:
    _, ends = await _fetch_hourly(session)
    odd = sum(end % grid_seconds(60) != 0 for end in ends)
    return compare(not odd, f"{odd} of {len(ends)} candles end elsewhere")


async def _check_days(session: Session) -> Finding:
    candles = parse_archived((await _fetch_daily(session)).response)["candlesticks"]
    hours = {datetime.fromtimestamp(candle.end, _NEW_YORK).time().isoformat() for candle in candles}
    return compare(hours == {"00:00:00"}, f"{len(candles)} candles end at {', '.join(sorted(hours))} in New York")


async def _check_bounds(session: Session) -> Finding:
    ticker, ends = await _fetch_hourly(session)
    candles = (await _fetch_batch(session, [ticker], CandleQuery(ends[0], ends[0], 60))).get(ticker, [])
    return compare([candle.end for candle in candles] == ends[:1], f"{len(candles)} candles from one end to the same")


async def _check_last(session: Session) -> Finding:
    """Count the candles of settled markets that end after the range that the API would request."""
    markets = {market["ticker"]: market for market in await find_markets(fetch_settled_page, session)}
    names = [name for name, market in markets.items() if "," not in name and float(market["volume_fp"]) > 0][:_SETTLED]
    if not names:
        raise NotObservableError("no settled market of the page was traded.")
    span = TimeRange(session.now // HOUR * HOUR - 8 * DAY, session.now // HOUR * HOUR)
    candles = await _fetch_batch(session, names, CandleQuery(*span, 60))
    late = sum(candle.end > _find_last_end(markets[name], span) for name in names for candle in candles.get(name, []))
    count = sum(map(len, candles.values()))
    if not count:
        raise NotObservableError("the settled markets of the page have no candles.")
    return compare(not late, f"{late} of {count} candles end later")


def _find_last_end(market: Market, span: TimeRange) -> int:
    """Return the end of the range that the API requests for a settled market, in Unix seconds."""
    closes = parse(market["close_time"]) / SECOND
    trimmed = Lifetime("finalized", None, closes, None).trimmed(span, 60)
    return trimmed.end if trimmed else 0


async def _check_series_segment(session: Session) -> Finding:
    [name] = list_tickers(await find_markets(fetch_open_page, session), 1)
    query = CandleQuery(session.now - HOUR, session.now, 60).parameters()
    await session.get(f"/series/NO-SUCH-SERIES/markets/{name}/candlesticks", query)
    return compare(agrees=True, observed="another series is answered with 200")


async def _check_archive_names(session: Session) -> Finding:
    answer = await _fetch_daily(session)
    members = _list_members(answer.json()["candlesticks"])
    expected = {"volume", "open_interest"} <= members and not any(
        name.endswith(("_fp", "_dollars")) for name in members
    )
    return compare(expected, ", ".join(sorted(members)))


def _list_members(candles: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the names of the fields of candles and of the objects in them."""
    nested = [value for candle in candles for value in candle.values() if isinstance(value, dict)]
    return {name for fields in (*candles, *nested) for name in fields}


async def _check_archive_cap(session: Session) -> Finding:
    [name] = list_tickers(await find_markets(fetch_archive_page, session), 1)
    span = _plan_largest_call(session, [name], archived=True).range
    parse_archived((await _fetch_archived(session, name, CandleQuery(*span, 1))).response)
    return compare(agrees=True, observed=f"{count_periods(span, 1):,} periods are answered")


async def _check_archive_too_many(session: Session) -> Finding:
    [name] = list_tickers(await find_markets(fetch_archive_page, session), 1)
    query = CandleQuery(session.now - MAX_ARCHIVE_CANDLES * 61, session.now, 1).parameters()
    return await expect_rejection(session, f"/historical/markets/{name}/candlesticks", query)


async def _check_archive_unknown(session: Session) -> Finding:
    try:
        await _fetch_archived(session, UNKNOWN, CandleQuery(session.now - HOUR, session.now, 60))
    except ExchangeClientError as error:
        return compare(error.status == 404, f"{error.status}, code {error.code}")
    return compare(agrees=False, observed="answered with 200")


QUESTIONS: Final = (
    Question(
        "candles: tickers × periods",
        f"{BATCH_TICKERS} tickers, 99 % of {MAX_BATCH_CANDLES:,}",
        _PLAN,
        1,
        _check_batch_cap,
    ),
    Question(f"candles: {BATCH_TICKERS + 1} tickers", "rejected with 400", _PLAN, 1, _check_batch_too_many_tickers),
    Question(
        f"candles: more than {MAX_BATCH_CANDLES:,} periods",
        "rejected with 400, for the range counts",
        _PLAN,
        1,
        _check_batch_too_many_candles,
    ),
    Question("candles: tickers that have none", "archived and unknown ones are left out", _CLIENT, 1, _check_left_out),
    Question("candles: ends of hours", "whole hours from the epoch", _SPANS, 1, _check_hours),
    Question("candles: bounds", "both included", _SPANS, 1, _check_bounds),
    Question(
        "candles: last one", "within a period of the close", "functions/api/candlesticks/lifetimes.py", 1, _check_last
    ),
    Question(
        "candles: series in the path",
        "not compared with the market",
        "local/exchange/http/endpoints.py",
        1,
        _check_series_segment,
    ),
    Question("archived candles: ends of days", "midnight in New York", _SPANS, 1, _check_days),
    Question("archived candles: names", "without the endings _fp and _dollars", _NAMES, 0, _check_archive_names),
    Question("archived candles: periods", f"98 % of {MAX_ARCHIVE_CANDLES:,}", _PLAN, 1, _check_archive_cap),
    Question(
        f"archived candles: more than {MAX_ARCHIVE_CANDLES:,}", "rejected with 400", _CLIENT, 1, _check_archive_too_many
    ),
    Question("archived candles: unknown ticker", "404", _CLIENT, 1, _check_archive_unknown),
)
