"""Requests for trades: the ticker of a path, and its query parameters."""

from dataclasses import dataclass, replace
from typing import Any, Final, get_args

from api.candlesticks.request import MAX_SECOND, parse_seconds
from api.errors import ErrorCode, Problem, validation_error
from api.formats import FORMAT_PARAMETER
from api.listing import cursor
from api.listing.parameters import CURSOR_PARAMETER, DEFAULT_LIMIT, limit_parameter
from api.query_string import Parameter, enum_schema, integer_schema, invalid_parameter, one_of, parse_parameters
from api.trades.position import Order, Position
from api.value_parsers import parse_text

ORDERS: Final = get_args(Order)
_KEY_PARTS: Final = 2

TRADE_PARAMETERS: Final = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "min_ts",
            parse_seconds,
            "Earliest time of a trade, in Unix seconds. Default: the open time of the market.",
            "1795435200",
            integer_schema(0, MAX_SECOND),
        ),
        Parameter(
            "max_ts",
            parse_seconds,
            "Latest time of a trade, in Unix seconds. Default: now.",
            "1795521600",
            integer_schema(0, MAX_SECOND),
        ),
        Parameter(
            "order",
            one_of(ORDERS),
            "Which trades come first. Trades of one instant are sorted by trade_id in the same direction.",
            ORDERS[0],
            enum_schema(ORDERS, ORDERS[0]),
        ),
        limit_parameter("trades"),
        CURSOR_PARAMETER,
        FORMAT_PARAMETER,
    )
}
"""Parameters of GET /markets/{ticker}/trades, by name."""

TRADE_COLUMNS: Final = (
    "trade_id",
    "ticker",
    "created_time",
    "yes_price_dollars",
    "no_price_dollars",
    "count_fp",
    "taker_outcome_side",
    "taker_book_side",
    "is_block_trade",
)
"""Members of a trade, in the order of the columns of CSV."""


@dataclass(frozen=True)
class TradesRequest:
    """Request for the trades of one market whose times are from min_ts to max_ts, both included, in Unix seconds.

    position: the position after which the page starts, from the cursor.
    format: None means the format of the Accept header.
    """

    ticker: str
    min_ts: int | None = None
    max_ts: int | None = None
    order: Order = "newest"
    limit: int = DEFAULT_LIMIT
    position: Position | None = None
    format: str | None = None

    def cursor(self, position: Position) -> str:
        """Return the cursor of a position. It is valid only with the same parameters."""
        end = cursor.Position(f"{position.created}/{position.window}", position.trade_id)
        return cursor.encode(end, self._cursor_parameters)

    @property
    def _cursor_parameters(self) -> dict[str, str]:
        bounds = {"min_ts": self.min_ts, "max_ts": self.max_ts}
        return {"ticker": self.ticker, "order": self.order} | {
            name: str(bound) for name, bound in bounds.items() if bound is not None
        }

    def parse_cursor(self, text: str) -> Position:
        """Return the position that a cursor of this request contains. Raises ValueError."""
        end = cursor.decode(text, self._cursor_parameters, parse_text, {"ticker", *TRADE_PARAMETERS})
        numbers = (end.key or "").split("/")
        if len(numbers) != _KEY_PARTS or not all(number.isdecimal() and number.isascii() for number in numbers):
            raise ValueError(cursor.INVALID_CURSOR)
        return Position(int(numbers[0]), end.row_id, int(numbers[1]))


def parse_request(ticker: str, query_string: bytes) -> TradesRequest:
    """Return the request for the trades of a ticker. Raises ApiError, a 422."""
    values: dict[str, Any] = parse_parameters(query_string, TRADE_PARAMETERS)
    text = values.pop("cursor", None)
    request = TradesRequest(ticker, **values)
    if request.min_ts is not None and request.max_ts is not None and request.min_ts > request.max_ts:
        message = "min_ts must not be after max_ts"
        problem = Problem(ErrorCode.INVALID_PARAMETER, ("query", "min_ts"), message, "Swap the two values.")
        raise validation_error([problem])
    try:
        return request if text is None else replace(request, position=request.parse_cursor(text))
    except ValueError as error:
        hint = "Use next_url, or restart without a cursor."
        raise validation_error([invalid_parameter("cursor", str(error), hint)]) from None
