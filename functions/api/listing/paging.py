"""Responses of listings: pages in every format, with their envelope or headers, below the size limit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from api.errors import ApiError
from api.etag import ETag, TableVersion
from api.formats import JSON, Format, header_line
from api.listing.cursor import Position, encode
from api.listing.query import ListingQuery
from api.responses import encode_body, encoded_response, fraction_of_limit

MAX_REQUEST_BYTES: Final = 10_240
"""API Gateway's limit for the request line and headers together (docs.aws.amazon.com/apigateway, HTTP API quotas).

The same limit applies to the headers of a response.
"""
MAX_LINK_LENGTH: Final = 4_000
"""Maximum length of the URL in a Link header. A longer one is left out, because it could exceed the limit for headers.

X-Next-Cursor has the cursor in any case.
"""
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;="
"""Characters that are valid in a path beside letters, digits and -._~ (RFC 3986, 3.3)."""
SHRINK_MARGIN: Final = 0.97
"""Factor of the number of rows that are estimated to fit into a response: rows differ in size."""


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    rows: the rendered rows, without envelope or header line.
    last_position: the position of the last row; None if there is no next page.
    version: the version of the table that the rows were read from.
    """

    query: ListingQuery
    rows: str
    count: int
    last_position: Position | None
    version: TableVersion

    @property
    def change_number(self) -> int:
        """Change number up to which the page is complete. It is the changed_since of the next request."""
        if self.query.changed_since is not None and self.last_position is not None:
            return int(self.last_position.key or 0)
        return self.version.change_number


class PageReader(Protocol):
    """Reader of the pages of one query. Methods raise ApiError and DatabaseError."""

    def read_page(self, limit: int) -> Page:
        """Return the page with at most this number of rows."""

    def read_total(self) -> int | None:
        """Return the total that `count_total` requests; None if it requests none."""

    def too_large(self) -> ApiError:
        """Return the error of a single row that exceeds the response limit."""


def page_response(request: Request, query: ListingQuery, format_: Format, tag: ETag, reader: PageReader) -> Response:
    """Return the response of a listing. Raises ApiError if a single row does not fit, and the errors of the reader."""
    full_page = page = reader.read_page(query.limit)
    total = reader.read_total()
    while True:
        metadata = _metadata(request, page, total, truncated=page is not full_page)
        body = encode_body(request, _render(page, format_, metadata))
        size_ratio = fraction_of_limit(body)
        if size_ratio <= 1:
            break
        page = _shrink(reader, page, size_ratio)
    headers = page.version.headers(tag.value(page.version)) | page_headers(metadata)
    headers["x-change-number"] = str(page.change_number)
    return encoded_response(body, format_.media_type, headers=headers)


def _shrink(reader: PageReader, page: Page, size_ratio: float) -> Page:
    """Read the page again with a smaller limit, estimated from size_ratio.

    The new rows and their cursor come from one statement, so they agree. Raises ApiError if a single row does not fit.
    """
    if page.count <= 1:
        raise reader.too_large()
    return reader.read_page(max(1, int(page.count / size_ratio * SHRINK_MARGIN)))


def _metadata(request: Request, page: Page, total: int | None, *, truncated: bool) -> dict[str, Any]:
    """Return the members of the envelope besides `items` and `count`."""
    query, cursor = page.query, None
    if page.last_position is not None:
        cursor = encode(page.last_position, query.cursor_parameters)
    metadata: dict[str, Any] = {"next_cursor": cursor, "next_url": next_url(request, cursor)}
    if total is not None:
        metadata["total"] = total
    if query.changed_since is not None:
        metadata["change_number"] = page.change_number
    if truncated:
        metadata["truncated"] = True
        if query.cursor is None:
            metadata["next_offset"] = query.offset + page.count
    return metadata


def next_url(request: Request, cursor: str | None) -> str | None:
    """Return the URL of the next page; None if there is none, or if the request would exceed API Gateway's limit."""
    if cursor is None:
        return None
    pairs = request.scope["query_string"].decode("ascii").split("&")
    remaining = [pair for pair in pairs if pair and unquote_plus(pair.partition("=")[0]) not in ("cursor", "offset")]
    # Characters that are invalid in a URL (RFC 3986) are percent-encoded: they could end the target of a Link header.
    query = quote("&".join([*remaining, f"cursor={cursor}"]), safe="%/:?@!$&'()*+,;=")
    url = f"{quote(request.scope['path'], safe=_PATH_CHARACTERS)}?{query}"
    # The next request is assumed to have the same headers.
    headers = sum(len(name) + len(value) + len(": \r\n") for name, value in request.scope["headers"])
    return url if len(f"GET {url} HTTP/1.1\r\n") + headers <= MAX_REQUEST_BYTES else None


def _render(page: Page, format_: Format, metadata: Mapping[str, Any]) -> str:
    if format_ is JSON:
        return f'{{"items":[{page.rows}],{json.dumps({"count": page.count, **metadata}, ensure_ascii=False)[1:]}'
    return header_line(format_, page.query.fields) + (page.rows + format_.terminator if page.count else "")


def page_headers(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a page as headers, for the formats without an envelope."""
    headers = {}
    if metadata["next_cursor"]:
        headers["x-next-cursor"] = metadata["next_cursor"]
        if metadata["next_url"] and len(metadata["next_url"]) <= MAX_LINK_LENGTH:
            headers["link"] = f'<{metadata["next_url"]}>; rel="next"'
    if "total" in metadata:
        headers["x-total-count"] = str(metadata["total"])
    if "truncated" in metadata:
        headers["x-truncated"] = "true"
    return headers
