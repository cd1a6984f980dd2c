"""Rate of the exchange, shared through the database. Tests advance time by shifting the row's timestamps."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.candlesticks.cache import CandleCache
from api.candlesticks.fetch import fetch
from api.candlesticks.lifetimes import MarketLifetimes
from api.candlesticks.request import CandlesticksRequest
from crawler.crawl import CrawlRun
from crawler.jobs.maintenance import LimitsJob
from crawler.store import Store
from crawler.summary import Summary
from kalshi_markets.database import Database, DatabaseError, DatabaseUnavailable, StatementError, UndefinedObject
from kalshi_markets.exchange import CandleQuery, ExchangeClient, ExchangeUnavailable, transport
from kalshi_markets.exchange.rate_limiter import DatabaseTokenBucket, Grant, LocalTokenBucket, RateLimiter, Share
from kalshi_markets.settings import DatabaseSettings, ExchangeSettings, MigratorSettings
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer
from migrator.migrate import migrate
from tests.support.database import connect
from tests.support.scripted_server import Reply, ScriptedServer

RATE = 20.0
CRAWLER_ROOM, INTERACTIVE_ROOM = 10, 5  # three quarters of a second at that rate


@pytest.fixture(autouse=True)
def _empty(database: Database) -> None:
    database.execute(
        "UPDATE kalshi_markets_limiter SET crawler = 0, interactive = 0, filled_at = clock_timestamp(), slowed_to = 1,"
        " slowed_at = 'epoch', account_rate = NULL, account_rate_until = NULL, bucket_capacity = NULL,"
        " endpoint_costs = '{}'"
    )
    database.execute("DELETE FROM kalshi_markets_jobs")


@pytest.fixture
def slack() -> Callable[[], float]:
    """Return a function for the tokens that real time may add to a grant, plus one for rounding."""
    began = time.monotonic()
    return lambda: 1 + RATE * (time.monotonic() - began)


def later(database: Database, seconds: float) -> None:
    """Advance the time by this many seconds; a negative number sets it back."""
    database.execute(
        "UPDATE kalshi_markets_limiter SET filled_at = filled_at - make_interval(secs => $1),"
        " slowed_at = slowed_at - make_interval(secs => $1),"
        " account_rate_until = account_rate_until - make_interval(secs => $1)",
        seconds,
    )


def take(database: Database, share: Share, wanted: int = 1000, rate: float | None = RATE) -> tuple[int, float]:
    """Return the number of granted tokens, and the seconds until as many as were wanted are available."""
    sql = "SELECT granted, seconds FROM kalshi_markets_take_tokens($1, $2, $3)"
    [[granted, seconds]] = database.execute(sql, share, wanted, rate)
    return granted, seconds


def used_rate(database: Database) -> float:
    [[rate]] = database.execute("SELECT rate FROM kalshi_markets_take_tokens('interactive', 0, NULL)")
    return float(rate)


def test_a_long_pause_leaves_three_quarters_of_a_seconds_worth(database: Database, slack: Callable[[], float]) -> None:
    later(database, 3600)
    assert CRAWLER_ROOM <= take(database, "crawler")[0] <= CRAWLER_ROOM + slack()
    assert INTERACTIVE_ROOM <= take(database, "interactive")[0] <= INTERACTIVE_ROOM + slack()
    assert take(database, "crawler")[0] <= slack()


def test_the_crawler_has_the_full_rate_while_the_interactive_share_is_idle(
    database: Database, slack: Callable[[], float]
) -> None:
    later(database, 10)
    take(database, "crawler")
    granted = 0
    for _ in range(20):
        later(database, 0.4)
        take(database, "interactive", 0)
        granted += take(database, "crawler")[0]
    assert 20 * 0.4 * RATE - 1 <= granted <= 20 * 0.4 * RATE + slack()


def test_the_interactive_share_has_the_full_rate_while_the_crawler_is_idle(
    database: Database, slack: Callable[[], float]
) -> None:
    later(database, 10)
    take(database, "interactive")
    granted = 0
    for _ in range(20):
        later(database, 0.2)
        granted += take(database, "interactive")[0]
    assert 20 * 0.2 * RATE - 1 <= granted <= 20 * 0.2 * RATE + slack()


@pytest.mark.parametrize(
    ("greedy", "modest", "part"), [("crawler", "interactive", 1 / 3), ("interactive", "crawler", 2 / 3)]
)
def test_each_has_its_part_however_much_the_other_takes(
    database: Database, slack: Callable[[], float], greedy: Share, modest: Share, part: float
) -> None:
    granted = {greedy: 0, modest: 0}
    for _ in range(20):
        later(database, 0.4)
        granted[greedy] += sum(take(database, greedy)[0] for _ in range(3))
        granted[modest] += take(database, modest)[0]
    assert granted[modest] >= part * 20 * 0.4 * RATE - 1
    assert sum(granted.values()) <= 20 * 0.4 * RATE + slack()


def test_a_grant_has_the_time_until_more_tokens(database: Database) -> None:
    later(database, 10)
    _, until_ten = take(database, "crawler", CRAWLER_ROOM)
    assert until_ten <= CRAWLER_ROOM / RATE
    _, until_two = take(database, "crawler", 2)
    assert until_two <= 2 / RATE
    later(database, until_two + 0.001)
    assert take(database, "crawler", 2)[0] == 2
    assert take(database, "interactive", 2)[1] == 0  # two more are available already


def test_a_slow_rate_still_grants_single_tokens(database: Database) -> None:
    later(database, 3600)
    assert [take(database, share, 10, rate=0.1)[0] for share in ("crawler", "interactive", "crawler")] == [1, 1, 0]
    assert take(database, "crawler", 10, rate=0.1)[1] <= 15
    later(database, 15.1)
    assert take(database, "crawler", 10, rate=0.1)[0] == 1


def test_a_clock_set_back_stops_nothing(database: Database, slack: Callable[[], float]) -> None:
    database.execute("SELECT kalshi_markets_slow_down()")
    later(database, -3600)
    assert take(database, "crawler")[0] <= slack()
    later(database, 0.4)
    assert take(database, "crawler")[0] >= 0.4 * RATE * 2 / 3 - 1
    later(database, -3600)
    database.execute("SELECT kalshi_markets_slow_down()")
    assert factor(database) == pytest.approx(0.5, abs=0.05)


def factor(database: Database) -> float:
    """Return the factor of the rate that is in force."""
    sql = "SELECT kalshi_markets_limiter_factor(bucket, clock_timestamp()) FROM kalshi_markets_limiter AS bucket"
    [[factor]] = database.execute(sql)
    return float(factor)


def test_a_429_empties_the_buckets_and_halves_the_rate_which_grows_back_within_a_minute(
    database: Database, slack: Callable[[], float]
) -> None:
    later(database, 10)
    take(database, "crawler", 0)
    database.execute("SELECT kalshi_markets_slow_down()")
    assert take(database, "crawler")[0] + take(database, "interactive")[0] <= slack()
    assert factor(database) == pytest.approx(0.5, abs=0.05)
    granted = 0
    for _ in range(10):
        later(database, 0.5)
        granted += take(database, "crawler")[0] + take(database, "interactive")[0]
    assert 5 * RATE * 0.5 - 2 <= granted <= 5 * RATE * 0.55 + slack()
    later(database, 25)
    assert factor(database) == pytest.approx(0.75, abs=0.05)
    later(database, 30)
    assert factor(database) == 1


def test_many_429s_at_once_count_as_one_and_a_tenth_is_always_left(database: Database) -> None:
    database.execute("SELECT kalshi_markets_slow_down() FROM generate_series(1, 5)")
    assert factor(database) == pytest.approx(0.5, abs=0.05)
    for _ in range(10):
        later(database, 1.1)
        database.execute("SELECT kalshi_markets_slow_down()")
    assert factor(database) == pytest.approx(0.1, abs=0.05)
    assert database.execute("SELECT slowed_to FROM kalshi_markets_limiter") == [[0.1]]


def test_an_unknown_share_is_rejected(database: Database) -> None:
    with pytest.raises(StatementError):
        database.execute("SELECT kalshi_markets_take_tokens('nobody', 1, 20)")


class RecordedBucket(DatabaseTokenBucket):
    """Token bucket that adds up the seconds for which it makes a process with one waiter wait."""

    waits = 0.0

    async def acquire(self, wanted: int) -> Grant:
        grant = await super().acquire(wanted)
        if not grant.tokens:
            self.waits += grant.retry_after
        return grant


class Busy(threading.Thread):
    """Process that sends requests as soon as they are granted, over its own connections.

    requests: number of requests; None: until `ended` is set.
    """

    def __init__(self, environment: Mapping[str, str], share: Share, rate: float, requests: int | None = None) -> None:
        super().__init__()
        self.sent = 0
        self.ended = threading.Event()
        self._tokens = RecordedBucket(DatabaseSettings.from_env(environment), share, rate)
        self._requests = requests

    @property
    def waits(self) -> float:
        """Seconds for which the limiter intended to wait: on a slow machine they are fewer, and never more."""
        return self._tokens.waits

    def run(self) -> None:
        asyncio.run(self._busy())

    async def _busy(self) -> None:
        limiter = RateLimiter(self._tokens)
        while not self.ended.is_set() and self.sent != self._requests:
            await limiter.acquire()
            self.sent += 1
        await limiter.aclose()


def run_together(limited: Sequence[Busy], unlimited: Sequence[Busy] = ()) -> tuple[int, float]:
    """Run the threads until the limited ones have sent their requests. Return the requests of all, and the seconds."""
    began = time.monotonic()
    for thread in (*unlimited, *limited):
        thread.start()
    for thread in limited:
        thread.join()
    for thread in unlimited:
        thread.ended.set()
        thread.join()
    return sum(thread.sent for thread in (*limited, *unlimited)), time.monotonic() - began


def test_two_processes_together_stay_within_the_rate_and_use_it(environment: Mapping[str, str]) -> None:
    processes = [Busy(environment, "crawler", RATE, 20) for _ in range(2)]
    sent, seconds = run_together(processes)
    assert sent == 40
    assert sent <= RATE * seconds + CRAWLER_ROOM + INTERACTIVE_ROOM
    for process in processes:
        assert process.waits <= (sent + CRAWLER_ROOM + INTERACTIVE_ROOM) / (RATE * 2 / 3)


def test_a_greedy_crawler_leaves_the_interactive_share(environment: Mapping[str, str]) -> None:
    interactive = Busy(environment, "interactive", 50, 20)
    sent, seconds = run_together([interactive], [Busy(environment, "crawler", 50) for _ in range(3)])
    assert sent <= 50 * seconds + 0.75 * 50
    assert interactive.sent == 20
    assert interactive.waits <= (20 + 50 / 4) / (50 / 3)


def test_a_fast_rate_is_served(environment: Mapping[str, str], database: Database) -> None:
    later(database, 10)
    process = Busy(environment, "interactive", 1000, 1500)
    sent, seconds = run_together([process])
    assert sent == 1500
    assert sent <= 1000 * seconds + 750
    assert process.waits <= (sent + 750) / 1000


ROLES = {
    "API_DB_USER": "limiter_api",
    "API_DB_PASSWORD": "p",
    "CRAWLER_DB_USER": "limiter_crawler",
    "CRAWLER_DB_PASSWORD": "p",
}


@pytest.fixture
def roles(environment: dict[str, str], database: Database) -> Iterator[dict[str, dict[str, str]]]:
    """Yield the environments of the two functions' roles, and of a role without grants."""
    migrate(database, MigratorSettings.from_env(ROLES))
    database.execute_script("CREATE ROLE limiter_nobody LOGIN PASSWORD 'p'")
    yield {
        name: environment | {"DB_USER": f"limiter_{name}", "DB_PASSWORD": "p"} for name in ("api", "crawler", "nobody")
    }
    names = "limiter_api, limiter_crawler, limiter_nobody"
    database.execute_script(f"DROP OWNED BY {names}; DROP ROLE {names}")


def rate_after_429(environment: Mapping[str, str], share: Share) -> float:
    """Return the rate that a role gets after it has reported a 429."""

    async def run() -> float:
        limiter = RateLimiter(DatabaseTokenBucket(DatabaseSettings.from_env(environment), share, 100))
        try:
            await limiter.acquire()
            await limiter.on_rate_limited()
            return await limiter.rate()
        finally:
            await limiter.aclose()

    return asyncio.run(run())


def test_the_functions_roles_may_take_tokens_but_neither_read_nor_write_them(roles: dict[str, dict[str, str]]) -> None:
    assert rate_after_429(roles["api"], "interactive") == rate_after_429(roles["crawler"], "crawler") == 100
    for name in ("api", "crawler"):
        connection = connect(roles[name])
        for statement in (
            "SELECT crawler FROM kalshi_markets_limiter",
            "UPDATE kalshi_markets_limiter SET crawler = 1000",
            "DELETE FROM kalshi_markets_limiter",
        ):
            with pytest.raises(DatabaseError) as caught:
                connection.execute(statement)
            assert caught.value.sqlstate in ("42501", "25006")
        connection.close()


def test_a_role_without_grants_may_not_take_tokens(roles: dict[str, dict[str, str]]) -> None:
    with pytest.raises(StatementError) as caught:
        rate_after_429(roles["nobody"], "interactive")
    assert caught.value.sqlstate == "42501"


def test_no_table_of_the_callers_can_stand_in_for_the_row(roles: dict[str, dict[str, str]]) -> None:
    crawler = connect(roles["crawler"])
    crawler.execute_script(
        "CREATE TEMP TABLE kalshi_markets_limiter AS SELECT 1 AS crawl; SET search_path = pg_temp, public"
    )
    assert take(crawler, "crawler", 0) == (0, 0)
    crawler.close()


def test_without_the_migration_the_table_is_missing(environment: Mapping[str, str]) -> None:
    with pytest.raises(UndefinedObject):
        rate_after_429({**environment, "MARKETS_TABLE": "other"}, "interactive")


def test_a_database_that_is_not_there_is_everybodys_error(environment: Mapping[str, str]) -> None:
    async def run() -> list[Any]:
        limiter = RateLimiter(
            DatabaseTokenBucket(DatabaseSettings.from_env({**environment, "DB_PORT": "1"}), "crawler", 100)
        )
        return list(await asyncio.gather(limiter.acquire(), limiter.acquire(), return_exceptions=True))

    assert [type(error) for error in asyncio.run(run())] == [DatabaseUnavailable, DatabaseUnavailable]


class BreakingOff(LocalTokenBucket):
    """Token bucket that returns its rate, then raises DatabaseUnavailable."""

    async def acquire(self, wanted: int) -> Grant:
        if wanted:
            raise DatabaseUnavailable("gone")
        return await super().acquire(wanted)


def test_a_lost_database_during_a_candlestick_fetch_is_reported_as_such(database: Database) -> None:
    async def run() -> None:
        settings = ExchangeSettings.from_env({"EXCHANGE_URL": "http://127.0.0.1:1"})
        request = CandlesticksRequest.model_validate({"tickers": [f"T{n}" for n in range(150)]})
        no_cache = CandleCache(database.settings, 0)
        async with ExchangeClient(settings, RateLimiter(BreakingOff(100))) as client:
            await fetch(request, client, MarketLifetimes(database), no_cache, deadline=time.monotonic() + 60)

    with pytest.raises(DatabaseUnavailable):
        asyncio.run(run())


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def signed(key: Ed25519PrivateKey, tmp_path: Path) -> dict[str, str]:
    """Return settings with the key."""
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    return {"KEYID": "me", "KEYFILE": str(tmp_path / "key.pem")}


def serve(key: Ed25519PrivateKey, tier: str) -> ExchangeServer:
    return ExchangeServer(generate(1, 5, Clock()), {"me": key.public_key()}, ServerOptions(tier=tier))


async def send(environment: Mapping[str, str], share: Share, requests: int) -> int:
    """Send requests without pause, one after the other. Return the number of those that are rate limited."""
    settings = ExchangeSettings.from_env(environment)
    tokens = DatabaseTokenBucket(DatabaseSettings.from_env(environment), share, settings.rate)
    async with ExchangeClient(settings, RateLimiter(tokens)) as client:
        for _ in range(requests):
            await client._transport.get("/exchange/status", {}, deadline=time.monotonic() + 60)
        return client.rate_limited


def test_two_processes_at_full_rate_are_never_rate_limited(
    environment: Mapping[str, str], key: Ed25519PrivateKey, signed: dict[str, str]
) -> None:
    with serve(key, "basic") as server:
        asking = {**environment, **signed, "EXCHANGE_URL": server.url, "EXCHANGE_RATE": "20"}

        async def run() -> list[int]:
            return list(await asyncio.gather(send(asking, "crawler", 60), send(asking, "interactive", 30)))

        assert asyncio.run(run()) == [0, 0]


def learn(environment: Mapping[str, str], **settings: str) -> dict[str, str]:
    """Run the crawler's job `limits` and return its error, if it has one."""

    async def run() -> Summary:
        read = ExchangeSettings.from_env({**environment, **settings})
        writer, reader = connect(environment), connect(environment)
        tokens = DatabaseTokenBucket(DatabaseSettings.from_env(environment), "crawler", read.rate)
        async with ExchangeClient(read, RateLimiter(tokens)) as client:
            ends_at = time.monotonic() + 60
            crawl = CrawlRun([LimitsJob()], Store(writer, reader), client, deadline=ends_at)
            summary = await crawl.run()
        writer.close()
        reader.close()
        return summary

    return asyncio.run(run()).errors


def test_the_account_rate_is_fetched_once_an_hour_and_shared(
    roles: dict[str, dict[str, str]], database: Database, key: Ed25519PrivateKey, signed: dict[str, str]
) -> None:
    assert used_rate(database) == 15
    with serve(key, "advanced") as server:
        assert learn(roles["crawler"], **signed, EXCHANGE_URL=server.url) == {}
    assert used_rate(database) == 30
    with ScriptedServer([Reply()]) as other:
        learn(roles["crawler"], **signed, EXCHANGE_URL=other.url)
        assert other.requests == []
    later(database, 3601)
    assert used_rate(database) == 15
    database.execute("UPDATE kalshi_markets_jobs SET started_at = started_at - interval '1 hour'")
    with serve(key, "expert") as server:
        learn(roles["crawler"], **signed, EXCHANGE_URL=server.url)
    assert used_rate(database) == 60


LIMITS = b'{"read": {"refill_rate": 300, "bucket_capacity": 900}}'


@pytest.mark.parametrize(
    ("limits", "costs", "rate"),
    [
        (Reply(body=LIMITS), Reply(body=b'{"default_cost": 20}'), 15),
        (Reply(body=LIMITS), Reply(body=b'{"default_cost": 5}'), 60),
        (Reply(body=LIMITS), Reply(body=b'{"default_cost": null}'), 30),
        (Reply(body=LIMITS), Reply(404), 30),
        (Reply(body=LIMITS), Reply(body=b'{"default_cost": 0, "endpoint_costs": null}'), 30),
        (Reply(body=LIMITS), Reply(body=b'{"default_cost": -1, "endpoint_costs": [1, {}, {"method": "GET"}]}'), 30),
        (Reply(body=b'{"read": {"refill_rate": 0.1}}'), Reply(body=b'{"default_cost": 10}'), 15),
        (Reply(body=b'{"read": null}'), Reply(body=b'{"default_cost": 10}'), 15),
        (Reply(body=b'{"read": {"refill_rate": 1e400}}'), Reply(body=b'{"default_cost": 10}'), 15),
        (Reply(403), Reply(body=b'{"default_cost": 10}'), 15),
    ],
)
def test_a_rate_that_cannot_be_read_is_not_stored(
    environment: Mapping[str, str],
    database: Database,
    signed: dict[str, str],
    limits: Reply,
    costs: Reply,
    rate: float,
) -> None:
    with ScriptedServer([Reply()], {"/account/limits": [limits], "/account/endpoint_costs": [costs]}) as server:
        learn(environment, **signed, EXCHANGE_URL=server.url)
    assert used_rate(database) == rate


def test_without_a_key_only_costs_are_fetched(environment: Mapping[str, str]) -> None:
    with ScriptedServer([Reply()]) as server:
        assert learn(environment, EXCHANGE_URL=server.url, EXCHANGE_RATE="12") == {}
        paths = [path.rpartition("/v2")[2] for path, _ in server.requests]
    assert paths == ["/historical/cutoff", "/account/endpoint_costs"]


COSTS = (
    b'{"default_cost": 10, "endpoint_costs": ['
    b'{"method": "GET", "path": "/trade-api/v2/markets", "cost": 50},'
    b'{"method": "GET", "path": "/markets/candlesticks", "cost": 1200},'
    b'{"method": "GET", "path": "/historical/markets/{ticker}/candlesticks", "cost": 2},'
    b'{"method": "POST", "path": "/events", "cost": 90}]}'
)


def lease(environment: Mapping[str, str], share: Share) -> Grant:
    async def run() -> Grant:
        tokens = DatabaseTokenBucket(DatabaseSettings.from_env(environment), share, RATE)
        try:
            return await tokens.acquire(0)
        finally:
            tokens.close()

    return asyncio.run(run())


def test_the_costs_of_paths_are_shared_by_all_processes(
    roles: dict[str, dict[str, str]], signed: dict[str, str]
) -> None:
    paths = {"/account/limits": [Reply(body=LIMITS)], "/account/endpoint_costs": [Reply(body=COSTS)]}
    with ScriptedServer([Reply()], paths) as server:
        assert learn(roles["crawler"], **signed, EXCHANGE_URL=server.url) == {}
    for name, share in (("api", "interactive"), ("crawler", "crawler")):
        known = lease(roles[name], share)  # type: ignore[arg-type]  # every share is valid
        assert known.capacity == 90
        costs = {path: known.cost(path) for path in ("/markets", "/markets/A", "/events", "/markets/candlesticks")}
        assert costs == {"/markets": 5, "/markets/A": 1, "/events": 1, "/markets/candlesticks": 120}
        assert known.cost("/historical/markets/A-B/candlesticks") == 0.2


def store_costs(database: Database, capacity: float | None, **costs: float) -> None:
    by_path = json.dumps({"/" + name.replace("_", "/"): cost for name, cost in costs.items()})
    set_costs = "UPDATE kalshi_markets_limiter SET endpoint_costs = $1::jsonb, bucket_capacity = $2::double precision"
    database.execute(set_costs, by_path, capacity)


def test_dear_requests_take_their_part_of_the_rate(environment: Mapping[str, str], database: Database) -> None:
    """Four requests that cost five are twenty tokens: the tokens of one second."""
    store_costs(database, None, markets=5)

    async def run(server: ScriptedServer) -> float:
        settings = ExchangeSettings.from_env({"EXCHANGE_URL": server.url, "EXCHANGE_RATE": str(RATE)})
        limiter = RateLimiter(DatabaseTokenBucket(DatabaseSettings.from_env(environment), "crawler", RATE))
        async with ExchangeClient(settings, limiter) as client:
            began = time.monotonic()
            for _ in range(8):
                await client._transport.get("/markets", {}, deadline=time.monotonic() + 60)
            return time.monotonic() - began

    with ScriptedServer([Reply()]) as server:
        seconds = asyncio.run(run(server))
    assert seconds * RATE + CRAWLER_ROOM + INTERACTIVE_ROOM >= 8 * 5


def test_a_batch_that_costs_more_than_the_bucket_is_split(environment: Mapping[str, str], database: Database) -> None:
    store_costs(database, 3, markets_candlesticks=12, historical_markets=6)
    database.execute(
        "UPDATE kalshi_markets_limiter SET crawler = 1000, interactive = 1000, filled_at = clock_timestamp()"
    )
    tickers = [f"T{n}" for n in range(100)]

    async def run(server: ScriptedServer) -> None:
        async with over(environment, server) as client:
            query = CandleQuery(0, 3600, 60)
            await client.candlesticks(tickers, query, deadline=time.monotonic() + 60)
            await client.find_archived(tickers, deadline=time.monotonic() + 60)

    paths = {"/markets/candlesticks*": [Reply(body=b'{"markets": []}')]}
    with ScriptedServer([Reply()], paths) as server:
        asyncio.run(run(server))
        queries = [parse_qs(urlsplit(path).query) for path, _ in server.requests]
    batches = [(query.get("market_tickers") or query["tickers"])[0].split(",") for query in queries]
    assert [len(batch) for batch in batches] == [25, 25, 25, 25, 50, 50]
    assert [ticker for batch in batches[:4] for ticker in batch] == tickers


def over(environment: Mapping[str, str], server: ScriptedServer) -> ExchangeClient:
    settings = ExchangeSettings.from_env({"EXCHANGE_URL": server.url, "EXCHANGE_RATE": "100"})
    return ExchangeClient(
        settings, RateLimiter(DatabaseTokenBucket(DatabaseSettings.from_env(environment), "crawler", 100))
    )


def test_a_429_slows_all_down_and_is_counted(
    environment: Mapping[str, str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "INITIAL_BACKOFF", 0.01)

    async def run(server: ScriptedServer) -> tuple[int, int, int]:
        async with over(environment, server) as client:
            await client._transport.get("/exchange/status", {}, deadline=time.monotonic() + 60)
            return client.requests, client.rate_limited, client.bytes_received

    with ScriptedServer([Reply(429, b"slow down"), Reply(503, b"no"), Reply()]) as server:
        assert asyncio.run(run(server)) == (3, 1, len(b"slow down") + len(b"no") + len(Reply().body))
    assert database.execute("SELECT slowed_to FROM kalshi_markets_limiter") == [[0.5]]


def test_no_request_waits_for_a_token_beyond_the_deadline(environment: Mapping[str, str]) -> None:
    async def run(server: ScriptedServer) -> None:
        settings = ExchangeSettings.from_env({"EXCHANGE_URL": server.url, "EXCHANGE_RATE": "0.1"})
        limiter = RateLimiter(DatabaseTokenBucket(DatabaseSettings.from_env(environment), "interactive", 0.1))
        async with ExchangeClient(settings, limiter) as client:
            await client._transport.get("/exchange/status", {}, deadline=time.monotonic() + 0.3)

    with ScriptedServer([Reply()]) as server:
        with pytest.raises(ExchangeUnavailable, match="before the deadline"):
            asyncio.run(run(server))
        assert server.requests == []
