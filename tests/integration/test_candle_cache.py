"""What is kept of the exchange's candlesticks, for how long, and of which markets."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from api.body import Deflated
from api.candlesticks.cache import CandleCache, Entry
from api.candlesticks.pieces import SEPARATOR, Piece
from api.candlesticks.spans import Span
from kalshi_markets.database import Database, StatementRefused
from kalshi_markets.settings import MigratorSettings
from migrator.migrate import migrate
from tests.integration.conftest import connect, keep
from tests.integration.lambdas import Api
from tests.integration.scripted import Reply, Scripted
from tests.integration.test_candlesticks import DAY, HOUR, api, ask

__all__ = ["api"]

TICKER = "KXCACHED-1"
OPEN, CLOSE = "1970-01-01T00:00:00Z", "2030-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def _empty(database: Database) -> None:
    database.script("TRUNCATE kalshi_markets_candles, kalshi_markets_terms, kalshi_markets_quotes")


def market(status: str, **members: Any) -> dict[str, Any]:
    return {"ticker": TICKER, "status": status, "open_time": OPEN, "close_time": CLOSE, **members}


def candles(*hours: int) -> Reply:
    found = [{"end_period_ts": hour * HOUR, "volume_fp": f"{hour}.00"} for hour in hours]
    return Reply(body=json.dumps({"markets": [{"market_ticker": TICKER, "candlesticks": found}]}).encode())


def ends(function: Api, start: int, end: int, period: int = 60) -> list[int]:
    """Hours, of candles between two hours."""
    answer = ask(function, [TICKER], start_ts=start * HOUR, end_ts=end * HOUR, period_interval=period).json
    return [int(candle["end_period_ts"]) // HOUR for candle in answer["results"][0]["candlesticks"]]


def ranges(exchange: Scripted) -> list[str]:
    """start_ts-end_ts of the calls so far, in hours."""
    found = []
    for path, _ in exchange.requests:
        parameters = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
        found.append(f"{int(parameters['start_ts']) // HOUR}-{int(parameters['end_ts']) // HOUR}")
    return found


def test_a_closed_period_is_asked_for_once(api: Callable[..., Api], database: Database) -> None:
    keep(database, market("active"))
    with Scripted([candles(1, 3, 5)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 5) == ends(function, 1, 5) == [1, 3, 5]
        assert ends(function, 2, 4) == [3]
        assert ends(function, 2, 2) == []
        assert ranges(exchange) == ["1-5"]


def test_only_what_is_missing_is_asked_for_and_a_row_grows(api: Callable[..., Api], database: Database) -> None:
    keep(database, market("active"))
    with Scripted([candles(*range(81, 120, 2))]) as exchange:
        function = api(exchange)
        assert ends(function, 90, 92) == [91]
        assert ends(function, 88, 93) == [89, 91, 93]
        assert ends(function, 88, 110) == [*range(89, 110, 2)]
        assert ends(function, 88, 110) == [*range(89, 110, 2)]
        assert ranges(exchange) == ["90-92", "88-93", "94-110"]  # two gaps near one another are one call
    rows = database.execute("SELECT block, covers_from, covers_to FROM kalshi_markets_candles ORDER BY block")
    assert [[block, start // HOUR, end // HOUR] for block, start, end in rows] == [[0, 88, 95], [1, 96, 110]]


def test_what_is_not_over_is_asked_for_again(api: Callable[..., Api], database: Database) -> None:
    """The last minute of it, too: the exchange's own cache may be 15 s old."""
    keep(database, market("active"))
    with Scripted([candles(1)]) as exchange:
        function = api(exchange)
        [[now]] = database.execute("SELECT extract(epoch FROM now())::bigint")
        for _ in range(2):
            ask(function, [TICKER], start_ts=now - 600, end_ts=now + DAY, period_interval=1)
        first, second = (dict(p.split("=") for p in path.partition("?")[2].split("&")) for path, _ in exchange.requests)
        assert int(first["start_ts"]) <= now - 540
        assert now - 120 <= int(second["start_ts"]) <= now
    [[latest]] = database.execute("SELECT max(covers_to) FROM kalshi_markets_candles")
    assert latest <= now


@pytest.mark.parametrize("status", ["initialized", "inactive", "closed", "determined", "disputed", "amended"])
def test_nothing_is_kept_of_a_market_that_can_be_amended(
    api: Callable[..., Api], database: Database, status: str
) -> None:
    keep(database, market(status))
    with Scripted([candles(3)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
        assert len(exchange.requests) == 2
    assert database.execute("SELECT count(*) FROM kalshi_markets_candles") == [[0]]


def test_nothing_is_kept_of_a_market_that_the_table_does_not_know(api: Callable[..., Api], database: Database) -> None:
    with Scripted([candles(3)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
        assert len(exchange.requests) == 2


def test_what_was_kept_before_the_settlement_counts_for_nothing_after_it(
    api: Callable[..., Api], database: Database
) -> None:
    keep(database, market("active"))
    with Scripted([candles(3), candles(3, 4)], {"/historical/cutoff": [Reply(404)]}) as exchange:
        function = api(exchange)
        assert ends(function, 1, 5) == [3]
        keep(database, market("finalized", settlement_ts="2020-01-01T00:00:00Z"))
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3, 4]
        assert len([path for path, _ in exchange.requests if "cutoff" not in path]) == 2


def test_periods_have_caches_of_their_own(api: Callable[..., Api], database: Database) -> None:
    keep(database, market("active"))
    with Scripted([candles(29), candles(1, 2)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 50, period=1440) == [29]
        assert ends(function, 1, 5) == [1, 2]
        assert ends(function, 1, 50, period=1440) == [29]


def test_without_a_cache_everything_is_asked_for(api: Callable[..., Api], database: Database) -> None:
    keep(database, market("active"))
    with Scripted([candles(3)]) as exchange:
        function = api(exchange, CANDLE_CACHE_MB="0")
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
        assert len(exchange.requests) == 2
    assert database.execute("SELECT count(*) FROM kalshi_markets_candles") == [[0]]


def test_a_cache_that_cannot_be_used_is_done_without(api: Callable[..., Api], database: Database) -> None:
    keep(database, market("active"))
    database.script("ALTER TABLE kalshi_markets_candles RENAME TO elsewhere")
    try:
        with Scripted([candles(3)]) as exchange:
            function = api(exchange)
            assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
    finally:
        database.script("ALTER TABLE elsewhere RENAME TO kalshi_markets_candles")


def test_short_lives_are_read_together_however_long_the_range(
    api: Callable[..., Api], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = {"status": "finalized", "open_time": "2020-01-01T00:00:00Z", "close_time": "2020-01-02T00:00:00Z"}
    tickers = [f"KXSHORT-{number}" for number in range(200)]
    keep(database, *({"ticker": ticker, **life} for ticker in tickers))
    asked_for: list[int] = []
    read = CandleCache.read

    def spy(cache: CandleCache, settled: Mapping[str, bool], period: int, span: Span) -> Mapping[str, list[Piece]]:
        asked_for.append(len(settled))
        return read(cache, settled, period, span)

    monkeypatch.setattr(CandleCache, "read", spy)
    with Scripted([Reply(body=b'{"markets": []}')]) as exchange:
        ask(api(exchange), tickers, start_ts=0, period_interval=60)
    assert asked_for == [200]


ROLE = {"API_DB_USER": "candles_api", "API_DB_PASSWORD": "p"}


@pytest.fixture
def role(environment: Mapping[str, str], database: Database) -> Iterator[dict[str, str]]:
    """The environment of the API's own role."""
    migrate(database, MigratorSettings.read(ROLE))
    yield {"DB_USER": "candles_api", "DB_PASSWORD": "p"}
    database.script("DROP OWNED BY candles_api; DROP ROLE candles_api")


def test_the_apis_role_writes_its_cache_and_nothing_else(
    api: Callable[..., Api], database: Database, environment: dict[str, str], role: dict[str, str]
) -> None:
    keep(database, market("active"))
    with Scripted([candles(3)]) as exchange:
        function = api(exchange, **role)
        assert ends(function, 1, 5) == ends(function, 1, 5) == [3]
        assert len(exchange.requests) == 1
    connection = connect(environment | role)
    connection.execute("SELECT set_config('default_transaction_read_only', 'off', false)")
    for table in ("terms", "quotes", "jobs"):
        with pytest.raises(StatementRefused) as refused:
            connection.execute(f"DELETE FROM kalshi_markets_{table}")
        assert refused.value.sqlstate == "42501"
    connection.close()


def entries(count: int, size: int, ticker: str) -> list[Entry]:
    """Rows of random text, about so many bytes each."""
    rng = random.Random(ticker)
    return [
        Entry(f"{ticker}{number}", 60, False, Piece(Span(0, HOUR), Deflated.of(rng.randbytes(size // 2).hex())))
        for number in range(count)
    ]


def test_the_bound_holds_and_what_was_not_used_for_longest_goes_first(database: Database) -> None:
    cache = CandleCache(database.settings, 1)
    cache.store(entries(30, 20_000, "OLD"))
    database.execute("UPDATE kalshi_markets_candles SET used_at = now() - interval '2 days'")
    used = [f"OLD{number}" for number in range(10)]
    assert len(cache.read(dict.fromkeys(used, False), 60, Span(0, HOUR))) == 10
    for batch in range(12):
        cache.store(entries(10, 20_000, f"NEW{batch}-"))
        [[total]] = database.execute("SELECT sum(bytes) FROM kalshi_markets_candles")
        assert total <= (1 << 20) * 17 / 16 + 250_000
    left = {ticker for [ticker] in database.execute("SELECT ticker FROM kalshi_markets_candles")}
    assert not left & {f"OLD{number}" for number in range(10, 30)}
    assert {f"NEW11-{number}" for number in range(10)} <= left
    cache.close()


def test_of_two_processes_the_wider_row_stays(database: Database) -> None:
    def entry(start: int, end: int) -> Entry:
        texts = [json.dumps({"end_period_ts": hour * HOUR}, separators=(",", ":")) for hour in range(start, end + 1)]
        return Entry("A", 60, False, Piece(Span(start * HOUR, end * HOUR), Deflated.of(SEPARATOR.join(texts))))

    one, other = CandleCache(database.settings, 1), CandleCache(database.settings, 1)
    one.store([entry(1, 9)])
    other.store([entry(3, 5)])
    [kept] = one.read({"A": False}, 60, Span(0, HOUR))["A"]
    assert (kept.span, len(kept.candles())) == (Span(HOUR, 9 * HOUR), 9)
    one.close()
    other.close()
