"""What is asked for: the body of POST /markets/candlesticks, or a path and its parameters."""

import time
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError, model_validator

from api.errors import Code, Problem, market_not_found, refusal
from api.parameters import CANDLESTICKS, PERIODS
from api.query import parse_settings
from api.values import MILLISECONDS_FROM

MOST_TICKERS: Final = 10_000
LONGEST_TICKER: Final = 200
DAY: Final = 86_400


def _ticker(value: str) -> str:
    if not value.isprintable():  # which lone surrogates are not
        raise ValueError("must be printable characters")
    return value


def _seconds(value: int) -> int:
    if value >= MILLISECONDS_FROM:
        raise ValueError("is beyond the year 5000; are these milliseconds? It takes seconds")
    return value


def _period(value: int) -> int:
    if value not in PERIODS:
        raise ValueError("must be 1, 60 or 1440 minutes")
    return value


Ticker = Annotated[str, Field(min_length=1, max_length=LONGEST_TICKER), AfterValidator(_ticker)]
Seconds = Annotated[StrictInt, Field(ge=0, description="Unix seconds"), AfterValidator(_seconds)]
Period = Annotated[StrictInt, AfterValidator(_period)]


class CandlesticksRequest(BaseModel):
    """Which candles: those whose periods end from start_ts to end_ts, both included."""

    model_config = ConfigDict(extra="forbid")

    tickers: Annotated[list[Ticker], Field(min_length=1, max_length=MOST_TICKERS)]
    start_ts: Seconds | None = Field(None, description="Unix seconds; 24 hours before end_ts by default")
    end_ts: Seconds | None = Field(None, description="Unix seconds; now by default")
    period_interval: Period = Field(60, description="Minutes of a period: 1, 60 or 1440")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start_ts is not None and self.start_ts > (time.time() if self.end_ts is None else self.end_ts):
            raise ValueError("start_ts is after end_ts")
        return self

    def bounds(self) -> tuple[int, int]:
        """start_ts and end_ts, with their defaults filled in."""
        end = int(time.time()) if self.end_ts is None else self.end_ts
        return (max(0, end - DAY) if self.start_ts is None else self.start_ts), end


def read(body: bytes) -> CandlesticksRequest:
    """Raises ApiError, a 422 that says where the body is wrong and never quotes it."""
    try:
        return CandlesticksRequest.model_validate_json(body)
    except ValidationError as error:
        hint = '{"tickers": ["KXBTCD-26NOV2417-T91249.99"], "period_interval": 60}'
        problems = [
            Problem(
                Code.INVALID_BODY,
                ("body", *map(_bounded, found["loc"])),
                found["msg"].removeprefix("Value error, "),
                hint,
            )
            for found in error.errors(include_url=False, include_context=False, include_input=False)[:20]
        ]
        raise refusal(problems) from None


def read_one(ticker: str, query_string: bytes) -> tuple[CandlesticksRequest, str | None]:
    """Of a path's ticker; and the format, if one is named. Raises ApiError."""
    given = parse_settings(query_string, CANDLESTICKS)
    form: str | None = given.pop("format", None)
    try:
        return CandlesticksRequest(tickers=[ticker], **given), form
    except ValidationError as error:
        if any(found["loc"] for found in error.errors()):
            raise market_not_found() from None
    problem = Problem(Code.INVALID_PARAMETER, ("query", "start_ts"), "start_ts is after end_ts", "Swap the two.")
    raise refusal([problem])


def _bounded(place: str | int) -> str | int:
    """A place may be a member's name, which is the client's own text."""
    return place[:100].encode("ascii", "replace").decode() if isinstance(place, str) else place
