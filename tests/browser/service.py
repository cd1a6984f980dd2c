"""Service of `make run` for the tests in a browser, over an exchange in this process."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from local import ROOT
from local.exchange.catalogue import Exchange
from local.exchange.http.server import ExchangeServer
from local.postgres import PostgresServer
from tests.support.database import environment_of
from tests.support.program import Program
from tests.support.waiting import wait_until

SECONDS: Final = 90.0
"""Limit of one wait in seconds."""
QUICK: Final = {"EXCHANGE_RATE": "1000", "LIVE_INTERVAL_SECONDS": "1"}
_NOT_COPIED: Final = shutil.ignore_patterns("__pycache__", ".esbuild", ".fetch", ".node", "node_modules")
_NOT_DURABLE: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Service:
    """Running service.

    url: base URL of the pages and of the API.
    exchange: server of the exchange that it crawls.
    database: server of its database.
    """

    url: str
    exchange: ExchangeServer
    database: PostgresServer
    program: Program

    def get(self, path: str) -> Any:
        """Return the JSON body of a response of the API."""
        return httpx.get(self.url + path, timeout=SECONDS).raise_for_status().json()

    def exchange_requests(self) -> int:
        """Return the number of requests for candlesticks, trades and order books that the exchange has received.

        The crawler sends no such request: pages cause all of them.
        """
        counts = httpx.get(f"{self.exchange.root}/admin/requests", timeout=SECONDS).raise_for_status().json()
        words = ("candlesticks", "trades", "orderbook")
        return sum(row["count"] for row in counts if any(word in row["path"] for word in words))

    def matched_requests(self) -> int:
        """Return the number of requests of the exchange that the fault rules in force have matched."""
        rules = httpx.get(f"{self.exchange.root}/admin/faults", timeout=SECONDS).raise_for_status().json()
        return sum(rule["matched"] for rule in rules)

    @contextmanager
    def faults(self, *rules: Mapping[str, object]) -> Iterator[None]:
        """Put fault rules of the exchange into force (docs/exchange.md), and end with a crawler that has recovered."""
        httpx.post(f"{self.exchange.root}/admin/faults", json=rules, timeout=SECONDS).raise_for_status()
        try:
            yield
        finally:
            httpx.delete(f"{self.exchange.root}/admin/faults", timeout=SECONDS).raise_for_status()
            wait_until(self._is_healthy, "The crawler has not recovered from the faults.")

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """Stop the database, and start it again at the end."""
        self.database.stop()
        try:
            yield
        finally:
            self.database.start()

    def _is_healthy(self) -> bool:
        """Return whether the crawler has no error: the status is also that of later tests."""
        status = self.get("/status")
        return status["live"]["complete"] and not any(job["last_error"] for job in status["jobs"])


@contextmanager
def database_server(folder: Path) -> Iterator[PostgresServer]:
    """Run a PostgreSQL server whose data may be lost."""
    server = PostgresServer(folder / "postgres", settings=_NOT_DURABLE)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_service(
    folder: Path,
    exchange: Exchange,
    database: PostgresServer,
    faults: Sequence[Mapping[str, object]] = (),
    **settings: str,
) -> Iterator[Service]:
    """Run `python -m local` in a copy of the sources, which has no .env file. The first crawl may still be running.

    faults: fault rules of the exchange from the start. settings: further variables of `make run`.
    """
    checkout = folder / "checkout"
    for name in ("local", "functions", "layers"):
        shutil.copytree(ROOT / name, checkout / name, ignore=_NOT_COPIED)
    with ExchangeServer(exchange) as server:
        httpx.post(f"{server.root}/admin/faults", json=list(faults), timeout=SECONDS).raise_for_status()
        variables = {"PATH": os.environ["PATH"], "PORT": "0", "EXCHANGE": server.root, **QUICK, **settings}
        variables |= {**environment_of(database, database.database), "DB_SSLMODE": "disable"}
        command = [sys.executable, "-m", "local"]
        program = Program(command, folder=checkout, environment=variables, seconds=SECONDS)
        try:
            yield Service(program.wait_for_line(r"gateway +(http://\S+)"), server, database, program)
        finally:
            if program.process.poll() is None:
                program.process.send_signal(signal.SIGTERM)
            assert program.wait() == 0, program.output


def wait_for_crawl(service: Service) -> None:
    """Wait until the first crawl has ended."""
    service.program.wait_for_line("the first run has ended")
