"""The HTTP interface: routes, and what becomes of their errors."""

import logging
import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from mangum import Mangum
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import answers, history, landing, listing, parameters, query, status
from api.candlesticks import request as candlesticks_request
from api.edge import Edge, request_id, time_left
from api.errors import ApiError, Code, of_service
from api.rows import FORMATS
from api.service import Service
from kalshi_markets.columns import COLUMNS
from kalshi_markets.database import DatabaseError, Unavailable
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets import SecretUnavailable
from kalshi_markets.settings import SettingsError

if TYPE_CHECKING:
    from api.candlesticks.result import Result

logger = make_logger("api")
# It logs every path at INFO, and with its text an exception that has been answered and logged here.
logging.getLogger("mangum.http").setLevel(logging.CRITICAL)

MARGIN_SECONDS: Final = 3.0
"""Kept of a request's time for building its answer."""


TEXT_TYPES: Final = ["text/", "application/json", "application/x-ndjson"]
"""Bodies that Lambda takes as they are; Mangum makes base64 of others."""


def adapter(service: Service) -> Mangum:
    """The application as Lambda calls it."""
    # The lifespan would run in every invocation.
    return Mangum(Edge(create_app(service)), lifespan="off", text_mime_types=TEXT_TYPES)


def create_app(service: Service) -> FastAPI:
    """The application over a service."""
    app = FastAPI(
        title="Kalshi Markets API",
        version="1",
        description="Every market of the Kalshi exchange: filtered, ordered, paged.",
        redirect_slashes=False,
    )
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    _add_errors(app)
    _add_service_routes(app, service)
    _add_market_routes(app, service)
    return app


@lru_cache(maxsize=1)
def _openapi(app: FastAPI) -> dict[str, Any]:
    from api.openapi import document  # which only this one request needs

    return document(app)


def _add_service_routes(app: FastAPI, service: Service) -> None:
    @app.get("/", response_class=HTMLResponse, summary="Landing page")
    async def root() -> HTMLResponse:
        return HTMLResponse(landing.page(service.database, service.settings.readme_url))

    @app.get("/health", summary="Whether the function and its database answer")
    async def health(request: Request) -> Response:
        query.refuse_parameters(request.scope["query_string"])
        service.database.read("SELECT 1")
        return answers.answer(request, {"status": "ok", "database": "ok"})

    @app.get("/status", summary="How fresh and how complete the table is, per job of the crawler")
    async def current_status(request: Request) -> Response:
        return status.respond(request, service.database)


def _add_market_routes(app: FastAPI, service: Service) -> None:
    @app.get("/markets", summary="Markets")
    async def markets(request: Request) -> Response:
        return listing.markets(request, service)

    @app.get("/markets/columns", summary="Every column: its kind, its meaning, its words")
    async def columns(request: Request) -> Response:
        query.refuse_parameters(request.scope["query_string"])
        return answers.answer(
            request, {"items": [parameters.describe(column) for column in COLUMNS], "count": len(COLUMNS)}
        )

    @app.post("/markets/candlesticks", summary="Candlesticks of markets")
    async def candlesticks(request: Request) -> Response:
        query.refuse_parameters(request.scope["query_string"])
        asked = candlesticks_request.read(await request.body())
        from api.candlesticks import answer  # see fetched

        return answer.respond(request, await fetched(request, asked))

    @app.get("/markets/{ticker}/candlesticks", summary="Candlesticks of one market")
    async def market_candlesticks(request: Request) -> Response:
        asked, form = candlesticks_request.read_one(ticker(request), request.scope["query_string"])
        from api.candlesticks import one  # see fetched

        [result] = await fetched(request, asked)
        return one.respond(request, result, FORMATS[form] if form else listing.accepted(request))

    async def fetched(request: Request, asked: candlesticks_request.CandlesticksRequest) -> "list[Result]":
        from api.candlesticks.fetch import fetch  # the exchange client costs 150 ms to import; other routes need none

        deadline = time.monotonic() + time_left(request) - MARGIN_SECONDS
        return await fetch(asked, service.exchange, service.market_lives, service.candle_cache, deadline=deadline)

    @app.get("/markets/{ticker}", summary="One market")
    async def market(request: Request) -> Response:
        if ticker(request) == "candlesticks":
            raise HTTPException(405, headers={"Allow": "POST"})
        return listing.market(request, ticker(request), service)

    @app.get("/markets/{ticker}/history", summary="The states that one market has been in")
    async def market_history(request: Request) -> Response:
        return history.respond(request, ticker(request), service)

    def ticker(request: Request) -> str:
        # Not a declared parameter: for the first of them FastAPI imports pydantic.v1, which takes 40 ms.
        return str(request.path_params["ticker"])


def _add_errors(app: FastAPI) -> None:
    async def told(request: Request, error: Exception) -> Response:
        answer = _as_api_error(error)
        identity = request_id(request.scope)
        if answer.code.status >= Code.INTERNAL_ERROR.status:
            # Not the text of every error: PostgreSQL's may quote a value of the query.
            known = {
                "code": answer.code.word,
                "error": type(error).__name__,
                "sqlstate": getattr(error, "sqlstate", None),
                "reason": str(error) if isinstance(error, Unavailable | SettingsError | SecretUnavailable) else None,
            }
            logger.error("request failed", extra=known | {"request_id": identity})
        response = answers.answer(request, answer.body(identity), answer.code.status)
        if allow := (getattr(error, "headers", None) or {}).get("Allow"):
            methods = set(allow.split(", "))
            response.headers["allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        return response

    for kind in (ApiError, DatabaseError, SettingsError, SecretUnavailable, HTTPException, Exception):
        app.add_exception_handler(kind, told)


def _as_api_error(error: Exception) -> ApiError:
    match error:
        case ApiError():
            return error
        case DatabaseError() | SettingsError() | SecretUnavailable():
            return of_service(error)
        case HTTPException(status_code=404):
            return ApiError(Code.NOT_FOUND, "There is nothing at this path.", "GET / lists the endpoints.")
        case HTTPException(status_code=405):
            return ApiError(
                Code.METHOD_NOT_ALLOWED, "This path does not take this method.", "GET / lists the endpoints."
            )
        case _:
            return ApiError(Code.INTERNAL_ERROR, "A mistake of ours.", "Report the request_id.")
