"""GET /markets and GET /markets/{ticker}. PostgreSQL renders the rows; this module adds the envelope and compresses."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote, unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from api.errors import ApiError, ErrorCode, Problem, market_not_found, validation_error
from api.etag import ETag, TableVersion, not_modified
from api.formats import CSV, FORMATS, JSON, NDJSON, Format, header_line
from api.markets import sql
from api.markets.cursor import Position, encode
from api.markets.query import Query, parse_fields, parse_query
from api.resources import Resources
from api.responses import encode_body, encoded_response, fraction_of_limit, json_response
from kalshi_markets.columns import Column
from kalshi_markets.database import Database, StatementError, StatementTimeout, UndefinedObject
from kalshi_markets.text import is_valid_pg_text

MAX_REQUEST_BYTES: Final = 10_240
"""API Gateway's limit for the request line and headers together (docs.aws.amazon.com/apigateway, HTTP API quotas).

The same limit applies to the headers of a response.
"""
MAX_LINK_LENGTH: Final = 4_000
"""Maximum length of the URL in a Link header. A longer one is left out, because it could exceed the limit for headers.

X-Next-Cursor has the cursor in any case.
"""
_ACCEPTED: Final = {
    "application/json": JSON,
    "application/x-ndjson": NDJSON,
    "text/csv": CSV,
    "application/*": JSON,
    "text/*": CSV,
    "*/*": JSON,
}


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    rows: the rendered rows, without envelope or header line.
    last_position: the position of the last row; None if there is no next page.
    version: the version of the table that the rows were read from.
    """

    query: Query
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


def markets(request: Request, service: Resources) -> Response:
    """Return the response of GET /markets. Raises ApiError and DatabaseError."""
    query = parse_query(request.scope["query_string"], partial(_known_words, service.database))
    format_ = FORMATS[query.format] if query.format else negotiate_format(request)
    tag = ETag(request, format_.name, service.source_fingerprint)
    if unchanged := not_modified(service.database, tag):
        return unchanged
    full_page = _page(service, query, format_)
    page, total = full_page, _total(service, query)
    while True:
        metadata = _page_metadata(request, page, total, truncated=page is not full_page)
        body = encode_body(request, _render(page, format_, metadata))
        size_ratio = fraction_of_limit(body)
        if size_ratio <= 1:
            break
        page = _shrink(service, page, format_, size_ratio)
    headers = page.version.headers(tag.value(page.version)) | _headers(page, metadata)
    return encoded_response(body, format_.media_type, headers=headers)


def market(request: Request, ticker: str, service: Resources) -> Response:
    """Return the response of GET /markets/{ticker}. Raises ApiError and DatabaseError."""
    columns = parse_fields(request.scope["query_string"])
    database, tag = service.database, ETag(request, JSON.name, service.source_fingerprint)
    if unchanged := not_modified(database, tag):
        return unchanged
    statement, values = sql.market(ticker, columns, database.settings.table, JSON)
    rows = database.query(statement, *values) if is_valid_pg_text(ticker) else []
    if not rows:
        raise market_not_found()
    [[text, version_text]] = rows
    version = TableVersion.from_json(version_text)
    return json_response(request, text, headers=version.headers(tag.value(version)))


def negotiate_format(request: Request) -> Format:
    """Return the format that the Accept header prefers (RFC 9110, 12.5.1); JSON if it names no supported format."""
    best, chosen = 0.0, JSON
    for part in request.headers.get("accept", "").lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            continue
        if name in _ACCEPTED and weight > best:
            best, chosen = weight, _ACCEPTED[name]
    return chosen


def _known_words(database: Database, column: Column, words: Collection[str]) -> list[str]:
    """Return the words that at least one market has in a column; an empty list if the query times out."""
    statement, values = sql.stored_words(column, words, database.settings.table)
    try:
        return [word for (word,) in database.query(statement, *values)]
    except StatementTimeout:
        return []


def _page(service: Resources, query: Query, format_: Format) -> Page:
    database = service.database
    statement, values = sql.page(query, database.settings.table, format_)
    try:
        [[rows, count, last, version]] = database.query(statement, *values)
    except (UndefinedObject, StatementTimeout):
        raise
    except StatementError as error:
        raise _find_invalid_value(query, service) or error from None
    page = Page(
        query, rows, count, None if last is None else Position(*json.loads(last)), TableVersion.from_json(version)
    )
    if query.changed_since is not None and query.changed_since > page.version.change_number:
        detail = (
            f"changed_since is greater than the latest change number, {page.version.change_number};"
            " it may belong to another database."
        )
        raise ApiError(ErrorCode.CHANGE_NUMBER_AHEAD, detail, "Restart with changed_since=0.")
    return page


def _shrink(service: Resources, page: Page, format_: Format, size_ratio: float) -> Page:
    """Query the page again with a smaller limit, estimated from size_ratio.

    The new rows and their cursor come from one statement, so they agree. Raises ApiError if a single market does not
    fit.
    """
    if page.count <= 1:
        hint = "Request fewer fields, such as fields=ticker,title, or accept gzip."
        message = "a single market exceeds the 6 MB response limit"
        raise validation_error([Problem(ErrorCode.ANSWER_TOO_LARGE, ("query", "limit"), message, hint)])
    return _page(service, replace(page.query, limit=max(1, int(page.count / size_ratio * 0.97))), format_)


def _total(service: Resources, query: Query) -> int | None:
    if query.count_total == "none":
        return None
    database, estimated = service.database, query.count_total == "estimated"
    statement, values = sql.total(query, database.settings.table, estimated=estimated)
    [[result]] = database.query(statement, *values)
    if not estimated:
        return int(result)
    plan = json.loads(result) if isinstance(result, str) else result
    return int(plan[0]["Plan"]["Plan Rows"])


def _page_metadata(request: Request, page: Page, total: int | None, *, truncated: bool) -> dict[str, Any]:
    """Return the members of the envelope besides `items` and `count`."""
    query, cursor = page.query, None
    if page.last_position is not None:
        cursor = encode(page.last_position, query.cursor_parameters)
    metadata: dict[str, Any] = {"next_cursor": cursor, "next_url": _next_url(request, cursor)}
    if total is not None:
        metadata["total"] = total
    if query.changed_since is not None:
        metadata["change_number"] = page.change_number
    if truncated:
        metadata["truncated"] = True
        if query.cursor is None:
            metadata["next_offset"] = query.offset + page.count
    return metadata


def _next_url(request: Request, cursor: str | None) -> str | None:
    """Return the URL of the next page; None if there is none, or if the request would exceed API Gateway's limit."""
    if cursor is None:
        return None
    pairs = request.scope["query_string"].decode("ascii").split("&")
    remaining = [pair for pair in pairs if pair and unquote_plus(pair.partition("=")[0]) not in ("cursor", "offset")]
    # Characters that are invalid in a URL (RFC 3986) are percent-encoded: they could end the target of a Link header.
    query = quote("&".join([*remaining, f"cursor={cursor}"]), safe="%/:?@!$&'()*+,;=")
    url = f"{request.scope['path']}?{query}"
    # The next request is assumed to have the same headers.
    headers = sum(len(name) + len(value) + len(": \r\n") for name, value in request.scope["headers"])
    return url if len(f"GET {url} HTTP/1.1\r\n") + headers <= MAX_REQUEST_BYTES else None


def _render(page: Page, format_: Format, metadata: Mapping[str, Any]) -> str:
    if format_ is JSON:
        return f'{{"items":[{page.rows}],{json.dumps({"count": page.count, **metadata}, ensure_ascii=False)[1:]}'
    return header_line(format_, page.query.fields) + (page.rows + format_.terminator if page.count else "")


def _headers(page: Page, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata as headers, for the formats without an envelope."""
    headers = {"x-change-number": str(page.change_number)}
    if metadata["next_cursor"]:
        headers["x-next-cursor"] = metadata["next_cursor"]
        if metadata["next_url"] and len(metadata["next_url"]) <= MAX_LINK_LENGTH:
            headers["link"] = f'<{metadata["next_url"]}>; rel="next"'
    if "total" in metadata:
        headers["x-total-count"] = str(metadata["total"])
    if "truncated" in metadata:
        headers["x-truncated"] = "true"
    return headers


def _find_invalid_value(query: Query, service: Resources) -> ApiError | None:
    """Return the error of the pattern or JSON value that PostgreSQL rejects; None if all of them are valid."""
    for name, (statement, values) in sql.validation_statements(query):
        try:
            service.database.query(statement, *values)
        except StatementError:
            message = f"{name} is invalid: PostgreSQL cannot parse it"
            hint = "See postgresql.org/docs/current/functions-matching.html for patterns, datatype-json.html for JSON."
            return validation_error([Problem(ErrorCode.INVALID_PARAMETER, ("query", name), message, hint)])
    return None
