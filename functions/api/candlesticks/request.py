"""Candlestick requests: the body of POST /markets/candlesticks, or a path and its query parameters."""

import time
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError, model_validator

from api.errors import ErrorCode, Problem, market_not_found, validation_error
from api.formats import FORMAT_PARAMETER
from api.query_string import Parameter, integer_schema, parse_parameters
from api.request_body import Ticker, parse_model
from api.value_parsers import MAX_UNIX_SECONDS, check_unix_seconds, parse_integer

MAX_TICKERS: Final = 10_000
EXAMPLE_BODY: Final = '{"tickers": ["KXBTCD-26NOV2417-T91249.99"], "period_interval": 60}'
PERIODS: Final = (1, 60, 1440)
"""Lengths of a period in minutes."""
_PERIOD_MESSAGE: Final = "must be 1, 60 or 1440 minutes"
DAY: Final = 86_400
MAX_SECOND: Final = MAX_UNIX_SECONDS - 1
_MAX_INTEGER: Final = 2**63 - 1


def _seconds(value: int) -> int:
    check_unix_seconds(value, MAX_SECOND)
    return value


def _period(value: int) -> int:
    if value not in PERIODS:
        raise ValueError(_PERIOD_MESSAGE)
    return value


def parse_seconds(text: str) -> int:
    """Return Unix seconds. Raises ValueError."""
    return _seconds(parse_integer(text, 0, _MAX_INTEGER))


def _parse_period(text: str) -> int:
    if text not in map(str, PERIODS):
        raise ValueError(_PERIOD_MESSAGE)
    return int(text)


CANDLESTICK_PARAMETERS: Final = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "start_ts",
            parse_seconds,
            "Earliest end of a period, in Unix seconds. Default: 24 hours before end_ts.",
            "1795435200",
            integer_schema(0, MAX_SECOND),
        ),
        Parameter(
            "end_ts",
            parse_seconds,
            "Latest end of a period, in Unix seconds. Default: now.",
            "1795521600",
            integer_schema(0, MAX_SECOND),
        ),
        Parameter(
            "period_interval",
            _parse_period,
            "Length of a period, in minutes.",
            "60",
            {"type": "integer", "enum": [*PERIODS], "default": 60},
        ),
        FORMAT_PARAMETER,
    )
}
"""Parameters of GET /markets/{ticker}/candlesticks, by name."""

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
    return parse_model(CandlesticksRequest, body, EXAMPLE_BODY)


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
