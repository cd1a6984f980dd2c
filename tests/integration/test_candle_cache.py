"""Cache of candlesticks: cached periods, their lifetimes and their markets."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from api.candlesticks.cache import CacheEntry, CandleCache
from api.candlesticks.chunks import SEPARATOR, CandleChunk
from api.candlesticks.gzip_body import Deflated
from api.candlesticks.time_ranges import TimeRange
from kalshi_markets.database import Database, StatementError
from kalshi_markets.settings import MigratorSettings
from migrator.migrate import migrate
from tests.integration.test_candlesticks import DAY, HOUR, api, ask
from tests.support.api_client import ApiClient
from tests.support.database import connect, store_markets
from tests.support.scripted_server import Reply, ScriptedServer

__all__ = ["api"]

TICKER = "KXCACHED-1"
OPEN, CLOSE = "1970-01-01T00:00:00Z", "2030-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def _empty(database: Database) -> None:
    database.execute_script("TRUNCATE kalshi_markets_candles, kalshi_markets_details, kalshi_markets_quotes")


def market(status: str, **members: Any) -> dict[str, Any]:
    return {"ticker": TICKER, "status": status, "open_time": OPEN, "close_time": CLOSE, **members}


def candles(*hours: int) -> Reply:
    candlesticks = [{"end_period_ts": hour * HOUR, "volume_fp": f"{hour}.00"} for hour in hours]
    return Reply(body=json.dumps({"markets": [{"market_ticker": TICKER, "candlesticks": candlesticks}]}).encode())


def ends(function: ApiClient, start: int, end: int, period: int = 60) -> list[int]:
    """Return the ends of the candles between two hours, in hours."""
    answer = ask(function, [TICKER], start_ts=start * HOUR, end_ts=end * HOUR, period_interval=period).json
    return [int(candle["end_period_ts"]) // HOUR for candle in answer["results"][0]["candlesticks"]]


def ranges(exchange: ScriptedServer) -> list[str]:
    """Return start_ts-end_ts of the calls so far, in hours."""
    hours = []
    for path, _ in exchange.requests:
        parameters = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
        hours.append(f"{int(parameters['start_ts']) // HOUR}-{int(parameters['end_ts']) // HOUR}")
    return hours


def test_a_closed_period_is_fetched_once(api: Callable[..., ApiClient], database: Database) -> None:
    store_markets(database, market("active"))
    with ScriptedServer([candles(1, 3, 5)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 5) == ends(function, 1, 5) == [1, 3, 5]
        assert ends(function, 2, 4) == [3]
        assert ends(function, 2, 2) == []
        assert ranges(exchange) == ["1-5"]


def test_only_missing_ranges_are_fetched_and_the_cached_row_grows(
    api: Callable[..., ApiClient], database: Database
) -> None:
    store_markets(database, market("active"))
    with ScriptedServer([candles(*range(81, 120, 2))]) as exchange:
        function = api(exchange)
        assert ends(function, 90, 92) == [91]
        assert ends(function, 88, 93) == [89, 91, 93]
        assert ends(function, 88, 110) == [*range(89, 110, 2)]
        assert ends(function, 88, 110) == [*range(89, 110, 2)]
        assert ranges(exchange) == ["90-92", "88-93", "94-110"]  # two nearby gaps are one call
    rows = database.execute("SELECT block, covers_from, covers_to FROM kalshi_markets_candles ORDER BY block")
    assert [[block, start // HOUR, end // HOUR] for block, start, end in rows] == [[0, 88, 95], [1, 96, 110]]


def test_open_periods_are_fetched_again(api: Callable[..., ApiClient], database: Database) -> None:
    """The last closed minute is fetched again too: the exchange's own cache may be 15 s old."""
    store_markets(database, market("active"))
    with ScriptedServer([candles(1)]) as exchange:
        function = api(exchange)
        [[now]] = database.execute("SELECT extract(epoch FROM now())::bigint")
        for _ in range(2):
            ask(function, [TICKER], start_ts=now - 600, end_ts=now + DAY, period_interval=1)
        first, second = (dict(p.split("=") for p in path.partition("?")[2].split("&")) for path, _ in exchange.requests)
        assert int(first["start_ts"]) <= now - 540
        [[after]] = database.execute("SELECT ceil(extract(epoch FROM now()))::bigint")
        assert now - 120 <= int(second["start_ts"]) <= after
    [[latest]] = database.execute("SELECT max(covers_to) FROM kalshi_markets_candles")
    assert latest <= after


@pytest.mark.parametrize("status", ["initialized", "inactive", "closed", "determined", "disputed", "amended"])
def test_candles_of_an_amendable_market_are_not_cached(
    api: Callable[..., ApiClient], database: Database, status: str
) -> None:
    store_markets(database, market(status))
    with ScriptedServer([candles(3)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
        assert len(exchange.requests) == 2
    assert database.execute("SELECT count(*) FROM kalshi_markets_candles") == [[0]]


def test_candles_of_a_market_without_a_row_are_not_cached(api: Callable[..., ApiClient], database: Database) -> None:
    with ScriptedServer([candles(3)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
        assert len(exchange.requests) == 2


def test_entries_cached_before_the_settlement_are_ignored_after_it(
    api: Callable[..., ApiClient], database: Database
) -> None:
    store_markets(database, market("active"))
    with ScriptedServer([candles(3), candles(3, 4)], {"/historical/cutoff": [Reply(404)]}) as exchange:
        function = api(exchange)
        assert ends(function, 1, 5) == [3]
        store_markets(database, market("finalized", settlement_ts="2020-01-01T00:00:00Z"))
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3, 4]
        assert len([path for path, _ in exchange.requests if "cutoff" not in path]) == 2


def test_periods_have_caches_of_their_own(api: Callable[..., ApiClient], database: Database) -> None:
    store_markets(database, market("active"))
    with ScriptedServer([candles(29), candles(1, 2)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 50, period=1440) == [29]
        assert ends(function, 1, 5) == [1, 2]
        assert ends(function, 1, 50, period=1440) == [29]


def test_without_a_cache_every_period_is_fetched(api: Callable[..., ApiClient], database: Database) -> None:
    store_markets(database, market("active"))
    with ScriptedServer([candles(3)]) as exchange:
        function = api(exchange, CANDLE_CACHE_MB="0")
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
        assert len(exchange.requests) == 2
    assert database.execute("SELECT count(*) FROM kalshi_markets_candles") == [[0]]


def test_a_cache_that_cannot_be_used_is_done_without(api: Callable[..., ApiClient], database: Database) -> None:
    store_markets(database, market("active"))
    database.execute_script("ALTER TABLE kalshi_markets_candles RENAME TO elsewhere")
    try:
        with ScriptedServer([candles(3)]) as exchange:
            function = api(exchange)
            assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
    finally:
        database.execute_script("ALTER TABLE elsewhere RENAME TO kalshi_markets_candles")


def test_short_lifetimes_are_read_in_one_query_however_long_the_range(
    api: Callable[..., ApiClient], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {"status": "finalized", "open_time": "2020-01-01T00:00:00Z", "close_time": "2020-01-02T00:00:00Z"}
    tickers = [f"KXSHORT-{number}" for number in range(200)]
    store_markets(database, *({"ticker": ticker, **times} for ticker in tickers))
    batch_sizes: list[int] = []
    read = CandleCache.get

    def spy(
        cache: CandleCache, settled: Mapping[str, bool], period: int, span: TimeRange
    ) -> Mapping[str, list[CandleChunk]]:
        batch_sizes.append(len(settled))
        return read(cache, settled, period, span)

    monkeypatch.setattr(CandleCache, "get", spy)
    with ScriptedServer([Reply(body=b'{"markets": []}')]) as exchange:
        ask(api(exchange), tickers, start_ts=0, period_interval=60)
    assert batch_sizes == [200]


ROLE = {"API_DB_USER": "candles_api", "API_DB_PASSWORD": "p"}


@pytest.fixture
def role(environment: Mapping[str, str], database: Database) -> Iterator[dict[str, str]]:
    """Yield the environment of the API's own role."""
    migrate(database, MigratorSettings.from_env(ROLE))
    yield {"DB_USER": "candles_api", "DB_PASSWORD": "p"}
    database.execute_script("DROP OWNED BY candles_api; DROP ROLE candles_api")


def test_the_apis_role_writes_its_cache_and_nothing_else(
    api: Callable[..., ApiClient], database: Database, environment: dict[str, str], role: dict[str, str]
) -> None:
    store_markets(database, market("active"))
    with ScriptedServer([candles(3)]) as exchange:
        function = api(exchange, **role)
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
        assert len(exchange.requests) == 1
    connection = connect(environment | role)
    connection.execute("SELECT set_config('default_transaction_read_only', 'off', false)")
    for table in ("details", "quotes", "jobs"):
        with pytest.raises(StatementError) as caught:
            connection.execute(f"DELETE FROM kalshi_markets_{table}")
        assert caught.value.sqlstate == "42501"
    connection.close()


def entries(count: int, size: int, ticker: str) -> list[CacheEntry]:
    """Return rows of random text of about this many bytes each."""
    rng = random.Random(ticker)
    return [
        CacheEntry(
            f"{ticker}{number}",
            60,
            False,
            CandleChunk(TimeRange(0, HOUR), Deflated.compress(rng.randbytes(size // 2).hex())),
        )
        for number in range(count)
    ]


def test_the_size_limit_holds_and_lru_entries_are_evicted(database: Database) -> None:
    cache = CandleCache(database.settings, 1)
    cache.store(entries(30, 20_000, "OLD"))
    database.execute("UPDATE kalshi_markets_candles SET used_at = now() - interval '2 days'")
    used = [f"OLD{number}" for number in range(10)]
    assert len(cache.get(dict.fromkeys(used, False), 60, TimeRange(0, HOUR))) == 10
    for batch in range(12):
        cache.store(entries(10, 20_000, f"NEW{batch}-"))
        [[total]] = database.execute("SELECT sum(bytes) FROM kalshi_markets_candles")
        assert total <= (1 << 20) * 17 / 16 + 250_000
    left = {ticker for [ticker] in database.execute("SELECT ticker FROM kalshi_markets_candles")}
    assert not left & {f"OLD{number}" for number in range(10, 30)}
    assert {f"NEW11-{number}" for number in range(10)} <= left
    cache.close()


def test_the_wider_row_of_two_processes_stays(database: Database) -> None:
    def entry(start: int, end: int) -> CacheEntry:
        texts = [json.dumps({"end_period_ts": hour * HOUR}, separators=(",", ":")) for hour in range(start, end + 1)]
        return CacheEntry(
            "A", 60, False, CandleChunk(TimeRange(start * HOUR, end * HOUR), Deflated.compress(SEPARATOR.join(texts)))
        )

    first, second = CandleCache(database.settings, 1), CandleCache(database.settings, 1)
    first.store([entry(1, 9)])
    second.store([entry(3, 5)])
    [chunk] = first.get({"A": False}, 60, TimeRange(0, HOUR))["A"]
    assert (chunk.range, len(chunk.candles())) == (TimeRange(HOUR, 9 * HOUR), 9)
    first.close()
    second.close()
