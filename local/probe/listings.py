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

UNKNOWN_TICKER: Final = "NO-SUCH-MARKET"
MANY_TICKERS: Final = 300
DEFAULT_LIMIT: Final = 100
"""Default page size (docs.kalshi.com, Get Markets)."""
MIN_SHARE: Final = 0.95
"""Minimum share of the listed markets that a request by ticker returns. Some may be deleted in the meantime."""
LISTINGS: Final = "layers/shared/kalshi_markets/exchange/listings.py"


async def _check_rows(session: Session) -> Finding:
    page = await session.listings.live("open", None)
    size = f"{len(page.rows):,}" + ("" if page.cursor else ", and no cursor")
    return compare(len(page.rows) == PAGE_LIMIT or not page.cursor, size)


async def _check_statuses(status: str, session: Session) -> Finding:
    page = await session.listings.live(status, None)
    statuses = Counter(str(market.parse().get("status")) for market in page.rows)
    if not statuses:
        raise NotObservableError("no market has this status at this time.")
    are_known = all(name in STATUSES and name != "finalized" for name in statuses)
    main_status, _ = statuses.most_common(1)[0]
    jobs = {f"live/{status}", f"live/{PHASES.get(main_status)}"}
    observed = ", ".join(f"{name} {count:,}" for name, count in statuses.most_common())
    return compare(are_known and (len(jobs) == 1 or jobs <= SAME_LISTING), observed)


async def _check_order(session: Session) -> Finding:
    created = parse_times(await find_markets(fetch_open_page, session), "created_time")
    if len(set(created)) < 2:
        raise NotObservableError("all markets of the page were created at the same time.")
    return compare(is_descending(created), "newest first" if is_descending(created) else "not newest first")


async def _check_combos(session: Session) -> Finding:
    markets = await find_markets(fetch_open_page, session)
    combos = [market for market in markets if market.get("mve_collection_ticker") or market["ticker"][:5] == "KXMVE"]
    return compare(not combos, f"{len(combos)} combos among {len(markets):,} markets")


async def _check_cursor(session: Session) -> Finding:
    [*_, last], cursor = await find_markets(fetch_open_page, session), await _fetch_open_cursor(session)
    position = decode(cursor)
    expected = Position(parse(last["created_time"]), last["ticker"])
    return compare(position == expected, "the last row's position" if position == expected else "another value")


async def _fetch_open_cursor(session: Session) -> str:
    cursor = (await session.listings.live("open", None)).cursor
    if cursor is None:
        raise NotObservableError("all open markets are on one page.")
    return cursor


async def _check_next_page(session: Session) -> Finding:
    """Compare two successive pages, requested as in the crawler. Raises PaginationLoop."""
    await _fetch_open_cursor(session)
    pages: list[list[str | None]] = []
    async for markets, _ in paginate(lambda cursor: session.listings.live("open", cursor), {}):
        pages.append([market.ticker for market in markets])
        if len(pages) == 2:
            break
    first, second = map(set, pages)
    return compare(
        not first & second, f"{len(first & second)} of {len(second):,} markets are on the previous page, too"
    )


async def _check_damaged_cursors(session: Session) -> Finding:
    first = [market["ticker"] for market in await find_markets(fetch_open_page, session)]
    query: Query = {"limit": 100, "mve_filter": "exclude", "status": "open"}
    observed = []
    for kind, cursor in (("invalid", "invalid"), ("truncated", (await _fetch_open_cursor(session))[:-3])):
        page = (await session.get("/markets", {**query, "cursor": cursor})).markets()
        repeated = sum(market["ticker"] in first[:200] for market in page)
        observed.append((repeated > len(page) / 2, f"{kind}: {repeated} of {len(page)} rows are on the first page"))
    return compare(all(starts_again for starts_again, _ in observed), "; ".join(text for _, text in observed))


async def _check_no_limit(session: Session) -> Finding:
    rows = (await session.get("/markets", {"limit": 0, "mve_filter": "exclude"})).markets()
    return compare(len(rows) == DEFAULT_LIMIT, f"{len(rows)} rows")


async def _check_unknown_ticker(session: Session) -> Finding:
    markets = await session.listings.by_ticker([UNKNOWN_TICKER])
    return compare(not markets, f"200, {len(markets)} markets")


async def _check_tickers(count: int, session: Session) -> Finding:
    names = list_tickers(await find_markets(fetch_open_page, session), count)
    if count <= BATCH_TICKERS:
        tickers = {market.ticker for market in await session.listings.by_ticker(names)}
    else:
        query: Query = {"tickers": ",".join(names), "limit": PAGE_LIMIT}
        tickers = {market["ticker"] for market in (await session.get("/markets", query)).markets()}
    returned = len(tickers & {*names})
    return compare(returned >= count * MIN_SHARE, f"{returned} of {count} are returned")


QUESTIONS: Final = (
    Question("rows of a page", f"{PAGE_LIMIT:,}, or fewer on the last page", LISTINGS, 1, _check_rows),
    *(
        Question(
            f"status={status}",
            " or ".join(name for name, phase in PHASES.items() if phase == status) + "; never finalized",
            LISTINGS,
            0 if status == "open" else 1,
            partial(_check_statuses, status),
        )
        for status in LIVE_FILTERS
    ),
    Question("order of a listing", "newest first", LISTINGS, 0, _check_order),
    Question("mve_filter=exclude", "no combos", LISTINGS, 0, _check_combos),
    Question("cursor", "the last row's created_time and ticker", "local/exchange/cursor.py", 0, _check_cursor),
    Question("next page", "no market of the previous page", "functions/crawler/jobs/base.py", 1, _check_next_page),
    Question(
        "damaged cursor", "200, the first page again", "functions/crawler/jobs/base.py", 2, _check_damaged_cursors
    ),
    Question("limit=0", f"{DEFAULT_LIMIT} rows, the default", "local/exchange/http/parameters.py", 1, _check_no_limit),
    Question("unknown ticker", "omitted, with 200", LISTINGS, 1, _check_unknown_ticker),
    Question(
        f"{BATCH_TICKERS} tickers in a request", "are returned", LISTINGS, 1, partial(_check_tickers, BATCH_TICKERS)
    ),
    Question(
        f"{MANY_TICKERS} tickers in a request",
        f"are returned (observed once; the functions send {BATCH_TICKERS} at most)",
        LISTINGS,
        1,
        partial(_check_tickers, MANY_TICKERS),
    ),
)
