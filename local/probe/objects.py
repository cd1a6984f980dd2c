"""Questions about the objects: markets, as they are parsed and stored, events and series."""

from collections import Counter
from typing import Final

from kalshi_markets.columns import MARKET_COLUMNS
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    ExchangeClientError,
    InvalidMarket,
    InvalidResponse,
    find_drift,
    market_row,
    parse_page,
)
from local.probe.question import Finding, NotObservableError, Question, compare
from local.probe.samples import Market, fetch_archive_page, fetch_open_page, fetch_settled_page, find_markets
from local.probe.session import Answer, Session

_EXCHANGE: Final = "layers/shared/kalshi_markets/exchange/"


async def _fetch_pages(session: Session) -> list[Answer]:
    """Return the pages of open, settled and archived markets, which other questions request too.

    Raises NotObservableError.
    """
    pages = []
    for page in (fetch_open_page, fetch_settled_page, fetch_archive_page):
        try:
            pages.append(await page(session))
        except (ExchangeClientError, InvalidResponse):
            continue
    if not any(page.markets() for page in pages):
        raise NotObservableError("no market is listed at this time.")
    return pages


async def _fetch_markets(session: Session) -> list[Market]:
    return [market for page in await _fetch_pages(session) for market in page.markets()]


async def _check_fields(session: Session) -> Finding:
    markets = await _fetch_markets(session)
    changes = [f"{deviation.member} {deviation.change} ({deviation.markets:,})" for deviation in find_drift(markets)]
    return compare(not changes, ", ".join(changes) or f"as documented in {len(markets):,} markets")


async def _check_storable(session: Session) -> Finding:
    markets = await _fetch_markets(session)
    reasons: Counter[str] = Counter()
    for market in markets:
        try:
            market_row(market)
        except InvalidMarket as error:
            reasons[str(error)] += 1
    message = ", ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common())
    return compare(not reasons, message or f"all of {len(markets):,} markets")


async def _check_enumerations(session: Session) -> Finding:
    markets = await _fetch_markets(session)
    unknown: Counter[str] = Counter()
    for column in MARKET_COLUMNS:
        if column.allowed_values:
            values = (market.get(column.source_field) for market in markets)
            unknown.update(
                f"{column.name} {value!a}"
                for value in values
                if value is not None and value not in column.allowed_values
            )
    message = ", ".join(f"{value} ({count:,})" for value, count in unknown.most_common())
    return compare(not unknown, message or f"no others in {len(markets):,} markets")


async def _check_splitting(session: Session) -> Finding:
    pages = await _fetch_pages(session)
    markets = [market for page in pages for market in parse_page(page.response.content)["markets"]]
    parsed = sum(market.digest is None for market in markets)
    return compare(not parsed, f"{parsed} of {len(markets):,} markets had to be parsed")


async def _check_events(session: Session) -> Finding:
    markets = await find_markets(fetch_open_page, session)
    names = [*dict.fromkeys(str(market["event_ticker"]) for market in markets)][:BATCH_TICKERS]
    events = {event["event_ticker"]: event for event in await session.listings.events(names)}
    known = [events[ticker] for ticker in names if ticker in events]
    complete = sum(bool(event["title"]) for event in known)
    observed = f"{len(known)} of {len(names)} are returned, {complete} with series and title"
    return compare(complete == len(names), observed)


async def _check_series(session: Session) -> Finding:
    """Request all series as the crawler does, unless there is more than one page, which the budget does not include."""
    answer = await session.get("/series")
    size = f"{len(answer.response.content) / 1e6:.1f} MB"
    if answer.json().get("cursor"):
        return compare(agrees=False, observed=f"{len(answer.json()['series']):,} series, {size}, then a cursor")
    series = await session.listings.series(None)
    return compare(series, f"{len(series):,} series, {size}, no cursor")


async def _check_categories(session: Session) -> Finding:
    series = (await session.get("/series")).json()["series"]
    without = sum(not entry.get("category") for entry in series)
    several = sum(len(entry.get("categories") or []) > 1 for entry in series)
    others = sum(bool(names := entry.get("categories")) and entry.get("category") not in names for entry in series)
    observed = f"{without} without one, {others} with others only, {several:,} of {len(series):,} with several"
    return compare(not without and not others, observed)


QUESTIONS: Final = (
    Question("market: fields", "as documented", _EXCHANGE + "schema_drift.py", 0, _check_fields),
    Question("market: values", "PostgreSQL can store them", _EXCHANGE + "market_rows.py", 0, _check_storable),
    Question(
        "market: enumerations",
        "only documented values",
        "layers/shared/kalshi_markets/columns.py",
        0,
        _check_enumerations,
    ),
    Question(
        "market: JSON", "a page is split without parsing its markets", _EXCHANGE + "raw_markets.py", 0, _check_splitting
    ),
    Question(
        "events by ticker", "all are returned, with series and title", _EXCHANGE + "listings.py", 1, _check_events
    ),
    Question("/series", "all in one response, without a cursor", _EXCHANGE + "listings.py", 1, _check_series),
    Question("/series: categories", "the category is one of them", _EXCHANGE + "listings.py", 0, _check_categories),
)
