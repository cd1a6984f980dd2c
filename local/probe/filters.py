"""Questions about time filters: their effect, the order of their listings, and rejected combinations."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from crawler.jobs.settled import RECHECK_AFTER
from kalshi_markets.exchange import PAGE_LIMIT, Page, RawMarket
from local.exchange.clock import SECOND, parse
from local.probe.listings import LISTINGS
from local.probe.question import Finding, NotObservableError, Question, compare, expect_rejection
from local.probe.samples import (
    HOUR,
    Market,
    fetch_open_page,
    fetch_settled_page,
    find_markets,
    get_settled_bounds,
    is_descending,
    parse_times,
)
from local.probe.session import Query, Session

_SIMULATION: Final = "local/exchange/http/listing.py"
_RECHECK_HOURS: Final = int(RECHECK_AFTER.total_seconds()) // HOUR


def _parse_markets(page: Page[RawMarket]) -> list[Market]:
    return [market.parse() for market in page.rows]


async def _check_created(session: Session) -> Finding:
    newest = max(await find_markets(fetch_open_page, session), key=lambda market: parse(market["created_time"]))
    after = parse(newest["created_time"]) // SECOND - 1
    return _compare_with_bound(await session.listings.created(after, None), "created_time", after, newest["ticker"])


async def _check_updated(session: Session) -> Finding:
    newest = max(await find_markets(fetch_open_page, session), key=lambda market: parse(market["updated_time"]))
    after = parse(newest["updated_time"]) // SECOND - 1
    return _compare_with_bound(await session.listings.updated(after, None), "updated_time", after, newest["ticker"])


def _compare_with_bound(page: Page[RawMarket], member: str, after: int, expected: str) -> Finding:
    """Compare a page with its lower bound: no market is older, and the expected market, which is newer, is listed.

    Raises NotObservableError.
    """
    markets = _parse_markets(page)
    before = sum(at <= after * SECOND for at in parse_times(markets, member))
    is_listed = page.cursor is not None or any(market["ticker"] == expected for market in markets)
    if not before and len(markets) >= PAGE_LIMIT:
        raise NotObservableError(f"all {PAGE_LIMIT:,} markets of the page are newer, with or without the filter.")
    missing = "" if is_listed else "; a newer market is missing"
    return compare(not before and is_listed, f"{before} of {len(markets):,} markets are older{missing}")


async def _check_order_of_updated(session: Session) -> Finding:
    updated = sorted(parse_times(await find_markets(fetch_open_page, session), "updated_time"))
    markets = _parse_markets(await session.listings.updated(updated[len(updated) // 2] // SECOND, None))
    by_creation, by_edit = (is_descending(parse_times(markets, member)) for member in ("created_time", "updated_time"))
    if by_creation and by_edit:
        raise NotObservableError("the markets were created in the order of their last edits.")
    order = "newest first" if by_creation else "latest edit first" if by_edit else "neither by creation nor by edit"
    return compare(by_creation, order)


async def _check_settled(session: Session) -> Finding:
    markets = await find_markets(fetch_settled_page, session)
    low, high = (bound * SECOND for bound in get_settled_bounds(session))
    inside = sum(low < at < high for at in parse_times(markets, "settlement_ts"))
    return compare(inside == len(markets), f"{len(markets) - inside} of {len(markets):,} markets are outside")


async def _check_order_of_settled(session: Session) -> Finding:
    settled = parse_times(await find_markets(fetch_settled_page, session), "settlement_ts")
    if len(set(settled)) < 2:
        raise NotObservableError("fewer than two times of settlement.")
    return compare(is_descending(settled), "latest first" if is_descending(settled) else "not latest first")


async def _find_settled(session: Session, hours: int) -> Sequence[Market]:
    return await find_markets(partial(fetch_settled_page, hours=hours), session)


async def _check_settled_volume(session: Session) -> Finding:
    markets = await _find_settled(session, _RECHECK_HOURS)
    nonzero = sum(float(market["volume_24h_fp"]) != 0 for market in markets)
    return compare(not nonzero, f"{nonzero} of {len(markets):,} have a volume_24h")


async def _check_settled_interest(session: Session) -> Finding:
    """Compare markets of two ages. The job that reads markets again at the first age would miss a later change."""
    shares = []
    for hours in (_RECHECK_HOURS, 2 * _RECHECK_HOURS):
        markets = await _find_settled(session, hours)
        shares.append(sum(float(market["open_interest_fp"]) != 0 for market in markets) / len(markets))
    younger, older = shares
    observed = f"not 0 for {younger:.0%} after {_RECHECK_HOURS} hours, for {older:.0%} after {2 * _RECHECK_HOURS}"
    return compare(abs(younger - older) <= 0.1, observed)


async def _check_paused_and_created(session: Session) -> Finding:
    query: Query = {"status": "paused", "min_created_ts": session.now - 30 * 24 * HOUR, "limit": 10}
    rows = (await session.get("/markets", query)).markets()
    return compare(agrees=True, observed=f"200, {len(rows)} markets")


async def _check_updated_and_status(session: Session) -> Finding:
    return await expect_rejection(
        session, "/markets", {"status": "open", "min_updated_ts": session.now - HOUR, "limit": 10}
    )


QUESTIONS: Final = (
    Question("min_created_ts", "only markets created after it", LISTINGS, 1, _check_created),
    Question("min_updated_ts", "only markets edited after it", LISTINGS, 1, _check_updated),
    Question("min_updated_ts: order", "newest first, by creation", _SIMULATION, 1, _check_order_of_updated),
    Question("min_settled_ts, max_settled_ts", "only settlements between them", LISTINGS, 1, _check_settled),
    Question("min_settled_ts: order", "latest settlement first", LISTINGS, 0, _check_order_of_settled),
    Question("min_updated_ts with status=open", "rejected with 400", _SIMULATION, 1, _check_updated_and_status),
    Question("min_created_ts with status=paused", "accepted", _SIMULATION, 1, _check_paused_and_created),
    Question(
        f"volume_24h {_RECHECK_HOURS} hours after settlement",
        "0: it is final",
        "functions/crawler/jobs/settled.py",
        1,
        _check_settled_volume,
    ),
    Question(
        f"open interest {_RECHECK_HOURS} hours after settlement",
        "final: not 0 for as many as a day later",
        "functions/crawler/jobs/settled.py",
        1,
        _check_settled_interest,
    ),
)
