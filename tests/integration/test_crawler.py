import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.crawl import SIZE_LOG_SECONDS
from crawler.job_table import JobState
from crawler.lease import LeaseLost
from crawler.store import Batch, Store
from kalshi_markets.columns import MARKET_COLUMNS, Kind
from kalshi_markets.database import Database, StatementError
from kalshi_markets.exchange import market_row, parse_market
from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.exchange.recording import replay
from tests.support.api_client import crawl
from tests.support.database import truncate_all
from tests.support.scripted_server import Reply, ScriptedServer

LIVE = ["live/closed", "live/open", "live/paused", "live/unopened"]
JOBS = [
    "archive",
    "changed/created",
    "changed/updated",
    "counts",
    "events",
    "events/changed",
    "limits",
    *LIVE,
    "missing",
    "rejects",
    "series",
    "settled",
    "settled/backlog",
    "settled/recheck",
]
FAILING = [job for job in JOBS if job not in ("archive", "counts", "events", "rejects", "settled/backlog", "missing")]
"""Jobs that send a request on the first day even if the exchange never responds."""


@pytest.fixture
def fresh(environment: dict[str, str], database: Database) -> dict[str, str]:
    """Return the environment with empty tables, and a rate that does not slow the tests."""
    truncate_all(database)
    return environment | {"EXCHANGE_RATE": "1000"}


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(generate(7, 1000, Clock(speed=0), archived=200)) as server:
        yield server


def stored(database: Database) -> dict[str, dict[str, Any]]:
    """Return every row by ticker, with values that compare exactly."""
    forms = {Kind.NUMBER: "{0}::text", Kind.JSON: "{0}::text"}
    outputs = ", ".join(forms.get(c.kind, "{0}").format(c.name) for c in MARKET_COLUMNS)
    rows = database.query(f"SELECT {outputs} FROM kalshi_markets")
    return {
        row[0]: dict(zip((c.name for c in MARKET_COLUMNS), map(comparable, MARKET_COLUMNS, row), strict=True))
        for row in rows
    }


def comparable(column: Any, value: Any) -> Any:
    if value is None:
        return None
    if column.kind is Kind.NUMBER:
        return Decimal(value)
    if column.kind is Kind.JSON:
        return json.loads(value, parse_float=Decimal)
    if column.kind is Kind.TIME:
        return value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return value


def expected(markets: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    rows = {market["ticker"]: market_row(market) for market in markets}
    return {ticker: {c.name: comparable(c, row[c.name]) for c in MARKET_COLUMNS} for ticker, row in rows.items()}


def everything(server: ExchangeServer, *, archived: bool) -> Iterator[Any]:
    """Return one tier of the exchange without combos, as positions and markets."""
    return server.exchange.markets(Order.CREATED, None, MarketFilter(combos=False, archived=archived))


def served(server: ExchangeServer) -> list[dict[str, Any]]:
    """Return every market of the exchange except combos; some are in both tiers."""
    tiers = {market.ticker: market for archived in (False, True) for _, market in everything(server, archived=archived)}
    return [json.loads(market.json, parse_float=Decimal) for market in tiers.values()]


def series_columns_of(server: ExchangeServer) -> dict[str, list[Any]]:
    """Return each market's series and its category."""
    categories = {series.ticker: json.loads(series.json)["category"] for series in server.exchange.all_series()}
    tiers = [market for archived in (False, True) for _, market in everything(server, archived=archived)]
    return {market.ticker: [market.series_ticker, categories[market.series_ticker]] for market in tiers}


def test_the_whole_exchange_is_stored_field_by_field(
    fresh: dict[str, str], database: Database, server: ExchangeServer
) -> None:
    summary = crawl(fresh | {"EXCHANGE_URL": server.url})
    assert (summary["outcome"], summary["errors"], summary["rejected"]) == ("idle", {}, 0)
    # Markets are counted after the live pass, the backlog and the archive.
    assert sorted({*summary["completed"]}) == JOBS
    assert len([job for job in summary["completed"] if job != "counts"]) == len(JOBS) - 1
    assert stored(database) == expected(served(server))
    assert summary["table_size"] == summary["added"] == len(served(server))
    assert summary["drift"] == 0
    placed = dict(database.query("SELECT ticker, json_build_array(series_ticker, category)::text FROM kalshi_markets"))
    assert {ticker: json.loads(text) for ticker, text in placed.items()} == series_columns_of(server)


def test_a_second_walk_changes_nothing(fresh: dict[str, str], database: Database, server: ExchangeServer) -> None:
    crawl(fresh | {"EXCHANGE_URL": server.url})
    state = "SELECT max(change_number), max(changed_at) FROM kalshi_markets"
    repeated = "job LIKE 'live/%' OR job LIKE 'changed/%' OR job IN ('settled', 'settled/recheck', 'missing', 'series')"
    walks = f"SELECT min(run_count), sum(pages) FROM kalshi_markets_jobs WHERE {repeated}"
    before, [[generation, pages]] = database.query(state), database.query(walks)
    database.execute("UPDATE kalshi_markets_jobs SET started_at = started_at - interval '2 days'")
    summary = crawl(fresh | {"EXCHANGE_URL": server.url})
    assert (summary["added"], summary["changed"], summary["errors"]) == (0, 0, {})
    assert database.query(state) == before
    [[generation_after, pages_after]] = database.query(walks)
    assert generation_after > generation, "every job took its turn"
    assert pages_after > pages


def test_nothing_is_due_right_after_a_run(fresh: dict[str, str], server: ExchangeServer) -> None:
    environment = fresh | {"EXCHANGE_URL": server.url}
    crawl(environment)
    summary = crawl(environment)
    assert (summary["outcome"], summary["requests"]) == ("idle", 0)


def test_a_run_ends_itself_before_its_time_and_the_next_goes_on(
    fresh: dict[str, str], database: Database, server: ExchangeServer
) -> None:
    environment = fresh | {"EXCHANGE_URL": server.url, "EXCHANGE_RATE": "4"}
    summary = crawl(environment, seconds=10)
    assert summary["outcome"] == "out of time"
    assert 0 < summary["table_size"] < len(served(server))
    runs = 0
    while summary["outcome"] != "idle":
        summary = crawl(fresh | {"EXCHANGE_URL": server.url})
        runs += 1
        assert runs < 5
    [[pages]] = database.query("SELECT sum(pages) FROM kalshi_markets_jobs")
    [[series]] = database.query("SELECT count(*) FROM kalshi_markets_series")
    assert pages - series < 40, "of each series one page of the archive"
    assert stored(database) == expected(served(server))


def test_while_one_run_holds_the_lease_another_does_nothing(
    fresh: dict[str, str], database: Database, server: ExchangeServer
) -> None:
    holder = Store(database)
    assert holder.lease.acquire()
    summary = crawl(fresh | {"EXCHANGE_URL": server.url})
    assert (summary["outcome"], summary["requests"]) == ("busy", 0)
    holder.lease.release()
    assert crawl(fresh | {"EXCHANGE_URL": server.url})["outcome"] == "idle"


def test_a_lease_that_ran_out_is_taken_and_its_old_holder_writes_nothing(
    fresh: dict[str, str], database: Database
) -> None:
    old, new = Store(database), Store(database)
    assert old.lease.acquire()
    assert not new.lease.acquire()
    database.execute("UPDATE kalshi_markets_lease SET ends_at = now() - interval '1 second'")
    assert new.lease.acquire()
    with pytest.raises(LeaseLost):
        old.commit(Batch(JobState("live/open", {"cursor": "x"}), [parse_market({"ticker": "A"})]))
    assert database.query(
        "SELECT (SELECT count(*) FROM kalshi_markets), (SELECT count(*) FROM kalshi_markets_jobs)"
    ) == [[0, 0]]


def test_a_page_and_the_job_position_are_committed_together(fresh: dict[str, str], database: Database) -> None:
    store = Store(database)
    store.lease.acquire()
    good = parse_market({"ticker": "A"})
    with pytest.raises(StatementError):
        store.commit(Batch(JobState("live/open", {"cursor": "next"}, "no time"), [good]))  # type: ignore[arg-type]  # on purpose
    assert "live/open" not in store.job_table.states()
    assert database.query("SELECT count(*) FROM kalshi_markets") == [[0]]
    store.commit(Batch(JobState("live/open", {"cursor": "next"}), [good]))
    assert store.job_table.states()["live/open"].position == {"cursor": "next"}


def test_every_change_has_its_own_rising_number_and_no_change_has_none(
    fresh: dict[str, str], database: Database
) -> None:
    store = Store(database)
    store.lease.acquire()
    rows = [parse_market({"ticker": ticker, "volume_fp": "1.00"}) for ticker in "ABC"]
    assert store.commit(Batch(JobState("j"), rows)).added == 3
    numbers = "SELECT ticker, change_number, changed_at = first_seen_at FROM kalshi_markets ORDER BY ticker"
    before = database.query(numbers)
    changed = [
        rows[0],
        parse_market({"ticker": "B", "volume_fp": "2.50"}),
        parse_market({"ticker": "C", "volume_fp": "1.0"}),
    ]
    written = store.commit(Batch(JobState("j"), changed))
    assert (written.added, written.changed) == (0, 1)
    after = database.query(numbers)
    assert [after[0], after[2]] == [before[0], before[2]]
    assert after[1][1] > max(row[1] for row in before)
    assert after[1][2] is False


def test_a_market_that_comes_back_is_no_longer_removed(fresh: dict[str, str], database: Database) -> None:
    store = Store(database)
    store.lease.acquire()
    row = parse_market({"ticker": "A"})
    store.commit(Batch(JobState("j"), [row]))
    database.execute("UPDATE kalshi_markets_quotes SET removed_at = now()")
    assert store.commit(Batch(JobState("j"), [row])).changed == 1
    assert database.query("SELECT removed_at FROM kalshi_markets") == [[None]]


def test_state_written_by_other_jobs_is_not_overwritten(fresh: dict[str, str], database: Database) -> None:
    store = Store(database)
    store.lease.acquire()
    store.commit(Batch(JobState("j"), [parse_market({"ticker": "A"})]))
    database.execute("UPDATE kalshi_markets_details SET series_ticker = 'S', category = 'C'")
    store.commit(Batch(JobState("j"), [parse_market({"ticker": "A", "title": "new"})]))
    assert database.query("SELECT series_ticker, category, title FROM kalshi_markets") == [["S", "C", "new"]]


def page(*markets: Any, cursor: str = "") -> Reply:
    return Reply(body=json.dumps({"markets": markets, "cursor": cursor}).encode())


def now_as_http() -> str:
    return format_datetime(datetime.now(UTC), usegmt=True)


def quiet() -> dict[str, list[Reply]]:
    """Return the responses of an exchange without markets."""
    cutoff = Reply(body=b'{"market_settled_ts": "2026-11-24T00:00:00Z"}', headers={"date": now_as_http()})
    return {
        "/historical/cutoff": [cutoff],
        "/series*": [Reply(body=b'{"series": []}')],
        "/events*": [Reply(body=b'{"events": [], "cursor": ""}')],
    }


def test_a_market_that_cannot_be_stored_becomes_a_reject_with_its_reason(
    fresh: dict[str, str], database: Database
) -> None:
    broken = {"ticker": "BAD\0", "title": "lone \ud800", "volume_fp": "1.00"}
    paths = {**quiet(), "/markets?*status=open*": [page({"ticker": "GOOD"}, broken, "no object")]}
    with ScriptedServer([page()], paths) as server:
        summary = crawl(fresh | {"EXCHANGE_URL": server.url}, seconds=25)
    assert (summary["added"], summary["rejected"], summary["table_size"]) == (1, 2, 1)
    rejects = database.query("SELECT ticker, reason, object FROM kalshi_markets_rejects ORDER BY ticker")
    assert [row[1] for row in rejects] == ["not an object", "ticker: contains a character that PostgreSQL cannot store"]
    assert rejects[0][0].startswith("(")
    assert rejects[1][0] == "BAD\\x00"
    assert json.loads(rejects[1][2]) == broken


def test_an_exchange_failure_is_recorded_and_retried_in_the_next_run(
    fresh: dict[str, str], database: Database, server: ExchangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kalshi_markets.exchange.transport.INITIAL_BACKOFF", 0.01)
    with ScriptedServer([Reply(503, b'{"error": {"code": "c", "message": "maintenance"}}')]) as broken:
        summary = crawl(fresh | {"EXCHANGE_URL": broken.url})
    assert summary["outcome"] == "failed"
    assert sorted(summary["errors"]) == FAILING
    assert "maintenance" in summary["errors"]["settled"]
    errors = "SELECT count(*) FROM kalshi_markets_jobs WHERE last_error LIKE '%maintenance%' AND failed_at IS NOT NULL"
    assert database.query(errors) == [[len(FAILING)]]
    assert crawl(fresh | {"EXCHANGE_URL": server.url})["outcome"] == "idle"
    assert database.query("SELECT count(*) FROM kalshi_markets_jobs WHERE last_error IS NOT NULL") == [[0]]
    assert stored(database) == expected(served(server))


@pytest.mark.parametrize("message", ["a\\u0000b", "a\\ud800b", "x" * 5000])
def test_no_text_of_the_exchange_stops_a_run(fresh: dict[str, str], database: Database, message: str) -> None:
    body = b'{"error": {"code": "c", "message": "' + message.encode() + b'"}}'
    with ScriptedServer([Reply(400, body)]) as broken:
        summary = crawl(fresh | {"EXCHANGE_URL": broken.url})
    assert sorted(summary["errors"]) == [job for job in FAILING if job != "limits"], (
        "costs that it refuses are as documented"
    )
    assert database.query("SELECT max(length(last_error)) <= 310 FROM kalshi_markets_jobs") == [[True]]


def test_a_rejected_cursor_restarts_the_job(fresh: dict[str, str], database: Database, server: ExchangeServer) -> None:
    store = Store(database)
    store.lease.acquire()
    store.commit(Batch(JobState("live/open", {"cursor": "bad"}, started_at=datetime.now(UTC)), []))
    store.lease.release()
    with ScriptedServer([Reply(400, b'{"error": {"code": "bad_request", "message": "cursor"}}')]) as broken:
        crawl(fresh | {"EXCHANGE_URL": broken.url})
    assert store.job_table.states()["live/open"].position is None
    crawl(fresh | {"EXCHANGE_URL": server.url})
    assert stored(database) == expected(served(server))


def test_the_tables_size_is_logged_at_once_and_every_minute(
    fresh: dict[str, str], server: ExchangeServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        crawl(fresh | {"EXCHANGE_URL": server.url})
    sizes = [record for record in caplog.records if record.getMessage() == "markets in the table"]
    assert len(sizes) == 1
    assert sizes[0].levelname == "INFO"
    assert sizes[0].table_size == 0  # type: ignore[attr-defined]  # an attribute from `extra`
    assert SIZE_LOG_SECONDS == 60


def test_the_same_key_signs_for_the_simulated_exchange(
    fresh: dict[str, str], tmp_path: Path, database: Database
) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    with ExchangeServer(generate(1, 10, Clock(speed=0)), {"me": key.public_key()}) as server:
        environment = fresh | {"EXCHANGE_URL": server.url, "KEYFILE": str(tmp_path / "key")}
        summary = crawl(environment | {"KEYID": "somebody"})
        assert summary["outcome"] == "failed"
        assert crawl(environment | {"KEYID": "me"})["added"] == len(served(server)) > 0


def replay_states(states: Sequence[str], database: Database) -> None:
    """Write Market objects in order, a thousand to a page, as a pass does."""
    store = Store(database)
    store.lease.acquire()
    for first in range(0, len(states), 1000):
        rows = [parse_market(json.loads(state, parse_float=Decimal)) for state in states[first : first + 1000]]
        store.commit(Batch(JobState("replay", {"at": first}), rows))


def last_states(states: Sequence[str]) -> list[dict[str, Any]]:
    markets = [json.loads(state, parse_float=Decimal) for state in states]
    return list({market["ticker"]: market for market in markets}.values())


def test_replaying_generated_states_leaves_the_last_of_each_ticker(fresh: dict[str, str], database: Database) -> None:
    states = []
    for seed in (1, 2, 3):
        with ExchangeServer(generate(5, 900, Clock(speed=0))) as server:
            for number, market in enumerate(served(server)):
                later = market | {"volume_fp": f"{number * seed}.{seed}0", "title": f"state {seed}"}
                states.append(json.dumps(later, default=str))
    replay_states(states, database)
    assert stored(database) == expected(last_states(states))


@pytest.mark.recordings
def test_replaying_recorded_states_leaves_the_last_of_each_ticker(
    fresh: dict[str, str], database: Database, recordings: Path
) -> None:
    with gzip.open(recordings / "market-snapshots.jsonl.gz", "rt", encoding="utf-8") as file:
        states = file.read().splitlines()
    assert len(states) == 16_855
    replay_states(states, database)
    assert stored(database) == expected(last_states(states))


@pytest.mark.recordings
def test_every_recorded_market_is_stored_field_by_field(
    fresh: dict[str, str], database: Database, recordings: Path
) -> None:
    with ExchangeServer(replay(recordings / "markets.jsonl.gz", Clock(speed=0))) as server:
        summary = crawl(fresh | {"EXCHANGE_URL": server.url})
    with gzip.open(recordings / "markets.jsonl.gz", "rt", encoding="utf-8") as file:
        markets = [json.loads(line, parse_float=Decimal) for line in file]
    no_combos = [market for market in markets if "mve_collection_ticker" not in market]
    assert summary["table_size"] == len(no_combos) == 6400
    assert database.query("SELECT count(*) FROM kalshi_markets WHERE status = 'finalized'") == [[51]]
    assert stored(database) == expected(no_combos)


def row_locations(database: Database, part: str) -> dict[str, str]:
    """Return the physical location (ctid) of each row, which changes when the row is written."""
    return dict(database.query(f"SELECT ticker, ctid::text FROM kalshi_markets_{part}"))


def test_only_what_differs_is_written(fresh: dict[str, str], database: Database) -> None:
    store = Store(database)
    store.lease.acquire()
    a, b, c = ({"ticker": name, "title": "t", "status": "active", "volume_fp": "1.00"} for name in "ABC")
    store.commit(Batch(JobState("j"), [parse_market(market) for market in (a, b, c)]))
    details, quotes = row_locations(database, "details"), row_locations(database, "quotes")
    changed = [parse_market(a), parse_market(b | {"volume_fp": "2.00"}), parse_market(c | {"status": "closed"})]
    assert store.commit(Batch(JobState("j"), changed)).changed == 2
    assert {name for name, location in row_locations(database, "details").items() if details[name] != location} == {"C"}
    assert {name for name, location in row_locations(database, "quotes").items() if quotes[name] != location} == {
        "B",
        "C",
    }
    assert database.query("SELECT status FROM kalshi_markets_quotes WHERE ticker = 'C'") == [["closed"]]
    assert store.commit(Batch(JobState("j"), changed)).changed == 0


def test_rows_without_a_digest_get_one_and_no_change_number_unless_they_differ(
    fresh: dict[str, str], database: Database
) -> None:
    store = Store(database)
    store.lease.acquire()
    rows = [parse_market({"ticker": "A", "title": "t"}), parse_market({"ticker": "B", "title": "t"})]
    store.commit(Batch(JobState("j"), rows))
    database.execute("UPDATE kalshi_markets_quotes SET details_hash = NULL")
    database.execute("UPDATE kalshi_markets_details SET title = 'another' WHERE ticker = 'B'")
    read = "SELECT ticker, change_number FROM kalshi_markets ORDER BY ticker"
    before = dict(database.query(read))
    assert store.commit(Batch(JobState("j"), rows)).changed == 1
    after = dict(database.query(read))
    assert after["A"] == before["A"]
    assert after["B"] > max(before.values())
    assert store.commit(Batch(JobState("j"), rows)).changed == 0


def test_the_job_state_has_the_last_change_number(fresh: dict[str, str], database: Database) -> None:
    store = Store(database)
    store.lease.acquire()
    store.commit(Batch(JobState("j"), [parse_market({"ticker": name}) for name in "ABC"]))
    [[recorded, last]] = database.query(
        "SELECT (SELECT max(change_number) FROM kalshi_markets_jobs), (SELECT max(change_number) FROM kalshi_markets)"
    )
    assert recorded == last
