"""Questions about the objects: markets as they are read and stored, events, series."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from kalshi_markets.columns import FROM_MARKET
from kalshi_markets.exchange import BATCH_TICKERS, AnswerUnreadable, ExchangeRefused, Refused, deviations, project
from kalshi_markets.exchange.sent import page_of
from local.probe.question import Finding, NotObservableError, Question, compare
from local.probe.samples import Market, archive_page, open_page, settled_page, some
from local.probe.session import Answer, Session

_EXCHANGE: Final = "layers/shared/kalshi_markets/exchange/"


async def _pages(session: Session) -> list[Answer]:
    """Pages that other questions have asked for: open, settled and archived markets."""
    pages = []
    for page in (open_page, settled_page, archive_page):
        try:
            pages.append(await page(session))
        except (ExchangeRefused, AnswerUnreadable):
            continue
    if not any(page.markets() for page in pages):
        raise NotObservableError("there is no market to look at.")
    return pages


async def _markets(session: Session) -> list[Market]:
    return [market for page in await _pages(session) for market in page.markets()]


async def _members(session: Session) -> Finding:
    markets = await _markets(session)
    changes = [f"{one.member} {one.change} ({one.markets:,})" for one in deviations(markets)]
    return compare(not changes, ", ".join(changes) or f"as documented in {len(markets):,} markets")


async def _storable(session: Session) -> Finding:
    markets = await _markets(session)
    reasons: Counter[str] = Counter()
    for market in markets:
        try:
            project(market)
        except Refused as error:
            reasons[str(error)] += 1
    told = ", ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common())
    return compare(not reasons, told or f"all of {len(markets):,} markets")


async def _words(session: Session) -> Finding:
    markets = await _markets(session)
    unknown: Counter[str] = Counter()
    for column in FROM_MARKET:
        if column.values:
            found = (market.get(column.member) for market in markets)
            unknown.update(
                f"{column.name} {word!a}" for word in found if word is not None and word not in column.values
            )
    told = ", ".join(f"{word} ({count:,})" for word, count in unknown.most_common())
    return compare(not unknown, told or f"no other in {len(markets):,} markets")


async def _taken_apart(session: Session) -> Finding:
    sent = [one for page in await _pages(session) for one in page_of(page.response.content)["markets"]]
    whole = sum(one.digest is None for one in sent)
    return compare(not whole, f"{whole} of {len(sent):,} markets need more than that")


async def _events(session: Session) -> Finding:
    markets = await some(open_page, session)
    asked = [*dict.fromkeys(str(market["event_ticker"]) for market in markets)][:BATCH_TICKERS]
    events = {event.event_ticker: event for event in await session.listings.events(asked)}
    known = [events[ticker] for ticker in asked if ticker in events]
    complete = sum(bool(event.series_ticker and event.title) for event in known)
    observed = f"{len(known)} of {len(asked)} are answered, {complete} with series and title"
    return compare(complete == len(asked), observed)


async def _series(session: Session) -> Finding:
    content = (await session.get("/series")).response.content
    series = await session.listings.all_series()
    cursor = re.search(rb'"cursor"\s*:\s*"[^"]+"', content[:1000] + content[-1000:])
    size = f"{len(series):,} series, {len(content) / 1e6:.1f} MB, {'a' if cursor else 'no'} cursor"
    return compare(series and not cursor, size)


async def _categories(session: Session) -> Finding:
    series = await session.listings.all_series()
    without = sum(not one.category for one in series)
    several = _secondary((await session.get("/series")).json()["series"])
    return compare(not several and not without, f"{without} without one, {several:,} of {len(series):,} with several")


def _secondary(series: Sequence[Market]) -> int:
    return sum(len(one.get("categories") or []) > 1 for one in series)


QUESTIONS: Final = (
    Question("market: members", "as documented", _EXCHANGE + "drift.py", 0, _members),
    Question("market: values", "PostgreSQL can hold them", _EXCHANGE + "projection.py", 0, _storable),
    Question("market: words", "only the documented ones", "layers/shared/kalshi_markets/columns.py", 0, _words),
    Question("market: JSON", "compact, members in one order", _EXCHANGE + "sent.py", 0, _taken_apart),
    Question("events", "named ones are answered, with their series", _EXCHANGE + "listings.py", 1, _events),
    Question("/series", "all in one answer, without a cursor", _EXCHANGE + "listings.py", 1, _series),
    Question("/series: categories", "one for each series", _EXCHANGE + "listings.py", 0, _categories),
)
