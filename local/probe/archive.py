"""Questions about the archive: its cutoff, its listing, and the end of the listing."""

from collections.abc import Sequence
from datetime import UTC
from typing import Final

from crawler.jobs.base import paginate
from kalshi_markets.exchange import BATCH_TICKERS, PAGE_LIMIT, RawMarket
from local.exchange.clock import DAY, SECOND, moment, parse
from local.exchange.cursor import Position, encode
from local.exchange.generated.cohorts import LIVE_DAYS
from local.probe.listings import NEARLY
from local.probe.question import Finding, NotObservableError, Question, compare
from local.probe.samples import Market, fetch_archive_page, find_markets, is_descending, list_tickers, parse_times
from local.probe.session import Session

_JUMPS, _FOLLOWED = 6, 2
_BEGINNING: Final = parse("2021-01-01T00:00:00Z")
"""Start of the year in which the exchange opened."""
_LISTINGS: Final = "layers/shared/kalshi_markets/exchange/listings.py"


async def _check_midnight(session: Session) -> Finding:
    cutoff = await session.listings.cutoff()
    return compare(cutoff.astimezone(UTC).time().isoformat() == "00:00:00", cutoff.isoformat())


async def _check_reach(session: Session) -> Finding:
    age = session.now - (await session.listings.cutoff()).timestamp()
    days = int(age // 86_400)
    return compare(days == LIVE_DAYS, f"{days} days")


async def _check_settled_before(session: Session) -> Finding:
    markets, cutoff = await find_markets(fetch_archive_page, session), (await session.listings.cutoff()).timestamp()
    late = sum(at >= cutoff * SECOND for at in parse_times(markets, "settlement_ts"))
    return compare(not late, f"{late} of {len(markets):,} markets were settled after it")


async def _check_order(session: Session) -> Finding:
    created = parse_times(await find_markets(fetch_archive_page, session), "created_time")
    return compare(is_descending(created), "newest first" if is_descending(created) else "not newest first")


async def _check_named(session: Session) -> Finding:
    names = list_tickers(await find_markets(fetch_archive_page, session), BATCH_TICKERS)
    answered = {sent.ticker for sent in await session.listings.by_ticker(names, archived=True)}
    return compare(
        len(answered & {*names}) >= len(names) * NEARLY, f"{len(answered & {*names})} of {len(names)} are answered"
    )


async def _check_time_filter(session: Session) -> Finding:
    await find_markets(fetch_archive_page, session)
    rows = (await session.get("/historical/markets", {"limit": 10, "min_close_ts": session.now})).markets()
    return compare(rows, f"{len(rows)} markets, as without it" if rows else "it is honored: no markets")


async def _check_size(session: Session) -> Finding:
    created = parse_times(await find_markets(fetch_archive_page, session), "created_time")
    days = (max(created) - min(created)) / DAY
    raise NotObservableError(f"they are not counted; the newest {len(created):,} were created within {days:.2f} days.")


async def _check_tail(session: Session) -> Finding:
    markets, is_end = await _fetch_last_pages(session)
    created = parse_times(markets, "created_time")
    if not is_descending(created):
        return compare(agrees=False, observed="the last page leads back to newer markets")
    if not is_end:
        raise NotObservableError(f"the last {len(created):,} markets lead on still, {_format_span(created)}.")
    return compare(
        agrees=True, observed=f"the last {len(created):,} markets, {_format_span(created)}; no cursor follows"
    )


async def _check_after_the_tail(session: Session) -> Finding:
    """Request older markets in another way: in the series of the last market."""
    markets, is_end = await _fetch_last_pages(session)
    if not is_end:
        raise NotObservableError("the end was not reached.")
    at = parse(markets[-1]["created_time"])
    cursor = encode(Position(at, markets[-1]["ticker"]))
    page = await session.listings.archived(cursor, await _fetch_series(session, markets[-1]))
    older = sum(created < at for created in _parse_created(page.markets))
    return compare(not older, f"{older} older markets in the series of the last one")


async def _check_series(session: Session) -> Finding:
    """Compare the listing of one series with that of all. Without the filter it has all series, and combos."""
    everything = await find_markets(fetch_archive_page, session)
    page = await session.listings.archived(None, await _fetch_series(session, everything[0]))
    listed = {sent.ticker for sent in page.markets}
    combos = sum(bool(sent.parse().get("mve_collection_ticker")) for sent in page.markets)
    same = sum(market["ticker"] in listed for market in everything)
    observed = f"{len(listed):,} markets, {combos} combos; {same} of the {len(everything):,} on the first page of all"
    return compare(everything[0]["ticker"] in listed and not combos and same < len(everything) * NEARLY, observed)


async def _fetch_series(session: Session, market: Market) -> str:
    events = await session.listings.events([market["event_ticker"]])
    if not events or not events[0].series_ticker:
        raise NotObservableError("the series of the market is unknown.")
    return events[0].series_ticker


async def _fetch_last_pages(session: Session) -> tuple[list[Market], bool]:
    """Return the last markets of the listing, and whether it ends there. Raises PaginationLoop, as in the crawler."""
    await find_markets(fetch_archive_page, session)
    markets: list[Market] = []
    pages = 0
    async for page, position in paginate(lambda c: session.listings.archived(c), {"cursor": await _find_end(session)}):
        markets += [sent.parse() for sent in page]
        pages += 1
        if position is None or pages == _FOLLOWED:
            return markets, position is None
    return markets, False


async def _find_end(session: Session) -> str | None:
    """Return a cursor that less than a page follows.

    The cursor is made here, because a cursor is an encoded position. Raises NotObservableError.
    """
    page = await session.listings.archived(None)
    if page.cursor is None or len(page.markets) < PAGE_LIMIT:
        return None
    low = at = _BEGINNING
    high = min(_parse_created(page.markets))
    for _ in range(_JUMPS):
        cursor = encode(Position(at, ""))
        created = _parse_created((await session.listings.archived(cursor)).markets)
        if any(when > at for when in created):
            raise NotObservableError("a cursor made here is not taken for a position.")
        if created and (at == _BEGINNING or len(created) < PAGE_LIMIT):
            return cursor
        low, high = (low, min(created)) if created else (at, high)
        at = low + (high - low) // 4  # the early years have few markets
    raise NotObservableError(f"it is between {_format_day(low)} and {_format_day(high)}.")


def _parse_created(markets: Sequence[RawMarket]) -> list[int]:
    return parse_times([sent.parse() for sent in markets], "created_time")


def _format_span(created: Sequence[int]) -> str:
    """Describe the oldest creation time. Archived markets may have the year 1 instead of a time."""
    dated = [at for at in created if at >= _BEGINNING]
    undated = f"{len(created) - len(dated)} of them undated"
    return f"the oldest of {_format_day(min(dated))}, {undated}" if dated else undated


def _format_day(at: int) -> str:
    return moment(at).date().isoformat()


QUESTIONS: Final = (
    Question("cutoff: time of day", "midnight UTC", "functions/api/candlesticks/lifetimes.py", 1, _check_midnight),
    Question("cutoff: age", f"{LIVE_DAYS} days", "local/exchange/generated/cohorts.py", 0, _check_reach),
    Question("archive", "only markets settled before the cutoff", _LISTINGS, 1, _check_settled_before),
    Question("archive: order", "newest first", _LISTINGS, 0, _check_order),
    Question("archive: tickers", f"{BATCH_TICKERS} are answered", _LISTINGS, 1, _check_named),
    Question("archive: min_close_ts", "ignored with a 200", "local/exchange/http/listing.py", 1, _check_time_filter),
    Question(
        "archive: series_ticker",
        "only the markets of that series",
        "functions/crawler/jobs/archive.py",
        2,
        _check_series,
    ),
    Question(
        "archive: tail",
        "its last page has no cursor",
        "functions/crawler/jobs/base.py",
        _JUMPS + _FOLLOWED,
        _check_tail,
    ),
    Question("archive: after the tail", "nothing", "functions/crawler/jobs/base.py", 2, _check_after_the_tail),
    Question("archive: size", "5 million markets", "docs/costs.md", 0, _check_size),
)
