"""Run of one schedule, with the invariants that hold after it.

After every run /status claims only what the table has.
After a final run without faults the table equals the exchange, field by field, except for markets with removed_at.
A client that followed changed_since from zero has the same rows as the table.
"""

import json
import logging
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from crawler.crawl import SHUTDOWN_SECONDS
from crawler.jobs import all_jobs
from kalshi_markets.columns import MARKET_COLUMNS, Kind
from kalshi_markets.database import DatabaseError
from kalshi_markets.exchange import market_row
from kalshi_markets.settings import CrawlerSettings, MigratorSettings
from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.postgres import PostgresServer
from migrator.migrate import migrate
from tests.faults import crawls
from tests.faults.hiding_exchange import HidingExchange
from tests.faults.schedule import Step, make_steps
from tests.faults.witness import Witness
from tests.support.api_client import ApiClient, ApiResponse, crawl
from tests.support.database import connect, environment_of
from tests.support.event_rows import served_events, served_series, stored_events, stored_series

START: Final = parse("2026-10-30T21:10:00Z")
LIVE, ARCHIVED = 120, 60
QUIET_RUNS: Final = 12
TRIGGER: Final = "refuse_writes"


@dataclass
class Scenario:
    """Exchange of a schedule, with its database and a client that follows the changes."""

    seed: int
    postgres: PostgresServer
    environment: Mapping[str, str]
    exchange: HidingExchange
    admin: str
    api: ApiClient
    combos: bool
    witness: Witness
    followed: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_change: int = 0

    def run(self) -> None:
        """Run the schedule, then check the result. Raises AssertionError, which names the seed."""
        for number, step in enumerate(make_steps(self.seed)):
            with _labelled(f"seed {self.seed}, round {number}: {step}"):
                self._run_step(step)
                self.follow()
                self._check_status()
        with _labelled(f"seed {self.seed}, at the end"):
            self._run_to_quiescence()
            self.follow()
            self._check_status()
            self.check()

    def _run_step(self, step: Step) -> None:
        clock = self.exchange.clock
        clock.set(clock.now() + step.clock_jump)
        self.exchange.hidden = self._hidden(step.hidden_share)
        self._set_faults(step.faults, step.costs)
        self._expire_intervals()
        with self.witness.watching(step.speed):
            self._run(step)

    def _run(self, step: Step) -> None:
        processes = [
            crawls.start(self.environment, step.seconds + SHUTDOWN_SECONDS)
            for _ in range(1 + step.duplicate_invocation)
        ]
        processes[0].join(step.disruption_delay)
        self._disrupt(step, processes[0].pid)
        for process in processes:
            process.join(30)
            assert process.exitcode is not None, "the invocation did not end itself"
            if step.disruption == "none":
                assert process.exitcode == 0

    def _disrupt(self, step: Step, crawler: int | None) -> None:
        assert crawler is not None
        match step.disruption:
            case "kill the crawler":
                with suppress(ProcessLookupError):
                    os.kill(crawler, signal.SIGKILL)
            case "kill PostgreSQL":
                self.postgres.kill()
                self.postgres.start()
            case "restart PostgreSQL":
                self.postgres.stop()
                self.postgres.start()
            case "cut connections":
                self._execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'crawler%'"
                )
            case "refuse writes":
                self._execute(f"ALTER TABLE kalshi_markets_quotes ENABLE TRIGGER {TRIGGER}")
                time.sleep(0.3)
                self._execute(f"ALTER TABLE kalshi_markets_quotes DISABLE TRIGGER {TRIGGER}")
            case "none":
                pass

    def _hidden(self, share: float) -> frozenset[str]:
        """Return the tickers of a share of the live markets."""
        live = self.exchange.inner.markets(Order.CREATED, None, MarketFilter(combos=False, phase="open"))
        return frozenset(market.ticker for _, market in live if random.Random(market.ticker).random() < share)

    def _set_faults(self, faults: Sequence[Mapping[str, object]], costs: Mapping[str, int]) -> None:
        httpx.post(f"{self.admin}/faults", json=[*faults], timeout=60).raise_for_status()
        httpx.post(f"{self.admin}/costs", json=costs, timeout=60).raise_for_status()

    def _execute(self, sql: str) -> list[list[Any]]:
        database = connect(self.environment)
        try:
            return database.query(sql)
        finally:
            database.close()

    def _expire_intervals(self) -> None:
        """Expire all intervals, and the lease of a killed crawler."""
        self._execute("UPDATE kalshi_markets_lease SET ends_at = '-infinity'")
        self._execute(
            "UPDATE kalshi_markets_jobs SET started_at = started_at - interval '2 days' WHERE position IS NULL"
        )
        self._execute("UPDATE kalshi_markets_jobs SET retry_at = NULL")
        self._execute("UPDATE kalshi_markets_limiter SET slowed_to = 1")

    def _run_to_quiescence(self) -> None:
        """Run without faults until every job has made a complete pass over an exchange whose clock is stopped."""
        self._set_faults((), {})
        with self.witness.watching(0):
            self._run_until_idle()  # completes the passes in progress
            self._run_until_idle()

    def _run_until_idle(self) -> None:
        names = {walk.name for walk in all_jobs(CrawlerSettings.from_env({}))}
        missing = names
        for _ in range(QUIET_RUNS):
            self._expire_intervals()
            summary = crawl(self.environment, 30)
            missing -= set(summary["completed"])
            assert summary["errors"] == {}, summary
            if summary["outcome"] == "idle" and not missing - {"archive", "settled/backlog"}:
                return
        raise AssertionError(f"never quiet: {missing} of {summary}")

    def follow(self) -> None:
        """Fetch the changes since the last call."""
        while True:
            answer = self._ask(f"/markets?changed_since={self.last_change}&fields=all&limit=500")
            for item in answer.json["items"]:
                assert int(item["change_number"]) > self.last_change
                self.last_change = int(item["change_number"])
                self.followed[item["ticker"]] = item
            if answer.json["count"] < 500:
                return

    def _ask(self, path: str) -> ApiResponse:
        answer = self.api.get(path)
        if answer.status == 503:  # PostgreSQL was just killed: retry once
            answer = self.api.get(path)
        assert answer.status == 200, answer.text
        return answer

    def _check_status(self) -> None:
        tickers = self._execute("SELECT ticker FROM kalshi_markets UNION SELECT ticker FROM kalshi_markets_rejects")
        self.witness.check(self._ask("/status").json, {ticker for [ticker] in tickers})

    def check(self) -> None:
        """Compare the table with the exchange, and with the client that follows the changes."""
        stored = {row["ticker"]: row for row in self._rows()}
        expected = self._expected()
        missing = expected.keys() - stored.keys()
        assert not missing, f"{len(missing)} missing, such as {sorted(missing)[:3]}"
        for ticker, row in expected.items():
            differing = {
                name: (stored[ticker][name], value) for name, value in row.items() if stored[ticker][name] != value
            }
            assert not differing, f"{ticker} (stored, exchange): {differing}"
            assert stored[ticker]["removed_at"] is None, f"{ticker} is not gone"
        for ticker in stored.keys() - expected.keys():
            assert stored[ticker]["removed_at"] is not None, f"{ticker} is gone"
        [[added, rows, numbers]] = self._execute(
            "SELECT (SELECT sum(added) FROM kalshi_markets_jobs), count(*), count(DISTINCT change_number) FROM kalshi_markets"
        )
        assert added == rows == numbers == len(stored), f"books {added}, rows {rows}, numbers {numbers}"
        items = self._items()
        missed = {ticker for ticker in items if items[ticker] != self.followed.get(ticker)}
        assert not missed, f"changed_since missed {len(missed)}, such as {sorted(missed)[:3]}"
        assert self.followed.keys() == items.keys(), f"{self.followed.keys() ^ items.keys()}"
        self._check_events_and_series()
        rejects = self._execute("SELECT ticker, reason FROM kalshi_markets_rejects")
        assert rejects == [], f"rejects: {rejects[:3]}"

    def _check_events_and_series(self) -> None:
        """Compare the stored events and series with the exchange's."""
        database = connect(self.environment)
        try:
            events, series = stored_events(database), stored_series(database)
            wanted = {
                row[0] for row in database.query("SELECT event_ticker FROM kalshi_markets WHERE series_ticker > ''")
            }
        finally:
            database.close()
        assert not wanted - events.keys(), f"missing events: {sorted(wanted - events.keys())[:3]}"
        for stored, served in (
            (events, served_events(self.exchange, events)),
            (series, served_series(self.exchange)),
        ):
            differing = [ticker for ticker in served if stored.get(ticker) != served[ticker]]
            assert not differing, (stored.get(differing[0]), served[differing[0]])
            assert stored.keys() == served.keys(), stored.keys() ^ served.keys()

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Yield every row in the form of the projection, limited to the columns that come from the exchange."""
        texts = (Kind.NUMBER, Kind.JSON)
        outputs = ", ".join(f"{c.name}::text" if c.kind in texts else c.name for c in MARKET_COLUMNS)
        names = ("series_ticker", "event_title", "category", "categories", "removed_at")
        for values in self._execute(f"SELECT {outputs}, {', '.join(names)} FROM kalshi_markets"):
            sent, further = values[: -len(names)], values[-len(names) :]
            row = {c.name: comparable(c.kind, value) for c, value in zip(MARKET_COLUMNS, sent, strict=True)}
            yield row | dict(zip(names, further, strict=True))

    def _expected(self) -> dict[str, dict[str, Any]]:
        series_by_ticker = served_series(self.exchange)
        rows: dict[str, dict[str, Any]] = {}
        for archived in (False, True):
            filter_ = MarketFilter(combos=None if self.combos else False, archived=archived)
            for _, market in self.exchange.markets(Order.CREATED, None, filter_):
                row = market_row(json.loads(market.json, parse_float=Decimal))
                compared = {c.name: comparable(c.kind, row[c.name]) for c in MARKET_COLUMNS}
                # The exchange does not return the events of combos.
                event = None if market.is_combo else self.exchange.event(market.event_ticker)
                series = series_by_ticker[market.series_ticker] if event else {}
                rows[market.ticker] = compared | {
                    "event_title": json.loads(event.json)["title"] if event else None,
                    **{name: series.get(name) for name in ("series_ticker", "category", "categories")},
                }
        return rows

    def _items(self) -> dict[str, dict[str, Any]]:
        url, items = "/markets?fields=all&order_by=ticker&order_direction=asc&limit=1000", dict[str, Any]()
        while url:
            answer = self.api.get(url)
            assert answer.status == 200, answer.text
            items |= {item["ticker"]: item for item in answer.json["items"]}
            url = answer.json["next_url"]
        return items


def comparable(kind: Kind, value: Any) -> Any:
    """Convert a value of the projection or of the table to a comparable form."""
    if value is None:
        return None
    if kind is Kind.NUMBER:
        return Decimal(value)
    if kind is Kind.JSON:
        return json.loads(value, parse_float=Decimal)
    if kind is Kind.TIME:
        return value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return value


@contextmanager
def _labelled(what: str) -> Iterator[None]:
    try:
        yield
    except (AssertionError, DatabaseError) as error:
        raise AssertionError(f"{what}\n{type(error).__name__}: {error}") from error


@contextmanager
def server(folder: Path) -> Iterator[PostgresServer]:
    """Run a PostgreSQL that may be killed, with a migrated database `template` and a trigger that rejects writes."""
    settings = {"fsync": "off"}  # its processes are killed, not the machine
    postgres = PostgresServer(folder / "postgres", settings=settings, ends_with_parent=True)
    postgres.start()
    try:
        owner = connect(environment_of(postgres, postgres.database))
        owner.execute("CREATE DATABASE template")
        owner.close()
        template = connect(environment_of(postgres, "template"))
        migrate(template, MigratorSettings({}))
        template.execute_script(_WRITE_FAILURE_SQL)
        template.close()
        yield postgres
    finally:
        postgres.stop()


_WRITE_FAILURE_SQL: Final = f"""
    CREATE FUNCTION {TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER {TRIGGER} BEFORE INSERT OR UPDATE ON kalshi_markets_quotes EXECUTE FUNCTION {TRIGGER}();
    ALTER TABLE kalshi_markets_quotes DISABLE TRIGGER {TRIGGER}"""


@contextmanager
def scenario(seed: int, postgres: PostgresServer, folder: Path) -> Iterator[Scenario]:
    """Yield a scenario over an empty, migrated database."""
    name = f"trial_{seed}"
    owner = connect(environment_of(postgres, postgres.database))
    owner.execute(f"CREATE DATABASE {name} TEMPLATE template")
    owner.close()
    key = ed25519.Ed25519PrivateKey.generate()
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_file = folder / "key.pem"
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    exchange = HidingExchange(generate(seed, LIVE, Clock(start=START, speed=0), archived=ARCHIVED))
    with ExchangeServer(exchange, {"trial": key.public_key()}) as at:
        ours = {"KEYID": "trial", "KEYFILE": str(key_file), "EXCHANGE_URL": at.url, "EXCHANGE_RATE": "1000"}
        combos = seed % 2 == 1  # many combos are removed
        environment = environment_of(postgres, name) | ours | {"COMBOS": str(combos).lower()}
        api = ApiClient(environment)
        try:
            witness = Witness(exchange, combos)
            yield Scenario(seed, postgres, environment, exchange, f"{at.root}/admin", api, combos, witness)
        finally:
            api.close()
    owner = connect(environment_of(postgres, postgres.database))
    owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    owner.close()


def run_schedules(seeds: list[int]) -> list[tuple[int, str]]:
    """Run the schedules of these seeds over one PostgreSQL. Return the failed seeds with their errors."""
    failed = []
    logging.disable(logging.CRITICAL)  # the functions' logs of faults are expected
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL may run as another user
        with server(folder) as postgres:
            for seed in seeds:
                try:
                    with scenario(seed, postgres, folder) as scenario_:
                        scenario_.run()
                except Exception as error:  # noqa: BLE001  # after any error the other schedules continue
                    failed.append((seed, f"{type(error).__name__}: {error}"))
    return failed
