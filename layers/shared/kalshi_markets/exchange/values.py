"""Parsers of the exchange's numbers and times, without loss of precision."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

PLAIN_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
"""Pattern of a stored number, at most 62 characters."""
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_UNIX_SECONDS: Final = re.compile(r"[0-9]{9,11}(?:\.[0-9]{1,9})?")
"""Pattern of Unix seconds from 1973 on. A text of eight digits is a date."""
# RFC 3339 and ISO 8601 permit the end of a day (24:00:00) and leap seconds; datetime does not.
_EDGE: Final = re.compile(
    r"(?P<day>[0-9-]{10}T)(?:24:00:00(?:\.0*)?|(?P<minute>[0-9]{2}:[0-9]{2}):60(?P<fraction>\.[0-9]*)?)"
    r"(?P<zone>Z|[+-][0-9:]+)?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_number(value: object) -> str:
    """Return a number as text without an exponent, with all its digits. Raises ValueError."""
    text = str(value)
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    if PLAIN_NUMBER.fullmatch(text):
        return text
    number = Decimal(text)
    plain = format(number, "f") if has_printable_size(number) else ""
    if not PLAIN_NUMBER.fullmatch(plain):
        raise ValueError("must have at most 30 digits before and after the decimal point")
    return plain


def parse_time(value: object) -> datetime:
    """Return a time in UTC, parsed from ISO 8601 or Unix seconds. Raises ValueError.

    A time without a zone is in UTC. 24:00:00 is midnight of the next day. A leap second becomes the second after it, as
    in PostgreSQL.
    """
    try:
        if not isinstance(value, str) or _UNIX_SECONDS.fullmatch(value):
            return _EPOCH + timedelta(microseconds=int(Decimal(parse_number(value)) * 1_000_000))
        text, shift = value.upper().replace(" ", "T"), timedelta()
        if edge := _EDGE.fullmatch(text):
            minute, zone = edge["minute"], edge["zone"] or ""
            shift = timedelta(seconds=1) if minute else timedelta(days=1)
            text = edge["day"] + (f"{minute}:59{edge['fraction'] or ''}" if minute else "00:00:00") + zone
        instant = datetime.fromisoformat(text) + shift
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not a time") from None


def has_printable_size(number: Decimal) -> bool:
    """Return whether a number has few enough digits without an exponent. 1E+999999999 has a gigabyte of digits."""
    return abs(number.adjusted()) <= 60
