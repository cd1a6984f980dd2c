"""Events and series in the database: their members, their changes, and the markets' columns that follow from them."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from crawler.job_table import JobState
from crawler.jobs.base import OVERLAP_SECONDS
from crawler.store import Batch, Store
from kalshi_markets.database import Database
from kalshi_markets.event_columns import EVENT_COLUMNS, SERIES_COLUMNS
from kalshi_markets.exchange import Row, parse_market
from local.exchange.clock import DAY, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.support.api_client import crawl
from tests.support.database import truncate_all
from tests.support.event_rows import event, series, served_events, served_series, stored_events, stored_series
from tests.support.scripted_server import Reply, ScriptedServer, answer, page
from tests.support.waiting import wait_for_one_day

QUICK = {"EXCHANGE_RATE": "1000"}
RUN_SECONDS = 25
MEMBERS = {
    "sub_title": "On 26 November",
    "mutually_exclusive": True,
    "strike_date": "2026-11-26T23:00:00Z",
    "strike_period": "day",
    "collateral_return_type": "",
    "fee_type_override": "flat",
    "fee_multiplier_override": Decimal("0.350"),
    "last_updated_ts": "2026-11-20T12:00:00.123456Z",
    "settlement_sources": [{"name": "NWS", "url": "https://weather.gov"}],
    "product_metadata": {"scope": "City"},
}
SERIES_MEMBERS = {
    "categories": ["Climate", "Science"],
    "tags": ["daily"],
    "frequency": "daily",
    "fee_type": "quadratic",
    "fee_multiplier": Decimal("0.5"),
    "settlement_sources": [],
    "contract_url": "https://example.com/contract",
    "contract_terms_url": "https://example.com/terms",
    "exchange_index": 0,
    "last_updated_ts": "2026-11-20T12:00:00Z",
}
EVENT = event("KXE-26", "KXE", "Temperature", **MEMBERS)
SERIES = series("KXE", "Temperatures", "Climate", **SERIES_MEMBERS)
MARKET: dict[str, Any] = {
    "ticker": "KXE-26-T1",
    "event_ticker": "KXE-26",
    "yes_sub_title": "Above 1",
    "status": "active",
}
CHANGES = "SELECT change_number, changed_at FROM kalshi_markets_{}"


@pytest.fixture
def fresh(environment: dict[str, str], database: Database) -> dict[str, str]:
    """Return the environment with empty tables, and a rate that does not slow the tests."""
    truncate_all(database)
    return environment | QUICK


@pytest.fixture
def store(fresh: dict[str, str], database: Database) -> Store:
    store = Store(database)
    assert store.lease.acquire()
    return store


def write(store: Store, *markets: Mapping[str, Any], **changes: Any) -> int:
    return store.commit(Batch(JobState("j"), [parse_market(market) for market in markets], **changes)).changed


def rows_of(database: Database, table: str, row: Row) -> list[list[Any]]:
    """Return the stored rows as texts, in the form of the row of the batch."""
    return database.query(f"SELECT {', '.join(f'{name}::text' for name in row)} FROM kalshi_markets_{table}")


def hurry(database: Database) -> None:
    """Make all jobs due, as after their intervals."""
    database.execute("UPDATE kalshi_markets_jobs SET started_at = started_at - interval '2 days', retry_at = NULL")


def test_every_member_is_stored(store: Store, database: Database) -> None:
    write(store, events=[EVENT], series=[SERIES])
    [[number, first, last]] = database.query(
        "SELECT change_number, first_seen_at, changed_at FROM kalshi_markets_events"
    )
    assert number > 0
    assert first == last
    [stored] = rows_of(database, "events", EVENT)
    expected = EVENT | {
        "mutually_exclusive": "true",
        "strike_date": "2026-11-26 23:00:00+00",
        "fee_multiplier_override": "0.35",
        "last_updated_ts": "2026-11-20 12:00:00.123456+00",
        "settlement_sources": '[{"url": "https://weather.gov", "name": "NWS"}]',
        "product_metadata": '{"scope": "City"}',
    }
    assert dict(zip(EVENT, stored, strict=True)) == expected
    categories = database.query("SELECT category, categories FROM kalshi_markets_events")
    assert categories == [["Climate", ["Climate", "Science"]]]
    assert database.query("SELECT tags, fee_multiplier::text, exchange_index FROM kalshi_markets_series") == [
        [["daily"], "0.5", 0]
    ]


@pytest.mark.parametrize("table", ["events", "series"])
def test_a_change_of_any_member_is_a_change_and_nothing_else_is(store: Store, database: Database, table: str) -> None:
    row, columns = (EVENT, EVENT_COLUMNS) if table == "events" else (SERIES, SERIES_COLUMNS)
    write(store, **{table: [row]})
    before = database.query(CHANGES.format(table))
    write(store, **{table: [row]})
    assert database.query(CHANGES.format(table)) == before
    for column in columns:
        if column.name in ("event_ticker", "series_ticker"):
            continue
        write(store, **{table: [row | {column.name: None}]})
        [[number, at]] = database.query(CHANGES.format(table))
        assert number > before[0][0], column.name
        assert at > before[0][1]
        write(store, **{table: [row]})
        before = database.query(CHANGES.format(table))
    assert database.query(f"SELECT first_seen_at < changed_at FROM kalshi_markets_{table}") == [[True]]


def test_an_event_that_was_sent_without_a_valid_title_is_requested_again(store: Store) -> None:
    write(store, events=[EVENT | {"title": None}], series=[SERIES])
    assert store.queries.events_to_request(datetime.now(UTC), 5) == [EVENT["event_ticker"]]
    write(store, events=[EVENT])
    assert store.queries.events_to_request(datetime.now(UTC), 5) == []


def test_series_are_untitled_until_a_valid_title_is_stored(store: Store) -> None:
    assert not store.queries.has_untitled_series()
    write(store, series=[SERIES | {"title": None}])
    assert store.queries.has_untitled_series()
    write(store, series=[SERIES])
    assert not store.queries.has_untitled_series()


def test_of_two_rows_with_one_ticker_the_last_one_counts(store: Store, database: Database) -> None:
    write(store, events=[EVENT, EVENT | {"title": "Second"}], series=[SERIES | {"title": "First"}, SERIES])
    assert database.query("SELECT title FROM kalshi_markets_events") == [["Second"]]
    assert database.query("SELECT title FROM kalshi_markets_series") == [["Temperatures"]]


def test_a_market_follows_its_event_and_its_series(store: Store, database: Database) -> None:
    own = MARKET | {"ticker": "KXE-26-T2", "title": "Its own"}
    read = "SELECT ticker, title, event_title, series_ticker, category, categories FROM kalshi_markets ORDER BY 1"
    numbers = "SELECT ticker, change_number FROM kalshi_markets_quotes ORDER BY 1"
    write(store, MARKET, own, events=[EVENT], series=[SERIES])
    both = ["Climate", ["Climate", "Science"]]
    assert database.query(read) == [
        ["KXE-26-T1", "Temperature: Above 1", "Temperature", "KXE", *both],
        ["KXE-26-T2", "Its own", "Temperature", "KXE", *both],
    ]
    before = database.query(numbers)
    assert write(store, MARKET, own, events=[EVENT | {"title": "Heat"}]) == 2
    assert database.query(read) == [
        ["KXE-26-T1", "Heat: Above 1", "Heat", "KXE", *both],
        ["KXE-26-T2", "Its own", "Heat", "KXE", *both],
    ]
    assert all(new > old for (_, old), (_, new) in zip(before, database.query(numbers), strict=True))
    assert write(store, MARKET, own, events=[EVENT | {"title": "Heat"}]) == 0
    assert write(store, series=[SERIES | {"categories": '["Climate"]'}]) == 2
    for relation in ("kalshi_markets_details", "kalshi_markets_quotes", "kalshi_markets_events"):
        rows = database.query(f"SELECT DISTINCT category, categories FROM {relation}")
        assert rows == [["Climate", ["Climate"]]], relation
    assert write(store, series=[SERIES | {"categories": '["Climate"]', "title": "Other"}]) == 0


def test_a_title_that_the_exchange_sends_is_not_that_of_the_event_even_if_they_are_equal(
    store: Store, database: Database
) -> None:
    write(store, MARKET | {"title": "Temperature: Above 1"}, events=[EVENT], series=[SERIES])
    write(store, events=[EVENT | {"title": "Heat"}])
    assert database.query("SELECT title FROM kalshi_markets") == [["Temperature: Above 1"]]


def test_an_event_before_its_series_gets_the_categories_later(store: Store, database: Database) -> None:
    write(store, MARKET, events=[EVENT])
    assert database.query("SELECT category, categories FROM kalshi_markets_events") == [[None, None]]
    before = database.query(CHANGES.format("events"))
    assert write(store, series=[SERIES]) == 1
    assert database.query("SELECT category, categories FROM kalshi_markets_events") == [
        ["Climate", ["Climate", "Science"]]
    ]
    assert database.query(CHANGES.format("events")) > before


def test_an_unknown_event_is_no_event_until_the_exchange_knows_it(store: Store, database: Database) -> None:
    write(store, MARKET)
    database.execute("INSERT INTO kalshi_markets_events (event_ticker) VALUES ('KXE-26')")  # by an earlier version
    soon = datetime.fromisoformat("9999-01-01T00:00:00Z")
    assert store.queries.events_to_request(soon, 5) == ["KXE-26"]
    write(store, unknown_events=["KXE-26", "KXE-26"])
    assert database.query("SELECT FROM kalshi_markets_events") == []
    assert store.queries.unknown_events(["KXE-26", "KXE-27"]) == ["KXE-27"]
    write(store, events=[EVENT])
    assert database.query("SELECT event_ticker FROM kalshi_markets_events") == [["KXE-26"]]
    assert database.query("SELECT FROM kalshi_markets_unknown_events") == []


@pytest.mark.parametrize(
    ("last", "previous", "change"),
    [
        ("0.4200", "0.4000", "0.02"),
        ("0.4000", "0.4200", "-0.02"),
        ("0.4000", "0.40", "0"),
        ("0.4000", "0.0000", None),
        ("0.0000", "0.4000", None),
        (None, "0.4000", None),
    ],
)
def test_the_price_change_is_computed(
    store: Store, database: Database, last: str | None, previous: str, change: str | None
) -> None:
    write(store, MARKET | {"last_price_dollars": last, "previous_price_dollars": previous})
    assert database.query("SELECT price_change_24h_dollars::text FROM kalshi_markets") == [[change]]


def test_markets_are_counted(store: Store, database: Database) -> None:
    def market(number: int, **members: Any) -> dict[str, Any]:
        return {**MARKET, "ticker": f"KXE-26-T{number}", "strike_type": "greater", "volume_24h_fp": "1.50"} | members

    def counts() -> list[list[Any]]:
        return database.query(
            "SELECT series_ticker, category, categories, status, strike_type, result, markets, volume_24h::text"
            " FROM kalshi_markets_counts ORDER BY series_ticker, status, result, strike_type"
        )

    alone = {"ticker": "ALONE", "event_ticker": "ALONE", "status": "active"}
    settled = market(3, status="finalized", result="yes")
    write(store, market(1), market(2), settled, alone, events=[EVENT], series=[SERIES])
    write(store, count_markets=True)
    both = ["KXE", "Climate", ["Climate", "Science"]]
    assert counts() == [
        [*both, "active", "greater", None, 2, "3"],
        [*both, "finalized", "greater", "yes", 1, "0"],
        [None, None, None, "active", None, None, 1, "0"],
    ]
    facets = database.query("SELECT facet, value, markets FROM kalshi_markets_facets ORDER BY 1, 3 DESC, 2")
    assert facets == [
        ["category", "Climate", 3],
        ["category", None, 1],
        ["result", None, 3],
        ["result", "yes", 1],
        ["series_ticker", "KXE", 3],
        ["series_ticker", None, 1],
        ["status", "active", 3],
        ["status", "finalized", 1],
        ["strike_type", "greater", 3],
        ["strike_type", None, 1],
    ]
    database.execute("UPDATE kalshi_markets_jobs SET job = 'counts', confirmed_at = '2026-11-25T10:00:00.5Z'")
    read = "SELECT market_counts FROM kalshi_markets_series_counts WHERE series_ticker = 'KXE'"
    assert database.query(read) == [
        [
            {
                "counted_at": "2026-11-25T10:00:00.5Z",
                "markets": 3,
                "by_status": {"active": 2, "finalized": 1},
                "volume_24h": 3,
            }
        ]
    ]
    stored = "SELECT ctid::text FROM kalshi_markets_counts ORDER BY 1"
    before = database.query(stored)
    write(store, count_markets=True)
    assert database.query(stored) == before, "no row is written"
    write(store, market(2, status="closed"))
    write(store, count_markets=True)
    assert counts()[:2] == [
        [*both, "active", "greater", None, 1, "1.5"],
        [*both, "closed", "greater", None, 1, "1.5"],
    ]


def test_edits_of_events_and_series_are_found_by_their_time(fresh: dict[str, str], database: Database) -> None:
    clock = Clock(parse("2026-11-24T12:00:00Z"), speed=0)
    with ExchangeServer(generate(11, 400, clock, archived=20)) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        assert crawl(environment)["errors"] == {}
        before = [database.query(f"{CHANGES.format(table)} ORDER BY 1") for table in ("events", "series")]
        for _ in range(3):
            clock.set(clock.now() + DAY)
            hurry(database)
            assert crawl(environment)["errors"] == {}
            assert stored_events(database) == served_events(server.exchange, stored_events(database))
            assert stored_series(database) == served_series(server.exchange)
        after = [database.query(f"{CHANGES.format(table)} ORDER BY 1") for table in ("events", "series")]
        assert all(new[-1] > old[-1] for old, new in zip(before, after, strict=True)), "there were edits"


def test_series_are_read_whole_once_a_day(fresh: dict[str, str], database: Database) -> None:
    wait_for_one_day()
    with scripted({}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        for _ in range(3):
            crawl(environment, RUN_SECONDS)
            hurry(database)
        database.execute("UPDATE kalshi_markets_jobs SET confirmed_at = confirmed_at - interval '1 day'")
        crawl(environment, RUN_SECONDS)
        queries = [urlsplit(path).query for path, _ in server.requests if "/series" in path]
        [[watermark]] = database.query("SELECT watermark FROM kalshi_markets_jobs WHERE job = 'series'")
    assert [query.partition("=")[0] for query in queries] == ["", "min_updated_ts", "min_updated_ts", ""]
    assert abs(int(queries[1].partition("=")[2]) + OVERLAP_SECONDS - watermark.timestamp()) < 60


@pytest.mark.parametrize("path", ["/series*min_updated_ts*", "/events*min_updated_ts*"])
def test_an_ignored_filter_is_an_error_and_stores_nothing(fresh: dict[str, str], database: Database, path: str) -> None:
    old = {"last_updated_ts": "2026-01-01T00:00:00Z", "title": "Old"}
    name = path[1:].partition("*")[0]
    rows = [{"ticker": f"S{n}", "event_ticker": f"E{n}", "series_ticker": "S", **old} for n in range(3)]
    job = {"series": "series", "events": "events/changed"}[name]
    with scripted({}) as server:
        crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)
    hurry(database)
    state = f"SELECT watermark, position IS NULL FROM kalshi_markets_jobs WHERE job = '{job}'"
    before = database.query(state)
    with scripted({path: [answer(**{name: rows}, cursor="")]}) as server:
        errors = crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)["errors"]
    assert [*errors] == [job]
    assert "ignored a filter: 3 of 3 rows have a last_updated_ts outside" in errors[job]
    assert database.query(state) == before
    assert database.query(f"SELECT FROM kalshi_markets_{name}") == []


def test_a_listing_of_edited_events_goes_on_at_its_page(fresh: dict[str, str], database: Database) -> None:
    pages = {
        "/events*cursor=two": [Reply(body=b"{}")],
        "/events*min_updated_ts*": [answer(events=[sent("E1")], cursor="two")],
    }
    with scripted(pages) as server:
        assert [*crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)["errors"]] == ["events/changed"]
    assert database.query("SELECT event_ticker FROM kalshi_markets_events") == [["E1"]]
    database.execute("UPDATE kalshi_markets_jobs SET retry_at = NULL")
    with scripted({"/events*cursor=two": [answer(events=[sent("E2")], cursor="")]}) as server:
        assert "events/changed" in crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)["completed"]
        assert [path for path, _ in server.requests if "/events?" in path and "cursor=two" not in path] == []
    assert database.query("SELECT event_ticker FROM kalshi_markets_events ORDER BY 1") == [["E1"], ["E2"]]


def test_edits_are_found_although_the_first_pass_fails(fresh: dict[str, str], database: Database) -> None:
    with scripted({"/events*": [Reply(400)]}) as server:
        assert [*crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)["errors"]] == ["events/changed"]
    [[first]] = database.query("SELECT watermark FROM kalshi_markets_jobs WHERE job = 'events/changed'")
    time.sleep(1.1)
    hurry(database)
    with scripted({}) as server:
        crawl(fresh | {"EXCHANGE_URL": server.url}, RUN_SECONDS)
        [query] = [urlsplit(path).query for path, _ in server.requests if "/events?" in path]
    assert parse_qs(query)["min_updated_ts"] == [str(int(first.timestamp()) - OVERLAP_SECONDS)]


def sent(ticker: str) -> dict[str, str]:
    now = datetime.now(UTC).isoformat()
    return {"event_ticker": ticker, "series_ticker": "S", "title": ticker, "last_updated_ts": now}


def scripted(paths: Mapping[str, Sequence[Reply]]) -> ScriptedServer:
    """Return an exchange without markets, events and series, but with scripted responses for these paths."""
    quiet = {
        "/historical/cutoff": [answer(market_settled_ts="2026-11-24T00:00:00Z")],
        "/series*": [answer(series=[])],
        "/events*": [answer(events=[], cursor="")],
    }
    return ScriptedServer([page()], {**paths, **{path: quiet[path] for path in quiet.keys() - paths.keys()}})
