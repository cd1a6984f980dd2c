"""JSON parser of the exchange's responses."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NoReturn

import httpx

from kalshi_markets.exchange.errors import InvalidResponse
from kalshi_markets.text import excerpt

MAX_REASON_LENGTH: Final = 300


def parse_json(text: str | bytes, *, parse_float: Callable[[str], object] = Decimal) -> Any:
    """Parse JSON. parse_float: converts non-integer numbers. Raises InvalidResponse."""
    try:
        return json.loads(text, parse_float=parse_float, parse_constant=reject_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidResponse("the exchange returned invalid JSON.") from error


def parse_object(response: httpx.Response, *, parse_float: Callable[[str], object] = Decimal) -> dict[str, Any]:
    """Return the JSON object of a response. parse_float: converts non-integer numbers. Raises InvalidResponse."""
    answer = parse_json(response.content, parse_float=parse_float)
    if not isinstance(answer, dict):
        raise InvalidResponse("the exchange returned no JSON object.")
    return answer


def printable(text: object) -> str:
    """Return at most MAX_REASON_LENGTH characters of a text, escaped to printable ASCII for logs and the database."""
    return excerpt(str(text), MAX_REASON_LENGTH)


def reject_constant(constant: str) -> NoReturn:
    """Raise ValueError: NaN and Infinity are not JSON."""
    raise ValueError(constant)
