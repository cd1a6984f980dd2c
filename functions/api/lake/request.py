"""Requests for the days of the lake: their query parameters."""

from datetime import date
from typing import Final, NamedTuple

from api.query_string import Parameter, integer, integer_schema, parse_parameters

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 100
"""Maximum of days on a page. Each day is one object to read."""


def _parse_day(value: str) -> date:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        day = None
    if day is None or value != day.isoformat():
        raise ValueError("must be a day, such as 2026-11-27")
    return day


LAKE_PARAMETERS: Final = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "limit",
            integer(1, MAX_LIMIT),
            f"Maximum number of days, from 1 to {MAX_LIMIT}.",
            str(DEFAULT_LIMIT),
            integer_schema(1, MAX_LIMIT, DEFAULT_LIMIT),
        ),
        Parameter(
            "cursor",
            _parse_day,
            "Continues with the days before this one: `next_cursor` of the previous page.",
            "2026-11-27",
            {"type": "string", "format": "date"},
        ),
    )
}
"""Parameters of GET /lake, by name."""


class LakeRequest(NamedTuple):
    """Request for a page of days. before: the page has days before this one; None: the newest days."""

    limit: int
    before: date | None


def parse_request(query_string: bytes) -> LakeRequest:
    """Parse the query string of GET /lake. Raises ApiError."""
    values = parse_parameters(query_string, LAKE_PARAMETERS)
    return LakeRequest(values.get("limit", DEFAULT_LIMIT), values.get("cursor"))
