"""The walk over the archive: along its listing, then series by series, which proves that the listing was the whole."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from crawler.filters import page_digest, same_pages
from crawler.lookups import ask_bisecting, names
from crawler.store import Job
from crawler.walks import BACKLOG, FAR_BEHIND, MOVED, ListingLoops, Step, Turn, Walk, begun, ended, follow
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    AnswerUnreadable,
    ExchangeRefused,
    FilterIgnored,
    KeyRefused,
    Sent,
    is_storable,
)
from kalshi_markets.exchange.values import parse_time

LISTING, SERIES = "listing", "series"
"""How a walk can have completed the archive: its listing had every market, or the series had more."""
SAMPLE: Final = BATCH_TICKERS
"""The oldest of the markets that are known to be in the archive; a listing that breaks off lacks them first."""
MAX_SKIPPED: Final = 100


class ArchiveWalk(Walk):
    """Every market behind the cutoff: once, and again where some moved there unseen.

    The listing is the fast way, but nothing in it proves that it ended where the archive ends. So every series is read
    afterwards; only then is the walk complete.

    Its position along the listing is the page and `unlisted`, those markets of the sample that were not met so far. The
    position in the series is the last one that was finished (`after`), the one that is being read (`series` and the
    page), those whose listing could not be read to its end (`skipped`), and `way`: SERIES once they had a market more.
    """

    name = "archive"
    urgency = 2 * FAR_BEHIND

    def __init__(self, kept: timedelta | None) -> None:
        self._kept = kept

    def is_due(self, job: Job, jobs: Mapping[str, Job], now: datetime) -> bool:  # noqa: ARG002  # the interface's
        """Until a walk that began after the last of them moved has met them all.

        Not before the backlog of settlements, which begins at the cutoff: what moves behind it later is walked there.
        """
        moved_at = jobs.get(MOVED, Job(MOVED)).watermark
        if job.confirmed_at is None:
            return job.position is not None or jobs.get(BACKLOG, Job(BACKLOG)).begun_at is not None
        return job.position is not None or bool(moved_at and job.confirmed_at < moved_at)

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """Newest first; what is too old to be kept is left out."""
        horizon = await turn.listings.time() - self._kept if self._kept else None
        if job.position is None:
            cutoff = await turn.listings.cutoff()
            sample = await turn.read(turn.store.known_archived, cutoff, SAMPLE, turn.listings.combos)
            job = begun(job, {"unlisted": sample})
        if "after" not in _position(job):
            way = LISTING
            try:
                if not _position(job).get("ended"):
                    async for markets, place in follow(turn.listings.archived, _position(job)):
                        unlisted = _without(_position(job), markets)
                        job = replace(job, position={**(place or {"ended": True}), "unlisted": unlisted})
                        yield Step(job, _kept(markets, horizon))
            except ListingLoops:
                way = SERIES
            if turn.jobs.get("series", Job("series")).confirmed_at is None:
                raise AnswerUnreadable("the archive is read by series, and the exchange's list of series is not known.")
            job = replace(job, position=_first_series(job, way))
            yield Step(job)
        async for step in _by_series(turn, job, horizon):
            yield step

    def after(self, error: Exception, job: Job) -> Job:
        """Return the job as Walk.after has it; at the first series where it was not their markets that were listed."""
        if isinstance(error, FilterIgnored) and "after" in _position(job):
            return replace(job, position=_first_series(job, _position(job).get("way", SERIES)))
        return super().after(error, job)

    def anew(self, job: Job) -> Job:
        """Return the job without the way that led nowhere: at the first series, or without the series under way.

        Five thousand pages of the listing are not walked again because one of them led in a circle.
        """
        position = _position(job)
        if "series" in position:
            return replace(job, position=_skipping(position, position["series"]))
        if job.position is None or "after" in position or "ended" in position:
            return job
        return replace(job, position=_first_series(job, SERIES))


async def _by_series(turn: Turn, job: Job, horizon: datetime | None) -> AsyncGenerator[Step, None]:
    """Read every series' part of the archive. Raises AnswerUnreadable where some cannot be read to their end."""
    again = list(_position(job).get("skipped", ()))
    while series := await _next(turn, _position(job), again):
        try:
            is_first = "cursor" not in _position(job)
            async for markets, place in follow(lambda cursor: turn.listings.archived(cursor, series), _position(job)):
                markets = _ours(turn, markets)
                unlisted = _without(_position(job), markets)
                base = _between(_position(job)) | {"unlisted": unlisted}
                stored = _kept(markets, horizon)
                if len(unlisted) < len(_position(job)["unlisted"]) or await _has_unknown(turn, stored):
                    base["way"] = SERIES
                if is_first:
                    base["before"], is_first = _other_page(base["before"], series, markets), False
                job = replace(job, position={**base, "series": series, **place} if place else _finished(base, series))
                yield Step(job, stored)
        except (ListingLoops, ExchangeRefused) as error:
            if isinstance(error, KeyRefused):
                raise
            job = replace(job, position=_skipping(_position(job), series))
            yield Step(job)
            if len(_position(job)["skipped"]) > MAX_SKIPPED:
                break
    if skipped := _position(job).get("skipped"):
        raise AnswerUnreadable(
            f"the archive's listings of {len(skipped)} series, such as {skipped[0]}, do not lead to their end."
        )
    unlisted = _position(job)["unlisted"]
    archived, _ = await ask_bisecting(lambda tickers: turn.listings.named(tickers, archived=True), unlisted)
    if lost := names(archived) & {*unlisted}:
        raise AnswerUnreadable(f"the archive lists none of {len(lost)} markets that it finds by name.")
    yield Step(ended(job, completed_by=_position(job)["way"]))


async def _has_unknown(turn: Turn, markets: Sequence[Sent]) -> bool:
    """Return whether a page has a market of which there is no row yet."""
    tickers = sorted(filter(is_storable, names(markets)))
    return bool(tickers) and bool(await turn.read(turn.store.unknown, tickers))


async def _next(turn: Turn, position: Mapping[str, Any], again: list[str]) -> str | None:
    """Return the series to read: the one under way, those that could not be read before, then the next one by name."""
    if "series" in position:
        return str(position["series"])
    if again:
        return again.pop()
    found: str | None = await turn.read(turn.store.next_series, position["after"], turn.listings.combos)
    return found


def _first_series(job: Job, way: str) -> dict[str, Any]:
    return {"after": "", "unlisted": _position(job).get("unlisted", []), "way": way}


def _between(position: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a position that hold between two series."""
    return {
        "after": position.get("after", ""),
        "skipped": position.get("skipped", []),
        "unlisted": position.get("unlisted", []),
        "before": position.get("before"),
        "way": position.get("way", SERIES),
    }


def _other_page(before: Sequence[str] | None, series: str, markets: Sequence[Sent]) -> Sequence[str] | None:
    """Return the series and the digest of its first page, if it is not empty. before: the same of the one before.

    Raises FilterIgnored: two series have no market in common.
    """
    digest = page_digest(markets)
    if before and digest == before[1] and series != before[0]:
        raise same_pages(f"series_ticker={series}", f"series_ticker={before[0]}")
    return [series, digest] if digest else before


def _finished(position: Mapping[str, Any], series: str) -> dict[str, Any]:
    base = _between(position)
    skipped = [name for name in base["skipped"] if name != series]
    return {**base, "after": max(base["after"], series), "skipped": skipped}


def _skipping(position: Mapping[str, Any], series: str) -> dict[str, Any]:
    base = _finished(position, series)
    return {**base, "skipped": [*base["skipped"], series]}


def _position(job: Job) -> Mapping[str, Any]:
    return job.position or {}


def _without(position: Mapping[str, Any], markets: Sequence[Sent]) -> list[str]:
    unlisted = position.get("unlisted", [])
    listed = names(markets) if unlisted else ()
    return [ticker for ticker in unlisted if ticker not in listed]


def _kept(markets: Sequence[Sent], horizon: datetime | None) -> list[Sent]:
    """Return the markets that were not settled before the horizon; what has no readable time is kept."""
    return [market for market in markets if horizon is None or (_settled_at(market) or horizon) >= horizon]


def _settled_at(sent: Sent) -> datetime | None:
    try:
        return parse_time(_member(sent, "settlement_ts"))
    except ValueError:
        return None


def _ours(turn: Turn, markets: Sequence[Sent]) -> Sequence[Sent]:
    """Return the markets without combos, unless these are stored too."""
    return markets if turn.listings.combos else [m for m in markets if not _member(m, "mve_collection_ticker")]


def _member(sent: Sent, member: str) -> object:
    """Return a member; None where the object cannot be read, for it becomes a reject later."""
    try:
        market = sent.read()
    except AnswerUnreadable:
        return None
    return market.get(member) if isinstance(market, Mapping) else None
