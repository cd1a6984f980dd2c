"""Candlestick requests: the body of POST /markets/candlesticks, or a path and its query parameters."""

import re
import time
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError, model_validator

from api.errors import ApiError, ErrorCode, Problem, market_not_found, validation_error
from api.formats import FORMAT_PARAMETER
from api.query_string import (
    Parameter,
    enum_schema,
    integer_schema,
    invalid_parameter,
    one_of,
    parse_parameters,
)
from api.request_body import Ticker, parse_model
from api.value_parsers import MAX_UNIX_SECONDS, check_unix_seconds, parse_integer

MAX_TICKERS: Final = 10_000
EXAMPLE_BODY: Final = '{"tickers": ["KXBTCD-26NOV2417-T91249.99"], "period_interval": 60}'
DAY_MINUTES: Final = 1440
PERIODS: Final = tuple(minutes for minutes in range(1, DAY_MINUTES + 1) if DAY_MINUTES % minutes == 0)
"""Lengths of a period in minutes."""
FILLS: Final = ("none", "previous", "mid")
EXCHANGE_ZONE: Final = "America/New_York"
"""Time zone of the exchange's days."""
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_MAX_ZONE_LENGTH: Final = 64
_PERIOD_MESSAGE: Final = "must be a number of minutes that divides a day, such as 1, 5, 60 or 1440"
_ZONE_MESSAGE: Final = "must be the name of an IANA time zone, such as Europe/Berlin"
_CONFLICT_HINTS: Final = {
    "start_ts": "Use an earlier start_ts. Without end_ts, the end is the present.",
    "tz": "period_interval=1440",
}
"""Hints by the parameter that conflicts with another one."""
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


def _zone(value: str) -> str:
    if len(value) > _MAX_ZONE_LENGTH or not _ZONE.fullmatch(value):
        raise ValueError(_ZONE_MESSAGE)
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
            "Length of a period, in minutes. It divides a day.",
            "60",
            {"type": "integer", "enum": [*PERIODS], "default": 60},
        ),
        Parameter(
            "fill",
            one_of(FILLS),
            "Price of a period without a trade: `none` leaves it out, `previous` is the last known price, `mid` is the"
            " middle of bid and ask at the end of the period.",
            "previous",
            enum_schema(FILLS, "none"),
        ),
        Parameter(
            "tz",
            _zone,
            "IANA time zone whose days the daily candles are. Only with a period_interval of 1440.",
            "Europe/Berlin",
            {"type": "string", "default": EXCHANGE_ZONE},
        ),
        FORMAT_PARAMETER,
    )
}
"""Parameters of GET /markets/{ticker}/candlesticks, by name."""

Seconds = Annotated[StrictInt, Field(ge=0, description="Unix seconds"), AfterValidator(_seconds)]
Period = Annotated[StrictInt, AfterValidator(_period)]
Fill = Literal["none", "previous", "mid"]
Zone = Annotated[str, AfterValidator(_zone)]


class CandlesticksRequest(BaseModel):
    """Which candles: those whose periods end from start_ts to end_ts, both included."""

    model_config = ConfigDict(extra="forbid")

    tickers: Annotated[list[Ticker], Field(min_length=1, max_length=MAX_TICKERS)]
    start_ts: Seconds | None = Field(None, description="Unix seconds. Default: 24 hours before end_ts.")
    end_ts: Seconds | None = Field(None, description="Unix seconds. Default: now.")
    period_interval: Period = Field(60, description=CANDLESTICK_PARAMETERS["period_interval"].description)
    fill: Fill = Field("none", description=CANDLESTICK_PARAMETERS["fill"].description)
    tz: Zone | None = Field(None, description=CANDLESTICK_PARAMETERS["tz"].description)

    @model_validator(mode="after")
    def _check_conflicts(self) -> Self:
        """Raise ValueError if two values conflict. Its message begins with the name of one of them."""
        if self.start_ts is not None and self.start_ts > (time.time() if self.end_ts is None else self.end_ts):
            raise ValueError("start_ts must not be after end_ts")
        if self.tz is not None and self.period_interval != DAY_MINUTES:
            raise ValueError("tz is for daily candles only: period_interval must be 1440")
        return self

    def time_range(self, now: float) -> tuple[int, int]:
        """Return start_ts and end_ts with their defaults applied.

        The end is limited to the running period, plus a day for clock differences. Later periods have no candles.
        now: Unix seconds of the exchange's clock.
        """
        end = int(time.time()) if self.end_ts is None else self.end_ts
        start = max(0, end - DAY) if self.start_ts is None else self.start_ts
        return start, min(end, int(now) + self.period_interval * 60 + DAY)


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
        [details, *_] = error.errors()
    if details["loc"]:
        raise market_not_found()
    message = details["msg"].removeprefix("Value error, ")
    name = message.partition(" ")[0]
    raise validation_error([Problem(ErrorCode.INVALID_PARAMETER, ("query", name), message, _CONFLICT_HINTS[name])])


def unknown_zone(*, in_body: bool) -> ApiError:
    """Return the error for a time zone that PostgreSQL does not have. in_body: of a POST request."""
    if in_body:
        problem = Problem(ErrorCode.INVALID_BODY, ("body", "tz"), _ZONE_MESSAGE, EXAMPLE_BODY)
    else:
        problem = invalid_parameter("tz", _ZONE_MESSAGE, f"tz={CANDLESTICK_PARAMETERS['tz'].example}")
    return validation_error([problem])
