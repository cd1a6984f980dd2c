"""GET /status."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import status
from crawler.job_table import JobState
from crawler.jobs.base import LIVE_JOBS
from crawler.market_writer import Reject
from crawler.store import Batch, Store
from kalshi_markets.columns import STATUSES
from kalshi_markets.database import Database
from kalshi_markets.exchange import Deviation, parse_market
from kalshi_markets.job_names import ARCHIVE_GAP
from kalshi_markets.settings import MigratorSettings
from migrator.migrate import migrate
from tests.support.api_client import ApiClient, error
from tests.support.database import truncate_all

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def api(environment: dict[str, str]) -> Iterator[ApiClient]:
    api = ApiClient(environment)
    yield api
    api.close()


@pytest.fixture
def store(database: Database) -> Store:
    """Empty the tables and return a store that holds the lease."""
    truncate_all(database)
    store = Store(database)
    assert store.lease.acquire()
    return store


def get_status(api: ApiClient) -> dict[str, Any]:
    answer = api.get("/status")
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


def job(api: ApiClient, name: str) -> dict[str, Any]:
    [match] = [job for job in get_status(api)["jobs"] if job["job"] == name]
    assert isinstance(match, dict)
    return match


def walked(name: str, started_at: datetime = NOON, finished_at: datetime = NOON + MINUTE) -> JobState:
    """Return the state of a job whose last pass is complete."""
    return JobState(name, started_at=started_at, finished_at=finished_at, confirmed_at=started_at)


def test_before_any_crawl_everything_is_there_and_empty(api: ApiClient, store: Store) -> None:
    assert get_status(api) == {
        "markets": 0,
        "removed": 0,
        "live": {"complete": False, "started_at": None, "finished_at": None},
        "archive": {"complete": False, "completed_by": None, "confirmed_at": None},
        "statuses": [],
        "jobs": [],
        "rejects": {"count": 0, "newest": []},
        "drift": [],
        "lake": None,
    }


def test_a_lake_is_reported_with_what_waits_for_its_export(api: ApiClient, store: Store, database: Database) -> None:
    recording = Store(database, outbox_mb=1)
    recording.lease = store.lease
    recording.begin()
    assert get_status(api)["lake"] == {"exported": 0, "backlog_complete": False, "pending_bytes": 0}
    recording.commit(Batch(JobState("j"), [parse_market({"ticker": "E-1", "status": "active"})]))
    [[size]] = database.query("SELECT sum(bytes)::bigint FROM kalshi_markets_outbox")
    assert get_status(api)["lake"]["pending_bytes"] == size > 100


def test_a_finished_job_is_reported_with_its_lag(api: ApiClient, store: Store) -> None:
    started_at = datetime.now(UTC) - timedelta(seconds=90)
    walk = replace(walked("settled", started_at, started_at + MINUTE), watermark=NOON)
    store.commit(
        Batch(walk, [parse_market({"ticker": "A"}), parse_market({"ticker": "B"})], rejects=[Reject("C", "bad", "{}")])
    )
    settled = job(api, "settled")
    committed_at = datetime.fromisoformat(settled.pop("committed_at"))
    assert timedelta() <= datetime.now(UTC) - committed_at < MINUTE
    assert 90 <= settled.pop("lag_seconds") < 150
    begun = started_at.isoformat().replace("+00:00", "Z")
    assert settled == {
        "job": "settled",
        "running": False,
        "position": None,
        "started_at": begun,
        "finished_at": (started_at + MINUTE).isoformat().replace("+00:00", "Z"),
        "confirmed_at": begun,
        "watermark": "2026-07-01T12:00:00Z",
        "markets": 3,
        "added": 2,
        "changed": 0,
        "rejected": 1,
        "last_error": None,
        "failed_at": None,
        "retry_at": None,
    }


def test_a_running_first_job_has_no_lag(api: ApiClient, store: Store) -> None:
    store.commit(Batch(JobState("live/open", {"cursor": "s3cret", "first": "A", "pages": 7}, started_at=NOON)))
    live = job(api, "live/open")
    assert (live["running"], live["started_at"]) == (True, "2026-07-01T12:00:00Z")
    assert live["confirmed_at"] is live["finished_at"] is live["lag_seconds"] is None


START = int(NOON.timestamp())
WINDOW = {"from": START, "to": START + 3600, "until": START + 7200}
PUBLIC_WINDOW = {"from": "2026-07-01T12:00:00Z", "to": "2026-07-01T13:00:00Z", "until": "2026-07-01T14:00:00Z"}
CHANGES = {"since": START, "until": START + 60}
PUBLIC_CHANGES = {"since": "2026-07-01T12:00:00Z", "until": "2026-07-01T12:01:00Z"}
IN_LISTING = {"cursor": "s3cret", "first": "A", "pages": 3}


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (IN_LISTING, {"pages": 3}),
        (WINDOW, PUBLIC_WINDOW),
        (WINDOW | IN_LISTING, PUBLIC_WINDOW | {"pages": 3}),
        (CHANGES | IN_LISTING, PUBLIC_CHANGES | {"pages": 3}),
        ({}, {}),
        (None, None),
    ],
)
def test_a_position_is_reported_in_times_and_pages(api: ApiClient, store: Store, position: Any, expected: Any) -> None:
    store.commit(Batch(JobState("any", position, started_at=NOON)))
    state = job(api, "any")
    assert (state["position"], state["running"]) == (expected, position is not None)


def test_marker_rows_of_the_job_table_are_counted_but_not_listed(
    api: ApiClient, store: Store, database: Database
) -> None:
    database.execute("INSERT INTO kalshi_markets_jobs (job, added) VALUES ('adopted', 5)")
    store.commit(Batch(JobState("settled"), other_jobs=[JobState(ARCHIVE_GAP, watermark=NOON)]))
    status_ = get_status(api)
    assert [job["job"] for job in status_["jobs"]] == ["settled"]
    assert status_["markets"] == 5


def test_a_failure_stands_until_the_job_goes_on(api: ApiClient, store: Store) -> None:
    store.record_failure(JobState("archive"), "no answer 😀")
    state = job(api, "archive")
    assert (state["last_error"], state["started_at"], state["running"]) == ("no answer 😀", None, False)
    assert state["failed_at"].endswith("Z")
    store.commit(Batch(JobState("archive")))
    assert job(api, "archive") == state | {"last_error": None, "committed_at": job(api, "archive")["committed_at"]}


def test_each_status_that_occurs_is_counted(api: ApiClient, store: Store) -> None:
    words = ["finalized", "active", "active", "invented", "closed", "active", "finalized", "initialized"]
    markets: list[dict[str, Any]] = [{"ticker": str(n), "status": word} for n, word in enumerate(words)]
    store.commit(Batch(JobState("live/open"), [parse_market(market) for market in [*markets, {"ticker": "NONE"}]]))
    body = get_status(api)
    assert [(row["status"], row["count"]) for row in body["statuses"]] == [
        ("initialized", 1),
        ("active", 3),
        ("closed", 1),
        ("finalized", 2),
        ("invented", 1),
        (None, 1),
    ]
    assert body["markets"] == 9


def test_counts_follow_changes_and_deletions(api: ApiClient, store: Store) -> None:
    def counts() -> dict[str, int]:
        body = get_status(api)
        assert body["markets"] == sum(row["count"] for row in body["statuses"])
        return {row["status"]: row["count"] for row in body["statuses"]}

    old = {"status": "finalized", "settlement_ts": "2026-01-01T00:00:00Z"}
    store.commit(
        Batch(JobState("live/open"), [parse_market({"ticker": ticker, "status": "active"}) for ticker in "ABC"])
    )
    assert counts() == {"active": 3}
    store.commit(Batch(JobState("settled"), [parse_market({"ticker": ticker} | old) for ticker in "AB"]))
    assert counts() == {"active": 1, "finalized": 2}
    store.commit(Batch(JobState("retention"), delete_settled_before=NOON))
    assert counts() == {"active": 1}


def test_every_status_is_confirmed_by_a_job_of_the_crawler(api: ApiClient, store: Store) -> None:
    markets = [parse_market({"ticker": word, "status": word}) for word in [*STATUSES, "invented"]]
    store.commit(Batch(replace(walked("settled"), watermark=NOON + 10 * MINUTE), markets))
    for n, name in enumerate(LIVE_JOBS):
        store.commit(Batch(walked(name, NOON + n * MINUTE, NOON + n * MINUTE)))
    confirmed = {name: NOON + n * MINUTE for n, name in enumerate(LIVE_JOBS)}
    expected = {
        "initialized": confirmed["live/unopened"],
        "active": confirmed["live/open"],
        "inactive": confirmed["live/paused"],
        **dict.fromkeys(("closed", "determined", "disputed", "amended"), confirmed["live/closed"]),
        "finalized": NOON + 10 * MINUTE,
        "invented": None,
    }
    confirmed_at = {row["status"]: row["confirmed_at"] for row in get_status(api)["statuses"]}
    assert {word: at and datetime.fromisoformat(at) for word, at in confirmed_at.items()} == expected
    assert set(expected) == {*STATUSES, "invented"}


def test_without_a_complete_walk_nothing_is_confirmed(api: ApiClient, store: Store) -> None:
    store.commit(
        Batch(JobState("live/open", {"pages": 1}, started_at=NOON), [parse_market({"ticker": "A", "status": "active"})])
    )
    assert get_status(api)["statuses"] == [{"status": "active", "count": 1, "confirmed_at": None}]


def test_live_is_complete_once_all_four_live_jobs_are(api: ApiClient, store: Store) -> None:
    unknown = {"complete": False, "started_at": None, "finished_at": None}
    for n, name in enumerate(LIVE_JOBS):
        assert get_status(api)["live"] == unknown
        store.commit(Batch(JobState(name, {"pages": 1}, started_at=NOON)))
        assert get_status(api)["live"] == unknown
        store.commit(Batch(walked(name, NOON + n * MINUTE, NOON + (9 - n) * MINUTE)))
    complete = {"complete": True, "started_at": "2026-07-01T12:00:00Z", "finished_at": "2026-07-01T12:09:00Z"}
    assert get_status(api)["live"] == complete
    store.record_failure(walked("settled"), "no answer")
    assert get_status(api)["live"] == complete


def test_live_is_incomplete_from_a_failure_to_the_next_complete_job(api: ApiClient, store: Store) -> None:
    for name in LIVE_JOBS:
        store.commit(Batch(walked(name)))
    failed = walked(LIVE_JOBS[2])
    store.record_failure(failed, "no answer")
    assert get_status(api)["live"]["complete"] is False
    store.commit(Batch(replace(failed, position={"pages": 1})))
    assert get_status(api)["live"]["complete"] is False
    # finished_at is from the crawler's clock, the failure's time from the database's.
    store.commit(Batch(walked(failed.name, finished_at=datetime.now(UTC) + MINUTE)))
    assert get_status(api)["live"]["complete"] is True


def test_removed_markets_are_counted_separately(api: ApiClient, store: Store) -> None:
    store.commit(
        Batch(JobState("live/open"), [parse_market({"ticker": ticker, "status": "active"}) for ticker in "ABC"])
    )
    store.commit(Batch(JobState("missing"), removed=["A", "B"]))
    body = get_status(api)
    assert (body["removed"], body["markets"]) == (2, 3)
    assert [row["count"] for row in body["statuses"]] == [3]
    store.commit(Batch(JobState("live/open"), [parse_market({"ticker": "A", "status": "active"})]))
    assert get_status(api)["removed"] == 1


def test_the_newest_rejects_are_listed_without_their_objects(api: ApiClient, store: Store, database: Database) -> None:
    for n in range(12):
        store.commit(Batch(JobState("live/open"), rejects=[Reject(f"R{n:02}", f"reason {n}", "s3cret")]))
    store.commit(Batch(JobState("live/open"), rejects=[Reject("R00", "anew", "s3cret")]))
    answer = api.get("/status")
    rejects = answer.json["rejects"]
    assert rejects["count"] == 12
    assert [reject["ticker"] for reject in rejects["newest"]] == ["R00", *(f"R{n:02}" for n in range(11, 2, -1))]
    [[last_at]] = database.query("SELECT last_at FROM kalshi_markets_rejects WHERE ticker = 'R00'")
    assert rejects["newest"][0] == {
        "ticker": "R00",
        "reason": "anew",
        "last_at": last_at.isoformat().replace("+00:00", "Z"),
    }
    assert "s3cret" not in answer.text


def test_drift_is_listed_newest_first(api: ApiClient, store: Store) -> None:
    for deviation in (
        Deviation("new_member", "added", 2, "'x'"),
        Deviation("title", "removed", 1, None),
        Deviation("new_member", "added", 3, "'y'"),
    ):
        store.commit(Batch(JobState("live/open"), drift=[deviation]))
    first, second = get_status(api)["drift"]
    times = [
        datetime.fromisoformat(deviation_.pop(name))
        for deviation_ in (first, second)
        for name in ("first_at", "last_at")
    ]
    assert first == {"member": "new_member", "change": "added", "markets": 5, "example": "'y'"}
    assert second == {"member": "title", "change": "removed", "markets": 1, "example": None}
    assert times[0] < times[2] == times[3] < times[1]
    store.commit(Batch(JobState("live/open"), drift=[Deviation(f"m{n}", "added", 1, "1") for n in range(60)]))
    drift = get_status(api)["drift"]
    assert len(drift) == status.MAX_DRIFT == 50
    assert all(row["member"].startswith("m") for row in drift)


@pytest.fixture
def as_its_role(environment: dict[str, str], database: Database) -> Iterator[Mapping[str, str]]:
    """Yield the environment of the API with the database role that the migrator creates for it."""
    names = {"API_DB_USER": "status_api", "CRAWLER_DB_USER": "status_crawler"}
    migrate(database, MigratorSettings.from_env(names | {"API_DB_PASSWORD": "p", "CRAWLER_DB_PASSWORD": "p"}))
    yield environment | {"DB_USER": "status_api", "DB_PASSWORD": "p"}
    database.execute_script("DROP OWNED BY status_api, status_crawler; DROP ROLE status_api, status_crawler")


def test_the_api_role_may_read_everything_in_status(
    api: ApiClient, store: Store, as_its_role: Mapping[str, str]
) -> None:
    first, then = ({"ticker": "A", "status": word} for word in ("active", "closed"))
    store.commit(Batch(walked("live/open"), [parse_market(first)], rejects=[Reject("R", "bad", "{}")]))
    store.commit(Batch(JobState("live/closed"), [parse_market(then)], drift=[Deviation("m", "added", 1, "1")]))
    own = ApiClient(as_its_role)
    for path in ("/status", "/markets/A/history"):
        answer = own.get(path)
        assert answer.status == 200, answer.text
        bodies = [answer.json, api.get(path).json]
        for body in bodies:
            for line in body.get("jobs", ()):
                line.pop("lag_seconds")
        assert bodies[0] == bodies[1]
    assert own.get("/markets/A/history").json["count"] == 2
    own.resources.database.close()
    own.close()


def test_a_large_table_is_never_read_as_a_whole(api: ApiClient, store: Store, database: Database) -> None:
    """A twentieth of the markets is live, as a few days after the first crawl."""
    database.execute_script(
        """INSERT INTO kalshi_markets_details (ticker, status)
               SELECT n::text, CASE WHEN n % 20 = 0 THEN 'active' ELSE 'finalized' END FROM generate_series(1, 40000) n;
           INSERT INTO kalshi_markets_quotes (ticker, status, volume, removed_at)
               SELECT ticker, status, 1, CASE WHEN ticker LIKE '%77' THEN now() END FROM kalshi_markets_details;
           INSERT INTO kalshi_markets_jobs (job, added) VALUES ('adopted', 40000);
           ANALYZE kalshi_markets_details, kalshi_markets_quotes"""
    )
    body = get_status(api)
    assert {row["status"]: row["count"] for row in body["statuses"]} == {"active": 2000, "finalized": 38000}
    assert body["removed"] == 400
    # With the run-time parameters of the API's own session.
    for statement in (status.status_counts_sql("kalshi_markets"), status.removed_count_sql("kalshi_markets")):
        plan = "\n".join(line for (line,) in api.resources.database.query(f"EXPLAIN {statement}"))
        assert "Seq Scan on kalshi_markets_details" not in plan, plan
        assert "Seq Scan on kalshi_markets_quotes" not in plan, plan


def test_the_path_takes_no_parameters_and_answers_head(api: ApiClient, store: Store) -> None:
    body = error(api.get("/status?format=csv"), 422, "unknown_parameter")
    assert body["detail"][0]["loc"] == ["query", "format"]
    head = api.request("HEAD", "/status")
    assert (head.status, head.text) == (200, "")


def test_without_the_migrations_status_is_a_503(environment: dict[str, str]) -> None:
    later = ApiClient(environment | {"MARKETS_TABLE": "later"})
    error(later.get("/status"), 503, "table_missing")
    later.close()
