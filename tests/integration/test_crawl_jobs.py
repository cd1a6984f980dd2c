"""Jobs besides the listings, and markets that cannot be stored."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crawler.crawl import ABORT_SECONDS, SHUTDOWN_SECONDS
from crawler.job_table import JobState
from crawler.store import Batch, Store
from kalshi_markets.database import Database, DatabaseUnavailable
from kalshi_markets.exchange import find_drift, parse_market
from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.faults.hiding_exchange import HidingExchange
from tests.support.api_client import crawl
from tests.support.database import connect, truncate_all
from tests.support.event_rows import event as event_row
from tests.support.event_rows import series as series_row
from tests.support.scripted_server import Reply, ScriptedServer, answer

QUICK = {"EXCHANGE_RATE": "1000"}


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


def hurry(database: Database) -> None:
    """Make all jobs due, as after their intervals."""
    database.execute(
        "UPDATE kalshi_markets_jobs SET started_at = started_at - interval '2 days' WHERE position IS NULL"
    )
    database.execute("UPDATE kalshi_markets_jobs SET retry_at = NULL")
    database.execute("UPDATE kalshi_markets_unknown_events SET asked_at = asked_at - interval '2 hours'")


def column(database: Database, name: str) -> dict[str, Any]:
    return dict(database.query(f"SELECT ticker, {name} FROM kalshi_markets"))


EVENT, SERIES = event_row("E", "S", "The event"), series_row("S", "The series", "Politics")
MARKET = {"ticker": "E-1", "event_ticker": "E", "yes_sub_title": "Yes", "status": "active", "volume_fp": "1.00"}


def test_a_new_market_has_its_series_category_and_title_from_the_first(store: Store, database: Database) -> None:
    own = MARKET | {"ticker": "E-2", "title": "Its own"}
    store.commit(Batch(JobState("j"), [parse_market(MARKET), parse_market(own)], events=[EVENT], series=[SERIES]))
    read = "SELECT ticker, series_ticker, category, title FROM kalshi_markets ORDER BY ticker"
    assert database.query(read) == [["E-1", "S", "Politics", "The event: Yes"], ["E-2", "S", "Politics", "Its own"]]
    assert store.commit(Batch(JobState("j"), [parse_market(MARKET), parse_market(own)])).changed == 0


def test_an_event_that_becomes_known_later_changes_its_markets_once(store: Store, database: Database) -> None:
    store.commit(Batch(JobState("j"), [parse_market(MARKET)]))
    before = column(database, "change_number")
    assert store.commit(Batch(JobState("j"), series=[SERIES])).changed == 0
    assert store.commit(Batch(JobState("j"), events=[EVENT])).changed == 1
    assert store.commit(Batch(JobState("j"), events=[EVENT], series=[SERIES])).changed == 0
    assert column(database, "title") == {"E-1": "The event: Yes"}
    assert column(database, "change_number")["E-1"] > before["E-1"]
    assert database.query("SELECT category FROM kalshi_markets_quotes") == [["Politics"]]


def test_a_series_that_moves_takes_its_markets_along(store: Store, database: Database) -> None:
    store.commit(Batch(JobState("j"), [parse_market(MARKET)], events=[EVENT], series=[SERIES]))
    assert store.commit(Batch(JobState("j"), series=[series_row("S", "The series", "World")])).changed == 1
    assert column(database, "category") == {"E-1": "World"}
    assert store.commit(Batch(JobState("j"), [parse_market(MARKET)])).changed == 0


def test_history_keeps_each_change_of_state_and_no_other(store: Store, database: Database) -> None:
    states: list[Mapping[str, Any]] = [
        MARKET,
        MARKET | {"volume_fp": "2.00"},
        MARKET | {"title": "edited"},
        MARKET | {"title": "edited", "status": "closed"},
        MARKET | {"title": "edited", "status": "finalized", "result": "yes"},
    ]
    for state in states:
        store.commit(Batch(JobState("j"), [parse_market(state)]))
    history = database.query("SELECT status, result FROM kalshi_markets_history ORDER BY change_number")
    assert history == [["active", None], ["closed", None]]
    [[newest, last]] = database.query(
        "SELECT max(h.change_number), max(q.change_number) FROM kalshi_markets_history h, kalshi_markets_quotes q"
    )
    assert newest == last


@contextmanager
def hiding_exchange(size: int = 150) -> Iterator[tuple[HidingExchange, ExchangeServer]]:
    exchange = HidingExchange(generate(9, size, Clock(speed=0), archived=20))
    with ExchangeServer(exchange) as server:
        yield exchange, server


def test_missing_markets_are_flagged_and_returning_ones_are_unflagged(
    fresh: dict[str, str], database: Database
) -> None:
    with hiding_exchange() as (exchange, server):
        environment = fresh | {"EXCHANGE_URL": server.url}
        crawl(environment)
        live = [m.ticker for _, m in exchange.markets(Order.CREATED, None, MarketFilter(combos=False, phase="open"))]
        hidden = frozenset(live[:3])
        exchange.hidden = hidden
        hurry(database)
        crawl(environment)
        assert {ticker for ticker, at in column(database, "removed_at").items() if at} == hidden
        numbers = column(database, "change_number")
        hurry(database)
        assert crawl(environment)["changed"] == 0, "once"
        assert column(database, "change_number") == numbers
        exchange.hidden = frozenset()
        hurry(database)
        crawl(environment)
        assert not any(column(database, "removed_at").values())


def test_a_market_that_moved_behind_the_cutoff_unseen_is_found_in_the_archive(
    fresh: dict[str, str], database: Database
) -> None:
    clock = Clock(speed=0)
    exchange = generate(9, 120, clock, archived=20)
    with ExchangeServer(exchange) as server:
        environment = fresh | {"EXCHANGE_URL": server.url}
        crawl(environment)
        clock.set(clock.now() + 70 * 86_400 * 10**6)
        for _ in range(6):
            hurry(database)
            if crawl(environment)["outcome"] == "idle":
                break
        for archived in (False, True):
            tier = exchange.markets(Order.CREATED, None, MarketFilter(combos=False, archived=archived))
            expected = {market.ticker: json.loads(market.json)["status"] for _, market in tier}
            assert expected
            assert {ticker: column(database, "status").get(ticker) for ticker in expected} == expected


def test_an_idle_minute_costs_few_requests_and_writes_only_job_state(fresh: dict[str, str], database: Database) -> None:
    written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE relname ~ '_(details|quotes|history)$'"
    others = (
        "SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid != pg_backend_pid()"
    )

    def count() -> Any:
        database.close()  # a session reports its statistics before it ends
        while database.query(others):
            time.sleep(0.01)
        return database.query(written)

    with hiding_exchange() as (_, server):
        environment = fresh | {"EXCHANGE_URL": server.url}
        crawl(environment)
        before = count()
        minutely = "job LIKE 'changed/%' OR job = 'settled'"
        database.execute(
            f"UPDATE kalshi_markets_jobs SET started_at = started_at - interval '1 minute' WHERE {minutely}"
        )
        summary = crawl(environment)
        assert sorted(summary["completed"]) == ["changed/created", "changed/updated", "settled"]
        assert summary["requests"] <= 5, "the cutoff first and after the window, and a page of each"
        hurry(database)
        crawl(environment)
        assert count() == before


def test_a_page_that_postgresql_rejects_is_bisected_to_the_failing_row(store: Store, database: Database) -> None:
    database.execute_script(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.ticker = 'M-5' THEN RAISE EXCEPTION 'no such row' USING ERRCODE = '22003'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON kalshi_markets_details FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    try:
        markets = [MARKET | {"ticker": f"M-{number}"} for number in range(11)]
        written = store.commit(Batch(JobState("j", {"cursor": "next"}), [parse_market(market) for market in markets]))
        assert (written.added, [reject.ticker for reject in written.rejects]) == (10, ["M-5"])
        assert database.query("SELECT ticker, reason FROM kalshi_markets_rejects") == [["M-5", "no such row"]]
        assert store.job_table.states()["j"].position == {"cursor": "next"}
    finally:
        database.execute_script("DROP FUNCTION refuse CASCADE")


def test_an_error_of_the_whole_statement_stops_the_page(store: Store, database: Database) -> None:
    database.execute_script(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'read only' USING ERRCODE = '25006'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON kalshi_markets_details EXECUTE FUNCTION refuse()"
    )
    try:
        with pytest.raises(DatabaseUnavailable, match="read only"):
            store.commit(Batch(JobState("j"), [parse_market(MARKET)]))
        assert "j" not in store.job_table.states()
    finally:
        database.execute_script("DROP FUNCTION refuse CASCADE")


def quiet() -> dict[str, list[Reply]]:
    """Return the responses of an exchange without markets."""
    return {
        "/historical/cutoff": [answer(market_settled_ts="2026-11-24T00:00:00Z")],
        "/series*": [answer(series=[])],
        "/events*": [answer(events=[], cursor="")],
    }


def test_a_reject_is_retried_and_deleted_once_it_can_be_stored(fresh: dict[str, str], database: Database) -> None:
    bad, good = MARKET | {"title": "NUL \0"}, MARKET | {"title": "mended"}
    live, named = "/markets?*status=open*", "/markets?tickers=E-1*"
    with ScriptedServer(
        [answer(markets=[], cursor="")], {**quiet(), live: [answer(markets=[bad], cursor="")]}
    ) as server:
        assert crawl(fresh | {"EXCHANGE_URL": server.url}, 25)["rejected"] == 1
    hurry(database)
    with ScriptedServer(
        [answer(markets=[], cursor="")], {**quiet(), named: [answer(markets=[good], cursor="")]}
    ) as server:
        crawl(fresh | {"EXCHANGE_URL": server.url}, 25)
    assert column(database, "title") == {"E-1": "mended"}
    assert database.query("SELECT count(*) FROM kalshi_markets_rejects") == [[0]]


def test_events_whose_fetch_failed_are_fetched_later(fresh: dict[str, str], database: Database) -> None:
    live = {"/markets?*status=open*": [answer(markets=[MARKET], cursor="")]}
    with ScriptedServer([answer(markets=[], cursor="")], {**quiet(), **live, "/events*": [Reply(400)]}) as server:
        summary = crawl(fresh | {"EXCHANGE_URL": server.url}, 25)
    assert summary["added"] == 1
    assert column(database, "series_ticker") == {"E-1": None}
    hurry(database)
    events = [answer(events=[{"event_ticker": "E", "series_ticker": "S", "title": "The event"}], cursor="")]
    with ScriptedServer([answer(markets=[], cursor="")], {**quiet(), **live, "/events*": events}) as server:
        crawl(fresh | {"EXCHANGE_URL": server.url}, 25)
    assert column(database, "series_ticker") == {"E-1": "S"}


def test_all_series_are_read_from_one_large_answer(fresh: dict[str, str], database: Database) -> None:
    series = [{"ticker": f"KX{n}", "title": "t" * 1500, "category": "C", "tags": None} for n in range(10_000)]
    broken = [
        {"ticker": "KX\0", "title": "a"},
        "no object",
        {"title": "no ticker"},
        {"ticker": "KXLAST", "category": 5},
    ]
    paths = {**quiet(), "/series*": [answer(series=[*series, *broken])]}
    with ScriptedServer([answer(markets=[], cursor="")], paths) as server:
        # With the archive, each of the series would be requested.
        summary = crawl(fresh | {"EXCHANGE_URL": server.url, "ARCHIVE": "false"})
    assert summary["bytes_received"] > 15_000_000
    assert database.query("SELECT count(*), count(category) FROM kalshi_markets_series") == [[10_001, 10_000]]


@pytest.mark.parametrize("body", [b'{"series": [{"ticker": "KXA"}', b'{"series": [{"ticker": "KXA"} x]}', b"{}", b""])
def test_a_broken_list_of_series_stores_nothing(fresh: dict[str, str], database: Database, body: bytes) -> None:
    with ScriptedServer([answer(markets=[], cursor="")], {**quiet(), "/series*": [Reply(body=body)]}) as server:
        assert "series" not in crawl(fresh | {"EXCHANGE_URL": server.url}, 25)["completed"]
    assert database.query("SELECT count(*) FROM kalshi_markets_series") == [[0]]


def test_nothing_that_the_exchange_names_stops_a_walk(fresh: dict[str, str], database: Database) -> None:
    odd = [
        *({"ticker": name, "event_ticker": name} for name in ("NUL\0", "lone \ud800", "A,B", "%&?#", "é", " ")),
        {"ticker": "GOOD", "event_ticker": "NUL\0"},
    ]
    live = {"/markets?*status=open*": [answer(markets=odd, cursor="next\0"), answer(markets=odd, cursor="")]}
    with ScriptedServer([answer(markets=[], cursor="")], {**quiet(), **live}) as server:
        summary = crawl(fresh | {"EXCHANGE_URL": server.url}, 25)
        hurry(database)
        second = crawl(fresh | {"EXCHANGE_URL": server.url}, 25)
    assert ([*summary["errors"]], second["errors"]) == (["live/open"], {}), summary
    assert sorted(column(database, "ticker")) == [" ", "%&?#", "A,B", "é"]
    assert not any(column(database, "removed_at").values())


def test_drift_is_counted_by_member(store: Store, database: Database) -> None:
    full = {
        **dict.fromkeys(("yes_bid_dollars", "yes_ask_dollars", "no_bid_dollars", "no_ask_dollars"), "0.5000"),
        **dict.fromkeys(("last_price_dollars", "previous_price_dollars", "notional_value_dollars"), "0.5000"),
        **dict.fromkeys(("previous_yes_bid_dollars", "previous_yes_ask_dollars"), "0.5000"),
        **dict.fromkeys(("volume_fp", "volume_24h_fp", "open_interest_fp"), "1.00"),
        **dict.fromkeys(("yes_bid_size_fp", "yes_ask_size_fp"), "1.00"),
        **dict.fromkeys(("yes_sub_title", "no_sub_title", "expiration_value"), "text"),
        **dict.fromkeys(("rules_primary", "rules_secondary"), "text"),
        **dict.fromkeys(
            ("created_time", "updated_time", "open_time", "close_time", "latest_expiration_time"),
            "2026-01-01T00:00:00Z",
        ),
        "ticker": "A",
        "event_ticker": "E",
        "market_type": "binary",
        "result": "",
        "status": "active",
        "price_level_structure": "deci_cent",
        "settlement_timer_seconds": 5,
        "can_close_early": True,
        "price_ranges": [],
    }
    assert find_drift([full, full | {"occurrence_datetime": None}]) == []
    without_status = {name: value for name, value in full.items() if name != "status"}
    words = [full | {"status": "settling"}, full | {"status": "settling", "result": "void", "strike_type": ""}]
    drift = find_drift([full | {"volume_fp": 5}, full | {"shiny": "\0"}, without_status, full | {"shiny": 1}, *words])
    assert {(deviation.member, deviation.change, deviation.markets) for deviation in drift} == {
        ("volume_fp", "type_changed", 1),
        ("shiny", "added", 2),
        ("status", "removed", 1),
        ("status", "new_value", 2),
        ("result", "new_value", 1),
    }
    for _ in range(2):
        store.commit(Batch(JobState("j"), drift=drift))
    counted = database.query("SELECT member, change, markets, example FROM kalshi_markets_drift ORDER BY 1, 2")
    assert counted == [
        ["result", "new_value", 2, "'void'"],
        ["shiny", "added", 4, "'\\\\x00'"],
        ["status", "new_value", 4, "'settling'"],
        ["status", "removed", 2, None],
        ["volume_fp", "type_changed", 2, "5"],
    ]


def test_markets_beyond_the_retention_are_deleted_with_their_history(fresh: dict[str, str], database: Database) -> None:
    with hiding_exchange(300) as (_, server):
        environment = fresh | {"EXCHANGE_URL": server.url}
        crawl(environment)
        [[old, all_of_them]] = database.query(
            "SELECT count(*) FILTER (WHERE settlement_ts < now() - interval '20 days'), count(*) FROM kalshi_markets"
        )
        assert 0 < old < all_of_them
        hurry(database)
        summary = crawl(environment | {"RETENTION_DAYS": "20"})
        assert summary["table_size"] == all_of_them - old
        assert database.query("SELECT count(*) FROM kalshi_markets_details") == [[all_of_them - old]]
        hurry(database)
        assert crawl(environment | {"RETENTION_DAYS": "20"})["added"] == 0, "what was deleted does not come back"


def test_the_archive_is_left_alone_if_the_settings_say_so(fresh: dict[str, str], database: Database) -> None:
    with hiding_exchange() as (exchange, server):
        summary = crawl(fresh | {"EXCHANGE_URL": server.url, "ARCHIVE": "false"})
        assert "archive" not in summary["completed"]
        archived = {
            m.ticker for _, m in exchange.markets(Order.CREATED, None, MarketFilter(combos=False, archived=True))
        }
        live = {m.ticker for _, m in exchange.markets(Order.CREATED, None, MarketFilter(combos=False))}
        assert column(database, "ticker").keys() == live
        assert archived - live


def test_a_damaged_cursor_in_the_job_state_restarts_the_job(fresh: dict[str, str], database: Database) -> None:
    with hiding_exchange() as (_, server):
        environment = fresh | {"EXCHANGE_URL": server.url}
        crawl(environment)
        [[first]] = database.query(
            "SELECT ticker FROM kalshi_markets WHERE status = 'active' ORDER BY created_time DESC LIMIT 1"
        )
        damaged = json.dumps({"cursor": "no cursor", "first": first, "pages": 1})
        database.execute("UPDATE kalshi_markets_jobs SET position = $1::jsonb WHERE job = 'live/open'", damaged)
        assert "restarted" in crawl(environment)["errors"]["live/open"]
        summary = crawl(environment)
        assert summary["completed"].count("live/open") == 1
        assert summary["errors"] == {}


def test_a_run_ends_in_time_though_the_database_does_not_answer(
    fresh: dict[str, str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that waits for a lock is canceled and writes nothing; the next run continues."""
    assert ABORT_SECONDS <= SHUTDOWN_SECONDS - 2
    monkeypatch.setattr("crawler.handler.SHUTDOWN_SECONDS", SHUTDOWN_SECONDS + 5)  # for a machine with other load
    with hiding_exchange() as (_, server):
        environment = fresh | {"EXCHANGE_URL": server.url}
        blocker = connect(environment)
        with blocker.transaction():
            blocker.execute("LOCK TABLE kalshi_markets_details")
            began = time.monotonic()
            summary: dict[str, Any] = {}
            run = threading.Thread(target=lambda: summary.update(crawl(environment, 12)))
            run.start()
            run.join(60)
            taken = time.monotonic() - began
        blocker.close()
        assert not run.is_alive()
        assert taken < 12, "Lambda would have cut it"
        assert (summary["outcome"], summary["added"]) == ("out of time", 0)
        database.execute("UPDATE kalshi_markets_lease SET ends_at = '-infinity'")
        hurry(database)
        assert crawl(environment)["outcome"] == "idle"


def test_intervals_are_counted_from_the_beginning_of_a_walk(fresh: dict[str, str], database: Database) -> None:
    with hiding_exchange() as (_, server):
        environment = fresh | {"EXCHANGE_URL": server.url}
        crawl(environment)
        late = datetime.now(UTC) - timedelta(seconds=301)
        database.execute("UPDATE kalshi_markets_jobs SET started_at = $1 WHERE job = 'live/open'", late)
        assert crawl(environment)["completed"] == ["live/open"]
