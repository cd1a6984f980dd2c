"""GET /status."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import status
from crawler.lookups import LIVE_JOBS
from crawler.markets import Reject
from crawler.store import Batch, Job, Store
from crawler.walks import MOVED
from kalshi_markets.columns import STATUSES
from kalshi_markets.database import Database
from kalshi_markets.exchange import Deviation, sight
from kalshi_markets.settings import MigratorSettings
from migrator.migrate import migrate
from tests.integration.conftest import forget_all
from tests.integration.lambdas import Api, error

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def api(environment: dict[str, str]) -> Iterator[Api]:
    api = Api(environment)
    yield api
    api.close()


@pytest.fixture
def store(database: Database) -> Store:
    """Empty tables, and the lease."""
    forget_all(database)
    store = Store(database)
    assert store.take_lease()
    return store


def told(api: Api) -> dict[str, Any]:
    answer = api.get("/status")
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def job(api: Api, name: str) -> dict[str, Any]:
    [found] = [job for job in told(api)["jobs"] if job["job"] == name]
    assert isinstance(found, dict)
    return found


def walked(name: str, begun_at: datetime = NOON, ended_at: datetime = NOON + MINUTE) -> Job:
    """A job whose last walk is complete."""
    return Job(name, begun_at=begun_at, ended_at=ended_at, confirmed_at=begun_at)


def test_before_any_crawl_everything_is_there_and_empty(api: Api, store: Store) -> None:
    assert told(api) == {
        "markets": 0,
        "gone": 0,
        "live": {"complete": False, "begun_at": None, "ended_at": None},
        "archive": {"complete": False, "completed_by": None, "confirmed_at": None},
        "statuses": [],
        "jobs": [],
        "rejects": {"count": 0, "newest": []},
        "drift": [],
    }


def test_a_complete_walk_is_told_with_its_lag(api: Api, store: Store) -> None:
    begun_at = datetime.now(UTC) - timedelta(seconds=90)
    walk = replace(walked("settled", begun_at, begun_at + MINUTE), watermark=NOON)
    store.commit(Batch(walk, [sight({"ticker": "A"}), sight({"ticker": "B"})], rejects=[Reject("C", "bad", "{}")]))
    found = job(api, "settled")
    committed_at = datetime.fromisoformat(found.pop("committed_at"))
    assert timedelta() <= datetime.now(UTC) - committed_at < MINUTE
    assert 90 <= found.pop("lag_seconds") < 150
    begun = begun_at.isoformat().replace("+00:00", "Z")
    assert found == {
        "job": "settled",
        "under_way": False,
        "position": None,
        "begun_at": begun,
        "ended_at": (begun_at + MINUTE).isoformat().replace("+00:00", "Z"),
        "confirmed_at": begun,
        "watermark": "2026-07-01T12:00:00Z",
        "markets": 3,
        "added": 2,
        "changed": 0,
        "refused": 1,
        "last_error": None,
        "failed_at": None,
        "retry_at": None,
    }


def test_a_first_walk_under_way_has_no_lag_yet(api: Api, store: Store) -> None:
    store.commit(Batch(Job("live/open", {"cursor": "s3cret", "first": "A", "pages": 7}, begun_at=NOON)))
    found = job(api, "live/open")
    assert (found["under_way"], found["begun_at"]) == (True, "2026-07-01T12:00:00Z")
    assert found["confirmed_at"] is found["ended_at"] is found["lag_seconds"] is None


START = int(NOON.timestamp())
WINDOW = {"from": START, "to": START + 3600, "until": START + 7200}
TOLD_WINDOW = {"from": "2026-07-01T12:00:00Z", "to": "2026-07-01T13:00:00Z", "until": "2026-07-01T14:00:00Z"}
CHANGES = {"since": START, "until": START + 60}
TOLD_CHANGES = {"since": "2026-07-01T12:00:00Z", "until": "2026-07-01T12:01:00Z"}
IN_LISTING = {"cursor": "s3cret", "first": "A", "pages": 3}


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (IN_LISTING, {"pages": 3}),
        (WINDOW, TOLD_WINDOW),
        (WINDOW | IN_LISTING, TOLD_WINDOW | {"pages": 3}),
        (CHANGES | IN_LISTING, TOLD_CHANGES | {"pages": 3}),
        ({}, {}),
        (None, None),
    ],
)
def test_a_place_is_told_in_times_and_pages(api: Api, store: Store, position: Any, expected: Any) -> None:
    store.commit(Batch(Job("any", position, begun_at=NOON)))
    found = job(api, "any")
    assert (found["position"], found["under_way"]) == (expected, position is not None)


def test_lines_of_the_books_that_are_no_jobs_are_not_told_but_counted(
    api: Api, store: Store, database: Database
) -> None:
    database.execute("INSERT INTO kalshi_markets_jobs (job, added) VALUES ('adopted', 5)")
    store.commit(Batch(Job("settled"), also=[Job(MOVED, watermark=NOON)]))
    found = told(api)
    assert [job["job"] for job in found["jobs"]] == ["settled"]
    assert found["markets"] == 5
    assert "5</strong> markets" in api.get("/").text


def test_a_failure_stands_until_the_job_goes_on(api: Api, store: Store) -> None:
    store.note_failure(Job("archive"), "no answer 😀")
    found = job(api, "archive")
    assert (found["last_error"], found["begun_at"], found["under_way"]) == ("no answer 😀", None, False)
    assert found["failed_at"].endswith("Z")
    store.commit(Batch(Job("archive")))
    assert job(api, "archive") == found | {"last_error": None, "committed_at": job(api, "archive")["committed_at"]}


def test_each_status_that_occurs_is_counted(api: Api, store: Store) -> None:
    words = ["finalized", "active", "active", "invented", "closed", "active", "finalized", "initialized"]
    markets: list[dict[str, Any]] = [{"ticker": str(n), "status": word} for n, word in enumerate(words)]
    store.commit(Batch(Job("live/open"), [sight(one) for one in [*markets, {"ticker": "NONE"}]]))
    found = told(api)
    assert [(one["status"], one["count"]) for one in found["statuses"]] == [
        ("initialized", 1),
        ("active", 3),
        ("closed", 1),
        ("finalized", 2),
        ("invented", 1),
        (None, 1),
    ]
    assert found["markets"] == 9


def test_counts_follow_changes_and_deletions(api: Api, store: Store) -> None:
    def counts() -> dict[str, int]:
        found = told(api)
        assert found["markets"] == sum(one["count"] for one in found["statuses"])
        return {one["status"]: one["count"] for one in found["statuses"]}

    old = {"status": "finalized", "settlement_ts": "2026-01-01T00:00:00Z"}
    store.commit(Batch(Job("live/open"), [sight({"ticker": ticker, "status": "active"}) for ticker in "ABC"]))
    assert counts() == {"active": 3}
    store.commit(Batch(Job("settled"), [sight({"ticker": ticker} | old) for ticker in "AB"]))
    assert counts() == {"active": 1, "finalized": 2}
    store.commit(Batch(Job("retention"), expired=NOON))
    assert counts() == {"active": 1}


def test_every_status_is_confirmed_by_a_job_of_the_crawler(api: Api, store: Store) -> None:
    markets = [sight({"ticker": word, "status": word}) for word in [*STATUSES, "invented"]]
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
    found = {one["status"]: one["confirmed_at"] for one in told(api)["statuses"]}
    assert {word: at and datetime.fromisoformat(at) for word, at in found.items()} == expected
    assert set(expected) == {*STATUSES, "invented"}


def test_without_a_complete_walk_nothing_is_confirmed(api: Api, store: Store) -> None:
    store.commit(Batch(Job("live/open", {"pages": 1}, begun_at=NOON), [sight({"ticker": "A", "status": "active"})]))
    assert told(api)["statuses"] == [{"status": "active", "count": 1, "confirmed_at": None}]


def test_what_is_live_is_complete_once_all_four_walks_are(api: Api, store: Store) -> None:
    unknown = {"complete": False, "begun_at": None, "ended_at": None}
    for n, name in enumerate(LIVE_JOBS):
        assert told(api)["live"] == unknown
        store.commit(Batch(Job(name, {"pages": 1}, begun_at=NOON)))
        assert told(api)["live"] == unknown
        store.commit(Batch(walked(name, NOON + n * MINUTE, NOON + (9 - n) * MINUTE)))
    whole = {"complete": True, "begun_at": "2026-07-01T12:00:00Z", "ended_at": "2026-07-01T12:09:00Z"}
    assert told(api)["live"] == whole
    store.note_failure(walked("settled"), "no answer")
    assert told(api)["live"] == whole


def test_what_is_live_is_not_complete_from_a_failure_to_the_next_complete_walk(api: Api, store: Store) -> None:
    for name in LIVE_JOBS:
        store.commit(Batch(walked(name)))
    failed = walked(LIVE_JOBS[2])
    store.note_failure(failed, "no answer")
    assert told(api)["live"]["complete"] is False
    store.commit(Batch(replace(failed, position={"pages": 1})))
    assert told(api)["live"]["complete"] is False
    # By the crawler's clock, after a failure that was noted by the database's.
    store.commit(Batch(walked(failed.name, ended_at=datetime.now(UTC) + MINUTE)))
    assert told(api)["live"]["complete"] is True


def test_markets_that_are_gone_are_counted_apart_too(api: Api, store: Store) -> None:
    store.commit(Batch(Job("live/open"), [sight({"ticker": ticker, "status": "active"}) for ticker in "ABC"]))
    store.commit(Batch(Job("vanished"), gone=["A", "B"]))
    found = told(api)
    assert (found["gone"], found["markets"]) == (2, 3)
    assert [one["count"] for one in found["statuses"]] == [3]
    store.commit(Batch(Job("live/open"), [sight({"ticker": "A", "status": "active"})]))
    assert told(api)["gone"] == 1


def test_of_the_rejects_the_newest_are_told_without_their_objects(api: Api, store: Store, database: Database) -> None:
    for n in range(12):
        store.commit(Batch(Job("live/open"), rejects=[Reject(f"R{n:02}", f"reason {n}", "s3cret")]))
    store.commit(Batch(Job("live/open"), rejects=[Reject("R00", "anew", "s3cret")]))
    answer = api.get("/status")
    rejects = answer.json["rejects"]
    assert rejects["count"] == 12
    assert [one["ticker"] for one in rejects["newest"]] == ["R00", *(f"R{n:02}" for n in range(11, 2, -1))]
    [[last_at]] = database.read("SELECT last_at FROM kalshi_markets_rejects WHERE ticker = 'R00'")
    assert rejects["newest"][0] == {
        "ticker": "R00",
        "reason": "anew",
        "last_at": last_at.isoformat().replace("+00:00", "Z"),
    }
    assert "s3cret" not in answer.text


def test_drift_is_told_the_last_met_first(api: Api, store: Store) -> None:
    for deviation in (
        Deviation("new_member", "new", 2, "'x'"),
        Deviation("title", "gone", 1, None),
        Deviation("new_member", "new", 3, "'y'"),
    ):
        store.commit(Batch(Job("live/open"), drift=[deviation]))
    first, second = told(api)["drift"]
    times = [datetime.fromisoformat(one.pop(name)) for one in (first, second) for name in ("first_at", "last_at")]
    assert first == {"member": "new_member", "change": "new", "markets": 5, "example": "'y'"}
    assert second == {"member": "title", "change": "gone", "markets": 1, "example": None}
    assert times[0] < times[2] == times[3] < times[1]
    store.commit(Batch(Job("live/open"), drift=[Deviation(f"m{n}", "new", 1, "1") for n in range(60)]))
    drift = told(api)["drift"]
    assert len(drift) == status.MOST_DRIFT == 50
    assert all(one["member"].startswith("m") for one in drift)


@pytest.fixture
def as_its_role(environment: dict[str, str], database: Database) -> Iterator[Mapping[str, str]]:
    """The environment of the API with the database role that the migrator makes for it."""
    names = {"API_DB_USER": "status_api", "CRAWLER_DB_USER": "status_crawler"}
    migrate(database, MigratorSettings.read(names | {"API_DB_PASSWORD": "p", "CRAWLER_DB_PASSWORD": "p"}))
    yield environment | {"DB_USER": "status_api", "DB_PASSWORD": "p"}
    database.script("DROP OWNED BY status_api, status_crawler; DROP ROLE status_api, status_crawler")


def test_the_apis_own_role_may_read_what_is_told(api: Api, store: Store, as_its_role: Mapping[str, str]) -> None:
    first, then = ({"ticker": "A", "status": word} for word in ("active", "closed"))
    store.commit(Batch(walked("live/open"), [sight(first)], rejects=[Reject("R", "bad", "{}")]))
    store.commit(Batch(Job("live/closed"), [sight(then)], drift=[Deviation("m", "new", 1, "1")]))
    own = Api(as_its_role)
    for path in ("/status", "/markets/A/history"):
        answer = own.get(path)
        assert answer.status == 200, answer.text
        bodies = [answer.json, api.get(path).json]
        for body in bodies:
            for line in body.get("jobs", ()):
                line.pop("lag_seconds")
        assert bodies[0] == bodies[1]
    assert own.get("/markets/A/history").json["count"] == 2
    own.service.database.close()
    own.close()


def test_a_large_table_is_never_read_as_a_whole(api: Api, store: Store, database: Database) -> None:
    """A twentieth of the markets is live, as a few days after the first crawl."""
    database.script(
        """INSERT INTO kalshi_markets_terms (ticker, status)
               SELECT n::text, CASE WHEN n % 20 = 0 THEN 'active' ELSE 'finalized' END FROM generate_series(1, 40000) n;
           INSERT INTO kalshi_markets_quotes (ticker, status, volume, gone_at)
               SELECT ticker, status, 1, CASE WHEN ticker LIKE '%77' THEN now() END FROM kalshi_markets_terms;
           INSERT INTO kalshi_markets_jobs (job, added) VALUES ('adopted', 40000);
           ANALYZE kalshi_markets_terms, kalshi_markets_quotes"""
    )
    found = told(api)
    assert {one["status"]: one["count"] for one in found["statuses"]} == {"active": 2000, "finalized": 38000}
    assert found["gone"] == 400
    # With the parameters of the API's own session.
    for statement in (status.counting("kalshi_markets"), status.counting_gone("kalshi_markets")):
        plan = "\n".join(line for (line,) in api.service.database.read(f"EXPLAIN {statement}"))
        assert "Seq Scan on kalshi_markets_terms" not in plan, plan
        assert "Seq Scan on kalshi_markets_quotes" not in plan, plan


def test_it_takes_no_parameters_and_answers_head(api: Api, store: Store) -> None:
    body = error(api.get("/status?format=csv"), 422, "unknown_parameter")
    assert body["detail"][0]["loc"] == ["query", "format"]
    head = api.request("HEAD", "/status")
    assert (head.status, head.text) == (200, "")


def test_without_the_migrations_it_is_a_503(environment: dict[str, str]) -> None:
    later = Api(environment | {"MARKETS_TABLE": "later"})
    error(later.get("/status"), 503, "table_missing")
    later.close()


def test_the_landing_page_tells_when_each_job_ended(api: Api, store: Store) -> None:
    assert "The first crawl has not begun" in api.get("/").text
    now = datetime.now(UTC)
    store.commit(Batch(walked("live/open", now, now - 5 * MINUTE)))
    store.note_failure(Job("archive"), "<no answer>")
    text = api.get("/").text
    assert "<td>live/open</td><td>5 min ago</td><td>0</td><td></td>" in text
    assert "<td>archive</td><td>not yet</td><td>0</td><td>&lt;no answer&gt;</td>" in text
