"""GET /markets and GET /markets/{ticker}: PostgreSQL writes the rows, this frames, compresses and fits them."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote, unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from api import sql
from api.answers import WORTH_COMPRESSING, accepts_gzip, answer, coding, compressed, room_taken
from api.cursor import Position, encode
from api.errors import ApiError, Code, Problem, market_not_found, refusal
from api.freshness import State, Tag, not_modified
from api.query import Query, parse, parse_fields
from api.rows import CSV, FORMATS, JSON, NDJSON, Format, begins
from api.service import Service
from api.values import is_storable
from kalshi_markets.columns import Column
from kalshi_markets.database import Database, StatementRefused, TableMissing, TimedOut

MAX_REQUEST_BYTES: Final = 10_240
"""Of a request line and headers (docs.aws.amazon.com/apigateway, HTTP API quotas); of a response's headers alike."""
LONGEST_LINK: Final = 4_000
"""A longer Link could be too much for a response's headers: it is left out, and the cursor has a header of its own."""
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
    """Rows as text, how many they are, where they end if there are more, and what they are current as of."""

    query: Query
    rows: str
    count: int
    last: Position | None
    state: State

    @property
    def complete_to(self) -> int:
        """The change number up to which nothing is missing: with changed_since, what to ask from next."""
        if self.query.changed_since is not None and self.last is not None:
            return int(self.last.key or 0)
        return self.state.change_number


def markets(request: Request, service: Service) -> Response:
    """A page of markets. Raises ApiError, DatabaseError."""
    query = parse(request.scope["query_string"], partial(_known_words, service.database))
    form = FORMATS[query.format] if query.format else accepted(request)
    tag = Tag(request, form.name, service.version)
    if unchanged := not_modified(service.database, tag):
        return unchanged
    compress = accepts_gzip(request)
    whole = _page(service, query, form)
    page, total = whole, _total(service, query)
    while True:
        more = _more(request, page, total, truncated=page is not whole)
        text = _framed(page, form, more)
        compress = compress and len(text) > WORTH_COMPRESSING
        body: str | bytes = compressed(text) if compress else text
        taken = room_taken(body)
        if taken <= 1:
            break
        page = _smaller(service, page, form, taken)
    headers = coding(compress=compress) | page.state.headers(tag.at(page.state)) | _headers(page, more)
    return Response(body, 200, headers, form.media_type)


def market(request: Request, ticker: str, service: Service) -> Response:
    """One market. Raises ApiError, DatabaseError."""
    columns = parse_fields(request.scope["query_string"])
    database, tag = service.database, Tag(request, JSON.name, service.version)
    if unchanged := not_modified(database, tag):
        return unchanged
    statement, values = sql.market(ticker, columns, database.settings.table, JSON)
    rows = database.read(statement, *values) if is_storable(ticker) else []
    if not rows:
        raise market_not_found()
    [[text, state_text]] = rows
    state = State.read(state_text)
    return answer(request, text, headers=state.headers(tag.at(state)))


def accepted(request: Request) -> Format:
    """The format that the Accept header prefers (RFC 9110, 12.5.1); JSON where it names none that we have."""
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
    """Return those of the words that a market has in a column; none where it takes too long to find out."""
    statement, values = sql.stored_words(column, words, database.settings.table)
    try:
        return [word for (word,) in database.read(statement, *values)]
    except TimedOut:
        return []


def _page(service: Service, query: Query, form: Format) -> Page:
    database = service.database
    statement, values = sql.page(query, database.settings.table, form)
    try:
        [[rows, count, last, state]] = database.read(statement, *values)
    except (TableMissing, TimedOut):
        raise
    except StatementRefused as error:
        raise _unreadable_value(query, service) or error from None
    page = Page(query, rows, count, None if last is None else Position(*json.loads(last)), State.read(state))
    if query.changed_since is not None and query.changed_since > page.state.change_number:
        detail = f"The last change has the number {page.state.change_number}: yours is of another table."
        raise ApiError(Code.CHANGE_NUMBER_AHEAD, detail, "Begin anew with changed_since=0.")
    return page


def _smaller(service: Service, page: Page, form: Format, taken: float) -> Page:
    """The same page with as many rows as will fit, about: asked for anew, so that it and its cursor agree."""
    if page.count <= 1:
        hint = "Accept gzip, or ask for fewer columns: fields=ticker,title."
        message = "does not go that far: one market alone is larger than an answer may be"
        raise refusal([Problem(Code.ANSWER_TOO_LARGE, ("query", "limit"), f"limit {message}", hint)])
    return _page(service, replace(page.query, limit=max(1, int(page.count / taken * 0.97))), form)


def _total(service: Service, query: Query) -> int | None:
    if query.count_total == "none":
        return None
    database, estimated = service.database, query.count_total == "estimated"
    statement, values = sql.total(query, database.settings.table, estimated=estimated)
    [[found]] = database.read(statement, *values)
    if not estimated:
        return int(found)
    plan = json.loads(found) if isinstance(found, str) else found
    return int(plan[0]["Plan"]["Plan Rows"])


def _more(request: Request, page: Page, total: int | None, *, truncated: bool) -> dict[str, Any]:
    """What the envelope says beside the items."""
    query, cursor = page.query, None
    if page.last is not None:
        cursor = encode(page.last, query.bound)
    more: dict[str, Any] = {"next_cursor": cursor, "next_url": _next_url(request, cursor)}
    if total is not None:
        more["total"] = total
    if query.changed_since is not None:
        more["change_number"] = page.complete_to
    if truncated:
        more["truncated"] = True
        if query.cursor is None:
            more["next_offset"] = query.offset + page.count
    return more


def _next_url(request: Request, cursor: str | None) -> str | None:
    """Return where the listing goes on; None at its end, and where API Gateway would not take the request."""
    if cursor is None:
        return None
    given = request.scope["query_string"].decode("ascii").split("&")
    kept = [pair for pair in given if pair and unquote_plus(pair.partition("=")[0]) not in ("cursor", "offset")]
    # What was sent bare and is no part of a URL (RFC 3986) would end a Link header's target.
    query = quote("&".join([*kept, f"cursor={cursor}"]), safe="%/:?@!$&'()*+,;=")
    url = f"{request.scope['path']}?{query}"
    # A client sends the same headers again.
    headers = sum(len(name) + len(value) + len(": \r\n") for name, value in request.scope["headers"])
    return url if len(f"GET {url} HTTP/1.1\r\n") + headers <= MAX_REQUEST_BYTES else None


def _framed(page: Page, form: Format, more: Mapping[str, Any]) -> str:
    if form is JSON:
        return f'{{"items":[{page.rows}],{json.dumps({"count": page.count, **more}, ensure_ascii=False)[1:]}'
    return begins(form, page.query.fields) + (page.rows + form.ends if page.count else "")


def _headers(page: Page, more: Mapping[str, Any]) -> dict[str, str]:
    """What the envelope says, for the formats that have none."""
    headers = {"x-change-number": str(page.complete_to)}
    if more["next_cursor"]:
        headers["x-next-cursor"] = more["next_cursor"]
        if more["next_url"] and len(more["next_url"]) <= LONGEST_LINK:
            headers["link"] = f'<{more["next_url"]}>; rel="next"'
    if "total" in more:
        headers["x-total-count"] = str(more["total"])
    if "truncated" in more:
        headers["x-truncated"] = "true"
    return headers


def _unreadable_value(query: Query, service: Service) -> ApiError | None:
    """Names the pattern or the JSON that PostgreSQL could not read, if that is why it refused the query."""
    for name, (statement, values) in sql.checks(query):
        try:
            service.database.read(statement, *values)
        except StatementRefused:
            message = f"{name} is not a value that PostgreSQL can read"
            hint = "Patterns have its syntax: postgresql.org/docs/current/functions-matching.html; JSON its limits."
            return refusal([Problem(Code.INVALID_PARAMETER, ("query", name), message, hint)])
    return None
