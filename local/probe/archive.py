"""Questions about the archive: its cutoff, its listing, and the end of the listing."""

from collections.abc import Sequence
from datetime import UTC
from typing import Final

from crawler.jobs.base import paginate
from kalshi_markets.exchange import BATCH_TICKERS, PAGE_LIMIT, RawMarket
from local.exchange.clock import DAY, SECOND, moment, parse
from local.exchange.cursor import Position, encode
from local.exchange.generated.cohorts import LIVE_DAYS
from local.probe.listings import LISTINGS, MIN_SHARE
from local.probe.question import Finding, NotObservableError, Question, compare
from local.probe.samples import Market, fetch_archive_page, find_markets, is_descending, list_tickers, parse_times
from local.probe.session import Session

_MAX_JUMPS: Final = 6
"""Maximum number of requests that search for the end of the listing."""
_MAX_LAST_PAGES: Final = 2
_OPENING: Final = parse("2021-01-01T00:00:00Z")
"""Start of the year in which the exchange opened."""


async def _check_time_of_cutoff(session: Session) -> Finding:
    cutoff = await session.listings.cutoff()
    return compare(cutoff.astimezone(UTC).time().isoformat() == "00:00:00", cutoff.isoformat())


async def _check_age_of_cutoff(session: Session) -> Finding:
    age = session.now - (await session.listings.cutoff()).timestamp()
    days = int(age // 86_400)
    return compare(days == LIVE_DAYS, f"{days} days")


async def _check_settled_before(session: Session) -> Finding:
    markets, cutoff = await find_markets(fetch_archive_page, session), (await session.listings.cutoff()).timestamp()
    late = sum(at >= cutoff * SECOND for at in parse_times(markets, "settlement_ts"))
    return compare(not late, f"{late} of {len(markets):,} markets were settled after the cutoff")


async def _check_order(session: Session) -> Finding:
    created = parse_times(await find_markets(fetch_archive_page, session), "created_time")
    return compare(is_descending(created), "newest first" if is_descending(created) else "not newest first")


async def _check_tickers(session: Session) -> Finding:
    names = list_tickers(await find_markets(fetch_archive_page, session), BATCH_TICKERS)
    markets = await session.listings.by_ticker(names, archived=True)
    returned = len({market.ticker for market in markets} & {*names})
    return compare(returned >= len(names) * MIN_SHARE, f"{returned} of {len(names)} are returned")


async def _check_time_filter(session: Session) -> Finding:
    await find_markets(fetch_archive_page, session)
    rows = (await session.get("/historical/markets", {"limit": 10, "min_close_ts": session.now})).markets()
    return compare(rows, f"{len(rows)} markets, as without the filter" if rows else "the filter is applied: no markets")


async def _check_size(session: Session) -> Finding:
    created = parse_times(await find_markets(fetch_archive_page, session), "created_time")
    days = (max(created) - min(created)) / DAY
    raise NotObservableError(
        f"markets are not counted; the newest {len(created):,} were created within {days:.2f} days."
    )


async def _check_last_page(session: Session) -> Finding:
    markets, is_end = await _fetch_last_pages(session)
    created = parse_times(markets, "created_time")
    if not is_descending(created):
        return compare(agrees=False, observed="after the oldest markets the listing starts again")
    if not is_end:
        raise NotObservableError(
            f"the end was not reached: a cursor follows {len(created):,} markets, {_format_span(created)}."
        )
    return compare(
        agrees=True, observed=f"the last {len(created):,} markets, {_format_span(created)}; no cursor follows"
    )


async def _check_after_last_page(session: Session) -> Finding:
    """Search for older markets in the series of the last market."""
    markets, is_end = await _fetch_last_pages(session)
    if not is_end:
        raise NotObservableError("the end was not reached.")
    at = parse(markets[-1]["created_time"])
    cursor = encode(Position(at, markets[-1]["ticker"]))
    page = await session.listings.archived(cursor, await _fetch_series(session, markets[-1]))
    older = sum(created < at for created in _parse_created(page.rows))
    return compare(not older, f"{older} older markets in the series of the last one")


async def _check_series(session: Session) -> Finding:
    """Compare the listing of one series with the listing without a filter, which has all series and combos."""
    unfiltered = await find_markets(fetch_archive_page, session)
    page = await session.listings.archived(None, await _fetch_series(session, unfiltered[0]))
    listed = {market.ticker for market in page.rows}
    combos = sum(bool(market.parse().get("mve_collection_ticker")) for market in page.rows)
    common = sum(market["ticker"] in listed for market in unfiltered)
    observed = f"{len(listed):,} markets, {combos} combos; {common} of the {len(unfiltered):,} without the filter"
    is_filtered = unfiltered[0]["ticker"] in listed and common < len(unfiltered) * MIN_SHARE
    return compare(is_filtered and not combos, observed)


async def _fetch_series(session: Session, market: Market) -> str:
    events = await session.listings.events([market["event_ticker"]])
    if not events:
        raise NotObservableError("the series of the market is unknown.")
    return str(events[0]["series_ticker"])


async def _fetch_last_pages(session: Session) -> tuple[list[Market], bool]:
    """Return the last markets of the listing, and whether it ends there. Raises PaginationLoop, as in the crawler."""
    await find_markets(fetch_archive_page, session)
    markets: list[Market] = []
    pages = 0
    async for page, position in paginate(
        lambda cursor: session.listings.archived(cursor), {"cursor": await _find_end(session)}
    ):
        markets += [market.parse() for market in page]
        pages += 1
        if position is None or pages == _MAX_LAST_PAGES:
            return markets, position is None
    return markets, False


async def _find_end(session: Session) -> str | None:
    """Return a cursor near the end of the listing: less than a page follows it. Raises NotObservableError.

    A cursor is an encoded position, so it can be made from a time. The position is found by bisection.
    """
    page = await session.listings.archived(None)
    if page.cursor is None or len(page.rows) < PAGE_LIMIT:
        return None
    low = at = _OPENING
    high = min(_parse_created(page.rows))
    for _ in range(_MAX_JUMPS):
        cursor = encode(Position(at, ""))
        created = _parse_created((await session.listings.archived(cursor)).rows)
        if any(when > at for when in created):
            raise NotObservableError("the exchange does not accept a cursor that is made from a time.")
        if created and (at == _OPENING or len(created) < PAGE_LIMIT):
            return cursor
        low, high = (low, min(created)) if created else (at, high)
        at = low + (high - low) // 4  # the early years have few markets
    raise NotObservableError(f"the end was not found: it is between {_format_day(low)} and {_format_day(high)}.")


def _parse_created(markets: Sequence[RawMarket]) -> list[int]:
    return parse_times([market.parse() for market in markets], "created_time")


def _format_span(created: Sequence[int]) -> str:
    """Describe the oldest creation time. Archived markets may have the year 1 instead of a time."""
    dated = [at for at in created if at >= _OPENING]
    undated = f"{len(created) - len(dated)} of them undated"
    return f"the oldest of {_format_day(min(dated))}, {undated}" if dated else undated


def _format_day(at: int) -> str:
    return moment(at).date().isoformat()


QUESTIONS: Final = (
    Question(
        "cutoff: time of day", "midnight UTC", "functions/api/candlesticks/lifetimes.py", 1, _check_time_of_cutoff
    ),
    Question("cutoff: age", f"{LIVE_DAYS} days", "local/exchange/generated/cohorts.py", 0, _check_age_of_cutoff),
    Question("archive", "only markets settled before the cutoff", LISTINGS, 1, _check_settled_before),
    Question("archive: order", "newest first", LISTINGS, 0, _check_order),
    Question("archive: tickers", f"{BATCH_TICKERS} in a request are returned", LISTINGS, 1, _check_tickers),
    Question("archive: min_close_ts", "ignored with a 200", "local/exchange/http/listing.py", 1, _check_time_filter),
    Question(
        "archive: series_ticker",
        "only the markets of that series",
        "functions/crawler/jobs/archive.py",
        2,
        _check_series,
    ),
    Question(
        "archive: last page",
        "has no cursor",
        "functions/crawler/jobs/base.py",
        _MAX_JUMPS + _MAX_LAST_PAGES,
        _check_last_page,
    ),
    Question(
        "archive: after the last page", "no older markets", "functions/crawler/jobs/base.py", 2, _check_after_last_page
    ),
    Question("archive: size", "5 million markets", "docs/costs.md", 0, _check_size),
)
