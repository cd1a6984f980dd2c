"""Record of the exchange's markets during a scenario, for checks of /status against the table.

A claim is a pass that /status reports as complete. The table must then have every market that was in the listing during
the full pass.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import time
from typing import Any, Final

from crawler.jobs.base import OVERLAP_SECONDS
from kalshi_markets.exchange import LIVE_FILTERS
from local.exchange.catalogue import Market, MarketFilter, Order
from local.exchange.clock import SECOND, parse
from tests.faults.hiding_exchange import HidingExchange

SLACK: Final = 0.05
"""Maximum difference in seconds between readings of the crawler's clock and of the exchange's."""
SAMPLES: Final = 8


@dataclass
class _Span:
    """Period in which the exchange's clock ran at one speed.

    begun, ended: Unix seconds.
    starts: the exchange's instant at `begun`.
    """

    begun: float
    starts: int
    speed: float
    ended: float = float("inf")

    def instants(self, begun: float, ended: float) -> Iterator[int]:
        """Yield instants of the exchange's clock from the first to the last moment of both periods."""
        first, last = max(begun, self.begun), min(ended, self.ended)
        if first <= last:
            for sample in range(SAMPLES + 1):
                moment = first + (last - first) * sample / SAMPLES
                yield self.starts + int((moment - self.begun) * self.speed * SECOND)


@dataclass
class Witness:
    """Record of the exchange's markets. The exchange's clock must be stopped during a check."""

    exchange: HidingExchange
    combos: bool
    _spans: list[_Span] = field(default_factory=list)
    _hidden: set[str] = field(default_factory=set)
    _looked: int | None = None
    """Instant up to which settlements were known at the first check; later settlements must not be missing."""

    @contextmanager
    def watching(self, speed: float) -> Iterator[None]:
        """Run the exchange's clock for the duration of the context."""
        self._hidden |= self.exchange.hidden
        clock = self.exchange.clock
        span = _Span(time(), clock.now(), speed)
        self._spans.append(span)
        clock.run(speed)
        yield
        clock.run(0)
        span.ended = time()

    def check(self, status: Mapping[str, Any], known: Collection[str]) -> None:
        """Check /status. Raises AssertionError if it claims a market that is neither stored nor a reject."""
        jobs = {job["job"]: job for job in status["jobs"]}
        assert not status["live"]["complete"] or all(
            _is_confirmed(jobs, f"live/{filter_name}") for filter_name in LIVE_FILTERS
        )
        for claim, tickers in self._claims(jobs, archive=status["archive"]["complete"]):
            missing = tickers.keys() - set(known)
            assert not missing, (
                f"/status claims {claim}; {len(missing)} of {len(tickers)} are missing: {sorted(missing)[:3]}"
            )

    def _claims(self, jobs: Mapping[str, Any], *, archive: bool) -> Iterator[tuple[str, Mapping[str, Market]]]:
        for phase in LIVE_FILTERS:
            if _is_confirmed(jobs, f"live/{phase}"):
                yield f"live/{phase}", self._lasting(jobs[f"live/{phase}"], MarketFilter(phase=phase))
        if archive or _is_confirmed(jobs, "archive"):
            yield "archive", self._lasting(jobs["archive"], MarketFilter(archived=True))
        watermark = jobs.get("settled", {}).get("watermark")
        if watermark is None:
            return
        until = parse(watermark) - OVERLAP_SECONDS * SECOND
        self._looked = self._looked or until + 2 * OVERLAP_SECONDS * SECOND
        since = MarketFilter(first=self._looked, last=until, time="settled")
        yield "settled", self._present(since)
        if archive:
            yield "settled, then archived", self._present(replace(since, archived=True))
        if _is_confirmed(jobs, "settled/backlog"):
            before = MarketFilter(last=until, time="settled")
            yield "settled/backlog", self._in_reach(self._lasting(jobs["settled/backlog"], before))

    def _present(self, wanted: MarketFilter) -> dict[str, Market]:
        markets = self._at(self.exchange.clock.now(), wanted)
        return markets if wanted.archived else self._in_reach(markets)

    def _lasting(self, job: Mapping[str, Any], wanted: MarketFilter) -> dict[str, Market]:
        """Return the markets that were in a listing from the start of a pass to its end."""
        begun, ended = (datetime.fromisoformat(job[name]).timestamp() for name in ("confirmed_at", "finished_at"))
        instants = [at for span in self._spans for at in span.instants(begun - SLACK, ended + SLACK)]
        lasting = self._at(instants[0], wanted)
        for instant in instants[1:]:
            present = self._at(instant, wanted)
            lasting = {ticker: market for ticker, market in lasting.items() if ticker in present}
        return lasting

    def _at(self, instant: int, wanted: MarketFilter) -> dict[str, Market]:
        """Return the markets of a listing at an instant, without those that were hidden at any time."""
        clock = self.exchange.clock
        present = clock.now()
        clock.set(instant)
        try:
            wanted = replace(wanted, combos=None if self.combos else False)
            listed = [market for _, market in self.exchange.inner.markets(Order.CREATED, None, wanted)]
            return {market.ticker: market for market in listed if market.ticker not in self._hidden}
        finally:
            clock.set(present)

    def _in_reach(self, markets: Mapping[str, Market]) -> dict[str, Market]:
        """Return the markets settled at or after the cutoff; the archive's pass lists the older ones."""
        cutoff = self.exchange.cutoff
        return {
            ticker: market
            for ticker, market in markets.items()
            if market.settled is not None and market.settled >= cutoff
        }


def _is_confirmed(jobs: Mapping[str, Any], name: str) -> bool:
    return jobs.get(name, {}).get("confirmed_at") is not None
