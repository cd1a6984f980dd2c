"""Sample markets for the questions, from the listings that the crawler uses."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from kalshi_markets.exchange import ExchangeClientError, InvalidResponse
from local.exchange.clock import parse
from local.probe.question import NotObservableError
from local.probe.session import Answer, Session

HOUR: Final = 3600
Market = Mapping[str, Any]
T = TypeVar("T")


async def fetch_open_page(session: Session) -> Answer:
    """Return the first page of the open markets, requested as in the crawler."""
    await session.listings.live("open", None)
    return session.transport.latest


async def fetch_archive_page(session: Session) -> Answer:
    """Return the first page of the archive, requested as in the crawler."""
    await session.listings.archived(None)
    return session.transport.latest


async def fetch_settled_page(session: Session, hours: int = 1) -> Answer:
    """Return the first page of the markets settled in the week that ended `hours` hours ago."""
    after, before = get_settled_bounds(session, hours)
    await session.listings.settled(after, before, None)
    return session.transport.latest


def get_settled_bounds(session: Session, hours: int = 1) -> tuple[int, int]:
    """Return the bounds of the week that ended `hours` hours ago, in Unix seconds."""
    before = session.now - hours * HOUR
    return before - 7 * 24 * HOUR, before


async def find_markets(page: Callable[[Session], Awaitable[Answer]], session: Session) -> list[Market]:
    """Return the markets of a page. Raises NotObservableError if there are none.

    Another question checks the page itself.
    """
    try:
        markets: list[Market] = [*(await page(session)).markets()]
    except (ExchangeClientError, InvalidResponse) as error:
        raise NotObservableError(f"the page of markets cannot be fetched: {error}") from error
    if not markets:
        raise NotObservableError("no market is listed at this time.")
    return markets


def list_tickers(markets: list[Market], count: int) -> list[str]:
    """Return the first `count` tickers without a comma. Raises NotObservableError if there are fewer."""
    names = [market["ticker"] for market in markets if "," not in market["ticker"]][:count]
    if len(names) < count:
        raise NotObservableError(f"{len(names)} markets are listed; the question requires {count}.")
    return names


def parse_times(markets: list[Market], member: str) -> list[int]:
    """Return a time of each market that has it, in microseconds since 1970. Raises ValueError."""
    return [parse(market[member]) for market in markets if market.get(member)]


def is_descending(values: list[int]) -> bool:
    """Return whether no value is greater than the previous one."""
    return values == sorted(values, reverse=True)


def find_busiest(markets: list[Market]) -> Market:
    """Return the market with the highest volume."""
    return max(markets, key=lambda market: float(market.get("volume_fp") or 0))
