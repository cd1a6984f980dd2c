"""What the exchange lists: markets, events, series, page by page."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import httpx

from kalshi_markets import job_names
from kalshi_markets.exchange.errors import ExchangeError, FilterIgnored, InvalidResponse
from kalshi_markets.exchange.market_rows import is_valid_pg_text
from kalshi_markets.exchange.members import parse_members
from kalshi_markets.exchange.raw_markets import RawMarket, parse_page
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.exchange.values import parse_time

PAGE_LIMIT: Final = 1000
"""Markets on a page at most (docs.kalshi.com, Get Markets)."""
BATCH_TICKERS: Final = 100
"""Tickers asked for at once. No limit is documented for markets, 300 were seen to work; of events a page holds 200."""
LIVE_FILTERS: Final = tuple(job_names.LIVE)
"""The `status` filters that together list every market that is not settled. They are not the words of `status`."""

MAX_LOOKUP_PAGES: Final = 50
"""Pages that so short a listing may come in."""
MAX_SERIES_PAGES: Final = 1_000
"""Of all series, if they ever come in pages: there are 14,000 (2026-09)."""

ResponseParser = Callable[[httpx.Response], dict[str, Any]] | None


class Page(NamedTuple):
    """A page of a listing. cursor: where the next one begins; None at the end. A page may be empty before the end."""

    markets: Sequence[RawMarket]
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

    deadline: on time.monotonic()'s clock. priority: lower goes first.
    combos: whether they are listed too.
    """

    transport: Transport
    deadline: float
    priority: float = 0.0
    combos: bool = False

    def exchange_timestamp(self) -> float:
        """The exchange's time, in seconds since 1970: ours, mended where its answers showed that ours is wrong."""
        return self.transport.now()

    async def exchange_time(self) -> datetime:
        """The same once an answer was heard, for which it asks if need be."""
        try:
            if not self.transport.clock_synced:
                await self.cutoff()
        except ExchangeError:
            if not self.transport.clock_synced:  # any answer has a Date, whatever else is wrong with it
                raise
        return datetime.fromtimestamp(self.exchange_timestamp(), UTC)

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
        answer = await self._get(
            "/historical/markets", query | ({"cursor": cursor} if cursor else {}), parse=_parse_page
        )
        return Page(_list_field(answer, "markets"), _cursor(answer))

    async def by_ticker(self, tickers: Collection[str], *, archived: bool = False) -> Sequence[RawMarket]:
        """Those of at most BATCH_TICKERS tickers that the exchange knows, live or behind the cutoff."""
        path = "/historical/markets" if archived else "/markets"
        return await self._get_named(path, "markets", tickers, PAGE_LIMIT, parse=_parse_page)

    async def cutoff(self) -> datetime:
        """Markets settled before this instant are in the archive only."""
        answer = await self._get("/historical/cutoff", {})
        try:
            return parse_time(answer["market_settled_ts"])
        except (KeyError, ValueError) as error:
            raise InvalidResponse("the exchange returned an invalid cutoff.") from error

    async def events(self, tickers: Collection[str]) -> list[Event]:
        """Those of at most BATCH_TICKERS events that the exchange knows; combos' are not among them."""
        events = await self._get_named("/events", "events", tickers, 200)
        objects = [event for event in events if isinstance(event, Mapping)]
        return [
            Event(ticker, _text_field(event, "series_ticker"), _text_field(event, "title"))
            for event in objects
            if (ticker := _text_field(event, "event_ticker"))
        ]

    async def all_series(self) -> list[Series]:
        """Every series: one answer of 16 MB (2026-09), in pages where it has a cursor (docs.kalshi.com, Pagination)."""
        return await self._get_all_pages("/series", "series", {}, parse=_series_of, max_pages=MAX_SERIES_PAGES)

    async def _page(self, path: str, filters: Mapping[str, str | int], cursor: str | None) -> Page:
        combos = {} if self.combos else {"mve_filter": "exclude"}
        query: dict[str, str | int] = {"limit": PAGE_LIMIT, **combos, **filters}
        if cursor:
            query["cursor"] = cursor
        answer = await self._get(path, query, parse=_parse_page)
        return Page(_list_field(answer, "markets"), _cursor(answer))

    async def _get_named(
        self, path: str, member: str, tickers: Collection[str], limit: int, parse: ResponseParser = None
    ) -> list[Any]:
        """Return the objects of these tickers, asked for by as many at once as the exchange's bucket can pay for."""
        names, objects = list(tickers), []
        size = await self.transport.batch_size(path, BATCH_TICKERS)
        for start in range(0, len(names), size):
            batch = names[start : start + size]
            objects += await self._get_all_pages(
                path, member, {"tickers": ",".join(batch), "limit": limit}, parse, requested=batch
            )
        return objects

    async def _get_all_pages(
        self,
        path: str,
        member: str,
        query: Mapping[str, str | int],
        parse: ResponseParser = None,
        max_pages: int = MAX_LOOKUP_PAGES,
        requested: Collection[str] | None = None,
    ) -> list[Any]:
        """What is on all pages of a listing that one page has room for: even that may come in several."""
        objects: list[Any] = []
        cursors: list[str | None] = [None]
        while len(cursors) <= max_pages:
            answer = await self._get(path, {**query, "cursor": cursors[-1]} if cursors[-1] else query, parse=parse)
            page = _list_field(answer, member)
            if requested is not None:
                _check_requested(page, requested)
            objects += page
            cursor = _cursor(answer)
            if cursor is None:
                return objects
            if cursor in cursors:
                break
            cursors.append(cursor)
        raise InvalidResponse(
            f"the exchange's pagination of {member} does not end: a cursor repeats or there are over {max_pages} pages."
        )

    async def _get(self, path: str, query: Mapping[str, str | int], parse: ResponseParser = None) -> dict[str, Any]:
        return await self.transport.get(path, query, deadline=self.deadline, priority=self.priority, parse=parse)


def _parse_page(response: httpx.Response) -> dict[str, Any]:
    return parse_page(response.content)


def _cursor(answer: Mapping[str, Any]) -> str | None:
    """Where a listing goes on; None at its end."""
    cursor = answer.get("cursor")
    if cursor is not None and not is_valid_pg_text(cursor):
        raise InvalidResponse("the exchange returned an invalid cursor.")
    return cursor or None


def _list_field(answer: Mapping[str, Any], member: str) -> list[Any]:
    """Return a member's list; null is an empty one, as Go writes it."""
    value = answer.get(member, 0)
    if not isinstance(value, list | None):
        raise InvalidResponse(f"the exchange returned an invalid page of {member}.")
    return value or []


def _check_requested(page: Collection[Any], requested: Collection[str]) -> None:
    """Check that a page has the tickers that were asked for; single strays do not count. Raises FilterIgnored."""
    tickers = [row.ticker if isinstance(row, RawMarket) else _text_field(row, "event_ticker") for row in page if row]
    strays = sum(ticker is not None and ticker not in requested for ticker in tickers)
    if strays > 1 and strays * 2 > len(page):
        raise FilterIgnored(
            f"the exchange ignored a filter: {strays} of {len(page)} rows are not of the requested tickers."
        )


def _text_field(fields: Any, member: str) -> str | None:
    """A member that PostgreSQL can hold, else none; an empty text stands for none."""
    value = fields.get(member) if isinstance(fields, Mapping) else None
    return value or None if is_valid_pg_text(value) else None


def _series_of(response: httpx.Response) -> dict[str, Any]:
    """Object by object: all of them at once would take 100 MB."""
    try:
        return parse_members(response.content.decode("utf-8-sig"), "series", _series)
    except (ValueError, RecursionError) as error:
        raise InvalidResponse("the exchange returned an invalid list of series.") from error


def _series(fields: Any) -> Series | None:
    ticker = _text_field(fields, "ticker") if isinstance(fields, Mapping) else None
    return Series(ticker, _text_field(fields, "title"), _text_field(fields, "category")) if ticker else None
