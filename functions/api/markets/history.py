"""GET /markets/{ticker}/history: the states of one market over time. PostgreSQL renders the JSON."""

import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.errors import market_not_found
from api.etag import ETag, TableVersion, not_modified, version_sql
from api.formats import JSON, rfc3339_sql
from api.query_string import reject_parameters
from api.resources import Resources
from api.responses import json_response
from kalshi_markets.text import is_valid_pg_text

MAX_STATES: Final = 1_000
"""Maximum number of states in a response. Older states are left out."""


def respond(request: Request, ticker: str, service: Resources) -> Response:
    """Return the history of one market. Raises ApiError and DatabaseError."""
    reject_parameters(request.scope["query_string"])
    database, tag = service.database, ETag(request, JSON.name, service.source_fingerprint)
    if unchanged := not_modified(database, tag, version_sql(database.settings.table)):
        return unchanged
    rows = database.query(_states_sql(database.settings.table), ticker) if is_valid_pg_text(ticker) else []
    if not rows:
        raise market_not_found()
    [[states, count, truncated, version_text]] = rows
    version = TableVersion.from_json(version_text)
    metadata: dict[str, Any] = {"count": count} | ({"truncated": True} if truncated else {})
    text = f'{{"ticker":{json.dumps(ticker, ensure_ascii=False)},"items":[{states}],{json.dumps(metadata)[1:]}'
    return json_response(request, text, headers=version.headers(tag.value(version)))


def _states_sql(table: str) -> str:
    """Return the statement of the history of the ticker $1. It returns no row for an unknown ticker, else four columns.

    1. The JSON of the newest MAX_STATES states, oldest first, comma-separated.
    2. The number of states.
    3. A boolean: there are older states.
    4. The JSON of version_sql.
    """
    # A state starts when the previous one ends, so the window function needs one state more than the result has.
    # The details table has all columns of the current state.
    return f"""
        WITH market AS (SELECT first_seen_at, status, result, close_time FROM {table}_details WHERE ticker = $1::text),
        states AS (
            (SELECT until, status, result, close_time, change_number FROM {table}_history WHERE ticker = $1::text
             ORDER BY change_number DESC LIMIT {MAX_STATES})
            UNION ALL SELECT NULL, status, result, close_time, NULL FROM market),
        periods AS (
            SELECT coalesce(lag(s.until) OVER (ORDER BY s.change_number), m.first_seen_at) AS since, s.*
            FROM states AS s, market AS m ORDER BY s.change_number DESC NULLS FIRST LIMIT {MAX_STATES})
        SELECT string_agg(row_to_json(r)::text, ',\n' ORDER BY r.change_number), count(*),
               (SELECT count(*) FROM states) > {MAX_STATES}, ({version_sql(table)})
        FROM (SELECT {rfc3339_sql("since")} AS "from", {rfc3339_sql("until")} AS until, status, result,
                     {rfc3339_sql("close_time")} AS close_time, change_number FROM periods) AS r
        HAVING count(*) > 0"""
