"""Rate limits of the exchange's account, and costs of requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kalshi_markets.exchange.errors import AuthenticationFailed, ExchangeClientError, InvalidResponse
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.settings import API_PATH, MAX_RATE, MIN_RATE

DEFAULT_REQUEST_COST: Final = 10.0
"""Default cost of a request, in the exchange's tokens (docs.kalshi.com, Rate Limits and Tiers)."""


@dataclass(frozen=True)
class Costs:
    """Costs of requests.

    default: cost of most requests, in the exchange's tokens.
    by_path: cost of other requests, in multiples of the default. Paths are those of normalize_path.
    """

    default: float = DEFAULT_REQUEST_COST
    by_path: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountLimits:
    """Rate limits of the account, in requests of the default cost.

    rate: requests per second. bucket_capacity: size of a burst; None: unknown.
    """

    rate: float
    bucket_capacity: float | None


async def fetch_costs(transport: Transport, *, deadline: float, priority: float = 0.0) -> Costs:
    """Return the costs of GET requests, or the documented default if the exchange rejects the request.

    Raises ExchangeError.
    """
    try:
        response = await transport.get("/account/endpoint_costs", {}, deadline=deadline, priority=priority)
    except AuthenticationFailed:
        raise
    except ExchangeClientError:
        return Costs()
    default = _positive(response.get("default_cost")) or DEFAULT_REQUEST_COST
    rows = response.get("endpoint_costs")
    by_path = {}
    for row in rows if isinstance(rows, list) else []:
        cost = _positive(row.get("cost")) if isinstance(row, Mapping) and row.get("method") == "GET" else None
        if cost is not None and isinstance(row.get("path"), str):
            by_path[normalize_path(row["path"])] = cost / default
    return Costs(default, by_path)


async def fetch_limits(transport: Transport, costs: Costs, *, deadline: float, priority: float = 0.0) -> AccountLimits:
    """Return the limits of the API key's account for reads, in requests. The exchange returns them in tokens.

    Raises ExchangeError.
    """
    response = await transport.get("/account/limits", {}, deadline=deadline, priority=priority)
    member = response.get("read")
    read_limits: Mapping[str, Any] = member if isinstance(member, Mapping) else {}
    tokens_per_second = _positive(read_limits.get("refill_rate"))
    if tokens_per_second is None or not MIN_RATE <= tokens_per_second / costs.default <= MAX_RATE:
        raise InvalidResponse(
            f"the exchange returned no account rate between {MIN_RATE} and {MAX_RATE:,} requests per second."
        )
    bucket_tokens = _positive(read_limits.get("bucket_capacity"))
    return AccountLimits(
        rate=tokens_per_second / costs.default,
        bucket_capacity=None if bucket_tokens is None else bucket_tokens / costs.default,
    )


def normalize_path(path: str) -> str:
    """Return a path below the API's root, with `*` for each parameter: `/markets/{ticker}` becomes `/markets/*`."""
    segments = path.removeprefix(API_PATH).strip("/").split("/")
    return "/" + "/".join("*" if segment[:1] in ("{", ":", "<") else segment for segment in segments)


def _positive(value: Any) -> float | None:
    """Return the value as a finite number above zero, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None
