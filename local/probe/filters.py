"""Questions about time filters: their effect, the order of their listings, and rejected combinations."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from crawler.jobs.settled import RECHECK_AFTER
from kalshi_markets.exchange import PAGE_LIMIT, Page
from local.exchange.clock import SECOND, parse
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

_LISTINGS: Final = "layers/shared/kalshi_markets/exchange/listings.py"
_SIMULATED: Final = "local/exchange/http/listing.py"
_REST_HOURS: Final = int(RECHECK_AFTER.total_seconds()) // HOUR


def _read_markets(page: Page) -> list[Market]:
    return [sent.parse() for sent in page.markets]


async def _check_created(session: Session) -> Finding:
    newest = max(await find_markets(fetch_open_page, session), key=lambda market: parse(market["created_time"]))
    after = parse(newest["created_time"]) // SECOND - 1
    return _judge(await session.listings.created(after, None), "created_time", after, newest["ticker"])


async def _check_updated(session: Session) -> Finding:
    newest = max(await find_markets(fetch_open_page, session), key=lambda market: parse(market["updated_time"]))
    after = parse(newest["updated_time"]) // SECOND - 1
    return _judge(await session.listings.updated(after, None), "updated_time", after, newest["ticker"])


def _judge(page: Page, member: str, after: int, expected: str) -> Finding:
    """Compare a page with its filter: no market is older, and the market that is known to be newer is listed.

    Raises NotObservableError.
    """
    markets = _read_markets(page)
    before = sum(at <= after * SECOND for at in parse_times(markets, member))
    has_it = page.cursor is not None or any(market["ticker"] == expected for market in markets)
    if not before and len(markets) >= PAGE_LIMIT:
        raise NotObservableError(f"all {PAGE_LIMIT:,} markets of the page are so new.")
    missing = "" if has_it else "; one is missing"
    return compare(not before and has_it, f"{before} of {len(markets):,} markets are older{missing}")


async def _check_order_of_updated(session: Session) -> Finding:
    updated = sorted(parse_times(await find_markets(fetch_open_page, session), "updated_time"))
    markets = _read_markets(await session.listings.updated(updated[len(updated) // 2] // SECOND, None))
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
        raise NotObservableError("too few settlements.")
    return compare(is_descending(settled), "latest first" if is_descending(settled) else "not latest first")


async def _find_rested(session: Session, hours: int) -> Sequence[Market]:
    return await find_markets(partial(fetch_settled_page, hours=hours), session)


async def _check_volume_at_rest(session: Session) -> Finding:
    markets = await _find_rested(session, _REST_HOURS)
    moving = sum(float(market["volume_24h_fp"]) != 0 for market in markets)
    return compare(not moving, f"{moving} of {len(markets):,} have a volume_24h")


async def _check_interest_at_rest(session: Session) -> Finding:
    """Compare two ages. A change between the two would be missed by a recheck at the younger age."""
    shares = []
    for hours in (_REST_HOURS, 2 * _REST_HOURS):
        markets = await _find_rested(session, hours)
        shares.append(sum(float(market["open_interest_fp"]) != 0 for market in markets) / len(markets))
    younger, older = shares
    observed = f"{younger:.0%} have some after {_REST_HOURS} hours, {older:.0%} after {2 * _REST_HOURS}"
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
    Question("min_created_ts", "only markets created after it", _LISTINGS, 1, _check_created),
    Question("min_updated_ts", "only markets edited after it", _LISTINGS, 1, _check_updated),
    Question("order of min_updated_ts", "newest first, by creation", _SIMULATED, 1, _check_order_of_updated),
    Question("min_settled_ts, max_settled_ts", "only settlements between them", _LISTINGS, 1, _check_settled),
    Question("order of min_settled_ts", "latest settlement first", _LISTINGS, 0, _check_order_of_settled),
    Question("min_updated_ts with status=open", "rejected with 400", _SIMULATED, 1, _check_updated_and_status),
    Question("min_created_ts with status=paused", "accepted", _SIMULATED, 1, _check_paused_and_created),
    Question(
        f"volume_24h {_REST_HOURS} hours after settlement",
        "0: it is at rest",
        "functions/crawler/jobs/settled.py",
        1,
        _check_volume_at_rest,
    ),
    Question(
        f"open interest {_REST_HOURS} hours after settlement",
        "at rest: as a day later",
        "functions/crawler/jobs/settled.py",
        1,
        _check_interest_at_rest,
    ),
)
