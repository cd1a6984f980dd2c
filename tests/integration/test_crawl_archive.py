"""The archive is complete only after its listing was read to the end."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crawler.job_table import JobState
from crawler.store import Batch, Store
from kalshi_markets.database import Database
from kalshi_markets.exchange import parse_market
from tests.support.api_client import ApiClient, crawl
from tests.support.database import truncate_all
from tests.support.event_rows import series as series_row
from tests.support.scripted_server import Reply, ScriptedServer, answer, page

NOW = datetime.now(UTC)
RUN_SECONDS = 25
LONG_AGO = "2025-03-01T12:00:00Z"


@pytest.fixture
def fresh(environment: dict[str, str], database: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment with empty tables and a backoff of 10 ms."""
    monkeypatch.setattr("kalshi_markets.exchange.transport.INITIAL_BACKOFF", 0.01)
    truncate_all(database)
    return environment | {"EXCHANGE_RATE": "1000"}


def settled(ticker: str, **members: Any) -> dict[str, Any]:
    return {"ticker": ticker, "status": "finalized", "settlement_ts": LONG_AGO, "created_time": LONG_AGO, **members}


def combo(ticker: str) -> dict[str, Any]:
    return settled(ticker, mve_collection_ticker="KXMVE")


def archive(
    *series: str, listing: Sequence[Reply], paths: Mapping[str, Sequence[Reply]] | None = None
) -> ScriptedServer:
    """Return an exchange that has only an archive."""
    cutoff = (NOW - timedelta(days=60)).isoformat()
    return ScriptedServer(
        [page()],
        {
            "/historical/cutoff": [answer(market_settled_ts=cutoff)],
            "/series*": [answer(series=[{"ticker": ticker, "title": ticker, "category": "C"} for ticker in series])],
            "/events*": [answer(events=[], cursor="")],
            "/historical/markets?limit=1000&mve_filter=exclude*": listing,
            **(paths or {}),
        },
    )


def of_series(name: str, *replies: Reply) -> dict[str, Sequence[Reply]]:
    return {f"/historical/markets?*series_ticker={name}*": replies}


def awake(database: Database) -> None:
    """Make postponed jobs due again."""
    database.execute("UPDATE kalshi_markets_jobs SET retry_at = NULL")


def get_archive_status(environment: Mapping[str, str]) -> dict[str, Any]:
    api = ApiClient(environment)
    try:
        archive_status: dict[str, Any] = api.get("/status").json["archive"]
    finally:
        api.close()
    return archive_status


def tickers(database: Database) -> list[str]:
    return [ticker for (ticker,) in database.query("SELECT ticker FROM kalshi_markets ORDER BY 1")]


def test_a_listing_that_leads_to_its_end_is_complete(fresh: dict[str, str], database: Database) -> None:
    with archive("KXA", listing=[page(settled("A"), cursor="x"), page(settled("B"))]) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert "archive" in crawl(environment, RUN_SECONDS)["completed"]
        archive_status = get_archive_status(environment)
    assert (archive_status["complete"], archive_status["completed_by"]) == (True, "listing")
    assert datetime.fromisoformat(archive_status["confirmed_at"]) >= NOW
    assert tickers(database) == ["A", "B"]


@pytest.mark.parametrize("cursor", ["again", "other"])
def test_where_the_listing_leads_in_a_circle_the_rest_is_read_by_series(
    fresh: dict[str, str], database: Database, cursor: str
) -> None:
    listing = [page(settled("A1"), settled("B1"), cursor="again"), page(settled("A1"), settled("B1"), cursor=cursor)]
    paths = {
        **of_series("KXA", page(settled("A1"), cursor="a"), page(settled("A2"), combo("COMBO"))),
        **of_series("KXB", page(settled("B1"), settled("B2"))),
        **of_series("KXMVE", page(combo("COMBO-2"))),
    }
    with archive("KXA", "KXB", "KXEMPTY", "KXMVEX", listing=listing, paths=paths) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert crawl(environment, RUN_SECONDS)["errors"] == {}
        archive_status = get_archive_status(environment)
        requested_paths = [path for path, _ in server.requests if "series_ticker" in path]
    assert (archive_status["complete"], archive_status["completed_by"]) == (True, "series")
    assert tickers(database) == ["A1", "A2", "B1", "B2"]
    assert not any("KXMVE" in path or "mve_filter" in path for path in requested_paths)


def test_a_listing_that_ends_before_a_known_market_is_not_the_whole_archive(
    fresh: dict[str, str], database: Database
) -> None:
    store = Store(database)
    assert store.lease.acquire()
    known = [settled("KNOWN"), settled("DELETED"), settled("LISTED")]
    store.commit(
        Batch(JobState("settled"), [parse_market(market) for market in known], series=[series_row("KXA", "A", "C")])
    )
    store.lease.release()
    paths = {
        "/historical/markets?tickers=*": [page()],
        **of_series("KXA", page(settled("KNOWN"), settled("TAIL"))),
    }
    with archive("KXA", listing=[page(settled("LISTED"))], paths=paths) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert "archive" in crawl(environment, RUN_SECONDS)["completed"]
        archive_status = get_archive_status(environment)
        named = [path for path, _ in server.requests if "historical/markets?tickers" in path]
    assert (archive_status["complete"], archive_status["completed_by"]) == (True, "series")
    assert "TAIL" in tickers(database)
    assert ["DELETED" in path for path in named] == [True], "what neither lists is asked for by name"
    assert "KNOWN" not in named[0]


def test_a_known_market_that_no_series_lists_makes_nothing_complete(fresh: dict[str, str], database: Database) -> None:
    store = Store(database)
    assert store.lease.acquire()
    store.commit(Batch(JobState("settled"), [parse_market(settled("KNOWN"))], series=[series_row("KXA", "A", "C")]))
    store.lease.release()
    paths = {"/historical/markets?tickers=*": [page(settled("KNOWN"))], **of_series("KXA", page(settled("A")))}
    with archive("KXA", listing=[page(settled("A"))], paths=paths) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert "returns by ticker" in crawl(environment, RUN_SECONDS)["errors"]["archive"]
        assert get_archive_status(environment)["complete"] is False


def test_the_archive_is_not_complete_while_the_list_of_series_is_unknown(
    fresh: dict[str, str], database: Database
) -> None:
    with archive("KXA", listing=[page(settled("A"))], paths={"/series*": [Reply(body=b"no JSON")]}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert "list of series" in crawl(environment, RUN_SECONDS)["errors"]["archive"]
        assert get_archive_status(environment)["complete"] is False
    assert tickers(database) == ["A"]


def test_a_market_that_only_its_series_lists_shows_that_the_listing_ended_early(
    fresh: dict[str, str], database: Database
) -> None:
    paths = of_series("KXLOST", page(settled("LOST")))
    with archive("KXA", "KXLOST", listing=[page(settled("A"))], paths=paths) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        crawl(environment, RUN_SECONDS)
        assert get_archive_status(environment)["completed_by"] == "series"
    assert tickers(database) == ["A", "LOST"]


def test_an_archive_whose_series_cannot_all_be_read_is_not_complete_and_goes_on_where_it_was(
    fresh: dict[str, str], database: Database
) -> None:
    circle = [page(settled("A"), cursor="again")]
    readable = {**of_series("KXA", page(settled("A"))), **of_series("KXC", page(settled("C")))}
    broken = {**readable, **of_series("KXB", page(settled("B"), cursor="b"), Reply(400))}
    with archive("KXA", "KXB", "KXC", listing=circle, paths=broken) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert "KXB" in crawl(environment, RUN_SECONDS)["errors"]["archive"]
        assert get_archive_status(environment) == {"complete": False, "completed_by": None, "confirmed_at": None}
        assert tickers(database) == ["A", "B", "C"]
        requests = len(server.requests)
        crawl(environment, RUN_SECONDS)
        assert not any("historical/markets" in path for path, _ in server.requests[requests:]), "it rests"
    awake(database)
    repaired = {**readable, **of_series("KXB", page(settled("B"), settled("B2")))}
    with archive("KXA", "KXB", "KXC", listing=circle, paths=repaired) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert "archive" in crawl(environment, RUN_SECONDS)["completed"]
        requested_paths = [path for path, _ in server.requests if "historical/markets" in path]
        assert get_archive_status(environment)["completed_by"] == "series"
    assert len(requested_paths) == 1
    assert "KXB" in requested_paths[0]
    assert "B2" in tickers(database)


def test_a_walk_by_series_goes_on_in_the_series_where_it_was(fresh: dict[str, str], database: Database) -> None:
    store = Store(database)
    assert store.lease.acquire()
    position_ = {"cursor": "a", "first": "A1", "pages": 1}
    position = {"after": "", "skipped": [], "unlisted": [], "series": "KXA", **position_}
    series = [series_row(name, name, "C") for name in ("KXA", "KXB")]
    store.commit(Batch(JobState("archive", position, started_at=NOW), series=series))
    store.lease.release()
    paths = {
        "/historical/markets?*series_ticker=KXA&cursor=a": [page(settled("A2"))],
        **of_series("KXB", page(settled("B1"))),
    }
    with archive("KXA", "KXB", listing=[Reply(500)], paths=paths) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        api = ApiClient(environment)
        [job] = [job for job in api.get("/status").json["jobs"] if job["job"] == "archive"]
        api.close()
        assert job["position"] == {"pages": 1, "series": "KXA"}
        assert "archive" in crawl(environment, RUN_SECONDS)["completed"]
    assert tickers(database) == ["A2", "B1"]


def test_a_series_filter_that_is_ignored_makes_nothing_complete(fresh: dict[str, str], database: Database) -> None:
    same = page(settled("A"), settled("B"))
    with archive("KXA", "KXB", listing=[page(settled("A"), cursor="again")], paths=of_series("KX", same)) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert "ignored a filter" in crawl(environment, RUN_SECONDS)["errors"]["archive"]
        awake(database)
        assert "ignored a filter" in crawl(environment, RUN_SECONDS)["errors"]["archive"]
        assert get_archive_status(environment)["complete"] is False


def test_a_page_that_is_never_readable_leads_to_the_series_too(fresh: dict[str, str], database: Database) -> None:
    listing = [page(settled("A"), cursor="bad"), Reply(body=b"no JSON")]
    with archive("KXA", listing=listing, paths=of_series("KXA", page(settled("A"), settled("B")))) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        for _ in range(2):
            assert [*crawl(environment, RUN_SECONDS)["errors"]] == ["archive"]
            awake(database)
        assert "archive" in crawl(environment, RUN_SECONDS)["completed"]
        assert get_archive_status(environment)["completed_by"] == "series"


def test_a_cutoff_that_moved_afterwards_makes_it_incomplete(fresh: dict[str, str], database: Database) -> None:
    store = Store(database)
    assert store.lease.acquire()
    walked = JobState("archive", started_at=NOW, finished_at=NOW, confirmed_at=NOW, completed_by="listing")
    store.commit(Batch(walked))
    status = get_archive_status(fresh)
    assert datetime.fromisoformat(status.pop("confirmed_at")) == NOW
    assert status == {"complete": True, "completed_by": "listing"}
    store.commit(Batch(JobState("settled"), other_jobs=[JobState("archive/gap", watermark=NOW + timedelta(minutes=1))]))
    assert get_archive_status(fresh)["complete"] is False
