"""GET /markets, GET /markets/columns and GET /markets/{ticker}. PostgreSQL renders the rows."""

import json
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from api.errors import ApiError, ErrorCode, Problem, market_not_found, validation_error
from api.etag import ETag, TableVersion, not_modified
from api.formats import JSON, Format, negotiate_format
from api.listing.cursor import Position
from api.listing.paging import Page, page_response
from api.listing.search import validation_statements
from api.markets import sql
from api.markets.parameters import describe_column
from api.markets.query import Query, parse_fields, parse_query
from api.query_string import reject_parameters
from api.resources import Resources
from api.responses import json_response
from kalshi_markets.columns import COLUMNS, Column
from kalshi_markets.database import Database, StatementError, StatementTimeout, UndefinedObject
from kalshi_markets.text import is_valid_pg_text


def markets(request: Request, resources: Resources) -> Response:
    """Return the response of GET /markets. Raises ApiError and DatabaseError."""
    database = resources.database
    query = parse_query(request.scope["query_string"], partial(_known_words, database))
    format_ = negotiate_format(request, query.format)
    etag = ETag(request, format_.name, resources.source_fingerprint)
    if response_304 := not_modified(database, etag):
        return response_304
    return page_response(request, query, format_, etag, MarketReader(database, query, format_))


def market(request: Request, ticker: str, resources: Resources) -> Response:
    """Return the response of GET /markets/{ticker}. Raises ApiError and DatabaseError."""
    database = resources.database
    fields = parse_fields(request.scope["query_string"])
    etag = ETag(request, JSON.name, resources.source_fingerprint)
    if response_304 := not_modified(database, etag):
        return response_304
    if not is_valid_pg_text(ticker):  # PostgreSQL would reject the parameter
        raise market_not_found()
    statement, values = sql.market(ticker, fields, database.settings.table, JSON)
    rows = database.query(statement, *values)
    if not rows:
        raise market_not_found()
    [[market_json, version_json]] = rows
    version = TableVersion.from_json(version_json)
    return json_response(request, market_json, headers=version.headers(etag.value(version)))


def columns(request: Request) -> Response:
    """Return the response of GET /markets/columns. Raises ApiError."""
    reject_parameters(request.scope["query_string"])
    described = [describe_column(column) for column in COLUMNS]
    return json_response(request, {"items": described, "count": len(described)})


def _known_words(database: Database, column: Column, words: Collection[str]) -> list[str]:
    """Return the words that at least one market has in a column; an empty list if the query times out."""
    statement, values = sql.stored_words(column, words, database.settings.table)
    try:
        return [word for (word,) in database.query(statement, *values)]
    except StatementTimeout:
        return []


class MarketReader:
    """Reader of the pages of one query. Methods raise ApiError and DatabaseError."""

    row: ClassVar[str] = "market"
    few_fields: ClassVar[str] = "ticker,title"

    def __init__(self, database: Database, query: Query, format_: Format) -> None:
        self._database = database
        self._query = query
        self._format = format_

    def read_page(self, limit: int) -> Page:
        """Return the page with at most this number of markets."""
        query = replace(self._query, limit=limit)
        statement, values = sql.page(query, self._database.settings.table, self._format)
        try:
            [[rows, count, last, version]] = self._database.query(statement, *values)
        except (UndefinedObject, StatementTimeout):
            raise
        except StatementError as error:
            raise self._find_invalid_value() or error from None
        position = None if last is None else Position(*json.loads(last))
        page = Page(query, rows, count, position, TableVersion.from_json(version))
        if query.changed_since is not None and query.changed_since > page.version.change_number:
            detail = (
                f"changed_since is greater than the latest change number, {page.version.change_number};"
                " it may belong to another database."
            )
            raise ApiError(ErrorCode.CHANGE_NUMBER_AHEAD, detail, "Restart with changed_since=0.")
        return page

    def read_total(self) -> int | None:
        """Return the total that `count_total` requests; None if it requests none."""
        if self._query.count_total == "none":
            return None
        estimated = self._query.count_total == "estimated"
        statement, values = sql.total(self._query, self._database.settings.table, estimated=estimated)
        [[result]] = self._database.query(statement, *values)
        if not estimated:
            return int(result)
        plan = json.loads(result) if isinstance(result, str) else result
        return int(plan[0]["Plan"]["Plan Rows"])

    def _find_invalid_value(self) -> ApiError | None:
        """Return the error of the pattern or JSON value that PostgreSQL rejects; None if all of them are valid."""
        for name, (statement, values) in validation_statements(self._query):
            try:
                self._database.query(statement, *values)
            except StatementError:
                message = f"{name} is invalid: PostgreSQL cannot parse it"
                hint = (
                    "See postgresql.org/docs/current/functions-matching.html for patterns, datatype-json.html for JSON."
                )
                return validation_error([Problem(ErrorCode.INVALID_PARAMETER, ("query", name), message, hint)])
        return None
