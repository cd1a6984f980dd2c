"""Response bodies that fit into a Lambda response, compressed where the client takes it."""

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

LAMBDA_LIMIT: Final = 6_291_556
"""Bytes of a serialised response (docs.aws.amazon.com/lambda, quotas: 6 MB)."""
_ENVELOPE: Final = 16_384
"""Set aside for the response's status, headers and frame, and for what the compressor still holds back."""
_HELD_BACK: Final = 131_072
WORTH_COMPRESSING: Final = 1_024
_QUALITY_0: Final = re.compile(r"\bq\s*=\s*0(\.0*)?\s*(;|$)")


class Body:
    """A body that grows until the budget is reached. A gzip body is counted as base64, a plain one as a JSON string,
    since that is how Lambda takes them. reserve: bytes, counted likewise, kept for what must still be appended."""

    def __init__(self, *, compress: bool, reserve: int = 0) -> None:
        self._room = LAMBDA_LIMIT - _ENVELOPE - reserve
        self._compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS) if compress else None
        self._parts: list[bytes] = []
        if compress:
            self._room -= _HELD_BACK

    def add(self, text: str) -> bool:
        """Appends text if it fits; whether it did."""
        data = text.encode()
        compressor = self._compressor.copy() if self._compressor else None
        part = compressor.compress(data) if compressor else data
        cost = len(part) * 4 // 3 if compressor else len(json.dumps(text))
        if cost > self._room:
            return False
        self._room -= cost
        self._compressor = compressor
        self._parts.append(part)
        return True

    def append(self, text: str) -> None:
        """Appends what the reserve was kept for."""
        data = text.encode()
        self._parts.append(self._compressor.compress(data) if self._compressor else data)

    def finish(self) -> bytes:
        """The whole body."""
        if self._compressor:
            self._parts.append(self._compressor.flush())
        return b"".join(self._parts)


def accepts_gzip(request: Request) -> bool:
    """Whether Accept-Encoding names gzip, or *, with a quality above 0 (RFC 9110, 12.5.3)."""
    accepted = {}
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, parameters = part.partition(";")
        accepted[coding.strip()] = not _QUALITY_0.search(parameters)
    return accepted.get("gzip", accepted.get("*", False))


def compressed(text: str) -> bytes:
    """gzip, level 1: five times faster than the usual level, for a fifth more bytes."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(text.encode()) + compressor.flush()


def room_taken(body: str | bytes) -> float:
    """Which part of what Lambda takes a body fills; over 1 it does not fit. bytes: a compressed one."""
    room = LAMBDA_LIMIT - _ENVELOPE
    if isinstance(body, bytes):
        return len(body) * 4 / 3 / room
    # As a JSON string it is longer still: counted only where that matters.
    return len(body) / room if len(body) > room else len(json.dumps(body)) / room


def answer(
    request: Request, value: Mapping[str, Any] | str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer of a size that always fits. value: an object, or the JSON of one; headers: further ones."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    compress = accepts_gzip(request) and len(text) > WORTH_COMPRESSING
    body = Body(compress=compress)
    body.append(text)
    response = encoded(body.finish(), compress=compress, status=status)
    response.headers.update(headers or {})
    return response


def encoded(body: bytes, *, compress: bool, status: int = 200) -> Response:
    """A JSON response whose body is compressed, or not."""
    return Response(body, status, coding(compress=compress), "application/json")


def coding(*, compress: bool) -> dict[str, str]:
    """The headers of a body that is compressed, or not."""
    return {"vary": "accept, accept-encoding"} | ({"content-encoding": "gzip"} if compress else {})
