"""The HTTP side: which path is answered by what, and what every answer carries."""

from collections.abc import Callable, Mapping
from email.utils import format_datetime

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.exchange.catalogue import Exchange
from local.exchange.clock import Clock, moment
from local.exchange.endpoints import Endpoints
from local.exchange.errors import ExchangeError, not_found, service_error
from local.exchange.signatures import PublicKey, is_signed, verify

BASE = "/trade-api/v2"
PUBLIC = {"Cache-Control": "public, max-age=15"}  # observed on production, 2026-08

Endpoint = Callable[[Request], bytes]


def create_app(exchange: Exchange, keys: Mapping[str, PublicKey]) -> Starlette:
    """The exchange as an ASGI application; `keys` are the public keys of its customers by key id."""
    get = Endpoints(exchange)
    public = {
        "/markets": get.markets,
        "/markets/candlesticks": get.batch_candlesticks,
        "/markets/{ticker}": get.market,
        "/series/{series_ticker}/markets/{ticker}/candlesticks": get.market_candlesticks,
        "/events": get.events,
        "/events/{event_ticker}": get.event,
        "/series": get.all_series,
        "/series/{series_ticker}": get.series,
        "/historical/cutoff": get.historical_cutoff,
        "/exchange/status": get.exchange_status,
    }
    private = {"/account/limits": get.account_limits}

    def route(path: str, endpoint: Endpoint, *, is_public: bool) -> Route:
        async def answer(request: Request) -> Response:
            try:
                if not is_public or is_signed(request.headers):
                    verify(keys, exchange.clock.now(), request.method, request.scope["path"], request.headers)
                content = endpoint(request)
            except ExchangeError as error:
                return _refusal(error)
            return Response(content, media_type="application/json", headers=PUBLIC if is_public else {})

        return Route(BASE + path, answer)

    app = Starlette(
        routes=[route(path, endpoint, is_public=True) for path, endpoint in public.items()]
        + [route(path, endpoint, is_public=False) for path, endpoint in private.items()],
        middleware=[
            Middleware(_Dated, clock=exchange.clock),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1),
        ],
        exception_handlers={404: _unknown_path, 405: _unknown_method},
    )
    app.router.redirect_slashes = False  # _unknown_path does it
    return app


async def _unknown_path(request: Request, _: Exception) -> Response:
    """A trailing slash leads to the path without it (docs.kalshi.com, changelog 2025-10-08)."""
    path: str = request.scope["path"]
    if path != "/" and path.endswith("/"):
        return RedirectResponse(request.url.replace(path=path.rstrip("/")), 301)
    return _refusal(not_found())


async def _unknown_method(_: Request, __: Exception) -> Response:
    return _refusal(service_error(405, "method_not_allowed", "method not allowed"))


def _refusal(error: ExchangeError) -> Response:
    return JSONResponse(error.body, error.status)


class _Dated:
    """Every answer tells the exchange's own time, which clients set their signatures' clock by."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = format_datetime(moment(self._clock.now()), usegmt=True)
            await send(message)

        await self._app(scope, receive, send_dated)
