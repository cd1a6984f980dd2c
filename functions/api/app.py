"""HTTP application and its routes."""

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

from api import responses, status
from api.candlesticks.request import CandlesticksRequest, parse_body, parse_path
from api.error_handlers import add_error_handlers
from api.errors import ApiError
from api.formats import negotiate_format
from api.listing import endpoints
from api.markets import history
from api.markets.sql import RESOURCE as MARKETS
from api.middleware import RequestContextMiddleware, remaining_seconds
from api.query_string import reject_parameters
from api.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.candlesticks.result import Result
    from api.listing.resource import ListedResource

# Mangum logs every path at INFO. It also logs the text of exceptions that handle_error has already logged.
logging.getLogger("mangum.http").setLevel(logging.CRITICAL)

RESPONSE_RESERVE_SECONDS: Final = 3.0
"""Seconds of a request that are reserved for building the response."""


TEXT_TYPES: Final = ["text/", "application/json", "application/x-ndjson", "image/svg+xml"]
"""Media types that Mangum returns as text. Bodies of other types are base64-encoded."""


def lambda_handler(resources: Resources) -> Mangum:
    """Return the ASGI application wrapped as a Lambda handler."""
    # With the lifespan on, Mangum would run it in every invocation.
    return Mangum(RequestContextMiddleware(create_app(resources)), lifespan="off", text_mime_types=TEXT_TYPES)


def create_app(resources: Resources) -> FastAPI:
    """Create the FastAPI application with all routes and exception handlers."""
    app = FastAPI(
        title="Kalshi Markets API",
        version="1",
        description="All markets of the Kalshi exchange, with filters, sorting and pagination.",
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages load scripts from a CDN
        redoc_url=None,
    )
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]  # as FastAPI documents ("Extending OpenAPI")
    add_error_handlers(app, resources)
    _add_service_routes(app, resources)
    _add_listing_routes(app, resources)
    _add_event_routes(app, resources)
    _add_candlestick_routes(app, resources)
    _add_trade_routes(app, resources)
    _add_market_routes(app, resources)
    _add_explorer_routes(app, resources)
    _add_agent_routes(app, resources)
    return app


@lru_cache(maxsize=1)
def _openapi(app: FastAPI) -> dict[str, Any]:
    from api.openapi.document import document  # imported here: only GET /openapi.json needs it

    return document(app)


def _add_service_routes(app: FastAPI, resources: Resources) -> None:
    @app.get("/health", summary="Health of the function and its database")
    async def health(request: Request) -> Response:
        reject_parameters(request.scope["query_string"])
        resources.database.query("SELECT 1")
        return responses.json_response(request, {"status": "ok", "database": "ok"})

    @app.get("/status", summary="Freshness and completeness of the data, by crawler job")
    async def current_status(request: Request) -> Response:
        return status.respond(request, resources.database)

    @app.get("/lake", summary="Closed days of the lake")
    async def lake(request: Request) -> Response:
        from api.lake import endpoint  # imported here: only this route needs it

        return endpoint.respond(request, resources)


def _add_listing_routes(app: FastAPI, resources: Resources) -> None:
    @app.get("/markets", summary="List markets")
    async def markets(request: Request) -> Response:
        return endpoints.list_rows(request, resources, MARKETS)

    @app.get("/markets/columns", summary="List columns: kind, description and known values")
    async def columns(request: Request) -> Response:
        return endpoints.columns(request, MARKETS)

    @app.post("/markets", summary="List markets, with the parameters in the body")
    async def markets_by_body(request: Request) -> Response:
        from api.listing import json_body  # imported here: only POST needs it

        reject_parameters(request.scope["query_string"])
        get_request = json_body.as_get_request(request, await request.body())
        try:
            return endpoints.list_rows(get_request, resources, MARKETS)
        except ApiError as error:
            raise json_body.located_in_body(error) from None

    @app.get("/markets/facets", summary="Numbers of markets by the values of columns")
    async def market_facets(request: Request) -> Response:
        from api.markets import facets  # imported here: only this route needs it

        return facets.respond(request, resources)


def _add_event_routes(app: FastAPI, resources: Resources) -> None:
    # Their modules are imported in the routes: the other routes start without them.
    def load_events() -> "ListedResource[Any]":
        from api.events.resource import RESOURCE

        return RESOURCE

    def load_series() -> "ListedResource[Any]":
        from api.series.resource import RESOURCE

        return RESOURCE

    _add_listing(app, resources, "/events", "event_ticker", load_events)
    _add_listing(app, resources, "/series", "series_ticker", load_series)

    @app.get("/events/{event_ticker}/markets", summary="Markets of one event, ordered by strike")
    async def event_markets(request: Request) -> Response:
        from api.events import markets

        return markets.respond(request, str(request.path_params["event_ticker"]), resources)


def _add_listing(
    app: FastAPI, resources: Resources, path: str, key: str, load: "Callable[[], ListedResource[Any]]"
) -> None:
    """Add the routes of a resource that has a listing. key: the path parameter of one row."""
    rows = path.removeprefix("/")

    @app.get(path, summary=f"List {rows}")
    async def listing(request: Request) -> Response:
        return endpoints.list_rows(request, resources, load())

    @app.get(f"{path}/columns", summary=f"List columns of {rows}: kind, description and known values")
    async def columns(request: Request) -> Response:
        return endpoints.columns(request, load())

    @app.get(f"{path}/{{{key}}}", summary=f"One of the {rows}")
    async def row(request: Request) -> Response:
        return endpoints.one_row(request, str(request.path_params[key]), resources, load())


def _add_candlestick_routes(app: FastAPI, resources: Resources) -> None:
    @app.post("/markets/candlesticks", summary="Candlesticks of several markets")
    async def candlesticks(request: Request) -> Response:
        reject_parameters(request.scope["query_string"])
        candlesticks_request = parse_body(await request.body())
        results = await _fetch_candlesticks(request, candlesticks_request, resources)
        from api.candlesticks.responses import batch_response  # imported here, because it imports the exchange client

        return batch_response(request, results)

    @app.get("/markets/{ticker}/candlesticks", summary="Candlesticks of one market")
    async def market_candlesticks(request: Request) -> Response:
        candlesticks_request, format_name = parse_path(_ticker(request), request.scope["query_string"])
        [result] = await _fetch_candlesticks(request, candlesticks_request, resources)
        from api.candlesticks.single_response import single_response  # imported here for the same reason

        return single_response(
            request,
            result,
            negotiate_format(request, format_name),
            with_filled=candlesticks_request.fill != "none",
        )


async def _fetch_candlesticks(
    request: Request, candlesticks_request: CandlesticksRequest, resources: Resources
) -> "list[Result]":
    # Imported here: it imports the exchange client, which takes 150 ms and which most routes do not need.
    from api.candlesticks.derived_fetch import fetch_derived

    return await fetch_derived(
        candlesticks_request, resources, deadline=_deadline(request), in_body=request.method == "POST"
    )


def _add_trade_routes(app: FastAPI, resources: Resources) -> None:
    # Modules of these routes import the exchange client (see _fetch_candlesticks).
    @app.get("/markets/{ticker}/trades", summary="Trades of one market")
    async def trades(request: Request) -> Response:
        from api.trades import endpoint

        return await endpoint.respond(request, _ticker(request), resources, deadline=_deadline(request))

    @app.get("/markets/{ticker}/orderbook", summary="Order book of one market")
    async def orderbook(request: Request) -> Response:
        from api.orderbooks import endpoints as orderbooks

        return await orderbooks.single(request, _ticker(request), resources.exchange, deadline=_deadline(request))

    @app.post("/markets/orderbooks", summary="Order books of several markets")
    async def orderbooks(request: Request) -> Response:
        reject_parameters(request.scope["query_string"])
        from api.orderbooks import endpoints as orderbooks

        return await orderbooks.batch(request, await request.body(), resources.exchange, deadline=_deadline(request))


def _deadline(request: Request) -> float:
    """Return the time.monotonic() value by which calls to the exchange must end."""
    return time.monotonic() + remaining_seconds(request) - RESPONSE_RESERVE_SECONDS


def _add_market_routes(app: FastAPI, resources: Resources) -> None:
    # These follow the routes whose paths `/markets/{ticker}` matches, too.
    @app.get("/markets/{ticker}", summary="One market")
    async def market(request: Request) -> Response:
        if _ticker(request) in ("candlesticks", "orderbooks"):
            raise HTTPException(405, headers={"Allow": "POST"})
        return endpoints.one_row(request, _ticker(request), resources, MARKETS)

    @app.get("/markets/{ticker}/history", summary="Past states of one market")
    async def market_history(request: Request) -> Response:
        return history.respond(request, _ticker(request), resources)


EXPLORER_PATHS: Final = (
    "/explore",
    "/explore/markets/{ticker}",
    "/explore/events/{event_ticker}",
    "/explore/series",
    "/explore/series/{series_ticker}",
    "/explore/status",
    "/docs",
)
"""Paths of the explorer's pages, besides GET /. They are not in the OpenAPI document."""


def _add_explorer_routes(app: FastAPI, resources: Resources) -> None:
    # Their module is imported in the routes: the API starts without it.
    @app.get("/", response_class=HTMLResponse, summary="Landing page")
    async def root(request: Request) -> Response:
        return await page("/", request)

    async def page(path: str, request: Request) -> Response:
        from api.explorer import endpoints as explorer

        return explorer.page_response(request, path, resources.settings.readme_url)

    async def asset(request: Request) -> Response:
        from api.explorer import endpoints as explorer

        return explorer.asset_response(request)

    async def favicon(request: Request) -> Response:
        from api.explorer import endpoints as explorer

        return explorer.favicon_response(request)

    for path in EXPLORER_PATHS:
        app.add_route(path, partial(page, path), include_in_schema=False)
    app.add_route("/assets/{version}/{path:path}", asset, include_in_schema=False)
    app.add_route("/favicon.ico", favicon, include_in_schema=False)


def _add_agent_routes(app: FastAPI, resources: Resources) -> None:
    # Their modules are imported in the routes: the other routes start without them.
    @app.post("/mcp", summary="Model Context Protocol: tools for language models")
    async def mcp(request: Request) -> Response:
        from api.mcp import endpoint

        return await endpoint.respond(request, resources, deadline=_deadline(request))

    @app.get("/llms.txt", summary="Guide to this API for language models, in Markdown")
    async def llms(request: Request) -> Response:
        from api import llms_text

        return llms_text.respond(request)


def _ticker(request: Request) -> str:
    # Not a declared path parameter: FastAPI imports pydantic.v1 for the first declared one, which takes 40 ms.
    return str(request.path_params["ticker"])
