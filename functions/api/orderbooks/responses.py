"""Responses with order books. They may be cached for a second."""

import json
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.candlesticks.result import INVALID_TICKER, RESPONSE_FULL
from api.errors import RETRY_HINT, ApiError, ErrorCode, market_not_found
from api.listing.paging import SHRINK_MARGIN
from api.orderbooks.fetch import UNKNOWN_TICKER, OrderbookResult
from api.responses import encode_body, encoded_response, fraction_of_limit, json_response
from kalshi_markets.exchange import OrderBook

_HEADERS: Final = {"cache-control": "max-age=1"}
_SIDES: Final = ("yes_bids", "yes_asks", "no_bids", "no_asks")


def single_response(request: Request, result: OrderbookResult) -> Response:
    """Return the order book of one market. Raises ApiError if the result has an error."""
    if result.error in (UNKNOWN_TICKER, INVALID_TICKER):
        raise market_not_found()
    if result.error or result.orderbook is None:
        raise ApiError(ErrorCode.EXCHANGE_UNAVAILABLE, result.error.message if result.error else "", RETRY_HINT)
    return json_response(request, {"ticker": result.ticker, "orderbook": _sides(result.orderbook)}, headers=_HEADERS)


def batch_response(request: Request, results: Sequence[OrderbookResult]) -> Response:
    """Return the response with all results in order. Those that exceed the size limit have an error."""
    while True:
        unanswered = [result.ticker for result in results if result.retryable]
        text = json.dumps({"results": [_result(result) for result in results], "unanswered": unanswered})
        body = encode_body(request, text)
        if (size_ratio := fraction_of_limit(body)) <= 1:
            return encoded_response(body, headers=_HEADERS)
        answered = [result for result in results if result.orderbook]
        for result in answered[int(len(answered) / size_ratio * SHRINK_MARGIN) :]:
            result.fail(RESPONSE_FULL)


def _result(result: OrderbookResult) -> dict[str, Any]:
    message, code = (result.error.message, result.error.code) if result.error else (None, None)
    sides = _sides(result.orderbook) if result.orderbook else None
    return {"ticker": result.ticker, "orderbook": sides, "error": message, "code": code}


def _sides(orderbook: OrderBook) -> dict[str, Any]:
    """Return the levels of an order book by side: pairs of a price and a size."""
    return {side: getattr(orderbook, side) for side in _SIDES}
