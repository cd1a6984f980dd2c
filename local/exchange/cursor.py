"""Pagination cursors: the position of the last row of a page.

Observed on production, 2026-08: a cursor is a protocol buffer `{1: {1: seconds, 2: nanoseconds}, 2: ticker}` in
base64url without padding. It holds the sort key of the last row. An invalid cursor is not rejected: the response is the
first page.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from local.exchange.clock import SECOND

VARINT, LENGTH_DELIMITED = 0, 2


class Position(NamedTuple):
    """Sort key of a row: an instant, then the ticker."""

    at: int
    ticker: str


def encode(position: Position) -> str:
    seconds, micros = divmod(position.at, SECOND)
    timestamp = _integer(1, seconds) + _integer(2, micros * 1000)
    message = _bytes(1, timestamp) + _bytes(2, position.ticker.encode())
    return urlsafe_b64encode(message).rstrip(b"=").decode()


def decode(cursor: str | None) -> Position | None:
    """Return the position of a cursor; None if there is no cursor, or one that this exchange did not issue."""
    if cursor is None:
        return None
    try:
        message = _fields(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        timestamp = _fields(message.get(1, b""))
        seconds = int.from_bytes(timestamp.get(1, b""), "little", signed=True)
        nanos = int.from_bytes(timestamp.get(2, b""), "little")
        position = Position(seconds * SECOND + nanos // 1000, message[2].decode())
    except (ValueError, LookupError):
        return None
    return position if encode(position) == cursor else None  # a text in another encoding was not issued either


def _varint(number: int) -> bytes:
    number %= 2**64  # negative seconds (before 1970) are encoded as two's complement
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _integer(field: int, number: int) -> bytes:
    return _varint(field << 3 | VARINT) + _varint(number) if number else b""


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | LENGTH_DELIMITED) + _varint(len(content)) + content


def _fields(message: bytes) -> dict[int, bytes]:
    """Return the fields of a message by number. Integers are eight little-endian bytes."""
    fields = {}
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        value, at = _read_varint(message, at)
        if key & 7 == LENGTH_DELIMITED:
            fields[key >> 3] = message[at : at + value]
            at += value
        else:
            fields[key >> 3] = (value % 2**64).to_bytes(8, "little")
    return fields


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while message[at] > 0x7F:
        number |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
    return number | message[at] << shift, at + 1
