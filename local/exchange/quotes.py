"""What the order book of a generated market shows and what was traded in it, as strings, as on the wire."""

from dataclasses import dataclass
from random import Random

EMPTY_BOOK = 0.22
UNTRADED = 0.40
MAX_VOLUME = 103_000_000


@dataclass(frozen=True, slots=True)
class Structure:
    """A price level structure; `tick` in tenths of a cent, the unit of all prices here."""

    name: str
    tick: int

    @property
    def ranges(self) -> list[dict[str, str]]:
        return [{"start": "0.0000", "end": "1.0000", "step": dollars(self.tick)}]


LINEAR_CENT, DECI_CENT = Structure("linear_cent", 10), Structure("deci_cent", 1)


def dollars(tenths: int) -> str:
    return f"{tenths / 1000:.4f}"


def book(draw: Random, structure: Structure, fair: float, *, quoted: bool) -> dict[str, str]:
    """Best prices and sizes around a fair price (0 to 1). An empty side is 0 for a bid, 1 for an ask, without size."""
    tick = structure.tick
    ticks = 1000 // tick
    bid = ask = None
    if quoted and draw.random() > EMPTY_BOOK:
        low = min(ticks - 2, max(0, int(fair * ticks - draw.expovariate(0.7))))
        high = min(ticks, max(low + 1, int(fair * ticks + 1 + draw.expovariate(0.7))))
        bid, ask = low * tick or None, high * tick if high < ticks else None
    sizes = ["0.00" if side is None else contracts(draw, draw.lognormvariate(6.5, 1.6)) for side in (bid, ask)]
    bid, ask = bid or 0, 1000 if ask is None else ask
    return {
        "yes_bid_dollars": dollars(bid),
        "yes_bid_size_fp": sizes[0],
        "yes_ask_dollars": dollars(ask),
        "yes_ask_size_fp": sizes[1],
        "no_bid_dollars": dollars(1000 - ask),
        "no_ask_dollars": dollars(1000 - bid),
    }


def trading(draw: Random, structure: Structure, fair: float, *, opened: bool, over: bool) -> dict[str, str]:
    """Last and former prices, volumes and open interest; nothing at all in a market that has not opened."""
    tick = structure.tick
    volume = 0.0 if not opened or draw.random() < UNTRADED else min(MAX_VOLUME, 1 + draw.lognormvariate(7.2, 3.0))
    last = max(1, min(1000 // tick - 1, round(fair * 1000 / tick + draw.gauss(0, 2)))) * tick if volume else 0
    before = max(0, min(1000 - tick, last + draw.randrange(-5, 6) * tick)) if volume and draw.random() < 0.6 else 0
    text = contracts(draw, volume)
    today = 0.0 if over or draw.random() < 0.3 else float(text) * draw.random()
    return {
        "last_price_dollars": dollars(last),
        "previous_price_dollars": dollars(before),
        "previous_yes_bid_dollars": dollars(max(0, before - tick)),
        "previous_yes_ask_dollars": dollars(before + tick if before else 0),
        "volume_fp": text,
        "volume_24h_fp": f"{today:.2f}" if "." in text and not text.endswith(".00") else f"{int(today)}.00",
        "open_interest_fp": "0.00" if over else f"{int(float(text) * draw.uniform(0.3, 0.7))}.00",
    }


def contracts(draw: Random, count: float) -> str:
    """A number of contracts, every third with a fraction."""
    return f"{count:.2f}" if draw.random() < 0.35 else f"{round(count)}.00"
