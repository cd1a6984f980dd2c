"""Questions about the live listings: pages, cursors, status filters, tickers."""

from collections import Counter
from functools import partial
from typing import Final

from crawler.filters import SAME_LISTING
from crawler.jobs.base import paginate
from kalshi_markets.columns import STATUSES
from kalshi_markets.exchange import BATCH_TICKERS, LIVE_FILTERS, PAGE_LIMIT
from local.exchange.catalogue import PHASES
from local.exchange.clock import parse
from local.exchange.cursor import Position, decode
from local.probe.question import Finding, NotObservableError, Question, compare
from local.probe.samples import fetch_open_page, find_markets, is_descending, list_tickers, parse_times
from local.probe.session import Query, Session

UNKNOWN: Final = "NO-SUCH-MARKET"
MANY_TICKERS: Final = 300
DEFAULT_LIMIT: Final = 100
"""Default page size (docs.kalshi.com, Get Markets)."""
NEARLY: Final = 0.95
"""Minimum share of the listed markets that a request by ticker returns. Some may be deleted in the meantime."""
_LISTINGS: Final = "layers/shared/kalshi_markets/exchange/listings.py"


async def _check_rows(session: Session) -> Finding:
    page = await session.listings.live("open", None)
    size = f"{len(page.markets):,}" + ("" if page.cursor else ", and no cursor")
    return compare(len(page.markets) == PAGE_LIMIT or not page.cursor, size)


async def _check_words(status: str, session: Session) -> Finding:
    page = await session.listings.live(status, None)
    words = Counter(str(sent.parse().get("status")) for sent in page.markets)
    if not words:
        raise NotObservableError("it lists no market at this time.")
    commonest, _ = words.most_common(1)[0]
    known = all(word in STATUSES and word != "finalized" for word in words)
    filters = {f"live/{status}", f"live/{PHASES.get(commonest)}"}
    return compare(known and (len(filters) == 1 or filters <= SAME_LISTING), _format_counts(words))


def _format_counts(words: Counter[str]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in words.most_common())


async def _check_order(session: Session) -> Finding:
    created = parse_times(await find_markets(fetch_open_page, session), "created_time")
    if len(set(created)) < 2:
        raise NotObservableError("all markets of the page were created at one time.")
    return compare(is_descending(created), "newest first" if is_descending(created) else "not newest first")


async def _check_combos(session: Session) -> Finding:
    markets = await find_markets(fetch_open_page, session)
    combos = [market for market in markets if market.get("mve_collection_ticker") or market["ticker"][:5] == "KXMVE"]
    return compare(not combos, f"{len(combos)} combos among {len(markets):,} markets")


async def _check_cursor(session: Session) -> Finding:
    [*_, last], cursor = await find_markets(fetch_open_page, session), await _fetch_open_cursor(session)
    position = decode(cursor)
    expected = Position(parse(last["created_time"]), last["ticker"])
    return compare(position == expected, "the last row's position" if position == expected else "something else")


async def _fetch_open_cursor(session: Session) -> str:
    cursor = (await session.listings.live("open", None)).cursor
    if cursor is None:
        raise NotObservableError("one page lists all open markets.")
    return cursor


async def _check_next_page(session: Session) -> Finding:
    """Compare two successive pages, requested as in the crawler. Raises PaginationLoop."""
    await _fetch_open_cursor(session)
    pages: list[list[str | None]] = []
    async for markets, _ in paginate(lambda cursor: session.listings.live("open", cursor), {}):
        pages.append([sent.ticker for sent in markets])
        if len(pages) == 2:
            break
    first, second = map(set, pages)
    return compare(not first & second, f"{len(first & second)} of {len(second):,} markets are on the page before, too")


async def _check_damaged_cursors(session: Session) -> Finding:
    first = [market["ticker"] for market in await find_markets(fetch_open_page, session)]
    query: Query = {"limit": 100, "mve_filter": "exclude", "status": "open"}
    observed = []
    for kind, cursor in (("a made-up one", "invalid"), ("a cut one", (await _fetch_open_cursor(session))[:-3])):
        page = (await session.get("/markets", {**query, "cursor": cursor})).markets()
        repeated = sum(market["ticker"] in first[:200] for market in page)
        observed.append((repeated > len(page) / 2, f"{kind}: {repeated} of {len(page)} rows are the first page's"))
    return compare(all(is_first for is_first, _ in observed), "; ".join(text for _, text in observed))


async def _check_no_limit(session: Session) -> Finding:
    rows = (await session.get("/markets", {"limit": 0, "mve_filter": "exclude"})).markets()
    return compare(len(rows) == DEFAULT_LIMIT, f"{len(rows)} rows")


async def _check_unknown(session: Session) -> Finding:
    answered = await session.listings.by_ticker([UNKNOWN])
    return compare(not answered, f"200, {len(answered)} markets")


async def _check_named(count: int, session: Session) -> Finding:
    names = list_tickers(await find_markets(fetch_open_page, session), count)
    if count <= BATCH_TICKERS:
        answered = {sent.ticker for sent in await session.listings.by_ticker(names)}
    else:
        query: Query = {"tickers": ",".join(names), "limit": PAGE_LIMIT}
        answered = {market["ticker"] for market in (await session.get("/markets", query)).markets()}
    return compare(len(answered & {*names}) >= count * NEARLY, f"{len(answered & {*names})} of {count} are answered")


QUESTIONS: Final = (
    Question("rows on a page", f"{PAGE_LIMIT:,}, or all that there are", _LISTINGS, 1, _check_rows),
    *(
        Question(
            f"status={status}",
            " or ".join(word for word, phase in PHASES.items() if phase == status) + "; never finalized",
            _LISTINGS,
            0 if status == "open" else 1,
            partial(_check_words, status),
        )
        for status in LIVE_FILTERS
    ),
    Question("order of a listing", "newest first", _LISTINGS, 0, _check_order),
    Question("mve_filter=exclude", "no combos", _LISTINGS, 0, _check_combos),
    Question("cursor", "the last row's created_time and ticker", "local/exchange/cursor.py", 0, _check_cursor),
    Question("next page", "no market of the page before", "functions/crawler/jobs/base.py", 1, _check_next_page),
    Question(
        "damaged cursor", "200, the first page again", "functions/crawler/jobs/base.py", 2, _check_damaged_cursors
    ),
    Question("limit=0", f"{DEFAULT_LIMIT} rows, the default", "local/exchange/http/parameters.py", 1, _check_no_limit),
    Question("unknown ticker", "200, it is left out", _LISTINGS, 1, _check_unknown),
    Question(
        "tickers in a request", f"{BATCH_TICKERS} are answered", _LISTINGS, 1, partial(_check_named, BATCH_TICKERS)
    ),
    Question(
        "most tickers in a request",
        f"{MANY_TICKERS} are answered (seen once; no more than {BATCH_TICKERS} are sent)",
        _LISTINGS,
        1,
        partial(_check_named, MANY_TICKERS),
    ),
)
