"""What the exchange lists: markets, events, series, page by page."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import httpx

from kalshi_markets.exchange.errors import AnswerUnreadable, ExchangeError, FilterIgnored
from kalshi_markets.exchange.members import parse_members
from kalshi_markets.exchange.projection import is_storable
from kalshi_markets.exchange.sent import Sent, page_of
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.exchange.values import parse_time

PAGE_LIMIT: Final = 1000
"""Markets on a page at most (docs.kalshi.com, Get Markets)."""
BATCH_TICKERS: Final = 100
"""Tickers asked for at once. No limit is documented for markets, 300 were seen to work; of events a page holds 200."""
LIVE_FILTERS: Final = ("unopened", "open", "paused", "closed")
"""The `status` filters that together list every market that is not settled. They are not the words of `status`."""

MOST_PARTS: Final = 50
"""Pages that so short a listing may come in."""
MAX_SERIES_PAGES: Final = 1_000
"""Of all series, if they ever come in pages: there are 14,000 (2026-09)."""

Reader = Callable[[httpx.Response], dict[str, Any]] | None


class Page(NamedTuple):
    """A page of a listing. cursor: where the next one begins; None at the end. A page may be empty before the end."""

    markets: Sequence[Sent]
    cursor: str | None


class Event(NamedTuple):
    """What a market's event tells of it."""

    event_ticker: str
    series_ticker: str | None
    title: str | None


class Series(NamedTuple):
    """What a market's series tells of it."""

    series_ticker: str
    title: str | None
    category: str | None


@dataclass(frozen=True)
class Listings:
    """The listings, asked for by one job. Every method raises ExchangeError.

    deadline: on time.monotonic()'s clock. urgency: of those who wait for the exchange, the least goes first.
    combos: whether they are listed too.
    """

    transport: Transport
    deadline: float
    urgency: float = 0.0
    combos: bool = False

    def now(self) -> float:
        """The exchange's time, in seconds since 1970: ours, mended where its answers showed that ours is wrong."""
        return self.transport.now()

    async def time(self) -> datetime:
        """The same once an answer was heard, for which it asks if need be."""
        try:
            if not self.transport.has_heard:
                await self.cutoff()
        except ExchangeError:
            if not self.transport.has_heard:  # any answer has a Date, whatever else is wrong with it
                raise
        return datetime.fromtimestamp(self.now(), UTC)

    async def live(self, status: str, cursor: str | None) -> Page:
        """The markets that a status filter lists, newest first."""
        return await self._page("/markets", {"status": status}, cursor)

    async def created(self, after: int, cursor: str | None) -> Page:
        """The markets created after a Unix second, newest first."""
        return await self._page("/markets", {"min_created_ts": after}, cursor)

    async def updated(self, after: int, cursor: str | None) -> Page:
        """The markets whose metadata was edited after a Unix second; trading does not count."""
        return await self._page("/markets", {"min_updated_ts": after}, cursor)

    async def settled(self, after: int, before: int, cursor: str | None) -> Page:
        """The markets settled after and before two Unix seconds, both exclusive, latest first."""
        return await self._page("/markets", {"min_settled_ts": after, "max_settled_ts": before}, cursor)

    async def archived(self, cursor: str | None, series: str | None = None) -> Page:
        """The markets behind the cutoff, newest first; or those of one series, combos among them.

        The archive takes one filter at a time (docs.kalshi.com, Get Historical Markets).
        """
        if series is None:
            return await self._page("/historical/markets", {}, cursor)
        query: dict[str, str | int] = {"limit": PAGE_LIMIT, "series_ticker": series}
        answer = await self._get("/historical/markets", query | ({"cursor": cursor} if cursor else {}), read=_page_of)
        return Page(_list(answer, "markets"), _cursor(answer))

    async def named(self, tickers: Collection[str], *, archived: bool = False) -> Sequence[Sent]:
        """Those of at most BATCH_TICKERS tickers that the exchange knows, live or behind the cutoff."""
        path = "/historical/markets" if archived else "/markets"
        return await self._named(path, "markets", tickers, PAGE_LIMIT, read=_page_of)

    async def cutoff(self) -> datetime:
        """Markets settled before this instant are in the archive only."""
        answer = await self._get("/historical/cutoff", {})
        try:
            return parse_time(answer["market_settled_ts"])
        except (KeyError, ValueError) as error:
            raise AnswerUnreadable("the exchange's cutoff cannot be read.") from error

    async def events(self, tickers: Collection[str]) -> list[Event]:
        """Those of at most BATCH_TICKERS events that the exchange knows; combos' are not among them."""
        events = await self._named("/events", "events", tickers, 200)
        found = [event for event in events if isinstance(event, Mapping)]
        return [
            Event(ticker, _text(event, "series_ticker"), _text(event, "title"))
            for event in found
            if (ticker := _text(event, "event_ticker"))
        ]

    async def all_series(self) -> list[Series]:
        """Every series: one answer of 16 MB (2026-09), in pages where it has a cursor (docs.kalshi.com, Pagination)."""
        return await self._all("/series", "series", {}, read=_series_of, most=MAX_SERIES_PAGES)

    async def _page(self, path: str, filters: Mapping[str, str | int], cursor: str | None) -> Page:
        combos = {} if self.combos else {"mve_filter": "exclude"}
        query: dict[str, str | int] = {"limit": PAGE_LIMIT, **combos, **filters}
        if cursor:
            query["cursor"] = cursor
        answer = await self._get(path, query, read=_page_of)
        return Page(_list(answer, "markets"), _cursor(answer))

    async def _named(
        self, path: str, member: str, tickers: Collection[str], limit: int, read: Reader = None
    ) -> list[Any]:
        """Return the objects of these tickers, asked for by as many at once as the exchange's bucket can pay for."""
        names, found = list(tickers), []
        size = await self.transport.batch_size(path, BATCH_TICKERS)
        for at in range(0, len(names), size):
            part = names[at : at + size]
            found += await self._all(path, member, {"tickers": ",".join(part), "limit": limit}, read, asked=part)
        return found

    async def _all(
        self,
        path: str,
        member: str,
        query: Mapping[str, str | int],
        read: Reader = None,
        most: int = MOST_PARTS,
        asked: Collection[str] | None = None,
    ) -> list[Any]:
        """What is on all pages of a listing that one page has room for: even that may come in several."""
        found: list[Any] = []
        cursors: list[str | None] = [None]
        while len(cursors) <= most:
            answer = await self._get(path, {**query, "cursor": cursors[-1]} if cursors[-1] else query, read=read)
            page = _list(answer, member)
            if asked is not None:
                _check_asked(page, asked)
            found += page
            cursor = _cursor(answer)
            if cursor is None:
                return found
            if cursor in cursors:
                break
            cursors.append(cursor)
        raise AnswerUnreadable(f"the exchange's list of {member} would never end.")

    async def _get(self, path: str, query: Mapping[str, str | int], read: Reader = None) -> dict[str, Any]:
        return await self.transport.get(path, query, deadline=self.deadline, urgency=self.urgency, read=read)


def _page_of(response: httpx.Response) -> dict[str, Any]:
    return page_of(response.content)


def _cursor(answer: Mapping[str, Any]) -> str | None:
    """Where a listing goes on; None at its end."""
    cursor = answer.get("cursor")
    if cursor is not None and not is_storable(cursor):
        raise AnswerUnreadable("the exchange's cursor cannot be read.")
    return cursor or None


def _list(answer: Mapping[str, Any], member: str) -> list[Any]:
    """Return a member's list; null is an empty one, as Go writes it."""
    found = answer.get(member, 0)
    if not isinstance(found, list | None):
        raise AnswerUnreadable(f"the exchange's page of {member} cannot be read.")
    return found or []


def _check_asked(page: Collection[Any], asked: Collection[str]) -> None:
    """Check that a page has the tickers that were asked for; single strays do not count. Raises FilterIgnored."""
    tickers = [row.ticker if isinstance(row, Sent) else _text(row, "event_ticker") for row in page if row]
    strays = sum(ticker is not None and ticker not in asked for ticker in tickers)
    if strays > 1 and strays * 2 > len(page):
        raise FilterIgnored(
            f"the exchange ignored a filter: {strays} of {len(page)} rows were not asked for by ticker."
        )


def _text(fields: Any, member: str) -> str | None:
    """A member that PostgreSQL can hold, else none; an empty text stands for none."""
    value = fields.get(member) if isinstance(fields, Mapping) else None
    return value or None if is_storable(value) else None


def _series_of(response: httpx.Response) -> dict[str, Any]:
    """Object by object: all of them at once would take 100 MB."""
    try:
        return parse_members(response.content.decode("utf-8-sig"), "series", _series)
    except (ValueError, RecursionError) as error:
        raise AnswerUnreadable("the exchange's list of series cannot be read.") from error


def _series(fields: Any) -> Series | None:
    ticker = _text(fields, "ticker") if isinstance(fields, Mapping) else None
    return Series(ticker, _text(fields, "title"), _text(fields, "category")) if ticker else None
