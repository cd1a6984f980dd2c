import asyncio
import gc
import gzip
import json
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import parse_qs

import httpx
import pytest

from kalshi_markets.exchange import (
    AuthenticationFailed,
    Candle,
    CandleQuery,
    ExchangeClient,
    ExchangeClientError,
    ExchangeError,
    ExchangeUnavailable,
    InvalidResponse,
    Listings,
    Page,
    RawMarket,
    transport,
)
from kalshi_markets.exchange.rate_limiter import LocalTokenBucket, RateLimiter
from kalshi_markets.settings import ExchangeSettings
from tests.support.event_rows import event
from tests.support.event_rows import series as series_
from tests.support.scripted_server import Reply, ScriptedServer

T = TypeVar("T")
FAST = {"EXCHANGE_RATE": "1000"}
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "INITIAL_BACKOFF", 0.01)


@pytest.fixture
def key(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "key.pem").write_text(PEM)
    return {"KEYID": "me", "KEYFILE": str(tmp_path / "key.pem")}


def ask(server: ScriptedServer, question: Callable[[ExchangeClient], Coroutine[Any, Any, T]], **settings: str) -> T:
    async def run() -> T:
        read = ExchangeSettings.from_env(FAST | settings | {"EXCHANGE_URL": server.url})
        async with ExchangeClient(read, RateLimiter(LocalTokenBucket(read.rate or 15))) as client:
            return await question(client)

    return asyncio.run(run())


def first_page(client: ExchangeClient) -> Coroutine[Any, Any, Page[RawMarket]]:
    return client.listings(deadline=time.monotonic() + 60).live("open", None)


def test_requests_accept_english_and_gzip_and_numbers_are_parsed_exactly() -> None:
    body = gzip.compress(b'{"markets": [{"floor_strike": 0.10000000000000000001}], "cursor": "next+/="}')
    with ScriptedServer([Reply(body=body, headers={"content-encoding": "gzip"}), Reply()]) as server:
        page = ask(server, first_page)
        assert page.cursor == "next+/="
        assert [sent.parse() for sent in page.rows] == [{"floor_strike": Decimal("0.10000000000000000001")}]
        path, headers = server.requests[0]
        assert (headers["accept-language"], headers["accept-encoding"]) == ("en", "gzip")
        assert path == "/trade-api/v2/markets?limit=1000&mve_filter=exclude&status=open"
        ask(server, lambda client: client.listings(deadline=time.monotonic() + 60).live("open", page.cursor))
        assert server.requests[1][0].endswith("&cursor=next%2B%2F%3D")


@pytest.mark.parametrize(
    "body", [b'{"markets": [], "cursor": ""}', b'{"markets": [], "cursor": null}', b'{"markets": []}']
)
def test_empty_null_and_absent_cursors_all_end_the_listing(body: bytes) -> None:
    with ScriptedServer([Reply(body=body)]) as server:
        assert ask(server, first_page) == Page([], None)


@pytest.mark.parametrize(
    "body",
    [b'{"markets": null, "cursor": "next"}', b'{"cursor": "next", "markets":null}', b'{"markets":[],"cursor":"next"}'],
)
def test_a_page_that_is_null_is_empty_and_not_the_end(body: bytes) -> None:
    with ScriptedServer([Reply(body=body)]) as server:
        assert ask(server, first_page) == Page([], "next")


NULL = b'{"%s": null, "cursor": "%s"}'


def listings(client: ExchangeClient) -> Listings:
    return client.listings(deadline=time.monotonic() + 60)


@pytest.mark.parametrize(
    ("member", "element", "question"),
    [
        (b"markets", b'{"ticker":"A"}', lambda c: listings(c).by_ticker(["A"])),
        (b"markets", b'{"ticker":"A"}', lambda c: listings(c).by_ticker(["A"], archived=True)),
        (b"events", b'{"event_ticker":"A","series_ticker":"S"}', lambda c: listings(c).events(["A"])),
        (b"series", b'{"ticker":"A"}', lambda c: listings(c).series(None)),
    ],
)
def test_every_list_goes_on_behind_a_page_that_is_null(
    member: bytes, element: bytes, question: Callable[[ExchangeClient], Coroutine[Any, Any, list[Any]]]
) -> None:
    last = Reply(body=b'{"cursor": "", "%s": [%s]}' % (member, element))
    with ScriptedServer([Reply(body=NULL % (member, b"next")), last]) as server:
        assert len(ask(server, question)) == 1
        assert [path.endswith("cursor=next") for path, _ in server.requests] == [False, True]
    with ScriptedServer([Reply(body=NULL % (member, b""))]) as server:
        assert ask(server, question) == []
    with ScriptedServer([Reply(body=b'{"cursor": ""}')]) as server, pytest.raises(InvalidResponse):
        ask(server, question)
    with ScriptedServer([Reply(body=NULL % (member, b"next"))]) as server:
        with pytest.raises(InvalidResponse, match="does not end"):
            ask(server, question)
        assert len(server.requests) == 2


def test_series_are_read_in_pages_whatever_the_order_of_their_members() -> None:
    pages = [
        b'{"cursor": "2", "series": [{"ticker": "A", "category": "C"}, {"ticker": "B", "category": ""}]}',
        b'{"more": [{"series": []}], "series": [{"title": "T", "ticker": "C"}, 5], "cursor": "3"}',
        b'{"series": null}',
    ]
    with ScriptedServer([Reply(body=page) for page in pages]) as server:
        series = ask(server, lambda client: listings(client).series(None))
        assert series == [series_("A", category="C"), series_("B"), series_("C", "T")]
        assert [path.partition("?")[2] for path, _ in server.requests] == ["", "cursor=2", "cursor=3"]


def test_texts_that_an_event_has_empty_are_none_and_one_without_a_series_is_unknown() -> None:
    empty = b'{"event_ticker": "E", "series_ticker": "S", "title": "", "collateral_return_type": ""}'
    body = b'{"events": [%s, {"event_ticker": "F", "series_ticker": ""}], "cursor": "", "milestones": []}' % empty
    with ScriptedServer([Reply(body=body)]) as server:
        assert ask(server, lambda client: listings(client).events(["E", "F"])) == [
            event("E", "S", collateral_return_type="")
        ]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_transient_statuses_are_retried(status: int) -> None:
    with ScriptedServer(
        [Reply(status, b'{"error": "too many requests"}'), Reply(status, b"<html>"), Reply()]
    ) as server:
        assert ask(server, first_page) == Page([], None)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "broken", [Reply(cut=5), Reply(body=b'{"markets": ['), Reply(body=b"[]"), Reply(body=b'{"a": NaN}')]
)
def test_a_cut_or_malformed_response_is_retried(broken: Reply) -> None:
    with ScriptedServer([broken, Reply()]) as server:
        assert ask(server, first_page) == Page([], None)


@pytest.mark.parametrize(
    "broken",
    [
        Reply(body=b'{"markets": ['),
        Reply(body=b"[]"),
        Reply(body=b"<html>"),
        Reply(body=b"no gzip", headers={"content-encoding": "gzip"}),
    ],
)
@pytest.mark.parametrize("between", [[], [Reply(503), Reply(429)]])
def test_an_invalid_response_is_requested_no_more_than_twice(broken: Reply, between: list[Reply]) -> None:
    with ScriptedServer([broken, *between, broken, Reply()]) as server:
        with pytest.raises(InvalidResponse):
            ask(server, first_page)
        assert len(server.requests) == 2 + len(between)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            b'{"error": {"code": "bad_request", "message": "bad request", "details": "max 5000"}}',
            "bad_request",
            "bad request: max 5000",
        ),
        (b'{"code": "bad", "message": "flat"}', "bad", "flat"),
        (b'{"msg": "Query argument start_ts is required"}', "", "Query argument start_ts is required"),
        (b'{"error": "text"}', "", "text"),
        (b"not json", "", "Bad Request"),
        (b"[1]", "", "Bad Request"),
    ],
)
def test_every_shape_of_an_error_body_is_read_and_a_400_is_not_repeated(body: bytes, code: str, message: str) -> None:
    with ScriptedServer([Reply(400, body)]) as server:
        with pytest.raises(ExchangeClientError) as caught:
            ask(server, first_page)
        assert (caught.value.code, str(caught.value)) == (code, message)
        assert len(server.requests) == 1


def test_the_last_error_is_raised_after_the_maximum_of_attempts() -> None:
    with ScriptedServer([Reply(503, b'{"error": {"code": "c", "message": "maintenance"}}')]) as server:
        with pytest.raises(ExchangeUnavailable, match="503: maintenance"):
            ask(server, first_page)
        assert len(server.requests) == transport.MAX_ATTEMPTS


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with ScriptedServer([Reply()]) as server:
        pass
    with pytest.raises(ExchangeUnavailable, match="ConnectError"):
        ask(server, first_page)


def test_no_answer_is_waited_for_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUTS", None)  # only the deadline ends the wait
    with ScriptedServer([Reply(delay=60)]) as server, pytest.raises(ExchangeUnavailable, match="before the deadline"):
        ask(server, lambda client: client.listings(deadline=time.monotonic() + 0.3).live("open", None))


def test_no_request_is_sent_after_the_deadline() -> None:
    with ScriptedServer([Reply()]) as server:
        with pytest.raises(ExchangeError):
            ask(server, lambda client: client.listings(deadline=time.monotonic() - 1).live("open", None))
        assert server.requests == []


def test_a_slow_response_ends_at_the_read_timeout_and_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUTS", 2)
    with ScriptedServer([Reply(delay=10), Reply()]) as server:
        assert ask(server, first_page) == Page([], None)
        assert len(server.requests) > 1


def test_a_key_signs_every_try_afresh(key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_random", SimpleNamespace(uniform=lambda _, pause: pause))  # 10 ms or more
    with ScriptedServer([Reply(503), Reply(503), Reply()]) as server:
        ask(server, first_page, **key)
        stamps = [headers["kalshi-access-timestamp"] for _, headers in server.requests]
        assert len(set(stamps)) == 3
        assert {headers["kalshi-access-key"] for _, headers in server.requests} == {"me"}


def test_without_a_key_nothing_is_signed() -> None:
    with ScriptedServer([Reply()]) as server:
        ask(server, first_page)
        assert not [name for name in server.requests[0][1] if name.startswith("kalshi")]


EXPIRED = b'{"error": {"code": "header_timestamp_expired", "message": "expired"}}'


def test_an_expired_timestamp_sets_the_clock_by_the_exchanges(key: dict[str, str]) -> None:
    ahead = time.time() + 3600
    with ScriptedServer([Reply(401, EXPIRED, {"date": formatdate(ahead, usegmt=True)}), Reply()]) as server:
        ask(server, first_page, **key)
        assert abs(int(server.requests[1][1]["kalshi-access-timestamp"]) / 1000 - ahead) < 60


@pytest.mark.parametrize("code", ["header_timestamp_expired", "authentication_error", "signature_is_missing"])
def test_an_authentication_failure_is_not_retried_forever(key: dict[str, str], code: str) -> None:
    body = json.dumps({"error": {"code": code, "message": "no"}}).encode()
    with ScriptedServer([Reply(401, body, {"date": formatdate(usegmt=True)})]) as server:
        with pytest.raises(AuthenticationFailed):
            ask(server, first_page, **key)
        assert len(server.requests) <= 2


def test_requests_are_paced() -> None:
    async def many(client: ExchangeClient) -> float:
        began = time.monotonic()
        await asyncio.gather(*(first_page(client) for _ in range(30)))
        return time.monotonic() - began

    with ScriptedServer([Reply()]) as server:
        assert ask(server, many, EXCHANGE_RATE="20") >= 0.45  # 20 at once, then one every 50 ms


def test_an_answer_is_let_go_without_waiting_for_a_collection() -> None:
    """Several responses of 4 MB would otherwise stay in memory."""

    async def count_responses(client: ExchangeClient) -> int:
        gc.collect()
        gc.disable()
        try:
            await first_page(client)
            return sum(isinstance(candidate, httpx.Response) for candidate in gc.get_objects())
        finally:
            gc.enable()

    with ScriptedServer([Reply()]) as server:
        assert ask(server, count_responses) == 0


def test_candles_are_read_by_ticker() -> None:
    body = b'{"markets": [{"market_ticker": "A", "candlesticks": [{"end_period_ts": 60}]}, {"market_ticker": "B", "candlesticks": []}]}'
    with ScriptedServer([Reply(body=body)]) as server:
        query = CandleQuery(0, 60, 1)
        candles = ask(
            server, lambda client: client.candlesticks(["A", "B", "C D&"], query, deadline=time.monotonic() + 60)
        )
        assert candles == {"A": [Candle(60, '{"end_period_ts":60}')], "B": []}
        assert parse_qs(server.requests[0][0].partition("?")[2])["market_tickers"] == ["A,B,C D&"]


def test_unreadable_candles_and_cutoffs_are_errors() -> None:
    with ScriptedServer([Reply(body=b'{"markets": [{}]}')]) as server, pytest.raises(InvalidResponse):
        ask(server, lambda client: client.candlesticks(["A"], CandleQuery(0, 60, 1), deadline=time.monotonic() + 60))
    for end in ("null", '"60"', "1.5", "true"):
        body = b'{"candlesticks": [{"end_period_ts": %s}]}' % end.encode()
        with ScriptedServer([Reply(body=body)]) as server, pytest.raises(InvalidResponse):
            ask(
                server,
                lambda client: client.archived_candlesticks("A", CandleQuery(0, 60, 1), deadline=time.monotonic() + 60),
            )
    with ScriptedServer([Reply(body=b'{"market_settled_ts": "soon"}')]) as server, pytest.raises(InvalidResponse):
        ask(server, lambda client: client.listings(deadline=time.monotonic() + 60).cutoff())
