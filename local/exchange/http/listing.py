"""Listings of GET /markets, /events, trades and the archive: filters, and the page after a cursor.

Parameters and rejected combinations: docs.kalshi.com, Get Markets, Get Historical Markets, Get Events and Get Trades.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from typing import Generic, TypeVar

from local.exchange.catalogue import Event, EventFilter, Exchange, JsonObject, Market, MarketFilter, Order, Series
from local.exchange.clock import SECOND, parse
from local.exchange.cursor import Position, decode, encode
from local.exchange.http.errors import bad_request
from local.exchange.http.parameters import Parameters
from local.exchange.trades import Trade, TradeFilter, trades_after

Row = TypeVar("Row")
Rows = Iterator[tuple[Position, Row]]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    cursor: str


@dataclass(frozen=True, slots=True)
class TimeFilter:
    """A pair of parameters `min_{name}_ts` and `max_{name}_ts`.

    `time`: the time that it bounds.
    `order`: the order of the listing.
    `statuses`: the values of `status` that can be combined with it.
    """

    name: str
    time: str
    order: Order
    statuses: tuple[str, ...]


TIME_FILTERS = (
    # `paused` is undocumented but accepted (observed on production, 2026-09).
    TimeFilter("created", "created", Order.CREATED, ("unopened", "open", "paused")),
    TimeFilter("close", "closes", Order.CLOSES, ("closed",)),
    TimeFilter("settled", "settled", Order.SETTLED, ("settled",)),
    TimeFilter("updated", "updated", Order.CREATED, ()),
)
MARKET_PHASES = ("unopened", "open", "paused", "closed", "settled")
EVENT_PHASES = ("unopened", "open", "closed", "settled")
BEFORE_FIRST = Position(2**62, "")  # before every row


def list_markets(exchange: Exchange, query: Parameters) -> Page[Market]:
    limit = query.limit("GetMarkets", default=100, maximum=1000)
    phase = _parse_phase(query, MARKET_PHASES)
    time_filter = _parse_time_filter(query)
    filter_ = replace(_parse_filter(query), phase=phase, combos=_parse_combos(query, ("only", "exclude")))
    order = Order.CREATED
    if time_filter:
        _reject_combinations(query, time_filter, phase)
        filter_, order = _with_time_bounds(filter_, query, time_filter), time_filter.order
    return _page(exchange, query, lambda after: exchange.markets(order, after, filter_), limit)


def list_archived_markets(exchange: Exchange, query: Parameters) -> Page[Market]:
    """Return a page of archived markets.

    `status` and time filters are silently ignored (observed on production, 2026-08).
    """
    limit = query.limit("GetHistoricalMarkets", default=100, maximum=1000)
    filter_ = replace(_parse_filter(query), archived=True, combos=_parse_combos(query, ("exclude",)))
    return _page(exchange, query, lambda after: exchange.markets(Order.CREATED, after, filter_), limit)


def list_events(exchange: Exchange, query: Parameters) -> Page[Event]:
    limit = query.limit("GetEvents", default=200, maximum=200)
    filter_ = EventFilter(
        phase=_parse_phase(query, EVENT_PHASES),
        series=query.text("series_ticker"),
        tickers=_set(query.names("tickers")),
        closes_after=_instant(query.integer("min_close_ts")),
        updated_after=_instant(query.integer("min_updated_ts")),
    )
    return _page(exchange, query, lambda after: exchange.events(after, filter_), limit)


def list_series(exchange: Exchange, query: Parameters) -> list[Series]:
    """Return all series that match the filters of the query. `tags` matches series with any of its tags."""
    category, tags = query.text("category"), _set(query.names("tags"))
    updated_after = _instant(query.integer("min_updated_ts"))

    def matches(fields: JsonObject) -> bool:
        return (
            (category is None or category in fields["categories"])
            and (tags is None or not tags.isdisjoint(fields["tags"] or []))
            and (updated_after is None or parse(fields["last_updated_ts"]) > updated_after)
        )

    return [series for series in exchange.all_series() if matches(series.fields)]


def list_trades(exchange: Exchange, query: Parameters, *, archived: bool) -> Page[Trade]:
    """Return a page of trades. Both bounds are exclusive, compared with the microseconds of the trades."""
    limit = query.limit("GetTradesHistorical" if archived else "GetTrades", default=100, maximum=1000)
    low, high = query.integer("min_ts"), query.integer("max_ts")
    filter_ = TradeFilter(
        ticker=query.text("ticker"),
        first=None if low is None else low * SECOND + 1,
        last=None if high is None else high * SECOND - 1,
        is_block=query.boolean("is_block_trade") if query.text("is_block_trade") else None,
        archived=archived,
    )
    return _page(exchange, query, lambda after: trades_after(exchange, after, filter_), limit)


def _page(
    exchange: Exchange, query: Parameters, list_rows: Callable[[Position | None], Rows[Row]], limit: int
) -> Page[Row]:
    """Return the page after the cursor of the query.

    A full page has a cursor even if no row follows, because a keyset listing does not look ahead.
    """
    after = decode(query.text("cursor"))
    rows = list(islice(list_rows(after), limit))
    if rows and _is_empty_page(exchange.empty_pages, after or BEFORE_FIRST):
        # The cursor is just before the first row, so that no row is lost. The page after that cursor is never empty, so
        # that no cursor repeats.
        before = Position(rows[0][0].at, rows[0][0].ticker + "~")
        if before != after:
            return Page([], encode(before))
    return Page([row for _, row in rows], encode(rows[-1][0]) if len(rows) == limit else "")


def _is_empty_page(share: float, after: Position) -> bool:
    return share > 0 and int.from_bytes(blake2b(encode(after).encode(), digest_size=4).digest()) < share * 2**32


def _set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _instant(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * SECOND


def _parse_filter(query: Parameters) -> MarketFilter:
    return MarketFilter(
        event=query.text("event_ticker"),
        series=query.text("series_ticker"),
        tickers=_set(query.names("tickers")),
    )


def _parse_combos(query: Parameters, known: tuple[str, ...]) -> bool | None:
    """Return whether mve_filter selects only combos (True) or none (False); None if it is missing.

    known: the values that the endpoint accepts.
    """
    combos = query.text("mve_filter")
    if combos not in (None, *known):
        raise bad_request("invalid mve_filter")
    return None if combos is None else combos == "only"


def _parse_phase(query: Parameters, known: tuple[str, ...]) -> str | None:
    status = query.text("status")
    if status and "," in status:
        raise bad_request("only one status filter may be supplied")
    if status not in (None, *known):
        raise bad_request("invalid status filter")
    return status


def _parse_bounds(query: Parameters, time_filter: TimeFilter) -> tuple[int | None, int | None]:
    return query.integer(f"min_{time_filter.name}_ts"), query.integer(f"max_{time_filter.name}_ts")


def _parse_time_filter(query: Parameters) -> TimeFilter | None:
    used = [time_filter for time_filter in TIME_FILTERS if _parse_bounds(query, time_filter) != (None, None)]
    if len(used) > 1:
        raise bad_request(
            "timestamp filters are mutually exclusive: " + ", ".join(f"{time_filter.name}_ts" for time_filter in used)
        )
    return used[0] if used else None


def _reject_combinations(query: Parameters, time_filter: TimeFilter, phase: str | None) -> None:
    name = f"{time_filter.name}_ts"
    if phase and phase not in time_filter.statuses:
        allowed = " or ".join(time_filter.statuses) or "none"
        raise bad_request(f"{name} filters are incompatible with status {phase}; compatible: {allowed}")
    if time_filter.name != "updated":
        return
    excludes_combos = query.text("mve_filter") == "exclude"
    if query.text("tickers") or query.text("event_ticker") or query.text("mve_filter") == "only":
        raise bad_request(f"{name} filters are incompatible with all filters besides mve_filter=exclude")
    if query.text("series_ticker") and not excludes_combos:
        raise bad_request(f"{name} filters with series_ticker require mve_filter=exclude")


def _with_time_bounds(filter_: MarketFilter, query: Parameters, time_filter: TimeFilter) -> MarketFilter:
    """Return the filter with the bounds of the query, which are integer Unix seconds.

    Bounds are exclusive, compared with the microseconds of the rows; only max_updated_ts is inclusive ("at or before").
    """
    low, high = _parse_bounds(query, time_filter)
    first = None if low is None else low * SECOND + 1
    last = None if high is None else high * SECOND - (time_filter.name != "updated")
    return replace(filter_, time=time_filter.time, first=first, last=last)
