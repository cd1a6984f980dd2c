"""Parsed candlesticks, the input and output of resampling and filling."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from api.candlesticks.gzip_body import Deflated

_DECODER: Final = json.JSONDecoder(parse_float=str)  # a price that is a number keeps its digits
encode: Final = json.JSONEncoder(separators=(",", ":")).encode

JsonObject = Mapping[str, Any]


class ParsedCandle(NamedTuple):
    """Candlestick of one period.

    end: end of the period, in Unix seconds.
    fields: the JSON object.
    text: the JSON text of `fields` on one line.
    """

    end: int
    fields: JsonObject
    text: str


def parse(packed: Iterable[Deflated], separator: str) -> Iterator[ParsedCandle]:
    """Yield the candles of compressed texts that are joined by the separator, a comma and white space.

    Raises ValueError if a text is not JSON.
    """
    for data in packed:
        text = data.decompress()
        for fields, part in zip(_DECODER.decode(f"[{text}]"), text.split(separator), strict=True):
            yield ParsedCandle(fields["end_period_ts"], fields, part)


def build(end: int, members: JsonObject) -> ParsedCandle:
    """Return a candle with other members than the exchange's. members: all but end_period_ts."""
    fields = {"end_period_ts": end, **members}
    return ParsedCandle(end, fields, encode(fields))


def read_price(fields: JsonObject, name: str, member: str) -> Any:
    """Return a price of a candle; None if it is missing. name: `price`, `yes_bid` or `yes_ask`."""
    prices = fields.get(name)
    return prices.get(member) if prices else None
