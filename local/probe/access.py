"""Questions about the clock, the cache, the key and what requests cost."""

import asyncio
import re
from email.utils import parsedate_to_datetime
from typing import Any, Final

from api.freshness import MAX_AGE_SECONDS
from kalshi_markets.exchange import ExchangeRefused, KeyRefused
from kalshi_markets.exchange.client import DEFAULT_COST
from kalshi_markets.exchange.transport import CLOCK_TOLERANCE, HEADERS
from kalshi_markets.settings import MAX_RATE, MIN_RATE
from local.probe.budget import DEFAULT_RATE
from local.probe.question import Finding, NotObservableError, Question, compare
from local.probe.samples import open_page
from local.probe.session import Query, Session

_CALLED: Final = frozenset(
    {"/markets", "/markets/candlesticks", "/events", "/series"}
    | {"/historical/cutoff", "/historical/markets", "/historical/markets/{}/candlesticks"}
    | {"/account/limits", "/account/endpoint_costs"}
)
"""The paths that the functions ask for, their parameters without names."""
_BURST: Final = 5


async def _clock(session: Session) -> Finding:
    answer = await session.get("/exchange/status")
    date = answer.response.headers.get("date")
    if not date:
        return compare(agrees=False, observed="there is no Date header")
    ahead = parsedate_to_datetime(date).timestamp() - answer.received_at
    return compare(abs(ahead) <= CLOCK_TOLERANCE, f"{ahead:+.0f} s")


async def _cache(session: Session) -> Finding:
    value = (await open_page(session)).response.headers.get("cache-control", "")
    found = re.search(r"max-age=([0-9]+)", value)
    return compare(found and int(found[1]) == MAX_AGE_SECONDS, f"Cache-Control: {value or 'none'}")


async def _compression(session: Session) -> Finding:
    response = (await open_page(session)).response
    value = response.headers.get("content-encoding", "none")
    size = f"{response.num_bytes_downloaded:,} bytes for {len(response.content):,}"
    return compare(value == HEADERS["accept-encoding"], f"Content-Encoding: {value}, {size}")


async def _costs(session: Session) -> Finding:
    try:
        costs = (await session.get("/account/endpoint_costs")).json()
    except KeyRefused:
        if session.client is None:
            raise NotObservableError("it needs a key, and there is none.") from None
        costs = await session.client.transport.get("/account/endpoint_costs", {}, deadline=session.deadline)
    default = costs["default_cost"]
    others = [_cost(one) for one in costs["endpoint_costs"] or [] if _is_called(one) and one["cost"] != default]
    return compare(default == DEFAULT_COST and not others, "; ".join([f"default {default}", *others]))


def _is_called(entry: dict[str, Any]) -> bool:
    path = re.sub(r"\{[^}]*\}|:\w+", "{}", entry["path"]).partition("/trade-api/v2")
    return str(entry["method"]).upper() == "GET" and (path[2] or path[0]) in _CALLED


def _cost(entry: dict[str, Any]) -> str:
    return f"{entry['path']} {entry['cost']}"


async def _account(session: Session) -> Finding:
    if session.client is None:
        raise NotObservableError("there is no key.")
    rate = await session.client.account_rate(deadline=session.deadline)
    return compare(agrees=True, observed=f"{rate:g} requests a second")


async def _rate_without_key(session: Session) -> Finding:
    """Ask side by side, as fast as the budget permits: what came before may have been slower than that."""
    queries: list[Query] = [{"limit": limit, "mve_filter": "exclude"} for limit in range(1, _BURST + 1)]
    answers = await asyncio.gather(*(session.get("/markets", query) for query in queries), return_exceptions=True)
    others = [answer for answer in answers if isinstance(answer, BaseException)]
    refused, sent = session.transport.refusals, session.transport.requests
    if not refused and others:
        raise others[0]
    return compare(not refused, f"{refused} of {sent} requests were answered with 429")


async def _without_key(session: Session) -> Finding:
    try:
        await open_page(session)
    except ExchangeRefused as error:
        if not isinstance(error, KeyRefused):
            raise
        return compare(agrees=False, observed=f"refused with {error.status}")
    return compare(agrees=True, observed="answered without one")


FIRST: Final = (
    Question(
        "clock: Date header",
        f"within {CLOCK_TOLERANCE:g} s of this machine's clock",
        "layers/shared/kalshi_markets/exchange/transport.py",
        1,
        _clock,
    ),
    Question("market data: key", "needs none", "layers/shared/kalshi_markets/settings.py", 1, _without_key),
    Question("cache: how long", f"Cache-Control: max-age={MAX_AGE_SECONDS}", "functions/api/freshness.py", 0, _cache),
    Question(
        "compression", HEADERS["accept-encoding"], "layers/shared/kalshi_markets/exchange/transport.py", 0, _compression
    ),
    Question(
        "/account/endpoint_costs",
        f"{DEFAULT_COST:g} tokens, for every path that is called",
        "layers/shared/kalshi_markets/exchange/client.py",
        2,
        _costs,
    ),
    Question(
        "/account/limits",
        f"the key is accepted; {MIN_RATE:g} to {MAX_RATE:,} requests a second",
        "layers/shared/kalshi_markets/exchange/client.py",
        3,  # one more where the clocks differ
        _account,
    ),
)
LAST: Final = (
    Question(
        "rate without a key",
        f"{DEFAULT_RATE:g} requests a second are not refused",
        "layers/shared/kalshi_markets/settings.py",
        _BURST,
        _rate_without_key,
    ),
)
