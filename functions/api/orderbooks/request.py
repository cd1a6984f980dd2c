"""Requests for order books: the body of POST /markets/orderbooks, or the query string of one market."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from api.query_string import Parameter, integer, integer_schema, parse_parameters
from api.request_body import Ticker, parse_model

MAX_TICKERS: Final = 1_000
MAX_DEPTH: Final = 100
"""The exchange's maximum (docs.kalshi.com, Get Market Orderbook)."""
EXAMPLE_BODY: Final = '{"tickers": ["KXBTCD-26NOV2417-T91249.99"], "depth": 1}'
_DEPTH: Final = "Maximum number of levels of each side, the best ones. 0: all levels."

ORDERBOOK_PARAMETERS: Final = {
    "depth": Parameter("depth", integer(0, MAX_DEPTH), _DEPTH, "1", integer_schema(0, MAX_DEPTH, 0))
}
"""Parameters of GET /markets/{ticker}/orderbook, by name."""


class OrderbooksRequest(BaseModel):
    """Which order books, and how many levels of each side."""

    model_config = ConfigDict(extra="forbid")

    tickers: Annotated[list[Ticker], Field(min_length=1, max_length=MAX_TICKERS)]
    depth: Annotated[StrictInt, Field(ge=0, le=MAX_DEPTH, description=_DEPTH)] = 0


def parse_body(body: bytes) -> OrderbooksRequest:
    """Parse the body of POST /markets/orderbooks. Raises ApiError, a 422 that does not quote the body."""
    return parse_model(OrderbooksRequest, body, EXAMPLE_BODY)


def parse_depth(query_string: bytes) -> int:
    """Return the depth that a query string requests. Raises ApiError."""
    depth: int = parse_parameters(query_string, ORDERBOOK_PARAMETERS).get("depth", 0)
    return depth
