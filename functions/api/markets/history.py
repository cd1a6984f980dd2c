"""GET /markets/{ticker}/history: the states of one market over time. PostgreSQL renders the JSON."""

import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.errors import market_not_found
from api.etag import ETag, TableVersion, not_modified
from api.formats import JSON
from api.markets import sql
from api.markets.query import reject_parameters
from api.resources import Resources
from api.responses import json_response
from api.value_parsers import is_storable

MAX_STATES: Final = 1_000
"""Maximum number of states in a response. Older states are left out."""


def respond(request: Request, ticker: str, service: Resources) -> Response:
    """Return the history of one market. Raises ApiError and DatabaseError."""
    reject_parameters(request.scope["query_string"])
    database, tag = service.database, ETag(request, JSON.name, service.source_fingerprint)
    if unchanged := not_modified(database, tag):
        return unchanged
    statement, values = sql.history(ticker, database.settings.table, MAX_STATES)
    rows = database.query(statement, *values) if is_storable(ticker) else []
    if not rows:
        raise market_not_found()
    [[states, count, truncated, state_text]] = rows
    state = TableVersion.from_json(state_text)
    metadata: dict[str, Any] = {"count": count} | ({"truncated": True} if truncated else {})
    text = f'{{"ticker":{json.dumps(ticker, ensure_ascii=False)},"items":[{states}],{json.dumps(metadata)[1:]}'
    return json_response(request, text, headers=state.headers(tag.value(state)))
