"""The witness finds false claims of /status and accepts true ones."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import DAY, Clock, parse, rfc3339
from local.exchange.generated import generate
from tests.faults.hiding_exchange import HidingExchange
from tests.faults.witness import Witness

START = parse("2026-10-30T21:10:00Z")
FIRST, LATER = START + 3600 * 1_000_000, START + 20 * DAY
LISTINGS = {
    **{f"live/{phase}": MarketFilter(phase=phase) for phase in ("unopened", "open", "closed")},
    "archive": MarketFilter(archived=True),
    "settled/backlog": MarketFilter(phase="settled"),
}


@pytest.fixture
def witness() -> Witness:
    return Witness(HidingExchange(generate(5, 200, Clock(START, 0), archived=40)), combos=False)


def listed(witness: Witness, wanted: MarketFilter) -> set[str]:
    """Return the tickers that a listing has now, without combos."""
    rows = witness.exchange.inner.markets(Order.CREATED, None, wanted)
    return {market.ticker for _, market in rows if not market.is_combo}


def report(
    walked: Mapping[str, tuple[str, str]], watermark: int | None = None, *, complete: bool = False
) -> dict[str, Any]:
    """Return a /status with passes from and to these times. complete: the archive is reported complete."""
    jobs = [{"job": name, "confirmed_at": begun, "finished_at": ended} for name, (begun, ended) in walked.items()]
    settled = [] if watermark is None else [{"job": "settled", "watermark": rfc3339(watermark)}]
    return {"live": {"complete": False}, "archive": {"complete": complete}, "jobs": [*jobs, *settled]}


def walk(witness: Witness) -> tuple[str, str]:
    """Return start and end of a pass of negligible duration."""
    with witness.watching(0):
        now = datetime.now(UTC).isoformat()
    return now, now


@pytest.mark.parametrize("job", LISTINGS)
def test_a_job_that_is_reported_complete_has_every_market_of_its_listing(witness: Witness, job: str) -> None:
    wanted = LISTINGS[job]
    if job == "settled/backlog":
        wanted = MarketFilter(phase="settled", first=witness.exchange.cutoff, time="settled")
    times, known = walk(witness), listed(witness, wanted)
    assert known
    status = report({job: times}, START + DAY)
    witness.check(status, known)
    for lacking in {min(known), max(known)}:
        with pytest.raises(AssertionError, match=f"/status claims {job}; 1 of {len(known)} are missing: .*{lacking}"):
            witness.check(status, known - {lacking})
    witness.check(report({}, START + DAY), ())


@pytest.mark.parametrize("archive", [False, True])
def test_what_was_settled_up_to_the_watermark_is_there(witness: Witness, archive: bool) -> None:
    witness.exchange.clock.set(FIRST)
    witness.check(report({}, FIRST), ())
    witness.exchange.clock.set(LATER + 61 * DAY * archive)
    times = walk(witness)
    since = MarketFilter(first=FIRST + 3600 * 1_000_000, last=LATER - DAY, time="settled", archived=archive)
    settled = listed(witness, since)
    assert settled
    status = report({"archive": times} if archive else {}, LATER, complete=archive)
    known = listed(witness, MarketFilter()) | listed(witness, MarketFilter(archived=True))
    witness.check(status, known)
    with pytest.raises(AssertionError, match=r"/status claims (settled|archive); 1 of "):
        witness.check(status, known - {min(settled)})


def test_what_the_exchange_did_not_have_all_the_while_is_not_claimed(witness: Witness) -> None:
    begun, _ = walk(witness)
    before = listed(witness, MarketFilter(phase="open"))
    witness.exchange.clock.set(LATER)
    _, ended = walk(witness)
    lasting = before & listed(witness, MarketFilter(phase="open"))
    assert set() < lasting < before
    witness.check(report({"live/open": (begun, ended)}), lasting)
    with pytest.raises(AssertionError, match="/status claims live/open; 1 of"):
        witness.check(report({"live/open": (begun, ended)}), lasting - {min(lasting)})
