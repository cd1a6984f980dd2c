"""GET /markets/{ticker}/orderbook and POST /markets/orderbooks."""

from starlette.requests import Request
from starlette.responses import Response

from api.orderbooks.fetch import fetch, fetch_one
from api.orderbooks.request import parse_body, parse_depth
from api.orderbooks.responses import batch_response, single_response
from kalshi_markets.exchange import ExchangeClient


async def single(request: Request, ticker: str, exchange: ExchangeClient, *, deadline: float) -> Response:
    """Return the order book of one market.

    deadline: time.monotonic() value by which calls to the exchange must end.
    Raises ApiError and the errors of the rate limiter.
    """
    depth = parse_depth(request.scope["query_string"])
    return single_response(request, await fetch_one(ticker, exchange, depth, deadline=deadline))


async def batch(request: Request, body: bytes, exchange: ExchangeClient, *, deadline: float) -> Response:
    """Return the order books of the tickers of a body. The deadline and the errors are those of `single`."""
    orderbooks = parse_body(body)
    results = await fetch(orderbooks.tickers, exchange, orderbooks.depth, deadline=deadline)
    return batch_response(request, results)
