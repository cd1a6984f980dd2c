"""Trading activity of generated markets, and the format of prices and numbers of contracts."""

from statistics import NormalDist
from typing import NamedTuple

from local.exchange.clock import HOUR
from local.exchange.generated.event_spec import EventSpec
from local.exchange.tape import MAX_TRADES, Tape

DOLLARS = tuple(f"{tenths / 1000:.4f}" for tenths in range(1001))  # by tenths of a cent
MAX_VOLUME = 103_000_000
# Contracts traded over the life of a market, as 256 quantiles: median 2,700, 10 % over 144,000.
VOLUMES = tuple(
    min(MAX_VOLUME, int(2 + 2700 * 10 ** (1.35 * NormalDist().inv_cdf((at + 0.5) / 256)))) for at in range(256)
)
RATES = (30, 60, 100, 200, 300, 500, 900, 2000)  # trades per thousand hours
UNTRADED = 0.28
NO_QUOTE_SHARES = (0, 0, 0, 0, 0, 0, 0, 60, 120, 200, 256)  # time without quotes in 1/256: 22 % on average
INACTIVE = 0.4  # fraction of the markets that are paused, in an event that has a pause


class Structure(NamedTuple):
    """Price level structure. `tick` is in tenths of a cent, the unit of all prices in this package."""

    name: str
    tick: int

    @property
    def json(self) -> str:
        """Fields of the Market object as JSON text."""
        ranges = f'[{{"start":"0.0000","end":"1.0000","step":"{DOLLARS[self.tick]}"}}]'
        return f'"price_level_structure":"{self.name}","price_ranges":{ranges}'


LINEAR_CENT, DECI_CENT = Structure("linear_cent", 10), Structure("deci_cent", 1)
STRUCTURES = {structure.tick: structure.json for structure in (LINEAR_CENT, DECI_CENT)}


def make_tape(event: EventSpec, position: int, draw: tuple[int, ...]) -> Tape:
    """Return the tape of the market at a position of an event. `draw` has the market's random numbers."""
    is_fractional = draw[3] % 10 < 3
    lot = 1 if is_fractional else 100
    total = 0 if draw[4] < UNTRADED * 65536 else VOLUMES[draw[5] >> 8] * (200 + draw[5] % 256) // 2 * 100 // 164
    total = total // lot * lot + (draw[6] % 100 if is_fractional and total else 0)
    hours = max(1, (event.ends - event.opens) // HOUR)
    trades = 1 + RATES[draw[7] % 8] * (hours + 100) // 1000
    middle = event.chance(position) * (180 + draw[8] % 151) // 256
    return Tape(
        key=draw[0] << 32 | draw[1] << 16 | draw[2],
        opens=event.opens,
        ends=event.ends,
        total=total,
        trades=max(1, min(trades, MAX_TRADES, total // lot // 2)) if total else 0,
        lot=lot,
        middle=max(20, min(980, middle)),
        swing=20 + draw[9] % 60,
        tick=1 if draw[10] % 33 == 0 else 10,
        no_quote_share=NO_QUOTE_SHARES[draw[11] % len(NO_QUOTE_SHARES)],
        paused=event.pause if is_paused(event, draw) else None,
    )


def is_paused(event: EventSpec, draw: tuple[int, ...]) -> bool:
    """Return whether the market has a pause."""
    return event.is_paused and draw[12] < INACTIVE * 65536


def format_contracts(hundredths: int) -> str:
    """Format a number of contracts, given in hundredths."""
    return f"{hundredths // 100}.{hundredths % 100:02}"
