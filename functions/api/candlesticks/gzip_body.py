"""Bodies of candlestick responses below Lambda's size limit, built from text and from data that is already compressed.

The body is one gzip member (RFC 1952) with all compressed parts as its deflate blocks. A gzip file may also be a
sequence of members, which would make each cached part a member and save the arithmetic of the trailer. But httpx, as
other clients that use zlib, stops decoding at the end of the first member: a response of several members would be
truncated without an error (tests/unit/test_responses.py).
"""

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

from api.responses import MAX_LAMBDA_RESPONSE, RESPONSE_OVERHEAD

_LEVEL: Final = 3
"""zlib level for candlesticks. Level 1 is not faster and compresses less. Level 6 saves a fifth in triple the time."""
_STORE_BELOW_BYTES: Final = 160
"""Texts with fewer bytes are stored uncompressed: compression takes ten times as long and does not shorten them."""
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # RFC 1952, 2.3: deflate, no name, no time, fastest
_FINAL_BLOCK: Final = b"\x03\x00"  # RFC 1951, 3.2.6: an empty final block
_UINT32: Final = 0xFFFFFFFF


class Deflated(NamedTuple):
    """Independently compressed text: raw deflate blocks (RFC 1951).

    The blocks end at a byte boundary and have no back-references to earlier data, so they can be concatenated.
    crc: CRC-32 of the text in UTF-8.
    size: bytes of the text in UTF-8.
    """

    data: bytes
    crc: int
    size: int

    @classmethod
    def compress(cls, text: str) -> Self:
        """Compress a text. A short text is stored uncompressed."""
        raw = text.encode()
        size = len(raw)
        if size < _STORE_BELOW_BYTES:
            data = struct.pack("<BHH", 0, size, size ^ 0xFFFF) + raw  # RFC 1951, 3.2.4
        else:
            compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            data = compressor.compress(raw) + compressor.flush(zlib.Z_FULL_FLUSH)
        return cls(data, zlib.crc32(raw), size)

    def decompress(self) -> str:
        """Return the text. Raises zlib.error if the data is corrupt."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.data).decode()


class BoundedBody:
    """Response body with a size budget.

    Sizes are those in Lambda's response: base64 for a gzip body, a JSON string for a plain one.
    reserve: bytes of the budget that are reserved for `append`.
    """

    def __init__(self, *, compress: bool, reserve: int = 0) -> None:
        self._compress = compress
        self._room = MAX_LAMBDA_RESPONSE - RESPONSE_OVERHEAD - reserve
        self._parts: list[str | Deflated] = []

    def try_append(self, *parts: str | Deflated) -> bool:
        """Append all parts if they fit into the budget. Return whether they did."""
        encoded = [self._encoded(part) for part in parts]
        cost = self._cost(encoded)
        if cost > self._room:
            return False
        self._room -= cost
        self._parts += encoded
        return True

    def append(self, text: str) -> None:
        """Append a text without a check of the budget. The reserve must have room for it."""
        self._parts.append(self._encoded(text))

    def cost(self, text: str) -> int:
        """Return the bytes of the budget that a text takes."""
        return self._cost([self._encoded(text)])

    def finish(self) -> str | bytes:
        """Return the complete body: bytes if compressed, else text."""
        if not self._compress:
            return "".join(part for part in self._parts if isinstance(part, str))
        parts = [part for part in self._parts if isinstance(part, Deflated)]
        return b"".join([_HEADER, *(part.data for part in parts), _FINAL_BLOCK, _trailer(parts)])

    def _encoded(self, part: str | Deflated) -> str | Deflated:
        """Convert a part to the body's encoding: Deflated for a gzip body, text for a plain one."""
        if self._compress:
            return Deflated.compress(part) if isinstance(part, str) else part
        return part if isinstance(part, str) else part.decompress()

    def _cost(self, encoded: Sequence[str | Deflated]) -> int:
        if self._compress:
            return sum(len(part.data) for part in encoded if isinstance(part, Deflated)) * 4 // 3 + 1
        return sum(len(json.dumps(part)) for part in encoded)


def _trailer(parts: Iterable[Deflated]) -> bytes:
    """Return the trailer of a gzip body: CRC-32 and size of the uncompressed data (RFC 1952, 2.3.1)."""
    crc = total = 0
    for part in parts:
        crc = _crc32_combine(crc, part.crc, part.size)
        total += part.size
    return struct.pack("<II", crc, total & _UINT32)


def _crc32_combine(crc1: int, crc2: int, len2: int) -> int:
    """Return the CRC-32 of two concatenated texts from their CRCs and the bytes of the second, as zlib's function does.

    CRC-32 is linear: it is the CRC of the first text, continued over as many zero bytes as the second has, XOR the CRC
    of the second. zlib inverts the input and the output of crc32, hence the two other XORs.
    """
    return zlib.crc32(bytes(len2), crc1 ^ _UINT32) ^ _UINT32 ^ crc2
