"""Faults of listings: the rows of a page and its cursor."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from local.exchange.catalogue import Exchange, JsonObject, MarketFilter, Order, to_json
from local.exchange.cursor import Position, decode, encode
from local.exchange.faults.bodies import query_of, rewriting, with_query, with_setting
from local.exchange.faults.effects import Handler, Values

# A cursor with an empty timestamp. It is parsed as no cursor, so the response is the first page.
START_AGAIN = "CgA"
NAMING_FILTERS = {"tickers", "event_ticker", "series_ticker"}


def short_page(values: Values, _: Exchange) -> Handler:
    """Return a handler that lowers `limit`, so that the cursor matches the rows."""

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        query = query_of(scope)
        limit = query.get("limit", "")
        if not limit or (limit.isdecimal() and (limit == "0" or int(limit[:9]) > values["rows"])):
            query["limit"] = str(values["rows"])
        await app(with_query(scope, query), receive, send)

    return handle


def repeated_cursor(_: Values, __: Exchange) -> Handler:
    def repeat(answer: JsonObject, scope: Scope) -> bytes:
        cursor = query_of(scope).get("cursor")
        return to_json({**answer, "cursor": cursor} if cursor and "cursor" in answer else answer)

    return rewriting(lambda body, scope: repeat(json.loads(body), scope))


def empty_page(_: Values, exchange: Exchange) -> Handler:
    all_empty = with_setting("empty_pages", 1.0, exchange)

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        after = decode(query_of(scope).get("cursor"))
        # See listing._page: the previous page was empty, and another empty page would repeat its cursor.
        if after and after.ticker.endswith("~"):
            await app(scope, receive, send)
            return
        await all_empty(app, scope, receive, send)

    return handle


def null_list(values: Values, exchange: Exchange) -> Handler:
    """Return a handler that sends lists as null, as Go encodes a nil slice.

    A page of a listing is empty first, so that its cursor leads to every row. A response without a cursor loses its
    rows.
    """
    pattern: str = values["member"]
    empty = empty_page(values, exchange)

    def to_null(value: Any, *, only_empty: bool) -> Any:
        if isinstance(value, list):
            return [to_null(item, only_empty=only_empty) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name: None
            if isinstance(member, list) and fnmatchcase(name, pattern) and not (member and only_empty)
            else to_null(member, only_empty=only_empty)
            for name, member in value.items()
        }

    def rewrite(body: bytes, _: Scope) -> bytes:
        answer = json.loads(body)
        return to_json(to_null(answer, only_empty="cursor" in answer))

    rewritten = rewriting(rewrite)

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await rewritten(partial(empty, app), scope, receive, send)

    return handle


def ignored_filters(values: Values, _: Exchange) -> Handler:
    """Return a handler that responds as if the filters that match a pattern were not in the query."""

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        query = query_of(scope)
        remaining = {name: value for name, value in query.items() if not fnmatchcase(name, values["filters"])}
        await app(with_query(scope, remaining), receive, send)

    return handle


def undone_trades(values: Values, exchange: Exchange) -> Handler:
    """Return a handler whose responses lack the last trades of amended markets: in listings, candles and volumes."""
    return with_setting("undone_trades", values["trades"], exchange)


def archive_tail(values: Values, exchange: Exchange) -> Handler:
    """Return a handler that limits the archive's listing to its first rows.

    A listing with the filter `tickers`, `event_ticker` or `series_ticker` reaches every row.
    """

    def rewrite(body: bytes, scope: Scope) -> bytes:
        query = query_of(scope)
        if not scope["path"].endswith("/historical/markets") or NAMING_FILTERS & query.keys():
            return body
        answer = json.loads(body)
        reached = list(_first_archived(exchange, query, values["rows"]))
        answer["markets"] = [row for row in answer["markets"] if row["ticker"] in reached]
        if not answer["markets"] or answer["markets"][-1]["ticker"] == reached[-1]:
            answer["cursor"] = START_AGAIN if values["ending"] == "loop" else ""
        return to_json(answer)

    return rewriting(rewrite)


def _first_archived(exchange: Exchange, query: dict[str, str], rows: int) -> Iterator[str]:
    combos = False if query.get("mve_filter") == "exclude" else None
    archived = exchange.markets(Order.CREATED, None, MarketFilter(combos=combos, archived=True))
    return (market.ticker for _, market in islice(archived, rows))


def paged_series(values: Values, _: Exchange) -> Handler:
    """Return a handler that lists the series in pages.

    The cursor comes first, because fields are in alphabetical order.
    """

    def rewrite(body: bytes, scope: Scope) -> bytes:
        if not scope["path"].endswith("/series"):
            return body
        series, after = json.loads(body)["series"], decode(query_of(scope).get("cursor"))
        tickers = [entry["ticker"] for entry in series]
        start = tickers.index(after.ticker) + 1 if after else 0  # ValueError if unknown: all series
        page = series[start : start + values["rows"]]
        is_last = start + len(page) == len(series)
        return to_json({"cursor": "" if is_last else encode(Position(0, page[-1]["ticker"])), "series": page})

    return rewriting(rewrite)
