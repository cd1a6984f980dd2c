"""Order book of a market: its best bids as quoted, and generated bids at lower prices.

A bid for no at a price is an ask for yes at one dollar minus that price. The response has bids only.
"""

import json
from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b

from local.exchange.catalogue import JsonObject, Market
from local.exchange.generated.quotes import format_contracts

DOLLAR = 10_000  # in hundredths of a cent, the unit of all prices in this module
MAX_TICKS_BELOW_BEST = 150
DEFAULT_RANGES = ({"start": "0.0000", "end": "1.0000", "step": "0.0100"},)

Level = tuple[str, str]  # price in dollars, number of contracts


def orderbook(market: Market, depth: int) -> JsonObject:
    """Return the order book of a market, limited to the `depth` best bids of each side; 0 means all.

    Bids are in ascending order of price: the best bid is the last (docs.kalshi.com, Orderbook Responses). Only active
    markets have bids.
    """
    fields = json.loads(market.json)
    if fields["status"] != "active":
        return {"yes_dollars": [], "no_dollars": []}
    ticks = _ticks(json.dumps(fields.get("price_ranges", DEFAULT_RANGES)))  # as text, because _ticks is cached
    # The Market object has no size of the best bid for no, because it is the size of the best ask for yes.
    yes = fields["yes_bid_dollars"], fields.get("yes_bid_size_fp", "0.00")
    no = fields["no_bid_dollars"], fields.get("yes_ask_size_fp", "0.00")
    # The slice [-0:] is the complete list.
    return {
        "yes_dollars": _bids(f"{market.ticker}/yes", yes, ticks)[-depth:],
        "no_dollars": _bids(f"{market.ticker}/no", no, [DOLLAR - tick for tick in reversed(ticks)])[-depth:],
    }


@lru_cache(maxsize=64)
def _ticks(ranges: str) -> Sequence[int]:
    """Return the valid prices of a market in ascending order, without zero and one dollar."""
    ticks: set[int] = set()
    for range_ in json.loads(ranges):
        start, end, step = (int(Decimal(range_[name]) * DOLLAR) for name in ("start", "end", "step"))
        ticks.update(range(start, end + 1, step))
    return sorted(ticks - {0, DOLLAR})


def _bids(key: str, best: Level, ticks: Sequence[int]) -> list[Level]:
    """Return the bids of a side. A price has the same bid, or none, whatever the best bid above it is."""
    price, size = best
    if Decimal(size) == 0:
        return []
    end = bisect_left(ticks, Decimal(price) * DOLLAR)
    return [*_bids_below(key, ticks[max(0, end - MAX_TICKS_BELOW_BEST) : end]), best]


def _bids_below(key: str, ticks: Sequence[int]) -> list[Level]:
    levels = []
    for tick in ticks:
        draw = blake2b(f"{key}/{tick}".encode(), digest_size=2).digest()
        if draw[0] % 3:
            levels.append((f"{tick // DOLLAR}.{tick % DOLLAR:04}", format_contracts(100 << draw[1] % 12)))
    return levels
