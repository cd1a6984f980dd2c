"""GET /markets/{ticker}/trades."""

from starlette.requests import Request
from starlette.responses import Response

from api.formats import negotiate_format
from api.resources import Resources
from api.trades.fetch import fetch
from api.trades.request import parse_request
from api.trades.response import page_response


async def respond(request: Request, ticker: str, service: Resources, *, deadline: float) -> Response:
    """Return a page of the trades of one market.

    deadline: time.monotonic() value by which calls to the exchange must end.
    Raises ApiError, DatabaseError and the errors of the rate limiter.
    """
    trades_request = parse_request(ticker, request.scope["query_string"])
    format_ = negotiate_format(request, trades_request.format)
    page = await fetch(trades_request, service, deadline=deadline)
    return page_response(request, trades_request, page, format_)
