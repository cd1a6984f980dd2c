"""Archive job: reads the listing of the archive, then the archive of each series, which proves completeness."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from crawler.filters import page_digest, same_pages_error
from crawler.job_table import JobState
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
from kalshi_markets import job_names
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    AuthenticationFailed,
    ExchangeClientError,
    FilterIgnored,
    InvalidResponse,
    RawMarket,
    parse_time,
)
from kalshi_markets.text import is_valid_pg_text

LISTING, SERIES = "listing", "series"
"""Values of completed_by. LISTING: the listing had all markets. SERIES: the listings by series had more."""
SAMPLE_SIZE: Final = BATCH_TICKERS
"""Number of known archived markets to check, the first created first. A truncated listing lacks these first."""
MAX_SKIPPED: Final = 100


class ArchiveJob(Job):
    """Job that reads all archived markets once, and again if unseen markets have moved to the archive.

    The listing is fast, but it does not prove that it is complete. So the archive of every series is read after it. The
    pass is complete after the last series.

    Position in the listing:
    cursor, first, pages: position of the page (paginate).
    unlisted: tickers of the sample that have not been listed yet.
    ended: true at the end of the listing.

    Position in the series:
    after: last series that was completed, by ticker.
    series, cursor, first, pages: series that is being read, and the position of its page.
    skipped: series whose listing cannot be read to its end.
    unlisted: as above.
    before: series and digest of the last first page that was not empty.
    way: LISTING, or SERIES once a series had a market that the listing did not have.
    """

    name = job_names.ARCHIVE
    priority = 2 * LOWEST_PRIORITY

    def __init__(self, retention: timedelta | None) -> None:
        self._retention = retention

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # signature of Job
        """Return True until a complete pass has started after the last time markets moved to the archive unseen.

        The first pass starts after BacklogJob has started. BacklogJob reads the settlements from the cutoff on, so it
        reads the markets that move to the archive later.
        """
        moved_at = states.get(job_names.ARCHIVE_GAP, JobState(job_names.ARCHIVE_GAP)).watermark
        if state.confirmed_at is None:
            return (
                state.position is not None
                or states.get(job_names.SETTLED_BACKLOG, JobState(job_names.SETTLED_BACKLOG)).started_at is not None
            )
        return state.position is not None or bool(moved_at and state.confirmed_at < moved_at)

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the archived markets, newest first, without those that the retention excludes."""
        horizon = await context.listings.exchange_time() - self._retention if self._retention else None
        if state.position is None:
            cutoff = await context.listings.cutoff()
            sample = await context.store.known_archived(cutoff, SAMPLE_SIZE, context.listings.combos)
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
        """Return the state after an error. If the filter by series was ignored, all series are read again."""
        if isinstance(error, FilterIgnored) and "after" in _position(state):
            return replace(state, position=_first_series(state, _position(state).get("way", SERIES)))
        return super().state_after_error(error, state)

    def restarted(self, state: JobState) -> JobState:
        """Return the state of a pass that cannot continue. It skips the current series, or the rest of the listing.

        The listing is not restarted, because it has 5,000 pages.
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
    """Yield the archived markets of each series. Raises InvalidResponse if a series cannot be read to its end."""
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
    """Return whether a page has a market that has no row."""
    tickers = sorted(filter(is_valid_pg_text, tickers_of(markets)))
    return bool(tickers) and bool(await context.store.unknown(tickers))


async def _next_series(context: JobContext, position: Mapping[str, Any], skipped: list[str]) -> str | None:
    """Return the series to read: the current one, then one that was skipped before, then the next one by ticker."""
    if "series" in position:
        return str(position["series"])
    if skipped:
        return skipped.pop()
    return await context.store.next_series(position["after"], context.listings.combos)


def _first_series(state: JobState, source: str) -> dict[str, Any]:
    return {"after": "", "unlisted": _position(state).get("unlisted", []), "way": source}


def _between_series(position: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a position that stay valid between two series."""
    return {
        "after": position.get("after", ""),
        "skipped": position.get("skipped", []),
        "unlisted": position.get("unlisted", []),
        "before": position.get("before"),
        "way": position.get("way", SERIES),
    }


def _check_first_page(before: Sequence[str] | None, series: str, markets: Sequence[RawMarket]) -> Sequence[str] | None:
    """Return the series and the digest of its first page, or `before` if the page is empty.

    before: series and digest of the last first page that was not empty.
    Raises FilterIgnored if both pages are equal, because two series have no market in common.
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
    """Return the markets that were not settled before the horizon. A market without a valid time is included."""
    return [market for market in markets if horizon is None or (_settled_at(market) or horizon) >= horizon]


def _settled_at(raw_market: RawMarket) -> datetime | None:
    try:
        return parse_time(_field(raw_market, "settlement_ts"))
    except ValueError:
        return None


def _without_combos(context: JobContext, markets: Sequence[RawMarket]) -> Sequence[RawMarket]:
    """Return the markets without combos, unless combos are stored."""
    return markets if context.listings.combos else [m for m in markets if not _field(m, "mve_collection_ticker")]


def _field(raw_market: RawMarket, name: str) -> object:
    """Return a member of the object, or None if the object is not valid. An invalid object becomes a reject later."""
    try:
        market = raw_market.parse()
    except InvalidResponse:
        return None
    return market.get(name) if isinstance(market, Mapping) else None
