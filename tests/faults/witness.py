"""What the exchange had at each moment of a trial, and whether /status claims to have more of it than the table has.

A claim is a walk that /status gives as complete: the table must have every market that its listing had all the while.
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
"""Seconds by which the crawler's clock and the exchange's may be read apart."""
SAMPLES: Final = 8


@dataclass
class _Span:
    """A time in which the exchange's clock went on evenly. begun, ended: Unix seconds; starts: an instant."""

    begun: float
    starts: int
    speed: float
    ended: float = float("inf")

    def instants(self, begun: float, ended: float) -> Iterator[int]:
        """Yield instants of the exchange's clock from the first to the last moment that both times have."""
        first, last = max(begun, self.begun), min(ended, self.ended)
        if first <= last:
            for sample in range(SAMPLES + 1):
                moment = first + (last - first) * sample / SAMPLES
                yield self.starts + int((moment - self.begun) * self.speed * SECOND)


@dataclass
class Witness:
    """Knows what the exchange had. The exchange's clock must stand still whenever it is asked."""

    exchange: HidingExchange
    combos: bool
    _spans: list[_Span] = field(default_factory=list)
    _hidden: set[str] = field(default_factory=set)
    _looked: int | None = None
    """Up to which instant settlements were known when that was first seen: what came later must not be missed."""

    @contextmanager
    def watching(self, speed: float) -> Iterator[None]:
        """Let the exchange's clock go on for a while."""
        self._hidden |= self.exchange.hidden
        clock = self.exchange.clock
        span = _Span(time(), clock.now(), speed)
        self._spans.append(span)
        clock.run(speed)
        yield
        clock.run(0)
        span.ended = time()

    def check(self, status: Mapping[str, Any], known: Collection[str]) -> None:
        """Raise AssertionError where /status claims what is not in the table, nor among its rejects."""
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
        """The markets that a listing had from the begin of a walk to its end."""
        begun, ended = (datetime.fromisoformat(job[name]).timestamp() for name in ("confirmed_at", "finished_at"))
        instants = [at for span in self._spans for at in span.instants(begun - SLACK, ended + SLACK)]
        lasting = self._at(instants[0], wanted)
        for instant in instants[1:]:
            present = self._at(instant, wanted)
            lasting = {ticker: market for ticker, market in lasting.items() if ticker in present}
        return lasting

    def _at(self, instant: int, wanted: MarketFilter) -> dict[str, Market]:
        """What a listing had at an instant, without what was ever hidden."""
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
        """Those that are not behind the cutoff, where the archive's walk meets them."""
        cutoff = self.exchange.cutoff
        return {
            ticker: market
            for ticker, market in markets.items()
            if market.settled is not None and market.settled >= cutoff
        }


def _is_confirmed(jobs: Mapping[str, Any], name: str) -> bool:
    return jobs.get(name, {}).get("confirmed_at") is not None
