"""Candles of a request with any period: those of the exchange, or candles that are derived from them."""

from api.candlesticks.derivation import UnknownZone, plan_derivation
from api.candlesticks.fetch import fetch
from api.candlesticks.request import CandlesticksRequest, unknown_zone
from api.candlesticks.result import Result
from api.resources import Resources


async def fetch_derived(
    request: CandlesticksRequest, resources: Resources, *, deadline: float, in_body: bool
) -> list[Result]:
    """Return a result for each distinct ticker, in the order of the request.

    deadline: time.monotonic() value by which calls to the exchange must end.
    in_body: the parameters are in the body of a POST request.
    Raises ApiError, DatabaseError and the errors of the rate limiter.
    """
    try:
        derivation = plan_derivation(request, resources.database, resources.exchange.now())
    except UnknownZone:
        raise unknown_zone(in_body=in_body) from None
    return await fetch(
        request,
        resources.exchange,
        resources.market_lifetimes,
        resources.candle_cache,
        deadline=deadline,
        derivation=derivation,
    )
