"""Token buckets that limit the requests of a customer (docs.kalshi.com, Rate Limits and Tiers, 2026-09)."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from starlette.requests import Request

from local.exchange.catalogue import to_json
from local.exchange.clock import SECOND, Clock
from local.exchange.http.costs import DEFAULT_COST, Costs
from local.exchange.http.errors import too_many


@dataclass(frozen=True, slots=True)
class Rate:
    """Rate of a bucket: tokens gained per second, and capacity in tokens."""

    refill_rate: int
    bucket_capacity: int


@dataclass(frozen=True, slots=True)
class Tier:
    read: Rate
    write: Rate


TIERS: Mapping[str, Tier] = {
    "basic": Tier(Rate(200, 600), Rate(100, 100)),
    "advanced": Tier(Rate(300, 900), Rate(300, 300)),
    "expert": Tier(Rate(600, 600), Rate(600, 600)),
    "premier": Tier(Rate(1_200, 1_200), Rate(1_200, 1_200)),
    "paragon": Tier(Rate(2_400, 2_400), Rate(2_400, 2_400)),
    "prime": Tier(Rate(4_800, 4_800), Rate(4_800, 4_800)),
    "prestige": Tier(Rate(12_000, 12_000), Rate(9_600, 9_600)),
}
UNLIMITED = "none"
BODIES = ("object", "string", "either")


class Bucket:
    """Token bucket, full at first.

    The exchange's clock refills it: while that clock is stopped, no tokens are added.
    """

    def __init__(self, rate: Rate, now: int) -> None:
        self._rate = rate
        self._tokens = float(rate.bucket_capacity)
        self._at = now

    def try_acquire(self, tokens: int, now: int) -> bool:
        """Take the tokens if the bucket has as many, and return whether it had."""
        gained = max(0, now - self._at) / SECOND * self._rate.refill_rate
        self._tokens = min(self._rate.bucket_capacity, self._tokens + gained)
        self._at = now
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True


class RateLimiter:
    """Rate limiter with a bucket for each key and for each address of unsigned requests.

    The tier `none` has no limits.
    `unsigned_rate`: tokens per second, and capacity, of an address; the exchange documents no figure.
    `body`: body of a 429. `string` is the documented one, `object` the one observed on production in 2026-08, `either`
    a random choice by the seed.
    """

    def __init__(self, clock: Clock, tier: str, unsigned_rate: int, body: str, seed: int, base: str) -> None:
        self.costs = Costs()
        self._base = base
        self._clock = clock
        self._tier = tier
        self._unsigned = Rate(unsigned_rate, unsigned_rate)
        self._body = body
        self._draw = Random(seed)
        self._buckets: dict[str, Bucket] = {}

    def spend(self, key_id: str | None, address: str, path: str) -> None:
        """Take the cost of one GET of a path. Raises the 429 as ExchangeError; it has no Retry-After header.

        A request that costs more than the capacity of the bucket always fails.
        """
        if self._tier == UNLIMITED:
            return
        now = self._clock.now()
        name = f"address {address}" if key_id is None else f"key {key_id}"
        if name not in self._buckets:
            self._buckets[name] = Bucket(self._unsigned if key_id is None else TIERS[self._tier].read, now)
        if not self._buckets[name].try_acquire(self.costs.of(path), now):
            is_object = self._draw.random() < 0.5 if self._body == "either" else self._body == "object"
            raise too_many(is_object=is_object)

    def account_limits(self, _: Request) -> bytes:
        """Return the account's limits. With the tier `none` they are those of the basic tier.

        That is less than what is permitted, because no figure means unlimited.
        """
        name = "basic" if self._tier == UNLIMITED else self._tier
        tier = TIERS[name]
        return to_json(
            {"usage_tier": name, "read": _rate_object(tier.read), "write": _rate_object(tier.write), "grants": []}
        )

    def endpoint_costs(self, _: Request) -> bytes:
        """Return the costs that differ from the default (docs.kalshi.com, List Non-Default Endpoint Costs)."""
        costs = sorted(self.costs.others.items())
        others = [{"method": "GET", "path": self._base + path, "cost": cost} for path, cost in costs]
        return to_json({"default_cost": DEFAULT_COST, "endpoint_costs": others})


def _rate_object(rate: Rate) -> dict[str, int]:
    return {"refill_rate": rate.refill_rate, "bucket_capacity": rate.bucket_capacity}
