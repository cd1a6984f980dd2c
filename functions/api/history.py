"""GET /markets/{ticker}/history: the states that a market has been in, as PostgreSQL writes them."""

import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api import sql
from api.answers import answer
from api.errors import market_not_found
from api.freshness import State, Tag, not_modified
from api.query import refuse_parameters
from api.rows import JSON
from api.service import Service
from api.values import is_storable

MOST_STATES: Final = 1_000
"""Of an answer: the newest."""


def respond(request: Request, ticker: str, service: Service) -> Response:
    """Raises ApiError, DatabaseError."""
    refuse_parameters(request.scope["query_string"])
    database, tag = service.database, Tag(request, JSON.name, service.version)
    if unchanged := not_modified(database, tag):
        return unchanged
    statement, values = sql.history(ticker, database.settings.table, MOST_STATES)
    rows = database.read(statement, *values) if is_storable(ticker) else []
    if not rows:
        raise market_not_found()
    [[states, count, truncated, state_text]] = rows
    state = State.read(state_text)
    more: dict[str, Any] = {"count": count} | ({"truncated": True} if truncated else {})
    text = f'{{"ticker":{json.dumps(ticker, ensure_ascii=False)},"items":[{states}],{json.dumps(more)[1:]}'
    return answer(request, text, headers=state.headers(tag.at(state)))
