"""Fixtures: the built stack, the servers that it needs, and the SAM CLI's servers."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from local.data_folder import DataFolder
from local.ports import free_ports
from local.sam.cli import ARCHITECTURE, Sam
from local.sam.host import Host
from local.settings import Settings
from tests.sam.__main__ import build_for

EVENTS = Path(__file__).parent.parent / "events"


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """Return the event loop that starts all processes."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def sam() -> Sam:
    """Return the SAM CLI for the build of this machine's architecture."""
    return build_for(ARCHITECTURE)


@pytest.fixture(scope="session")
def host(portal: BlockingPortal, sam: Sam, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Start an empty PostgreSQL, a small exchange with a stopped clock, and Secrets Manager."""
    root = tmp_path_factory.mktemp("host")
    settings = Settings.from_env({"MARKETS": "300"}, root)
    host = Host(json.loads(sam.variables.read_text(encoding="utf-8")), settings, DataFolder(root), "--speed", "0")
    with portal.wrap_async_context_manager(_started(host)):
        yield host


@asynccontextmanager
async def _started(host: Host) -> AsyncIterator[None]:
    async with AsyncExitStack() as parts:
        await host.start(parts)
        yield


class Functions:
    """The stack's functions, invoked by `sam local invoke`. lines: their log lines."""

    def __init__(self, portal: BlockingPortal, sam: Sam) -> None:
        self._portal = portal
        self._sam = sam
        self.lines: list[str] = []

    def invoke(self, function: str, event: str, **members: str) -> Any:
        """Invoke a function with an event of tests/events, some members replaced. Raises LambdaError."""
        payload = json.dumps(json.loads((EVENTS / f"{event}.json").read_bytes()) | members).encode()
        return json.loads(self._portal.call(self._sam.invoke, function, payload, self.lines.append))


@pytest.fixture(scope="session")
def functions(portal: BlockingPortal, sam: Sam, host: Host) -> Functions:
    """Return the functions, with the servers of `host`."""
    return Functions(portal, sam)


@pytest.fixture(scope="session")
def applied(functions: Functions) -> list[str]:
    """Return the migrations that the migrator reports as applied."""
    names: list[str] = functions.invoke("MigratorFunction", "schedule")["applied"]
    return names


@pytest.fixture(scope="session")
def crawled(functions: Functions, applied: list[str]) -> dict[str, Any]:
    """Return the summary of the crawl that filled the table."""
    summary: dict[str, Any] = functions.invoke("CrawlerFunction", "schedule")
    return summary


@contextmanager
def serving(portal: BlockingPortal, sam: Sam, command: str) -> Iterator[str]:
    """Run `sam local start-api` or `start-lambda` on a free port and yield its address."""
    [port] = free_ports(1)
    server = sam.server(command, port, command)
    try:
        portal.call(server.start)
        yield server.url
    finally:
        portal.call(server.close)


@pytest.fixture(scope="session")
def api(portal: BlockingPortal, sam: Sam, crawled: dict[str, Any]) -> Iterator[str]:
    """Return the address of `sam local start-api` over the filled table."""
    with serving(portal, sam, "start-api") as url:
        yield url
