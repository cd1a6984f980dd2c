"""Questions about the clock, the cache, the key and the costs of requests."""

import asyncio
import re
from email.utils import parsedate_to_datetime
from typing import Final

from api.etag import MAX_AGE_SECONDS
from kalshi_markets.exchange import (
    CLOCK_TOLERANCE,
    DEFAULT_REQUEST_COST,
    HEADERS,
    AuthenticationFailed,
    Costs,
    ExchangeClientError,
)
from kalshi_markets.settings import MAX_RATE, MIN_RATE
from local.probe.budget import DEFAULT_RATE
from local.probe.question import Finding, NotObservableError, Question, compare
from local.probe.samples import fetch_open_page
from local.probe.session import Query, Session

_REQUESTED_PATHS: Final = frozenset(
    {"/markets", "/markets/candlesticks", "/events", "/series", "/account/limits", "/account/endpoint_costs"}
    | {"/historical/cutoff", "/historical/markets", "/historical/markets/*/candlesticks"}
)
"""Paths that the functions request, with `*` for each path parameter."""
_ACCOUNT: Final = "layers/shared/kalshi_markets/exchange/account.py"
_CONCURRENT_REQUESTS: Final = 5


async def _check_clock(session: Session) -> Finding:
    answer = await session.get("/exchange/status")
    date = answer.response.headers.get("date")
    if not date:
        return compare(agrees=False, observed="the response has no Date header")
    difference = parsedate_to_datetime(date).timestamp() - answer.received_at
    return compare(abs(difference) <= CLOCK_TOLERANCE, f"{difference:+.0f} s")


async def _check_cache(session: Session) -> Finding:
    value = (await fetch_open_page(session)).response.headers.get("cache-control", "")
    match = re.search(r"max-age=([0-9]+)", value)
    return compare(match and int(match[1]) == MAX_AGE_SECONDS, f"Cache-Control: {value or 'none'}")


async def _check_compression(session: Session) -> Finding:
    response = (await fetch_open_page(session)).response
    value = response.headers.get("content-encoding", "none")
    size = f"{response.num_bytes_downloaded:,} bytes for {len(response.content):,}"
    return compare(value == HEADERS["accept-encoding"], f"Content-Encoding: {value}, {size}")


async def _fetch_costs(session: Session) -> Costs:
    try:
        await session.get("/account/endpoint_costs")
    except AuthenticationFailed:
        if session.signed is None:
            raise NotObservableError("it requires an API key: set KEYID and KEYFILE.") from None
        return await session.signed.costs(deadline=session.deadline)
    return await session.client.costs(deadline=session.deadline)


async def _check_costs(session: Session) -> Finding:
    costs = await _fetch_costs(session)
    exceptions = {
        path: cost * costs.default for path, cost in costs.by_path.items() if path in _REQUESTED_PATHS and cost != 1
    }
    observed = [f"default {costs.default:g}", *(f"{path} {cost:g}" for path, cost in exceptions.items())]
    return compare(costs.default == DEFAULT_REQUEST_COST and not exceptions, ", ".join(observed))


async def _check_account(session: Session) -> Finding:
    if session.signed is None:
        raise NotObservableError("it requires an API key: set KEYID and KEYFILE.")
    limits = await session.signed.account_limits(await _fetch_costs(session), deadline=session.deadline)
    capacity = "an unknown number" if limits.bucket_capacity is None else f"{limits.bucket_capacity:g}"
    return compare(limits.bucket_capacity, f"{limits.rate:g} requests per second, {capacity} at once")


async def _check_rate_without_key(session: Session) -> Finding:
    """Send requests concurrently, at the highest rate that the budget permits. Earlier questions may be slower."""
    queries: list[Query] = [{"limit": limit, "mve_filter": "exclude"} for limit in range(1, _CONCURRENT_REQUESTS + 1)]
    answers = await asyncio.gather(*(session.get("/markets", query) for query in queries), return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    rate_limited, sent = session.client.rate_limited, session.client.requests
    if not rate_limited and errors:
        raise errors[0]
    return compare(not rate_limited, f"{rate_limited} of {sent} requests were answered with 429")


async def _check_without_key(session: Session) -> Finding:
    try:
        await fetch_open_page(session)
    except ExchangeClientError as error:
        if not isinstance(error, AuthenticationFailed):
            raise
        return compare(agrees=False, observed=f"rejected with {error.status}")
    return compare(agrees=True, observed="answered with 200")


FIRST: Final = (
    Question(
        "clock: Date header",
        f"within {CLOCK_TOLERANCE:g} s of this machine's clock",
        "layers/shared/kalshi_markets/exchange/transport.py",
        1,
        _check_clock,
    ),
    Question(
        "market data without a key", "is public", "layers/shared/kalshi_markets/settings.py", 1, _check_without_key
    ),
    Question("cache: max-age", f"Cache-Control: max-age={MAX_AGE_SECONDS}", "functions/api/etag.py", 0, _check_cache),
    Question(
        "compression",
        HEADERS["accept-encoding"],
        "layers/shared/kalshi_markets/exchange/transport.py",
        0,
        _check_compression,
    ),
    Question(
        "/account/endpoint_costs",
        f"{DEFAULT_REQUEST_COST:g} tokens for each path that the functions request",
        _ACCOUNT,
        2,
        _check_costs,
    ),
    Question(
        "/account/limits",
        f"the key is accepted; the rate is {MIN_RATE:g} to {MAX_RATE:,} requests per second, the bucket is known",
        _ACCOUNT,
        2,  # one more if the clocks differ
        _check_account,
    ),
)
LAST: Final = (
    Question(
        "rate without a key",
        f"{DEFAULT_RATE:g} requests per second are not answered with 429",
        "layers/shared/kalshi_markets/settings.py",
        _CONCURRENT_REQUESTS,
        _check_rate_without_key,
    ),
)
