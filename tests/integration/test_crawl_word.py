"""Crawler over an exchange that violates its contract: unusable responses and ignored filters."""

import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from crawler.job_table import JobState
from crawler.store import Batch, Store
from kalshi_markets.database import Database
from kalshi_markets.exchange import Row, parse_market
from kalshi_markets.settings import SettingsError
from tests.support.api_client import ApiClient, crawl
from tests.support.database import truncate_all
from tests.support.event_rows import event as event_row
from tests.support.event_rows import series as series_row
from tests.support.scripted_server import Reply, ScriptedServer, answer, page

NOW = datetime.now(UTC)
RUN_SECONDS = 25


@pytest.fixture
def fresh(environment: dict[str, str], database: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment with empty tables and a backoff of 10 ms."""
    monkeypatch.setattr("kalshi_markets.exchange.transport.INITIAL_BACKOFF", 0.01)
    truncate_all(database)
    return environment | {"EXCHANGE_RATE": "1000"}


@pytest.fixture
def store(fresh: dict[str, str], database: Database) -> Store:
    store = Store(database)
    assert store.lease.acquire()
    return store


def market(ticker: str, **members: Any) -> dict[str, Any]:
    return {"ticker": ticker, "event_ticker": f"{ticker}-EVENT", "status": "active", "title": ticker, **members}


def at(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat().replace("+00:00", "Z")


def scripted(paths: Mapping[str, Sequence[Reply]]) -> ScriptedServer:
    """Return an exchange with scripted responses for these paths and no markets on all others."""
    quiet = {
        "/historical/cutoff": [answer(market_settled_ts=at(days=60))],
        "/series*": [answer(series=[])],
        "/events*": [answer(events=[], cursor="")],
    }
    return ScriptedServer(
        [page()], {**paths, **{path: replies for path, replies in quiet.items() if path not in paths}}
    )


def count_requests(server: ScriptedServer, part: str) -> int:
    return sum(part in path for path, _ in server.requests)


def hurry(database: Database) -> None:
    """Make all jobs due, as after their intervals."""
    database.execute(
        "UPDATE kalshi_markets_jobs SET started_at = started_at - interval '2 days' WHERE position IS NULL"
    )
    database.execute("UPDATE kalshi_markets_jobs SET retry_at = NULL")


def jobs(environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return /status, and its jobs by name."""
    api = ApiClient(environment)
    try:
        status_ = api.get("/status").json
    finally:
        api.close()
    return status_, {job["job"]: job for job in status_["jobs"]}


def test_an_invalid_response_is_not_retried_before_the_interval_of_the_job(
    fresh: dict[str, str], database: Database
) -> None:
    with scripted({"/series*": [Reply(body=b'{"series": [' + b"[" * 100_000)]}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url, "ARCHIVE": "false"}
        summary = crawl(environment, RUN_SECONDS)
        assert [*summary["errors"]] == ["series"]
        assert {"changed/created", "live/open", "settled"} <= {*summary["completed"]}, "nobody waits for it"
        first = count_requests(server, "/series")
        second = crawl(environment, RUN_SECONDS)
        assert (second["errors"], count_requests(server, "/series")) == ({}, first)
        _, by_job = jobs(environment)
        assert "invalid list of series" in by_job["series"]["last_error"]
        assert datetime.fromisoformat(by_job["series"]["retry_at"]) > NOW + timedelta(minutes=50)
        hurry(database)
        assert [*crawl(environment, RUN_SECONDS)["errors"]] == ["series"]
        assert count_requests(server, "/series") > first


def test_a_resting_job_still_counts_as_failed(
    fresh: dict[str, str], database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted({"/series*": [Reply(body=b"no JSON")]}) as server:
        for _ in range(2):
            crawl(fresh | {"EXCHANGE_URL": server.url, "ARCHIVE": "false"}, RUN_SECONDS)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert [metric["FailedJobs"] for metric in metrics] == [[1.0], [1.0]]


def test_an_exchange_that_does_not_answer_is_retried_in_the_next_run(fresh: dict[str, str], database: Database) -> None:
    with scripted({"/series*": [Reply(503)] * 6 + [answer(series=[])]}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url, "ARCHIVE": "false"}
        assert [*crawl(environment, RUN_SECONDS)["errors"]] == ["series"]
        assert crawl(environment, RUN_SECONDS)["completed"] == ["series"]


OLD = [market(f"OLD-{n}", created_time=at(days=9), updated_time=at(days=9), status="weird") for n in range(3)]


@pytest.mark.parametrize(
    ("path", "rows", "job"),
    [
        ("/markets?*min_created_ts*", OLD, "changed/created"),
        ("/markets?*min_updated_ts*", OLD, "changed/updated"),
        ("/markets?*min_settled_ts*", [market(f"S{n}", settlement_ts=at(days=9)) for n in range(2)], "settled"),
        ("/markets?*max_settled_ts*", [market("A"), market("B"), market("C", settlement_ts=at(seconds=1))], "settled"),
    ],
)
def test_a_time_filter_that_is_ignored_fails_the_job(
    fresh: dict[str, str], path: str, rows: Sequence[Any], job: str
) -> None:
    with scripted({path: [page(*rows)]}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        summary = crawl(environment, RUN_SECONDS)
        assert "ignored a filter" in summary["errors"][job]
        assert job not in summary["completed"]
        _, by_job = jobs(environment)
    assert "outside the requested window" in by_job[job]["last_error"]
    assert by_job[job]["confirmed_at"] is None


def test_single_strays_unknown_words_and_missing_times_are_no_ignored_filter(fresh: dict[str, str]) -> None:
    recent = [market(f"R{n}", created_time=at(seconds=5), status="brand new") for n in range(2)]
    created = [market("STRAY", created_time="0001-01-01T00:00:00Z"), market("NONE"), *recent]
    paused = [market("P", status="closed"), market("Q", status="closed")]
    paths = {
        "/markets?*min_created_ts*": [page(*created)],
        "/markets?*min_updated_ts*": [page(market("STRAY", updated_time=at(days=900)))],
        "/markets?*min_settled_ts*": [page(market("S1", status="finalized"), market("S2", status="finalised"))],
        "/markets?*status=paused*": [page(*paused)],
        "/markets?*status=closed*": [page(*paused)],
    }
    with scripted(paths) as server:
        summary = crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)
    assert summary["errors"] == {}
    assert summary["table_size"] == 8


def test_status_filters_that_list_the_same_are_ignored_ones(fresh: dict[str, str], database: Database) -> None:
    with scripted({"/markets?*status=*": [page(market("A"), market("B"))]}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        errors = crawl(environment, RUN_SECONDS)["errors"]
        assert {*errors} == {"live/open", "live/unopened", "live/paused", "live/closed"}
        status_, by_name = jobs(environment)
        assert status_["live"]["complete"] is False
        for name, error in errors.items():
            assert "are the same" in error
            assert by_name[name]["confirmed_at"] is None


def test_no_market_is_removed_because_a_filter_is_ignored(fresh: dict[str, str], database: Database) -> None:
    """The live listings omit two markets, and look-ups by name return other markets."""
    here, lost = [market("A"), market("B"), market("C")], [market("LOST-1"), market("LOST-2")]
    with scripted({"/markets?*status=open*": [page(*here, *lost)]}) as server:
        crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)
    hurry(database)
    paths = {
        "/markets?*status=open*": [page(*here)],
        "/markets?tickers=*": [page(*here)],
        "/historical/markets?tickers=*": [page()],
    }
    with scripted(paths) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        summary = crawl(environment, RUN_SECONDS)
    assert "not of the requested tickers" in summary["errors"]["missing"]
    assert database.query("SELECT count(*) FROM kalshi_markets_quotes WHERE removed_at IS NOT NULL") == [[0]]


def test_an_invalid_page_is_requested_once_more_and_then_the_job_restarts(
    fresh: dict[str, str], database: Database
) -> None:
    paths = {
        "/markets?*status=open*cursor=bad*": [Reply(body=b"no JSON")],
        "/markets?*status=open*": [page(market("A"), cursor="bad")],
    }
    with scripted(paths) as server:
        for expected in ({"cursor": "bad", "first": "A", "pages": 1, "failed": True}, None):
            hurry(database)
            assert [*crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)["errors"]] == ["live/open"]
            positions = database.query("SELECT position FROM kalshi_markets_jobs WHERE job = 'live/open'")
            assert positions == [[expected]]


def test_a_listing_that_always_leads_in_a_circle_is_walked_once_an_interval(
    fresh: dict[str, str], database: Database
) -> None:
    with scripted({"/markets?*status=open*": [page(market("A"), cursor="again")]}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        for errors in (["live/open"], []):
            assert [*crawl(environment, RUN_SECONDS)["errors"]] == errors


@pytest.mark.parametrize("position", [{"until": 5}, {"since": "x"}, {"since": [], "until": {}}])
def test_a_damaged_position_stops_only_its_job_and_only_once(
    fresh: dict[str, str], store: Store, database: Database, position: Any
) -> None:
    store.commit(Batch(JobState("changed/created", position, started_at=NOW)))
    store.lease.release()
    with scripted({}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        summary = crawl(environment, RUN_SECONDS)
        assert [*summary["errors"]] == ["changed/created"]
        assert "internal error" in summary["errors"]["changed/created"]
        assert "changed/updated" in summary["completed"]
        hurry(database)
        assert "changed/created" in crawl(environment, RUN_SECONDS)["completed"]


def test_an_event_that_the_exchange_refuses_keeps_no_other_from_its_series(
    fresh: dict[str, str], store: Store, database: Database
) -> None:
    markets = [market(name, event_ticker=f"E-{name}") for name in ("A", "BAD", "C")]
    store.commit(Batch(JobState("live/open"), [parse_market(market_) for market_ in markets]))
    store.lease.release()
    events_ = [answer(events=[{"event_ticker": f"E-{n}", "series_ticker": "S", "title": n} for n in "AC"], cursor="")]
    with scripted({"/events?*E-BAD*": [Reply(400)], "/events*": events_}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert crawl(environment, RUN_SECONDS)["errors"] == {}
        rejected_requests = count_requests(server, "E-BAD")
        hurry(database)
        crawl(environment, RUN_SECONDS)
        assert count_requests(server, "E-BAD") == rejected_requests, "it is known to be unknown for an hour"
    series_by_ticker = dict(database.query("SELECT ticker, series_ticker FROM kalshi_markets"))
    assert series_by_ticker == {"A": "S", "BAD": None, "C": "S"}


def test_a_market_whose_name_the_exchange_rejects_is_not_removed(
    fresh: dict[str, str], store: Store, database: Database
) -> None:
    store.commit(Batch(JobState("live/open"), [parse_market(market(name)) for name in ("A", "BAD", "C")]))
    store.lease.release()
    with scripted({"*tickers=*BAD*": [Reply(400)]}) as server:
        assert crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)["errors"] == {}
    removed = database.query("SELECT ticker FROM kalshi_markets WHERE removed_at IS NOT NULL ORDER BY 1")
    assert removed == [["A"], ["C"]]


def test_a_series_that_postgresql_refuses_keeps_no_other_out(store: Store, database: Database) -> None:
    """The key exceeds the size limit of an index row, and it does not compress."""
    poisoned: Row = {"series_ticker": secrets.token_hex(4000)}
    store.commit(
        Batch(
            JobState("live/open"),
            [parse_market(market("A", event_ticker="E1")), parse_market(market("B", event_ticker="E2"))],
        )
    )
    series = [series_row("S1", "One", "C"), series_row("S2", "Two", "C") | poisoned, series_row("S3", "Three", "C")]
    store.commit(Batch(JobState("series"), series=series))
    assert database.query("SELECT series_ticker FROM kalshi_markets_series ORDER BY 1") == [["S1"], ["S3"]]
    store.commit(
        Batch(JobState("events"), events=[event_row("E1", "S2", "One") | poisoned, event_row("E2", "S3", "Two")])
    )
    events = database.query("SELECT event_ticker, series_ticker FROM kalshi_markets_events ORDER BY 1")
    assert events == [["E2", "S3"]]
    assert database.query("SELECT event_ticker FROM kalshi_markets_unknown_events") == [["E1"]]
    assert database.query("SELECT ticker, category FROM kalshi_markets ORDER BY 1") == [["A", None], ["B", "C"]]


def test_the_oldest_lookup_is_repeated_first(
    fresh: dict[str, str], store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five markets are in no listing, and each run looks up two of them by name."""
    monkeypatch.setattr("crawler.jobs.lookups.MAX_LOOKUPS", 2)
    markets = [market(name) for name in ("A", "B", "C", "D", "E")]
    store.commit(Batch(JobState("live/open"), [parse_market(market_) for market_ in markets]))
    store.lease.release()
    pairs = itertools.permutations("ABCDE", 2)
    paths = {f"/markets?tickers={a}%2C{b}&*": [page(market(a), market(b))] for a, b in pairs}
    with scripted(paths) as server:
        for _ in range(3):
            hurry(database)
            assert crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)["errors"] == {}
        queries = [parse_qs(urlsplit(path).query) for path, _ in server.requests if path.count("/markets?tickers=")]
    looked_up = [ticker for query in queries for ticker in query["tickers"][0].split(",")]
    assert len(looked_up) > 5
    for request_count in range(len(looked_up) + 1):
        counts = [looked_up[:request_count].count(ticker) for ticker in "ABCDE"]
        assert max(counts) - min(counts) <= 2, looked_up
    assert database.query("SELECT count(*) FROM kalshi_markets_quotes WHERE removed_at IS NOT NULL") == [[0]]


def test_rejects_and_events_take_turns_too(store: Store, database: Database) -> None:
    names = [f"R{n}" for n in range(4)]
    database.execute(
        "INSERT INTO kalshi_markets_rejects (ticker, reason, object, last_at)"
        " SELECT t, '', '', now() - interval '1 hour' FROM json_array_elements_text($1::json) AS t",
        json.dumps([*names, "A,B"]),
    )
    assert store.queries.rejected_tickers(2) == ["R0", "R1"]
    store.commit(Batch(JobState("rejects"), looked_up=["R0", "R1"]))
    assert store.queries.rejected_tickers(3) == ["R2", "R3", "R0"]
    store.commit(
        Batch(JobState("live/open"), [parse_market(market(name, event_ticker=name)) for name in [*names, "A,B"]])
    )
    soon = NOW + timedelta(days=1)
    first = store.queries.events_to_request(soon, 2)
    store.commit(Batch(JobState("events"), unknown_events=first))
    assert store.queries.events_to_request(soon, 9) == [*(name for name in names if name not in first), *first]


def test_credentials_that_cannot_be_read_end_the_run_by_name_and_ask_nothing(fresh: dict[str, str]) -> None:
    with scripted({}) as server:
        with pytest.raises(SettingsError, match="KEYFILE"):
            crawl(fresh | {"EXCHANGE_URL": server.url, "KEYID": "me", "KEYFILE": "/nowhere/key.pem"}, RUN_SECONDS)
        assert server.requests == []
