"""Responses of a resource that has a listing: its pages, one row, and its columns. PostgreSQL renders the rows."""

import json
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.errors import ApiError, ErrorCode, Problem, validation_error
from api.etag import ETag, TableVersion, not_modified
from api.formats import JSON, Format, negotiate_format
from api.listing.cursor import Position
from api.listing.paging import Page, page_response
from api.listing.query import Grammar, ListingQuery
from api.listing.resource import ListedResource
from api.listing.search import planned_rows, validation_statements
from api.query_string import parse_parameters, reject_parameters
from api.resources import Resources
from api.responses import json_response
from kalshi_markets.columns import Column
from kalshi_markets.database import Database, StatementError, StatementTimeout, UndefinedObject
from kalshi_markets.text import is_valid_pg_text


def list_rows(
    request: Request, service: Resources, resource: ListedResource[Any], query_string: bytes | None = None
) -> Response:
    """Return the response of a listing. Raises ApiError and DatabaseError.

    query_string: the query string to parse; None: that of the request.
    """
    database, table = service.database, service.database.settings.table
    text = request.scope["query_string"] if query_string is None else query_string
    query = resource.parse_query(text, partial(known_words, database, resource))
    format_ = negotiate_format(request, query.format)
    tag = ETag(request, format_.name, service.source_fingerprint)
    if unchanged := not_modified(database, tag, resource.version_sql(table, query.fields)):
        return unchanged
    resource.refine(query, database)
    return page_response(request, query, format_, tag, RowReader(database, resource, query, format_))


def one_row(request: Request, row_id: str, service: Resources, resource: ListedResource[Any]) -> Response:
    """Return the response of one row. Raises ApiError and DatabaseError."""
    fields = parse_fields(request.scope["query_string"], resource.grammar)
    database, tag = service.database, ETag(request, JSON.name, service.source_fingerprint)
    table = database.settings.table
    if unchanged := not_modified(database, tag, resource.version_sql(table, fields)):
        return unchanged
    statement, values = resource.single(row_id, fields, table, JSON)
    rows = database.query(statement, *values) if is_valid_pg_text(row_id) else []
    if not rows:
        raise resource.not_found()
    [[text, version_text]] = rows
    version = TableVersion.from_json(version_text)
    return json_response(request, text, headers=version.headers(tag.value(version)))


def parse_fields(query_string: bytes, grammar: Grammar) -> tuple[Column, ...]:
    """Parse the query string of one row, whose only parameter is `fields`. Raises ApiError."""
    fields: tuple[Column, ...] = parse_parameters(query_string, {"fields": grammar.parameters["fields"]}).get(
        "fields", grammar.default_columns
    )
    return fields


def columns(request: Request, resource: ListedResource[Any]) -> Response:
    """Return the response that describes the columns. Raises ApiError."""
    reject_parameters(request.scope["query_string"])
    described = [_describe(column, resource) for column in resource.entity.columns]
    return json_response(request, {"items": described, "count": len(described)})


def _describe(column: Column, resource: ListedResource[Any]) -> dict[str, Any]:
    """Return the JSON object of a column, with all parameters that filter by it."""
    return {
        "name": column.name,
        "kind": column.kind.value,
        "default": column.in_default_response,
        "orderable": column.orderable,
        "values": list(column.allowed_values) or None,
        "filters": [name for name, filter_ in resource.grammar.filters.items() if filter_.column is column],
        "about": column.description,
    }


def known_words(
    database: Database, resource: ListedResource[Any], column: Column, words: Collection[str]
) -> Collection[str]:
    """Return the words that at least one row has in a column; an empty list if the query times out."""
    statement, values = resource.stored_words(column, words, database.settings.table)
    try:
        return [word for (word,) in database.query(statement, *values)]
    except StatementTimeout:
        return []


class RowReader:
    """Reader of the pages of one query. Methods raise ApiError and DatabaseError."""

    def __init__(self, database: Database, resource: ListedResource[Any], query: ListingQuery, format_: Format) -> None:
        self._database = database
        self._resource = resource
        self._query = query
        self._format = format_

    def read_page(self, limit: int) -> Page:
        """Return the page with at most this number of rows."""
        query = replace(self._query, limit=limit)
        statement, values = self._resource.page(query, self._database.settings.table, self._format)
        try:
            [[rows, count, last, version]] = self._database.query(statement, *values)
        except (UndefinedObject, StatementTimeout):
            raise
        except StatementError as error:
            raise find_invalid_value(self._database, query) or error from None
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
        statement, values = self._resource.total(self._query, self._database.settings.table, estimated=estimated)
        [[result]] = self._database.query(statement, *values)
        return planned_rows(result) if estimated else int(result)

    def too_large(self) -> ApiError:
        """Return the 422 error of a single row that exceeds the response limit."""
        hint = f"Request fewer fields, such as fields={self._resource.few_fields}, or accept gzip."
        message = f"a single {self._resource.row} exceeds the 6 MB response limit"
        return validation_error([Problem(ErrorCode.ANSWER_TOO_LARGE, ("query", "limit"), message, hint)])


def find_invalid_value(database: Database, query: ListingQuery) -> ApiError | None:
    """Return the error of the pattern or JSON value that PostgreSQL rejects; None if all of them are valid."""
    for name, (statement, values) in validation_statements(query):
        try:
            database.query(statement, *values)
        except StatementError:
            message = f"{name} is invalid: PostgreSQL cannot parse it"
            hint = "See postgresql.org/docs/current/functions-matching.html for patterns, datatype-json.html for JSON."
            return validation_error([Problem(ErrorCode.INVALID_PARAMETER, ("query", name), message, hint)])
    return None
