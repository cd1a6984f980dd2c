"""Parsers of query values: text to a value for a parameter of the SQL statement.

Each parser raises ValueError. Its message continues a sentence that begins with the parameter's name.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from kalshi_markets.columns import Kind

SqlValue = str | bool | int

_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_UNIX: Final = re.compile(r"[0-9]+(\.[0-9]{1,6})?")
_ISO: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"([Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2}(\.[0-9]{1,6})?))?"
    r"([Zz]|(?P<offset>[+\- ][0-9]{2}(:?[0-9]{2})?))?)?"
)
MAX_NUMBER_LENGTH: Final = 64
"""Characters. A stored number has at most 62."""
MAX_TEXT_LENGTH: Final = 1000
MAX_UNIX_SECONDS: Final = 10**11
"""Upper limit of Unix seconds, reached in the year 5138. Milliseconds passed it in 1973."""
SECONDS_FROM: Final = 10**9
"""Lower limit of Unix seconds, passed in September 2001. A smaller number is a year, or a date without dashes."""


def parse_text(value: str) -> str:
    """Return the text unchanged. Raises ValueError if it is longer than MAX_TEXT_LENGTH."""
    if len(value) > MAX_TEXT_LENGTH:
        raise ValueError(f"must have at most {MAX_TEXT_LENGTH:,} characters")
    return value


def parse_number(value: str) -> str:
    """Return a decimal number without an exponent and with all digits: 1.5e3 is 1500, +5 is 5, .5 is 0.5."""
    if len(value) <= MAX_NUMBER_LENGTH and _PLAIN.fullmatch(value):
        return value
    if len(value) <= MAX_NUMBER_LENGTH and _NUMBER.fullmatch(value):
        plain = f"{Decimal(value):f}"
        if len(plain) <= MAX_NUMBER_LENGTH:
            return plain
    raise ValueError(f"must be a number, such as 100, 0.25 or 1.5e3, with at most {MAX_NUMBER_LENGTH} characters")


def parse_integer(value: str, minimum: int, maximum: int) -> int:
    """Return an integer from minimum to maximum, both included."""
    if re.fullmatch(r"[0-9]{1,19}", value) and minimum <= int(value) <= maximum:
        return int(value)
    raise ValueError(f"must be an integer between {minimum} and {maximum}")


def parse_time(value: str) -> str:
    """Return a time in UTC, parsed from Unix seconds or ISO 8601.

    A missing time zone means UTC. A date means its midnight. 24:00:00 is midnight of the next day. A leap second is
    the second after it. More than six digits of a fraction are invalid: PostgreSQL has microseconds and could not
    compare them exactly.
    """
    if _UNIX.fullmatch(value):
        return _from_unix(value)
    if match := _ISO.fullmatch(value):
        try:
            return _from_iso(match).isoformat()
        except (ValueError, OverflowError):
            pass  # a day, an hour or an offset that does not exist
    raise ValueError(
        "must be ISO 8601, such as 2026-11-24T12:00:00Z, or Unix seconds, such as 1795521600,"
        " with at most six fractional digits"
    )


def _from_iso(match: re.Match[str]) -> datetime:
    hour, minute, second = int(match["hour"] or 0), int(match["minute"] or 0), Decimal(match["second"] or 0)
    if hour > 24 or minute > 59 or second >= 61 or (hour == 24 and (minute or second)):
        raise ValueError("invalid time of day")
    # A + that was not percent-encoded in the URL is decoded as a space.
    offset = (match["offset"] or "+00:00").replace(" ", "+")
    midnight = datetime.fromisoformat(f"{match['date']}T00:00{offset}")
    return (midnight + timedelta(hours=hour, minutes=minute, microseconds=int(second * 10**6))).astimezone(UTC)


def _from_unix(value: str) -> str:
    seconds = Decimal(value)
    check_unix_seconds(seconds)
    if 0 < seconds < SECONDS_FROM:
        raise ValueError(
            "must not be Unix seconds before September 2001; write a date as 2026-01-01, a year as its first day"
        )
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 10**6))).isoformat()


def check_unix_seconds(seconds: Decimal | int, maximum: int = MAX_UNIX_SECONDS) -> None:
    """Raise ValueError if the number is greater than the maximum, as milliseconds are."""
    if seconds > maximum:
        raise ValueError("must be before the year 5138; use Unix seconds, not milliseconds")


def parse_boolean(value: str) -> bool:
    """Return the boolean of `true` or `false`."""
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def parse_json(value: str) -> str:
    """Return the text of a valid JSON value. PostgreSQL compares it with stored values as jsonb, member by member."""
    try:
        json.loads(parse_text(value), parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise ValueError('must be JSON, such as {"football_team":"…"}, with at most 1,000 characters') from None
    return value


def _reject_constant(constant: str) -> None:
    raise ValueError(constant)


PARSERS: Final[Mapping[Kind, Callable[[str], SqlValue]]] = {
    Kind.STRING: parse_text,
    Kind.NUMBER: parse_number,
    Kind.TIME: parse_time,
    Kind.BOOLEAN: parse_boolean,
    Kind.JSON: parse_json,
}

EXAMPLES: Final = {
    Kind.STRING: "Bitcoin",
    Kind.NUMBER: "100",
    Kind.TIME: "2026-11-24T12:00:00Z",
    Kind.BOOLEAN: "true",
    Kind.JSON: "{}",
}
"""Example value of each kind."""
