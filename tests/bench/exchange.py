"""Benchmark of the simulated exchange: python -m tests.bench.exchange

It measures pages of 1,000 markets per second over loopback, prepared and computed. The reference is the same bytes as a
static file of the same server. It also measures the memory of an exchange of twelve million markets. The exit status is
1 if a bar is missed.
"""

import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from itertools import cycle
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local import ROOT
from tests.bench.report import peak

READY = re.compile(r"exchange: \d+ markets at (\S+)\n|static: (\S+)\n")
CONNECTIONS, ROUNDS, SECONDS = 2, 3, 1.5
MARKETS = 20_000
# Measured: 150 prepared and 15 computed pages per second, on two cores that served the static file 800 times per
# second (1,860 times compressed). The bars are ratios, so that they hold on any machine.
PREPARED, PREPARED_GZIP, COMPUTED = 0.19, 0.08, 0.019
WALK = "limit=1000&mve_filter=exclude&status=open"


@dataclass(frozen=True)
class Line:
    """Measurement with its bar: the bound of figure, or of figure / reference. is_minimum: the bar is a lower bound."""

    name: str
    figure: float
    unit: str
    bar: float
    reference: float | None = None
    is_minimum: bool = True

    @property
    def judged(self) -> float:
        return self.figure if self.reference is None else self.figure / self.reference

    @property
    def is_good(self) -> bool:
        return self.judged >= self.bar if self.is_minimum else self.judged <= self.bar

    def __str__(self) -> str:
        reference = "-" if self.reference is None else f"{self.reference:,.0f}"
        ratio = "-" if self.reference is None else f"{self.judged:.3f}"
        bar = f"{'>=' if self.is_minimum else '<='} {self.bar:g}"
        verdict = "ok" if self.is_good else "MISSED"
        return f"{self.name:42} {self.figure:10,.1f} {self.unit:8} {reference:>9} {ratio:>7} {bar:>9}  {verdict}"


@contextmanager
def program(*arguments: object) -> Iterator[tuple[int, str]]:
    """Run a server in a process of its own. Yield its process id and URL."""
    command = [sys.executable, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = READY.fullmatch(process.stdout.readline())
            assert ready is not None, f"{command} did not start"
            yield process.pid, ready[1] or ready[2]
        finally:
            process.kill()


def serve_file(path: Path) -> int:
    """Serve a file as the response to every request: the limit of the server itself."""
    read = path.read_bytes  # read from disk each time, like prepared pages

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(read(), media_type="application/json")(scope, receive, send)

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        print(f"static: http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_level="warning")).run([listener])
    return 0


def fetch(connection: socket.socket, url: str, encoding: str) -> bytes:
    """Return the body of one response as it is transferred."""
    parts = urlsplit(url)
    head = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: {encoding}\r\n\r\n"
    connection.sendall(head.encode())
    with HTTPResponse(connection, method="GET") as response:
        response.begin()
        assert response.status == 200, url
        return response.read()


def rate(urls: Sequence[str], encoding: str) -> float:
    """Return responses per second over a few connections, from the first byte sent to the last received."""
    counts: list[int] = []
    until = time.monotonic() + SECONDS

    def run(first: int) -> None:
        count = 0
        parts = urlsplit(urls[0])
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            for url in cycle([*urls[first:], *urls[:first]]):
                fetch(connection, url, encoding)
                count += 1
                if time.monotonic() > until:
                    break
        counts.append(count)

    threads = [threading.Thread(target=run, args=(number * len(urls) // CONNECTIONS,)) for number in range(CONNECTIONS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def chain(url: str) -> list[str]:
    """Return the URLs of a pass over the open markets without the last page, which is shorter."""
    urls, cursor = [], ""
    while True:
        urls.append(f"{url}/markets?{WALK}" + (f"&cursor={cursor}" if cursor else ""))
        cursor = httpx.get(urls[-1]).json()["cursor"]
        if not cursor:
            return urls[:-1]


def compare(name: str, url: str, encoding: str, bar: float, folder: Path) -> Line:
    """Return the median rate of a pass and that of its first page as a static file, interleaved."""
    urls = chain(url)
    parts = urlsplit(urls[0])
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        page = folder / "page"
        page.write_bytes(fetch(connection, urls[0], encoding))
    with program("-m", "tests.bench.exchange", page) as (_, static):
        pairs = [(rate(urls, encoding), rate([static], encoding)) for _ in range(ROUNDS)]
    return Line(name, median(figure for figure, _ in pairs), "pages/s", bar, median(other for _, other in pairs))


def memory() -> Line:
    """Return the peak memory after requests for pages of every tier."""
    with program("-m", "local.exchange", "--port", 0, "--markets", 2_000_000, "--archived", 10_000_000) as (pid, url):
        for path in ("/markets", "/historical/markets", "/markets?status=settled", "/events?limit=200"):
            cursor = ""
            for _ in range(5):
                cursor = httpx.get(f"{url}{path}", params={"cursor": cursor, "limit": 200}).json()["cursor"]
        resident = peak(pid)
    return Line("memory of 12 million markets, at most", resident / 1024, "MiB", 200, is_minimum=False)


def main() -> int:
    print(f"{'name':42} {'figure':>10} {'':8} {'reference':>9} {'ratio':>7} {'bar':>9}  verdict")
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = ("--markets", MARKETS, "--speed", 0)
        made = ("-m", "local.exchange", *world, "--prepare", folder / "pages")
        subprocess.run([sys.executable, *map(str, made)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        with program("-m", "local.exchange", "--port", 0, "--prepared", folder / "pages") as (_, url):
            for encoding, bar in (("gzip", PREPARED_GZIP), ("identity", PREPARED)):
                lines.append(compare(f"prepared pages, {encoding}", url, encoding, bar, folder))
                print(lines[-1], flush=True)
        with program("-m", "local.exchange", "--port", 0, *world) as (_, url):
            lines.append(compare("computed pages, identity", url, "identity", COMPUTED, folder))
            print(lines[-1], flush=True)
    lines.append(memory())
    print(lines[-1])
    return 0 if all(line.is_good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(serve_file(Path(sys.argv[1])) if len(sys.argv) > 1 else main())
