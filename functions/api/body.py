"""Response bodies that fit into a Lambda response, put together from text and from what is compressed already."""

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Final, Self

LAMBDA_LIMIT: Final = 6_291_556
"""Bytes of a serialised response (docs.aws.amazon.com/lambda, quotas: 6 MB)."""
ENVELOPE: Final = 16_384
"""Set aside for the response's status, headers and frame, and for the last bytes of a compressed body."""
_LEVEL: Final = 3
"""For candlesticks smaller and no slower than level 1; level 6 takes three times as long for a fifth less."""
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # RFC 1952, 2.3: deflate, no name, no time, fastest


@dataclass(frozen=True, slots=True)
class Deflated:
    """Text compressed by itself: raw deflate blocks (RFC 1951) that end on a byte and refer to nothing before them, so
    that they may stand anywhere in a body. crc and size: of the text in UTF-8."""

    data: bytes
    crc: int
    size: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Compressed."""
        raw = text.encode()
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return cls(compressor.compress(raw) + compressor.flush(zlib.Z_FULL_FLUSH), zlib.crc32(raw), len(raw))

    def text(self) -> str:
        """What was compressed. Raises zlib.error where it is damaged."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.data).decode()


class Body:
    """A body that grows until the budget is reached. A gzip body is counted as base64, a plain one as a JSON string,
    since that is how Lambda takes them. reserve: bytes, counted likewise, kept for what must still be appended."""

    def __init__(self, *, compress: bool, reserve: int = 0) -> None:
        self._room = LAMBDA_LIMIT - ENVELOPE - reserve
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS) if compress else None
        self._parts: list[bytes] = [_HEADER] if compress else []
        self._crc = self._size = 0

    def add(self, *parts: str | Deflated) -> bool:
        """Appends all of them if they fit; whether they did."""
        encoded = [self._encoded(part) for part in parts]
        cost = self._cost(encoded)
        if cost > self._room:
            return False  # the compressor remembers nothing of it, since each flush is a full one
        self._room -= cost
        self._take(parts, encoded)
        return True

    def append(self, text: str) -> None:
        """Appends what the reserve was kept for."""
        self._take([text], [self._encoded(text)])

    def cost(self, text: str) -> int:
        """What a text takes of the budget."""
        return self._cost([self._encoded(text)])

    def finish(self) -> bytes:
        """The whole body."""
        if self._compressor:
            self._parts.append(self._compressor.flush() + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))
        return b"".join(self._parts)

    def _encoded(self, part: str | Deflated) -> bytes:
        if self._compressor is None:
            return (part if isinstance(part, str) else part.text()).encode()
        if isinstance(part, str):
            return self._compressor.compress(part.encode()) + self._compressor.flush(zlib.Z_FULL_FLUSH)
        return part.data

    def _cost(self, encoded: list[bytes]) -> int:
        if self._compressor:
            return sum(map(len, encoded)) * 4 // 3 + 1
        return sum(len(json.dumps(data.decode())) for data in encoded)

    def _take(self, parts: "tuple[str | Deflated, ...] | list[str]", encoded: list[bytes]) -> None:
        self._parts += encoded
        if not self._compressor:
            return
        for part in parts:
            if isinstance(part, Deflated):
                crc, size = part.crc, part.size
                # CRCs are linear: carried over as many zeros as there is text, the one so far and the text's own make
                # that of both. zlib inverts what it takes and what it gives.
                carried = zlib.crc32(bytes(size), self._crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
                self._crc = carried ^ crc
            else:
                raw = part.encode()
                self._crc, size = zlib.crc32(raw, self._crc), len(raw)
            self._size += size
