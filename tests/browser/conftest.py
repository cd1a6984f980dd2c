"""Fixtures: a service that has crawled, the browser, and pages that are watched."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from kalshi_markets.settings import MigratorSettings
from local.exchange.clock import Clock
from local.exchange.http.server import ExchangeServer
from local.exchange.recording import replay
from migrator.migrate import migrate
from tests.browser.chromium import ensure_chromium, launch_options
from tests.browser.exchange import PreparedExchange
from tests.browser.prepared_markets import REMOVED_MARKET
from tests.browser.service import QUICK, Service, database_server, running_service, wait_for_crawl
from tests.browser.watch import Watch
from tests.support.api_client import crawl
from tests.support.database import connect, environment_of
from tests.support.waiting import wait_until

expect.set_options(timeout=60_000)  # milliseconds; only a failure waits for so long


SEED, MARKETS = 11, 800
TIMEOUT_MS = 60_000
"""Limit of one wait in the browser. It is generous for a machine with other load."""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that has crawled the prepared exchange. REMOVED_MARKET was removed after an earlier crawl."""
    folder = tmp_path_factory.mktemp("service")
    exchange = PreparedExchange(SEED, MARKETS, Clock())
    with database_server(folder) as database:
        _crawl_once(exchange, environment_of(database, database.database))
        exchange.hidden = frozenset({REMOVED_MARKET})
        with running_service(folder, exchange, database) as service:
            wait_for_crawl(service)
            # On a slow machine, a later run of the crawler finds out.
            wait_until(lambda: _is_removed(service, REMOVED_MARKET), f"{REMOVED_MARKET} is not marked as removed.")
            yield service


@pytest.fixture(scope="session")
def recorded_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that has crawled the recording in the folder that RECORDINGS names."""
    folder = tmp_path_factory.mktemp("recorded")
    exchange = replay(Path(os.environ["RECORDINGS"]) / "markets.jsonl.gz", Clock())
    with database_server(folder) as database, running_service(folder, exchange, database) as service:
        wait_for_crawl(service)
        yield service


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return the browser, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=ensure_chromium(), args=launch_options())
        yield browser
        browser.close()


class OpenPage(Protocol):
    """Function that opens an empty page in a context of its own."""

    def __call__(
        self,
        *,
        width: int = 1280,
        height: int = 900,
        color_scheme: Literal["light", "dark"] = "light",
        allows_failures: bool = False,
        **options: Any,
    ) -> Page: ...


@pytest.fixture
def watches() -> dict[Page, Watch]:
    """Return the watch of each page of the test."""
    return {}


@pytest.fixture
def open_page(browser: Browser, watches: dict[Page, Watch]) -> Iterator[OpenPage]:
    """Return a function that opens pages. The test fails if one of them does what Watch does not allow.

    allows_failures: responses with an error status are no failure of the test.
    options: further options of Playwright's new_context, such as java_script_enabled or timezone_id.
    """
    contexts = []

    def open_page(
        *,
        width: int = 1280,
        height: int = 900,
        color_scheme: Literal["light", "dark"] = "light",
        allows_failures: bool = False,
        **options: Any,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=color_scheme,
            reduced_motion="reduce",
            **{"locale": "en-US", "timezone_id": "Europe/Berlin", **options},
        )
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        watches[page] = Watch(allows_failures)
        watches[page].follow(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    problems = [problem for watch in watches.values() for problem in watch.problems]
    assert not problems, "\n".join(problems)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """Return an empty page of 1280 × 900 pixels, in light colors."""
    return open_page()


@pytest.fixture
def quiet_page(open_page: OpenPage) -> Page:
    """Return a page that may receive responses with an error status."""
    return open_page(allows_failures=True)


@contextmanager
def counted_requests(page: Page, watches: dict[Page, Watch]) -> Iterator[list[str]]:
    """Yield a list that receives the API requests that the page sends in the context."""
    sent = watches[page].api_requests
    before = len(sent)
    counted: list[str] = []
    yield counted
    counted += sent[before:]


def _is_removed(service: Service, ticker: str) -> bool:
    return service.get(f"/markets/{ticker}?fields=ticker,removed_at")["removed_at"] is not None


def _crawl_once(exchange: PreparedExchange, environment: dict[str, str]) -> None:
    """Migrate the database and crawl the exchange once."""
    database = connect(environment)
    migrate(database, MigratorSettings.from_env(environment))
    database.close()
    with ExchangeServer(exchange) as server:
        variables = environment | QUICK | {"EXCHANGE_URL": server.url}
        # Playwright's event loop occupies this thread, and the crawler runs another one.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(crawl, variables).result()
