"""GET /markets/facets: the values of columns with the numbers of matching markets, the largest first."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.etag import ETag, TableVersion, not_modified, version_sql
from api.formats import JSON
from api.listing.endpoints import find_invalid_value, known_words
from api.markets.facet_counts import Count, FacetCounter, Facets
from api.markets.facet_query import FacetQuery, parse_facet_query
from api.markets.sql import RESOURCE
from api.resources import Resources
from api.responses import json_response
from kalshi_markets.database import StatementError, StatementTimeout, UndefinedObject


def respond(request: Request, service: Resources) -> Response:
    """Return the response of GET /markets/facets. Raises ApiError and DatabaseError."""
    database = service.database
    query = parse_facet_query(request.scope["query_string"], partial(known_words, database, RESOURCE))
    tag = ETag(request, JSON.name, service.source_fingerprint)
    current_version = version_sql(database.settings.table, counts=True)
    if unchanged := not_modified(database, tag, current_version):
        return unchanged
    # Read before the numbers: an ETag may be older than its response, and never newer.
    [[text]] = database.query(current_version)
    version = TableVersion.from_json(text)
    try:
        facets = FacetCounter(database, query, service.settings.statement_timeout_ms).read(
            has_counts=version.counted_at is not None
        )
    except (UndefinedObject, StatementTimeout):
        raise
    except StatementError as error:
        raise find_invalid_value(database, query) or error from None
    return json_response(request, _body(query, facets, version), headers=version.headers(tag.value(version)))


def _body(query: FacetQuery, facets: Facets, version: TableVersion) -> dict[str, Any]:
    counted_at = version.counted_at if facets.is_counted else None
    return {
        "facets": {
            name: {
                "values": None if facets.values is None else _values(facets.values[name][: query.limit]),
                "estimated": facets.is_estimated,
                "truncated": facets.values is None or len(facets.values[name]) > query.limit,
            }
            for name in query.facet
        },
        "count": facets.count,
        "counted_at": counted_at and counted_at.replace("+00:00", "Z"),
    }


def _values(counts: Sequence[Count]) -> list[dict[str, Any]]:
    return [{"value": count.value, "count": count.markets} for count in counts]
