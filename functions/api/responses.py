"""HTTP responses, compressed with gzip if the client accepts it."""

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

MAX_LAMBDA_RESPONSE: Final = 6_291_556
"""Maximum bytes of a serialized response (docs.aws.amazon.com/lambda, quotas: 6 MB)."""
RESPONSE_OVERHEAD: Final = 16_384
"""Bytes reserved for the status, the headers, the JSON around them and the trailer of a compressed body."""
MIN_COMPRESS_LENGTH: Final = 1_024
"""Characters. A shorter text is returned uncompressed."""
JSON_TYPE: Final = "application/json"
_GZIP_WBITS: Final = 16
"""Added to zlib's window bits for the gzip format (zlib.net/manual.html, deflateInit2)."""
_ZERO_QUALITY: Final = re.compile(r"\bq\s*=\s*0(\.0*)?\s*(;|$)")


def time_text(value: datetime) -> str:
    """Return a time in UTC as RFC 3339 text: with six decimal places, or with none if the second is whole."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def accepts_gzip(request: Request) -> bool:
    """Return whether Accept-Encoding contains gzip, or *, with a quality above 0 (RFC 9110, 12.5.3)."""
    accepted = {}
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, parameters = part.partition(";")
        accepted[coding.strip()] = not _ZERO_QUALITY.search(parameters)
    return accepted.get("gzip", accepted.get("*", False))


def encode_body(request: Request, text: str) -> str | bytes:
    """Return the text compressed with gzip if the client accepts it and the text is long, else the text itself."""
    if len(text) > MIN_COMPRESS_LENGTH and accepts_gzip(request):
        return gzip_text(text)
    return text


def gzip_text(text: str, level: int = 1) -> bytes:
    """Compress a text with gzip. Level 1 is five times faster than the default, and its result a fifth larger."""
    return zlib.compress(text.encode(), level, zlib.MAX_WBITS + _GZIP_WBITS)


def fraction_of_limit(body: str | bytes) -> float:
    """Return the size of a body as a fraction of Lambda's response limit. Above 1 it is too large.

    body: bytes if compressed, which Lambda requires in base64; else text, which becomes a JSON string.
    """
    room = MAX_LAMBDA_RESPONSE - RESPONSE_OVERHEAD
    if isinstance(body, bytes):
        return len(body) * 4 / 3 / room
    # The JSON string is longer than the text. It is encoded only if the text itself fits.
    return len(body) / room if len(body) > room else len(json.dumps(body)) / room


def json_response(
    request: Request, value: Mapping[str, Any] | str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON response that is known to be below the size limit.

    value: an object, or the JSON text of an object.
    headers: additional headers.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return encoded_response(encode_body(request, text), status=status, headers=headers)


def text_response(request: Request, text: str, media_type: str, headers: Mapping[str, str]) -> Response:
    """Return a text with an ETag of its content; a 304 if the client has it. Caches must revalidate it.

    headers: additional headers, also of the 304.
    """
    etag = f'W/"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'
    headers = {"vary": "accept-encoding", **headers, "cache-control": "no-cache", "etag": etag}
    if if_none_match(request) & {"*", etag.removeprefix("W/")}:
        return Response(status_code=304, headers=headers)
    return encoded_response(encode_body(request, text), media_type, headers=headers)


def if_none_match(request: Request) -> set[str]:
    """Return the ETags of If-None-Match without their mark of weakness; `{""}` without the header."""
    return {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}


def encoded_response(
    body: str | bytes, media_type: str = JSON_TYPE, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with the headers of its encoding.

    body: bytes if compressed with gzip, else text.
    headers: additional headers.
    """
    encoding = {"content-encoding": "gzip"} if isinstance(body, bytes) else {}
    return Response(body, status, {"vary": "accept, accept-encoding", **encoding, **(headers or {})}, media_type)
