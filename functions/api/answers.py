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
_WORTH_COMPRESSING: Final = 1_024
_BATCH: Final = 65_536
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


def page(request: Request, items: str, count: int, separator: str, offset: int) -> Response:
    """{"items": […], "count": n}; where not everything fits, fewer items with `truncated` and `next_offset`."""
    compress = accepts_gzip(request) and len(items) > _WORTH_COMPRESSING
    body = Body(compress=compress)
    body.append('{"items":[')
    kept = _add_items(body, items, count, separator)
    rest = {"truncated": True, "next_offset": offset + kept} if kept < count else {}
    body.append("]," + json.dumps({"count": kept} | rest)[1:])
    return encoded(body.finish(), compress=compress)


def _add_items(body: Body, items: str, count: int, separator: str) -> int:
    """As many whole items as fit; how many they are."""
    start = kept = 0
    while start < len(items):
        end = items.find(separator, start + _BATCH)
        end = len(items) if end < 0 else end
        batch = items[start:end] if start == 0 else items[start - len(separator) : end]
        if not body.add(batch):
            return kept
        kept += items.count(separator, start, end) + 1
        start = end + len(separator)
    return count


def answer(request: Request, value: Mapping[str, Any] | str, status: int = 200) -> Response:
    """A JSON answer of a size that always fits. value: an object, or the JSON of one."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    compress = accepts_gzip(request) and len(text) > _WORTH_COMPRESSING
    body = Body(compress=compress)
    body.append(text)
    return encoded(body.finish(), compress=compress, status=status)


def encoded(body: bytes, *, compress: bool, status: int = 200) -> Response:
    """A JSON response whose body is compressed, or not."""
    headers = {"vary": "accept-encoding"} | ({"content-encoding": "gzip"} if compress else {})
    return Response(body, status, headers, "application/json")
