"""ASGI application of the simulated exchange: routes, middleware and response headers."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from local.exchange.faults.rules import FaultMiddleware, Faults, RequestState
from local.exchange.http.admin import Admin
from local.exchange.http.endpoints import Endpoints
from local.exchange.http.errors import ExchangeError, not_found, service_error
from local.exchange.http.prerendered import PageStore
from local.exchange.http.rate_limiter import UNLIMITED, RateLimiter
from local.exchange.http.signatures import PublicKey, is_signed, verify

BASE = "/trade-api/v2"
PUBLIC = {"Cache-Control": "public, max-age=15"}  # observed on production, 2026-08

Endpoint = Callable[[Request], bytes]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options of the server.

    `tier`, `unsigned_rate`, `rate_limit_body`: see RateLimiter.
    `seed`: seed of the random draws of the rate limiter.
    `faults`: rules, see faults/rules.py.
    `costs`: tokens of a GET by path, where it is not the default.
    `prepared`: pages to serve from disk.
    `admin`: whether there are /admin endpoints.
    """

    tier: str = UNLIMITED
    unsigned_rate: int = 100
    rate_limit_body: str = "either"
    seed: int = 1
    faults: Sequence[Mapping[str, object]] = ()
    costs: Mapping[str, object] = field(default_factory=dict)
    prepared: PageStore | None = None
    admin: bool = True


def create_app(exchange: Exchange, keys: Mapping[str, PublicKey], options: ServerOptions) -> Starlette:
    """Return the ASGI application. `keys` maps key ids to the public keys of the customers.

    Raises ValueError for an invalid fault rule, an unknown path in `costs` or an invalid cost.
    """
    limiter = RateLimiter(
        exchange.clock, options.tier, options.unsigned_rate, options.rate_limit_body, options.seed, BASE
    )
    faults = Faults(exchange, options.faults)
    routes = _routes(exchange, keys, limiter, options.prepared)
    limiter.costs.paths = [route.path.removeprefix(BASE) for route in routes]
    limiter.costs.set(options.costs)
    counts: Counter[tuple[str, int]] = Counter()
    app = Starlette(
        routes=routes + (Admin(exchange.clock, faults, limiter.costs, counts).routes if options.admin else []),
        middleware=[
            Middleware(_ExchangeMiddleware, clock=exchange.clock, faults=faults, counts=counts, routes=routes),
            Middleware(FaultMiddleware, before_compression=False),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1),
            Middleware(FaultMiddleware, before_compression=True),
        ],
        exception_handlers={404: _unknown_path, 405: _unknown_method},
    )
    app.router.redirect_slashes = False  # _unknown_path redirects instead
    return app


def _public_endpoints(get: Endpoints, limiter: RateLimiter) -> dict[str, Endpoint]:
    """Return the endpoints that accept unsigned requests, by path below the base URL."""
    return {
        "/markets": get.markets,
        "/markets/candlesticks": get.batch_candlesticks,
        "/markets/trades": get.trades,
        "/markets/orderbooks": get.orderbooks,
        "/markets/{ticker}": get.market,
        "/markets/{ticker}/orderbook": get.orderbook,
        "/series/{series_ticker}/markets/{ticker}/candlesticks": get.market_candlesticks,
        "/events": get.events,
        "/events/{event_ticker}": get.event,
        "/series": get.all_series,
        "/series/{series_ticker}": get.series,
        "/series/{series_ticker}/events/{event_ticker}/candlesticks": get.event_candlesticks,
        "/historical/trades": get.historical_trades,
        "/historical/markets": get.historical_markets,
        "/historical/markets/{ticker}": get.historical_market,
        "/historical/markets/{ticker}/candlesticks": get.historical_candlesticks,
        "/historical/cutoff": get.historical_cutoff,
        "/exchange/status": get.exchange_status,
        "/account/endpoint_costs": limiter.endpoint_costs,
    }


def _routes(
    exchange: Exchange, keys: Mapping[str, PublicKey], limiter: RateLimiter, prepared: PageStore | None
) -> list[Route]:
    def customer(request: Request, *, is_public: bool) -> str | None:
        """Return the key id, or None for an unsigned request to a public path. Raises ExchangeError."""
        if is_public and not is_signed(request.headers):
            return None
        now = exchange.clock.now() + request.scope["request_state"].skew
        return verify(keys, now, request.method, request.scope["path"], request.headers)

    def route(path: str, endpoint: Endpoint, *, is_public: bool) -> Route:
        headers = PUBLIC if is_public else {}

        async def answer(request: Request) -> Response:
            try:
                address = request.client.host if request.client else ""
                limiter.spend(customer(request, is_public=is_public), address, path)
                if prepared and (page := prepared.find(path, request)):
                    return Response(page.body, media_type="application/json", headers={**headers, **page.headers})
                return Response(endpoint(request), media_type="application/json", headers=headers)
            except ExchangeError as error:
                return _error_response(error)

        return Route(BASE + path, answer)

    public = _public_endpoints(Endpoints(exchange), limiter)
    return [
        *(route(path, endpoint, is_public=True) for path, endpoint in public.items()),
        route("/account/limits", limiter.account_limits, is_public=False),
    ]


async def _unknown_path(request: Request, _: Exception) -> Response:
    """Redirect a path with a trailing slash (docs.kalshi.com, changelog 2025-10-08); respond 404 to any other."""
    path: str = request.scope["path"]
    if path != "/" and path.endswith("/"):
        return RedirectResponse(request.url.replace(path=path.rstrip("/")), 301)
    return _error_response(not_found())


async def _unknown_method(_: Request, __: Exception) -> Response:
    return _error_response(service_error(405, "method_not_allowed", "method not allowed"))


def _error_response(error: ExchangeError) -> Response:
    return JSONResponse(error.body, error.status)


class _ExchangeMiddleware:
    """Outermost middleware: selects the faults of a request, counts the response and sets its Date header."""

    def __init__(
        self, app: ASGIApp, clock: Clock, faults: Faults, counts: Counter[tuple[str, int]], routes: list[Route]
    ) -> None:
        self._app = app
        self._clock = clock
        self._faults = faults
        self._counts = counts
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        state = scope["request_state"] = RequestState()
        is_api = path.startswith(BASE + "/")
        if is_api:
            state.active_faults = self._faults.active_for(
                path.removeprefix(BASE), scope["query_string"].decode("latin-1")
            )

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                now = moment(self._clock.now() + state.skew)
                MutableHeaders(scope=message)["Date"] = format_datetime(now, usegmt=True)
                if is_api:
                    self._counts[self._template(path), message["status"]] += 1
            await send(message)

        await self._app(scope, receive, send_on)

    def _template(self, path: str) -> str:
        """Return the route that matches a path, or `*`. Counting by ticker would need too many keys."""
        known = (route.path for route in self._routes if route.path_regex.match(path))
        return next(known, "*").removeprefix(BASE)
