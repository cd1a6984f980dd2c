"""Response of GET /markets/{ticker}/trades as JSON, NDJSON or CSV."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.formats import CSV, JSON, Format
from api.listing.paging import SHRINK_MARGIN, next_url, page_headers
from api.responses import encode_body, encoded_response, fraction_of_limit
from api.trades.page import Page
from api.trades.position import Position
from api.trades.request import TRADE_COLUMNS, TradesRequest
from kalshi_markets.exchange import Trade

_TEXTS: Final = frozenset({"trade_id", "ticker", "taker_outcome_side", "taker_book_side"})


def page_response(request: Request, trades_request: TradesRequest, page: Page, format_: Format) -> Response:
    """Return the response of a page. It has fewer trades if they exceed the size limit."""
    while True:
        metadata = _metadata(request, trades_request, page)
        body = encode_body(request, _render(page.trades, format_, metadata))
        if (size_ratio := fraction_of_limit(body)) <= 1:
            return encoded_response(body, format_.media_type, headers=page_headers(metadata))
        first = page.trades[: max(1, int(len(page.trades) / size_ratio * SHRINK_MARGIN))]
        page = Page(first, Position(first[-1].created, first[-1].trade_id))


def _metadata(request: Request, trades_request: TradesRequest, page: Page) -> dict[str, Any]:
    """Return the members of the envelope besides `items` and `count`."""
    cursor = trades_request.cursor(page.position) if page.position else None
    metadata: dict[str, Any] = {"next_cursor": cursor, "next_url": next_url(request, cursor)}
    if cursor and len(page.trades) < trades_request.limit:
        metadata["truncated"] = True
    return metadata


def _render(trades: Sequence[Trade], format_: Format, metadata: Mapping[str, Any]) -> str:
    if format_ is JSON:
        items = format_.separator.join(trade.text for trade in trades)
        return f'{{"items":[{items}],{json.dumps({"count": len(trades), **metadata}, ensure_ascii=False)[1:]}'
    if format_ is CSV:
        lines = [",".join(TRADE_COLUMNS), *(_csv_row(json.loads(trade.text)) for trade in trades)]
    else:
        lines = [trade.text for trade in trades]
    return "".join(line + format_.terminator for line in lines)


def _csv_row(trade: Mapping[str, Any]) -> str:
    """Return the CSV line of a trade without its terminator. Strings are quoted. A missing value is an empty cell."""
    return ",".join(_cell(name, trade.get(name)) for name in TRADE_COLUMNS)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).replace('"', '""')
    return f'"{text}"' if name in _TEXTS or text != str(value) else text
