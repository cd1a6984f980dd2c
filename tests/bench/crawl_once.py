"""One invocation of the crawler in a fresh process: python -m tests.bench.crawl_once [MARKETS_ON_A_PAGE]

Settings come from the environment. After the function's own output the program prints its figures as a line of JSON.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self
from unittest import mock

from crawler.handler import handler
from kalshi_markets.exchange import listings
from kalshi_markets.exchange.rate_limiter import RateLimiter
from tests.bench.report import peak

_CONTEXT: Final = SimpleNamespace(
    function_name="crawler",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:crawler",
    aws_request_id="request",
    get_remaining_time_in_millis=lambda: 900_000,
)


@dataclasses.dataclass(frozen=True)
class Walked:
    """Figures of one invocation.

    seconds: wall-clock time.
    cpu: CPU seconds of the process.
    sending: seconds from the first request to the last.
    peak: peak memory in KiB.
    summary: the function's result.
    """

    seconds: float
    cpu: float
    sending: float
    peak: int
    summary: dict[str, Any]

    @classmethod
    def measure(cls) -> Self:
        """Invoke the handler in this process and return its figures."""
        with _sent() as times:
            began, used = time.perf_counter(), time.process_time()
            summary = handler({}, _CONTEXT)  # type: ignore[arg-type]  # it has the attributes in use
            seconds, cpu = time.perf_counter() - began, time.process_time() - used
        return cls(seconds, cpu, times[-1] - times[0], peak(), summary)

    @property
    def markets(self) -> int:
        return int(self.summary["markets"])

    @property
    def differed(self) -> int:
        """Number of rows that were added or changed."""
        return int(self.summary["added"] + self.summary["changed"])

    @property
    def rate(self) -> float:
        """Markets per second."""
        return self.markets / self.seconds

    @property
    def micros(self) -> float:
        """Microseconds of CPU per market."""
        return self.cpu / self.markets * 1e6


def walk(environment: Mapping[str, str], markets_on_a_page: int = listings.PAGE_LIMIT) -> Walked:
    """Run an invocation in a fresh process. Fails if an error ended it early."""
    command = [sys.executable, "-m", "tests.bench.crawl_once", str(markets_on_a_page)]
    variables = {**os.environ, "RUN_SECONDS": "840", **environment}
    root = Path(__file__).parents[2]
    output = subprocess.run(command, cwd=root, env=variables, stdout=subprocess.PIPE, text=True, check=True).stdout
    walked = Walked(**json.loads(output.splitlines()[-1]))
    assert walked.summary["outcome"] in ("idle", "out of time"), walked.summary
    return walked


@contextmanager
def _sent() -> Iterator[list[float]]:
    """Record the time at which each request passed the rate limiter."""
    times: list[float] = []
    acquire = RateLimiter.acquire

    async def spy(limiter: RateLimiter, priority: float = 0.0, path: str = "") -> None:
        await acquire(limiter, priority, path)
        times.append(time.monotonic())

    with mock.patch.object(RateLimiter, "acquire", spy):
        yield times


if __name__ == "__main__":
    with mock.patch.object(listings, "PAGE_LIMIT", int(sys.argv[1])):
        measured = Walked.measure()
    print(json.dumps(dataclasses.asdict(measured)))
