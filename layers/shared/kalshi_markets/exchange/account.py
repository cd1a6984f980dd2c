"""What the exchange permits an account, and what requests cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kalshi_markets.exchange.errors import AuthenticationFailed, ExchangeClientError, InvalidResponse
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.settings import API_PATH, MAX_RATE, MIN_RATE

DEFAULT_REQUEST_COST: Final = 10.0
"""The exchange's tokens that a request costs where nothing else is said (docs.kalshi.com, Rate Limits and Tiers)."""


@dataclass(frozen=True)
class Costs:
    """What requests cost. default: in the exchange's tokens; by_path: in requests of that cost, where it is not 1."""

    default: float = DEFAULT_REQUEST_COST
    by_path: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountLimits:
    """What the account may send, in requests of the default cost: a second, and at once."""

    rate: float
    bucket_capacity: float | None


async def fetch_costs(transport: Transport, *, deadline: float, priority: float = 0.0) -> Costs:
    """Return the costs of GET requests; as documented where the exchange does not tell them. Raises ExchangeError."""
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
    """Return what the account of the API key may send. Raises ExchangeError."""
    response = await transport.get("/account/limits", {}, deadline=deadline, priority=priority)
    value = response.get("read")
    read_limits: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    tokens = _positive(read_limits.get("refill_rate"))
    if tokens is None or not MIN_RATE <= tokens / costs.default <= MAX_RATE:
        raise InvalidResponse(
            f"the exchange returned no account rate between {MIN_RATE} and {MAX_RATE:,} requests per second."
        )
    capacity = _positive(read_limits.get("bucket_capacity"))
    return AccountLimits(tokens / costs.default, capacity and capacity / costs.default)


def normalize_path(path: str) -> str:
    """Return a path or a route below the API's root, `*` for each parameter: `/markets/{ticker}` is `/markets/*`."""
    segments = path.removeprefix(API_PATH).strip("/").split("/")
    return "/" + "/".join("*" if segment[:1] in ("{", ":", "<") else segment for segment in segments)


def _positive(value: Any) -> float | None:
    """Return a finite number above zero, else None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None
