"""Candlestick requests: the body of POST /markets/candlesticks, or a path and its query parameters."""

import time
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError, model_validator

from api.errors import ErrorCode, Problem, market_not_found, validation_error
from api.markets.parameters import CANDLESTICK_PARAMETERS, PERIODS
from api.markets.query import parse_parameters
from api.value_parsers import MAX_UNIX_SECONDS

MAX_TICKERS: Final = 10_000
MAX_TICKER_LENGTH: Final = 200
DAY: Final = 86_400


def _ticker(value: str) -> str:
    if not value.isprintable():  # lone surrogates are not printable
        raise ValueError("must contain only printable characters")
    return value


def _seconds(value: int) -> int:
    if value >= MAX_UNIX_SECONDS:
        raise ValueError("must be before the year 5138; use Unix seconds, not milliseconds")
    return value


def _period(value: int) -> int:
    if value not in PERIODS:
        raise ValueError("must be 1, 60 or 1440 minutes")
    return value


Ticker = Annotated[str, Field(min_length=1, max_length=MAX_TICKER_LENGTH), AfterValidator(_ticker)]
Seconds = Annotated[StrictInt, Field(ge=0, description="Unix seconds"), AfterValidator(_seconds)]
Period = Annotated[StrictInt, AfterValidator(_period)]


class CandlesticksRequest(BaseModel):
    """Which candles: those whose periods end from start_ts to end_ts, both included."""

    model_config = ConfigDict(extra="forbid")

    tickers: Annotated[list[Ticker], Field(min_length=1, max_length=MAX_TICKERS)]
    start_ts: Seconds | None = Field(None, description="Unix seconds. Default: 24 hours before end_ts.")
    end_ts: Seconds | None = Field(None, description="Unix seconds. Default: now.")
    period_interval: Period = Field(60, description="Length of a period in minutes: 1, 60 or 1440.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.start_ts is not None and self.start_ts > (time.time() if self.end_ts is None else self.end_ts):
            raise ValueError("start_ts must not be after end_ts")
        return self

    def time_range(self) -> tuple[int, int]:
        """Return start_ts and end_ts with their defaults applied."""
        end = int(time.time()) if self.end_ts is None else self.end_ts
        return (max(0, end - DAY) if self.start_ts is None else self.start_ts), end


def parse_body(body: bytes) -> CandlesticksRequest:
    """Parse the body of POST /markets/candlesticks. Raises ApiError, a 422 that does not quote the body."""
    try:
        return CandlesticksRequest.model_validate_json(body)
    except ValidationError as error:
        hint = '{"tickers": ["KXBTCD-26NOV2417-T91249.99"], "period_interval": 60}'
        problems = [
            Problem(
                ErrorCode.INVALID_BODY,
                ("body", *map(_safe_loc, details["loc"])),
                details["msg"].removeprefix("Value error, "),
                hint,
            )
            for details in error.errors(include_url=False, include_context=False, include_input=False)[:20]
        ]
        raise validation_error(problems) from None


def parse_path(ticker: str, query_string: bytes) -> tuple[CandlesticksRequest, str | None]:
    """Return the request for the ticker of a path, and the name of the format or None. Raises ApiError."""
    given = parse_parameters(query_string, CANDLESTICK_PARAMETERS)
    format_: str | None = given.pop("format", None)
    try:
        return CandlesticksRequest(tickers=[ticker], **given), format_
    except ValidationError as error:
        if any(details["loc"] for details in error.errors()):
            raise market_not_found() from None
    problem = Problem(
        ErrorCode.INVALID_PARAMETER, ("query", "start_ts"), "start_ts must not be after end_ts", "Swap the two values."
    )
    raise validation_error([problem])


def _safe_loc(item: str | int) -> str | int:
    """Return a location item limited to 100 ASCII characters: it may be a field name that the client chose."""
    return item[:100].encode("ascii", "replace").decode() if isinstance(item, str) else item
