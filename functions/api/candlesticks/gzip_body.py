"""Response bodies that fit into a Lambda response, put together from text and from what is compressed already."""

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

MAX_LAMBDA_RESPONSE: Final = 6_291_556
"""Bytes of a serialised response (docs.aws.amazon.com/lambda, quotas: 6 MB)."""
RESPONSE_OVERHEAD: Final = 16_384
"""Set aside for the response's status, headers and frame, and for the last bytes of a compressed body."""
_LEVEL: Final = 3
"""For candlesticks smaller and no slower than level 1; level 6 takes three times as long for a fifth less."""
_STORE_BELOW_BYTES: Final = 160
"""Bytes: shorter texts stand as they are, since compressed by themselves they take ten times as long and no less."""
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # RFC 1952, 2.3: deflate, no name, no time, fastest
_FINAL_BLOCK: Final = b"\x03\x00"  # RFC 1951, 3.2.6: a last block with nothing in it


class Deflated(NamedTuple):
    """Text compressed by itself: raw deflate blocks (RFC 1951) that end on a byte and refer to nothing before them, so
    that they may stand anywhere in a body. crc and size: of the text in UTF-8."""

    data: bytes
    crc: int
    size: int

    @classmethod
    def compress(cls, text: str) -> Self:
        """Compressed, or as it stands where it is short."""
        raw = text.encode()
        size = len(raw)
        if size < _STORE_BELOW_BYTES:
            data = struct.pack("<BHH", 0, size, size ^ 0xFFFF) + raw  # RFC 1951, 3.2.4
        else:
            compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            data = compressor.compress(raw) + compressor.flush(zlib.Z_FULL_FLUSH)
        return cls(data, zlib.crc32(raw), size)

    def decompress(self) -> str:
        """What was compressed. Raises zlib.error where it is damaged."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.data).decode()


class BoundedBody:
    """A body that grows until the budget is reached. A gzip body is counted as base64, a plain one as a JSON string,
    since that is how Lambda takes them. reserve: bytes, counted likewise, kept for what must still be appended."""

    def __init__(self, *, compress: bool, reserve: int = 0) -> None:
        self._compress = compress
        self._room = MAX_LAMBDA_RESPONSE - RESPONSE_OVERHEAD - reserve
        self._parts: list[str | Deflated] = []

    def try_append(self, *parts: str | Deflated) -> bool:
        """Appends all of them if they fit; whether they did."""
        encoded = [self._encoded(part) for part in parts]
        cost = self._cost(encoded)
        if cost > self._room:
            return False
        self._room -= cost
        self._parts += encoded
        return True

    def append(self, text: str) -> None:
        """Appends what the reserve was kept for."""
        self._parts.append(self._encoded(text))

    def cost(self, text: str) -> int:
        """What a text takes of the budget."""
        return self._cost([self._encoded(text)])

    def finish(self) -> bytes:
        """The whole body."""
        data = [part.encode() if isinstance(part, str) else part.data for part in self._parts]
        if self._compress:
            data = [_HEADER, *data, _FINAL_BLOCK, _trailer(part for part in self._parts if isinstance(part, Deflated))]
        return b"".join(data)

    def _encoded(self, part: str | Deflated) -> str | Deflated:
        """A compressed body has no texts, a plain one nothing else."""
        if self._compress:
            return Deflated.compress(part) if isinstance(part, str) else part
        return part if isinstance(part, str) else part.decompress()

    def _cost(self, encoded: Sequence[str | Deflated]) -> int:
        if self._compress:
            return sum(len(part.data) for part in encoded if isinstance(part, Deflated)) * 4 // 3 + 1
        return sum(len(json.dumps(part)) for part in encoded)


def _trailer(parts: Iterable[Deflated]) -> bytes:
    """What ends a gzip body of these (RFC 1952, 2.3.1).

    CRCs are linear: carried over as many zeros as there is text, the one so far and the text's own make that of both.
    zlib inverts what it takes and what it gives.
    """
    crc = total = 0
    for _, own, size in parts:
        crc = zlib.crc32(bytes(size), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF ^ own
        total += size
    return struct.pack("<II", crc, total & 0xFFFFFFFF)
