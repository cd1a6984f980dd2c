"""`make probe` over the simulated exchange, with the assumed behavior and with deviations."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kalshi_markets.exchange import transport
from kalshi_markets.settings import ExchangeSettings
from local import ROOT
from local.exchange.clock import Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.probe import access
from local.probe.__main__ import main
from local.probe.budget import MAX_REQUESTS, RequestBudget
from local.probe.question import Question, Verdict
from local.probe.report import Line
from local.probe.run import QUESTIONS, probe
from tests.support.altering_proxy import Alteration, Altering
from tests.support.scripted_server import Reply, ScriptedServer

NOW = "2026-11-28T04:30:00Z"
"""Time at which the exchange has markets of every kind that the probe needs."""
QUESTIONS_BY_NAME = {question.name: question for question in QUESTIONS}
CLOCK, SIZE = "clock: Date header", "archive: size"


@dataclass(frozen=True)
class Trouble:
    """Deviation from the assumed exchange: its faults and costs, or alterations by a proxy."""

    faults: Sequence[Mapping[str, object]] = ()
    costs: Mapping[str, int] = field(default_factory=dict)
    alterations: Sequence[Alteration] = ()


def fault(kind: str, path: str = "*", **parameters: object) -> Trouble:
    return Trouble(faults=[{"kind": kind, "path": path, **parameters}])


def alter(pattern: str, **how: Any) -> Trouble:
    return Trouble(alterations=[Alteration(pattern, **how)])


def rows(change: Callable[[list[Any]], list[Any]], member: str = "markets") -> Callable[[Any], Any]:
    return lambda answer: {**answer, member: change(answer[member])}


def each(member: str = "markets", **members: object) -> Callable[[Any], Any]:
    return rows(lambda objects: [{**item, **members} for item in objects], member)


def backwards(objects: list[Any]) -> list[Any]:
    return objects[::-1]


def by_edit(objects: list[Any]) -> list[Any]:
    return sorted(objects, key=lambda market: str(market["updated_time"]), reverse=True)


def later(seconds: int) -> Callable[[Any], Any]:
    def change(market: Any) -> Any:
        candles = [{**candle, "end_period_ts": candle["end_period_ts"] + seconds} for candle in market["candlesticks"]]
        return {**market, "candlesticks": candles}

    return rows(lambda markets: list(map(change, markets)))


def first_tickers(count: int, name: str = "tickers") -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda query: {**query, name: ",".join(query[name].split(",")[:count])}


def an_hour_later(answer: Any) -> Any:
    return later(3600)({"markets": [answer]})["markets"][0]


def short(query: dict[str, str]) -> dict[str, str]:
    return {**query, "start_ts": str(int(query["end_ts"]) - 60)}


def renamed(answer: Any) -> Any:
    candles = [
        {"volume_fp" if name == "volume" else name: value for name, value in candle.items()}
        for candle in answer["candlesticks"]
    ]
    return {**answer, "candlesticks": candles}


def exclusive(query: dict[str, str]) -> dict[str, str]:
    return {**query, "start_ts": str(int(query["start_ts"]) + 1)}


def without_cursor(query: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if name != "cursor"}


def settled_until(hours: int) -> str:
    """Return the pattern of a listing's URL. The exchange's clock runs, so the last two digits of the time are free."""
    return f"/markets?*max_settled_ts={(parse(NOW) // 10**6 - hours * 3600) // 100}*"


CUTOFF = {"market_settled_ts": "2026-11-14T00:00:00Z"}
TROUBLES: Mapping[str, Trouble] = {
    CLOCK: fault("clock_skew", seconds=3600),
    "market data without a key": alter("/markets*", status=401),
    "cache: max-age": alter("/markets*", headers={"cache-control": "public, max-age=60"}),
    "compression": alter("*"),
    "/account/endpoint_costs": Trouble(costs={"/historical/markets/{ticker}/candlesticks": 50}),
    "/account/limits": alter("/account/limits", body=lambda limits: {**limits, "read": {"refill_rate": 0}}),
    "rows of a page": fault("short_page"),
    "status=unopened": fault("unusual", "*status=unopened*", content="status"),
    "status=open": alter("*status=open*", body=each(status="finalized")),
    "status=paused": alter("*status=paused*", body=each(status="active")),
    "status=closed": fault("unusual", "*status=closed*", content="status"),
    "order of a listing": alter("*status=open*", body=rows(backwards)),
    "mve_filter=exclude": fault("ignored_filters", filters="mve_filter"),
    "cursor": alter("*status=open*", body=lambda page: {**page, "cursor": "b3BhcXVl"}),
    "next page": fault("repeated_cursor"),
    "damaged cursor": alter("*cursor=invalid*", status=400),
    "limit=0": alter("*limit=0&*", query=lambda query: {**query, "limit": "1000"}),
    "unknown ticker": alter("*tickers=NO-SUCH*", status=404),
    "100 tickers in a request": alter("*tickers=*", query=first_tickers(50)),
    "300 tickers in a request": alter("*tickers=*", status=414),
    "min_created_ts": fault("ignored_filters", filters="min_created_ts"),
    "min_updated_ts": fault("ignored_filters", filters="min_updated_ts"),
    "min_updated_ts: order": alter("*min_updated_ts=*", body=rows(by_edit)),
    "min_settled_ts, max_settled_ts": fault("ignored_filters", filters="*_settled_ts"),
    "min_settled_ts: order": alter("*min_settled_ts=*", body=rows(backwards)),
    "min_updated_ts with status=open": fault("ignored_filters", filters="status"),
    "min_created_ts with status=paused": alter("*status=paused&min_created_ts=*", status=400),
    "volume_24h 25 hours after settlement": alter(settled_until(25), body=each(volume_24h_fp="3.00")),
    "open interest 25 hours after settlement": alter(settled_until(25), body=each(open_interest_fp="3.00")),
    "cutoff: time of day": alter("/historical/cutoff", body=lambda _: {"market_settled_ts": "2026-09-29T04:00:00Z"}),
    "cutoff: age": alter("/historical/cutoff", body=lambda _: CUTOFF),
    "archive": alter("/historical/cutoff", body=lambda _: {"market_settled_ts": "2026-01-01T00:00:00Z"}),
    "archive: order": alter("/historical/markets?*", body=rows(backwards)),
    "archive: tickers": alter("/historical/markets?tickers=*", query=first_tickers(50)),
    "archive: min_close_ts": alter("/historical/markets?*min_close_ts*", body=rows(lambda _: [])),
    "archive: series_ticker": fault("ignored_filters", filters="series_ticker"),
    "archive: last page": fault("archive_tail", ending="loop"),
    "archive: after the last page": fault("archive_tail", ending="early"),
    "candles: tickers × periods": alter("/markets/candlesticks?*", status=400),
    "candles: 101 tickers": alter("/markets/candlesticks?*", query=first_tickers(100, "market_tickers")),
    "candles: more than 10,000 periods": alter("/markets/candlesticks?*", query=short),
    "candles: archived, unknown tickers": alter("/markets/candlesticks?*", status=404),
    "hourly candles: ends": alter("/markets/candlesticks?*", body=later(1)),
    "candles: bounds of the range": alter("/markets/candlesticks?*", query=exclusive),
    "candles after the close": alter("/markets/candlesticks?*", body=later(9 * 86_400)),
    "candles: series in the path": alter("/series/*/candlesticks?*", status=404),
    "archived daily candles: ends": alter("/historical/markets/*/candlesticks?*", body=an_hour_later),
    "archived candles: fields": alter("/historical/markets/*/candlesticks?*", body=renamed),
    "archived candles: periods": alter("/historical/markets/*/candlesticks?*", status=400),
    "archived candles: more than 5,000": alter("/historical/markets/*/candlesticks?*", query=short),
    "archived candles: unknown ticker": alter("/historical/markets/*/candlesticks?*", status=400),
    "market: fields": fault("field_drift", change="removed"),
    "market: values": fault("unstorable", content="nul"),
    "market: enumerations": fault("unusual", content="result"),
    "market: JSON": alter("*", indent=1),
    "events by ticker": alter("/events?*", body=each("events", series_ticker=None)),
    "/series": fault("paged_series"),
    "/series: categories": alter("/series", body=each("series", categories=["Sports", "Politics"])),
    "rate without a key": fault("429", "/markets?limit=3*", requests=1),
}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "INITIAL_BACKOFF", 0.01)


@pytest.fixture(scope="module")
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def key(private_key: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    file = tmp_path_factory.mktemp("key") / "key.pem"
    file.write_bytes(private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"KEYID": "me", "KEYFILE": str(file)}


@pytest.fixture(scope="module")
def exchange(private_key: Ed25519PrivateKey) -> Iterator[ExchangeServer]:
    """Run an exchange whose clock starts at a fixed time and runs at normal speed."""
    with ExchangeServer(generate(1, 3000, Clock(parse(NOW)), archived=900), {"me": private_key.public_key()}) as server:
        yield server


@contextmanager
def troubled(server: ExchangeServer, trouble: Trouble) -> Iterator[str]:
    httpx.post(f"{server.root}/admin/faults", json=list(trouble.faults), timeout=60).raise_for_status()
    httpx.post(f"{server.root}/admin/costs", json=dict(trouble.costs), timeout=60).raise_for_status()
    server.exchange.clock.set(parse(NOW))
    if trouble.alterations:
        with Altering(server.url, trouble.alterations) as front:
            yield front.url
    else:
        yield server.url
    httpx.delete(f"{server.root}/admin/faults", timeout=60).raise_for_status()
    httpx.post(f"{server.root}/admin/costs", json={}, timeout=60).raise_for_status()


def ask(
    url: str, key: Mapping[str, str], questions: Sequence[Question] = QUESTIONS, maximum: int = MAX_REQUESTS
) -> tuple[list[Line], RequestBudget]:
    budget = RequestBudget(maximum, rate=1000)
    settings = ExchangeSettings.from_env({"EXCHANGE_URL": url, **key})
    return asyncio.run(probe(settings, budget, questions)), budget


def test_every_question_but_one_can_differ_here() -> None:
    assert set(TROUBLES) == set(QUESTIONS_BY_NAME) - {SIZE}


def test_an_exchange_as_assumed_agrees_but_for_its_clock(exchange: ExchangeServer, key: dict[str, str]) -> None:
    with troubled(exchange, Trouble()) as url:
        lines, budget = ask(url, key)
    verdicts = {line.question.name: line.finding for line in lines}
    assert list(verdicts) == list(QUESTIONS_BY_NAME)
    others = {name: finding for name, finding in verdicts.items() if finding.verdict is not Verdict.AGREES}
    assert others.keys() == {CLOCK, SIZE}, others
    assert [line.question.name for line in lines if line.requests > line.question.requests] == []
    assert 40 < budget.used <= sum(question.requests for question in QUESTIONS) <= MAX_REQUESTS


@pytest.mark.parametrize("name", TROUBLES)
def test_a_question_tells_an_exchange_that_differs(name: str, exchange: ExchangeServer, key: dict[str, str]) -> None:
    with troubled(exchange, TROUBLES[name]) as url:
        [line], _ = ask(url, key, [QUESTIONS_BY_NAME[name]])
    assert line.finding.verdict is Verdict.DIFFERS, line.finding
    assert "unexpected shape" not in line.finding.observed


def test_no_request_is_sent_beyond_the_budget(exchange: ExchangeServer, key: dict[str, str]) -> None:
    with troubled(exchange, alter("*", headers={})) as url, Altering(url, []) as counted:
        lines, budget = ask(counted.url, key, maximum=12)
    assert (counted.requests, budget.used, budget.left) == (12, 12, 0)
    assert lines[-1].finding == (Verdict.UNOBSERVABLE, "the budget of 12 requests is exhausted.")
    assert len(lines) == len(QUESTIONS)


def test_retries_come_out_of_the_budget_and_each_429_halves_the_rate(
    exchange: ExchangeServer, key: dict[str, str]
) -> None:
    with troubled(exchange, fault("429", "/markets*", requests=8)) as url, Altering(url, []) as counted:
        lines, budget = ask(counted.url, key, [QUESTIONS_BY_NAME["limit=0"], *access.LAST])
    assert counted.requests == budget.used == 1 + 6 + 2 + 5
    assert budget.rate == 1000 / 2**8
    assert lines[0].finding == (Verdict.UNOBSERVABLE, "the exchange returned 429: too many requests")
    assert lines[1].finding == (Verdict.DIFFERS, "8 of 14 requests were answered with 429")


def test_a_429_is_reported_even_if_the_budget_is_spent(exchange: ExchangeServer, key: dict[str, str]) -> None:
    with troubled(exchange, fault("429", "/markets*", requests=2)) as url:
        lines, budget = ask(url, key, [QUESTIONS_BY_NAME["limit=0"], *access.LAST], maximum=4)
    assert budget.left == 0
    assert lines[1].finding == (Verdict.DIFFERS, "2 of 4 requests were answered with 429")


def test_a_null_list_is_an_empty_one(exchange: ExchangeServer, key: dict[str, str]) -> None:
    with troubled(exchange, fault("null_list", "/markets?tickers=*")) as url:
        [line], _ = ask(url, key, [QUESTIONS_BY_NAME["unknown ticker"]])
    assert line.finding == (Verdict.AGREES, "200, 0 markets")


def test_what_an_exchange_does_not_answer_is_not_observable(exchange: ExchangeServer, key: dict[str, str]) -> None:
    with troubled(exchange, fault("5xx", "/events*", status="502")) as url:
        [events, series], _ = ask(url, key, [QUESTIONS_BY_NAME["events by ticker"], QUESTIONS_BY_NAME["/series"]])
    assert events.finding.verdict is Verdict.UNOBSERVABLE
    assert "502" in events.finding.observed
    assert series.finding.verdict is Verdict.AGREES


def test_what_needs_a_key_is_not_observable_without_one(exchange: ExchangeServer) -> None:
    costs, limits = QUESTIONS_BY_NAME["/account/endpoint_costs"], QUESTIONS_BY_NAME["/account/limits"]
    with troubled(exchange, alter("/account/endpoint_costs", status=401)) as url:
        lines, _ = ask(url, {}, [costs, limits])
    assert [line.finding.verdict for line in lines] == [Verdict.UNOBSERVABLE] * 2


def test_a_rejected_key_is_a_difference(exchange: ExchangeServer, key: dict[str, str]) -> None:
    with troubled(exchange, Trouble()) as url:
        [line], _ = ask(url, {**key, "KEYID": "nobody"}, [QUESTIONS_BY_NAME["/account/limits"]])
    assert line.finding.verdict is Verdict.DIFFERS
    assert line.finding.observed.startswith("rejected with 401")


@pytest.fixture(scope="module")
def old() -> Iterator[ExchangeServer]:
    """Run an exchange whose archive has more than one page."""
    with ExchangeServer(generate(1, 300, Clock(parse(NOW)), archived=4000)) as server:
        yield server


def dated(objects: list[Any]) -> list[Any]:
    return [market for market in objects if market["created_time"] > "2021"]


@pytest.mark.parametrize(
    ("trouble", "verdict", "observed"),
    [
        (Trouble(), Verdict.AGREES, r"the last (\d+) markets, \1 of them undated; no cursor follows"),
        (
            alter("/historical/markets?*", body=rows(dated)),
            Verdict.AGREES,
            r"the last \d+ markets, the oldest of 2021-04-13, 0 of them undated; no cursor follows",
        ),
        (
            alter("/historical/markets?*cursor*", query=without_cursor),
            Verdict.UNOBSERVABLE,
            "the exchange does not accept a cursor that is made from a time.",
        ),
        (
            alter("/historical/markets?*cursor=C??????*", body=lambda page: {**page, "cursor": "CgA"}),
            Verdict.DIFFERS,
            "after the oldest markets the listing starts again",
        ),
    ],
    ids=["undated", "dated", "opaque", "circle"],
)
def test_the_end_of_a_long_archive_is_found_by_jumps(
    trouble: Trouble, verdict: Verdict, observed: str, old: ExchangeServer
) -> None:
    with troubled(old, trouble) as url:
        [tail], _ = ask(url, {}, [QUESTIONS_BY_NAME["archive: last page"]])
    assert tail.finding.verdict is verdict, tail.finding
    assert re.fullmatch(observed, tail.finding.observed), tail.finding


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch, key: dict[str, str]) -> dict[str, str]:
    """Set up the command in this process with a rate above its maximum. Return its variables."""
    monkeypatch.setattr("local.probe.__main__.DEFAULT_RATE", 1000.0)
    for name in ("EXCHANGE", "RECORDING"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**key, "EXCHANGE_RATE": "1000"}.items():
        monkeypatch.setenv(name, value)
    return key


def test_the_command_prints_a_table_and_succeeds_where_nothing_differs(
    private_key: Ed25519PrivateKey,
    fast: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ExchangeServer(generate(1, 3000, Clock(), archived=900), {"me": private_key.public_key()}) as server:
        monkeypatch.setenv("EXCHANGE", server.url.removesuffix("/trade-api/v2"))
        assert main([]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["verdict", "question", "the", "code", "assumes", "observed", "where"]
    for question in QUESTIONS:
        assert any(wrap(question.name, 32)[0] in line for line in lines), question.name
    assert ", 0 differs; " in err.splitlines()[-1]
    secret = Path(fast["KEYFILE"]).read_text().splitlines()[1]
    assert secret not in out + err


def test_the_command_fails_where_something_differs(
    exchange: ExchangeServer, fast: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "local.probe.__main__.QUESTIONS", [QUESTIONS_BY_NAME["cache: max-age"], QUESTIONS_BY_NAME["limit=0"]]
    )
    with troubled(exchange, TROUBLES["cache: max-age"]) as url:
        monkeypatch.setenv("EXCHANGE", url)
        assert main(["--json"]) == 1
    answers = {entry["question"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert answers["cache: max-age"] == {
        "verdict": "differs",
        "question": "cache: max-age",
        "assumes": "Cache-Control: max-age=15",
        "observed": "Cache-Control: public, max-age=60",
        "where": "functions/api/etag.py",
    }
    assert answers["limit=0"]["verdict"] == "agrees"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "EXCHANGE is not set"),
        ("external-api.kalshi.com", "EXCHANGE must be a base URL"),
        ("https://kalshi.com:port", "EXCHANGE is not a URL"),
        ("http://127.0.0.1:9", "EXCHANGE cannot be reached: the exchange did not respond: ConnectError."),
    ],
)
def test_the_command_says_why_it_cannot_ask(
    url: str, reason: str, fast: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXCHANGE", url)
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"make probe: {reason}")
    assert len(err.splitlines()) == 1


def test_a_server_that_is_no_exchange_gets_no_further_requests(
    fast: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer([Reply(404, b"<html>")]) as server:
        monkeypatch.setenv("EXCHANGE", server.url)
        assert main([]) == 2
    assert len(server.requests) == 1
    assert "EXCHANGE cannot be reached" in capsys.readouterr().err


def test_ctrl_c_ends_it_with_a_sentence(exchange: ExchangeServer, key: dict[str, str]) -> None:
    environment = {**os.environ, **key, "EXCHANGE": exchange.url}
    command = [sys.executable, "-m", "local.probe"]
    with troubled(exchange, Trouble()):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=-1,
            stderr=-1,
        )
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert first.startswith("probe      1 of ")
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "make probe: stopped."
    assert "Traceback" not in err


def test_every_question_names_a_file_that_assumes_it() -> None:
    assert [question.name for question in QUESTIONS if not (ROOT / question.where).exists()] == []
