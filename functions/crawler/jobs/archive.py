"""The walk over the archive: along its listing, then series by series, which proves that the listing was the whole."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from crawler.filters import page_digest, same_pages_error
from crawler.jobs.base import (
    LOWEST_PRIORITY,
    Job,
    JobContext,
    PageUpdate,
    PaginationLoop,
    finished,
    paginate,
    started,
)
from crawler.jobs.lookups import fetch_bisecting, tickers_of
from crawler.store import JobState
from kalshi_markets import job_names
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    AuthenticationFailed,
    ExchangeClientError,
    FilterIgnored,
    InvalidResponse,
    RawMarket,
    is_valid_pg_text,
)
from kalshi_markets.exchange.values import parse_time

LISTING, SERIES = "listing", "series"
"""How a walk can have completed the archive: its listing had every market, or the series had more."""
SAMPLE_SIZE: Final = BATCH_TICKERS
"""The oldest of the markets that are known to be in the archive; a listing that breaks off lacks them first."""
MAX_SKIPPED: Final = 100


class ArchiveJob(Job):
    """Every market behind the cutoff: once, and again where some moved there unseen.

    The listing is the fast way, but nothing in it proves that it ended where the archive ends. So every series is read
    afterwards; only then is the walk complete.

    Its position along the listing is the page and `unlisted`, those markets of the sample that were not met so far. The
    position in the series is the last one that was finished (`after`), the one that is being read (`series` and the
    page), those whose listing could not be read to its end (`skipped`), and `way`: SERIES once they had a market more.
    """

    name = job_names.ARCHIVE
    priority = 2 * LOWEST_PRIORITY

    def __init__(self, retention: timedelta | None) -> None:
        self._retention = retention

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # the interface's
        """Until a walk that began after the last of them moved has met them all.

        Not before the backlog of settlements, which begins at the cutoff: what moves behind it later is walked there.
        """
        moved_at = states.get(job_names.ARCHIVE_GAP, JobState(job_names.ARCHIVE_GAP)).watermark
        if state.confirmed_at is None:
            return (
                state.position is not None
                or states.get(job_names.SETTLED_BACKLOG, JobState(job_names.SETTLED_BACKLOG)).started_at is not None
            )
        return state.position is not None or bool(moved_at and state.confirmed_at < moved_at)

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Newest first; what is too old to be kept is left out."""
        horizon = await context.listings.exchange_time() - self._retention if self._retention else None
        if state.position is None:
            cutoff = await context.listings.cutoff()
            sample = await context.query(context.store.known_archived, cutoff, SAMPLE_SIZE, context.listings.combos)
            state = started(state, {"unlisted": sample})
        if "after" not in _position(state):
            source = LISTING
            try:
                if not _position(state).get("ended"):
                    async for markets, next_position in paginate(context.listings.archived, _position(state)):
                        unlisted = _still_unlisted(_position(state), markets)
                        state = replace(state, position={**(next_position or {"ended": True}), "unlisted": unlisted})
                        yield PageUpdate(state, _within_retention(markets, horizon))
            except PaginationLoop:
                source = SERIES
            if context.states.get(job_names.SERIES, JobState(job_names.SERIES)).confirmed_at is None:
                raise InvalidResponse("the list of series is missing, which reading the archive by series requires.")
            state = replace(state, position=_first_series(state, source))
            yield PageUpdate(state)
        async for update in _read_by_series(context, state, horizon):
            yield update

    def state_after_error(self, error: Exception, state: JobState) -> JobState:
        """Return the state after an error, at the first series where it was not their markets that were listed."""
        if isinstance(error, FilterIgnored) and "after" in _position(state):
            return replace(state, position=_first_series(state, _position(state).get("way", SERIES)))
        return super().state_after_error(error, state)

    def restarted(self, state: JobState) -> JobState:
        """Return the job without the way that led nowhere: at the first series, or without the series under way.

        Five thousand pages of the listing are not walked again because one of them led in a circle.
        """
        position = _position(state)
        if "series" in position:
            return replace(state, position=_skip_series(position, position["series"]))
        if state.position is None or "after" in position or "ended" in position:
            return state
        return replace(state, position=_first_series(state, SERIES))


async def _read_by_series(
    context: JobContext, state: JobState, horizon: datetime | None
) -> AsyncGenerator[PageUpdate, None]:
    """Read every series' part of the archive. Raises InvalidResponse where some cannot be read to their end."""
    skipped_series = list(_position(state).get("skipped", ()))
    while series := await _next_series(context, _position(state), skipped_series):
        try:
            is_first = "cursor" not in _position(state)
            async for markets, next_position in paginate(
                lambda cursor: context.listings.archived(cursor, series), _position(state)
            ):
                markets = _without_combos(context, markets)
                unlisted = _still_unlisted(_position(state), markets)
                base = _between_series(_position(state)) | {"unlisted": unlisted}
                stored = _within_retention(markets, horizon)
                if len(unlisted) < len(_position(state)["unlisted"]) or await _has_unknown(context, stored):
                    base["way"] = SERIES
                if is_first:
                    base["before"], is_first = _check_first_page(base["before"], series, markets), False
                state = replace(
                    state,
                    position={**base, "series": series, **next_position}
                    if next_position
                    else _after_series(base, series),
                )
                yield PageUpdate(state, stored)
        except (PaginationLoop, ExchangeClientError) as error:
            if isinstance(error, AuthenticationFailed):
                raise
            state = replace(state, position=_skip_series(_position(state), series))
            yield PageUpdate(state)
            if len(_position(state)["skipped"]) > MAX_SKIPPED:
                break
    if skipped := _position(state).get("skipped"):
        raise InvalidResponse(f"the archive's listings of {len(skipped)} series, such as {skipped[0]}, are incomplete.")
    unlisted = _position(state)["unlisted"]
    archived, _ = await fetch_bisecting(lambda tickers: context.listings.by_ticker(tickers, archived=True), unlisted)
    if lost := tickers_of(archived) & {*unlisted}:
        raise InvalidResponse(f"the archive does not list {len(lost)} markets that it returns by ticker.")
    yield PageUpdate(finished(state, completed_by=_position(state)["way"]))


async def _has_unknown(context: JobContext, markets: Sequence[RawMarket]) -> bool:
    """Return whether a page has a market of which there is no row yet."""
    tickers = sorted(filter(is_valid_pg_text, tickers_of(markets)))
    return bool(tickers) and bool(await context.query(context.store.unknown, tickers))


async def _next_series(context: JobContext, position: Mapping[str, Any], skipped: list[str]) -> str | None:
    """Return the series to read: the one under way, those that could not be read before, then the next one by name."""
    if "series" in position:
        return str(position["series"])
    if skipped:
        return skipped.pop()
    series: str | None = await context.query(context.store.next_series, position["after"], context.listings.combos)
    return series


def _first_series(state: JobState, source: str) -> dict[str, Any]:
    return {"after": "", "unlisted": _position(state).get("unlisted", []), "way": source}


def _between_series(position: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a position that hold between two series."""
    return {
        "after": position.get("after", ""),
        "skipped": position.get("skipped", []),
        "unlisted": position.get("unlisted", []),
        "before": position.get("before"),
        "way": position.get("way", SERIES),
    }


def _check_first_page(before: Sequence[str] | None, series: str, markets: Sequence[RawMarket]) -> Sequence[str] | None:
    """Return the series and the digest of its first page, if it is not empty. before: the same of the one before.

    Raises FilterIgnored: two series have no market in common.
    """
    digest = page_digest(markets)
    if before and digest == before[1] and series != before[0]:
        raise same_pages_error(f"series_ticker={series}", f"series_ticker={before[0]}")
    return [series, digest] if digest else before


def _after_series(position: Mapping[str, Any], series: str) -> dict[str, Any]:
    base = _between_series(position)
    skipped = [name for name in base["skipped"] if name != series]
    return {**base, "after": max(base["after"], series), "skipped": skipped}


def _skip_series(position: Mapping[str, Any], series: str) -> dict[str, Any]:
    base = _after_series(position, series)
    return {**base, "skipped": [*base["skipped"], series]}


def _position(state: JobState) -> Mapping[str, Any]:
    return state.position or {}


def _still_unlisted(position: Mapping[str, Any], markets: Sequence[RawMarket]) -> list[str]:
    unlisted = position.get("unlisted", [])
    listed = tickers_of(markets) if unlisted else ()
    return [ticker for ticker in unlisted if ticker not in listed]


def _within_retention(markets: Sequence[RawMarket], horizon: datetime | None) -> list[RawMarket]:
    """Return the markets that were not settled before the horizon; what has no readable time is kept."""
    return [market for market in markets if horizon is None or (_settled_at(market) or horizon) >= horizon]


def _settled_at(raw_market: RawMarket) -> datetime | None:
    try:
        return parse_time(_field(raw_market, "settlement_ts"))
    except ValueError:
        return None


def _without_combos(context: JobContext, markets: Sequence[RawMarket]) -> Sequence[RawMarket]:
    """Return the markets without combos, unless these are stored too."""
    return markets if context.listings.combos else [m for m in markets if not _field(m, "mve_collection_ticker")]


def _field(raw_market: RawMarket, name: str) -> object:
    """Return a member; None where the object cannot be read, for it becomes a reject later."""
    try:
        market = raw_market.parse()
    except InvalidResponse:
        return None
    return market.get(name) if isinstance(market, Mapping) else None
