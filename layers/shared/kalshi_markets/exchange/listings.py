"""Paginated listings of the exchange: markets, events and series."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar

import httpx

from kalshi_markets import job_names
from kalshi_markets.exchange.column_values import Row
from kalshi_markets.exchange.errors import ExchangeError, FilterIgnored, InvalidResponse
from kalshi_markets.exchange.event_rows import event_row, series_row
from kalshi_markets.exchange.members import parse_members
from kalshi_markets.exchange.raw_markets import RawMarket, parse_page
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.exchange.values import parse_time
from kalshi_markets.text import is_valid_pg_text

PAGE_LIMIT: Final = 1000
"""Maximum of markets on a page (docs.kalshi.com, Get Markets)."""
EVENT_PAGE_LIMIT: Final = 200
"""Maximum of events on a page (docs.kalshi.com, Get Events)."""
BATCH_TICKERS: Final = 100
"""Maximum of tickers in a request.

No limit is documented for markets; 300 were observed to work. A page of events has at most EVENT_PAGE_LIMIT.
"""
LIVE_FILTERS: Final = tuple(job_names.LIVE)
"""Values of the filter `status` that together list every unsettled market.

They differ from the values of a market's `status`.
"""

MAX_LOOKUP_PAGES: Final = 50
"""Maximum of pages in a lookup by ticker."""
MAX_SERIES_PAGES: Final = 1_000
"""Maximum of pages in the listing of series. There are 14,000 series (2026-09), in one response so far."""

T = TypeVar("T")
ResponseParser = Callable[[httpx.Response], dict[str, Any]] | None


class Page(NamedTuple, Generic[T]):
    """Page of a listing. cursor: start of the next page; None on the last page. Any page may be empty."""

    rows: Sequence[T]
    cursor: str | None


@dataclass(frozen=True)
class Listings:
    """Listings of the exchange, as one job requests them. Every method that sends a request raises ExchangeError.

    deadline: value of time.monotonic(). priority: lower runs first.
    combos: whether combos are listed too.
    """

    transport: Transport
    deadline: float
    priority: float = 0.0
    combos: bool = False

    def exchange_timestamp(self) -> float:
        """Return the exchange's time, in Unix seconds: our clock, corrected by the Date headers of its responses."""
        return self.transport.now()

    async def exchange_time(self) -> datetime:
        """Return the exchange's time. If there was no response yet, send a request first."""
        try:
            if not self.transport.clock_synced:
                await self.cutoff()
        except ExchangeError:
            if not self.transport.clock_synced:  # an error response has a Date header too
                raise
        return datetime.fromtimestamp(self.exchange_timestamp(), UTC)

    async def live(self, status: str, cursor: str | None) -> Page[RawMarket]:
        """Return a page of the markets that a status filter selects, newest first."""
        return await self._page("/markets", {"status": status}, cursor)

    async def created(self, after: int, cursor: str | None) -> Page[RawMarket]:
        """Return a page of the markets created after a Unix second, newest first."""
        return await self._page("/markets", {"min_created_ts": after}, cursor)

    async def updated(self, after: int, cursor: str | None) -> Page[RawMarket]:
        """Return a page of the markets whose metadata was edited after a Unix second. Trading is not an edit."""
        return await self._page("/markets", {"min_updated_ts": after}, cursor)

    async def settled(self, after: int, before: int, cursor: str | None) -> Page[RawMarket]:
        """Return a page of the markets settled between two Unix seconds, both exclusive, latest first."""
        return await self._page("/markets", {"min_settled_ts": after, "max_settled_ts": before}, cursor)

    async def archived(self, cursor: str | None, series: str | None = None) -> Page[RawMarket]:
        """Return a page of the archived markets, newest first, or of the archived markets of one series.

        The markets of a series include its combos.
        The archive accepts one filter at a time (docs.kalshi.com, Get Historical Markets).
        """
        if series is None:
            return await self._page("/historical/markets", {}, cursor)
        query: dict[str, str | int] = {"limit": PAGE_LIMIT, "series_ticker": series}
        answer = await self._get(
            "/historical/markets", query | ({"cursor": cursor} if cursor else {}), parse=_parse_page
        )
        return Page(_list_field(answer, "markets"), _cursor(answer))

    async def by_ticker(self, tickers: Collection[str], *, archived: bool = False) -> Sequence[RawMarket]:
        """Return the live (or archived) markets with these tickers, at most BATCH_TICKERS. Unknown ones are missing."""
        path = "/historical/markets" if archived else "/markets"
        return await self._get_named(path, "markets", tickers, PAGE_LIMIT, parse=_parse_page)

    async def cutoff(self) -> datetime:
        """Return the instant before which settled markets are only in the archive."""
        return await self._cutoff("market_settled_ts")

    async def trade_cutoff(self) -> datetime:
        """Return the instant before which trades are in the archive."""
        return await self._cutoff("trades_created_ts")

    async def _cutoff(self, member: str) -> datetime:
        answer = await self._get("/historical/cutoff", {})
        try:
            return parse_time(answer[member])
        except (KeyError, ValueError) as error:
            raise InvalidResponse("the exchange returned an invalid cutoff.") from error

    async def events(self, tickers: Collection[str]) -> list[Row]:
        """Return the events with these tickers, at most BATCH_TICKERS. Unknown ones and those of combos are missing."""
        return _event_rows(await self._get_named("/events", "events", tickers, EVENT_PAGE_LIMIT))

    async def events_updated(self, after: int, cursor: str | None) -> Page[Row]:
        """Return a page of the events whose metadata was edited after a Unix second. Those of combos are missing."""
        query: dict[str, str | int] = {"limit": EVENT_PAGE_LIMIT, "min_updated_ts": after}
        answer = await self._get("/events", query | ({"cursor": cursor} if cursor else {}))
        return Page(_event_rows(_list_field(answer, "events")), _cursor(answer))

    async def series(self, updated_after: int | None) -> list[Row]:
        """Return the series whose metadata was edited after a Unix second. None: all series.

        All series are one response of 16 MB (2026-09). A cursor in it is followed (docs.kalshi.com, Pagination).
        """
        query = {} if updated_after is None else {"min_updated_ts": updated_after}
        return await self._get_all_pages("/series", "series", query, parse=_parse_series, max_pages=MAX_SERIES_PAGES)

    async def _page(self, path: str, filters: Mapping[str, str | int], cursor: str | None) -> Page[RawMarket]:
        combos = {} if self.combos else {"mve_filter": "exclude"}
        query: dict[str, str | int] = {"limit": PAGE_LIMIT, **combos, **filters}
        if cursor:
            query["cursor"] = cursor
        answer = await self._get(path, query, parse=_parse_page)
        return Page(_list_field(answer, "markets"), _cursor(answer))

    async def _get_named(
        self, path: str, member: str, tickers: Collection[str], limit: int, parse: ResponseParser = None
    ) -> list[Any]:
        """Return the objects with these tickers, in batches that the exchange's token bucket can pay for."""
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
        """Return the rows of all pages of a short listing. A result that fits one page may arrive with a cursor."""
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
    """Return the cursor of the next page, or None on the last page. Raises InvalidResponse."""
    cursor = answer.get("cursor")
    if cursor is not None and not is_valid_pg_text(cursor):
        raise InvalidResponse("the exchange returned an invalid cursor.")
    return cursor or None


def _list_field(answer: Mapping[str, Any], member: str) -> list[Any]:
    """Return the list of a member. null is an empty list, as Go writes it. Raises InvalidResponse."""
    value = answer.get(member, 0)
    if not isinstance(value, list | None):
        raise InvalidResponse(f"the exchange returned an invalid page of {member}.")
    return value or []


def _check_requested(page: Collection[Any], requested: Collection[str]) -> None:
    """Check that most rows of a page have requested tickers. Raises FilterIgnored. A single other row is accepted."""
    tickers = [row.ticker if isinstance(row, RawMarket) else _text_field(row, "event_ticker") for row in page if row]
    strays = sum(ticker is not None and ticker not in requested for ticker in tickers)
    if strays > 1 and strays * 2 > len(page):
        raise FilterIgnored(
            f"the exchange ignored a filter: {strays} of {len(page)} rows are not of the requested tickers."
        )


def _text_field(fields: Any, member: str) -> str | None:
    """Return a text member of an object, or None if it is missing, empty or not storable in PostgreSQL."""
    value = fields.get(member) if isinstance(fields, Mapping) else None
    return value or None if is_valid_pg_text(value) else None


def _event_rows(events: Iterable[object]) -> list[Row]:
    return [row for event in events if (row := event_row(event))]


def _parse_series(response: httpx.Response) -> dict[str, Any]:
    """Parse the series object by object. Parsed at once, they take 100 MB. Raises InvalidResponse."""
    try:
        return parse_members(response.content.decode("utf-8-sig"), "series", series_row)
    except (ValueError, RecursionError) as error:
        raise InvalidResponse("the exchange returned an invalid list of series.") from error
