"""A schedule: an event every minute, as EventBridge Scheduler sends it."""

import asyncio
import json
from typing import Final, Protocol

from local.console import echo
from local.lambda_runtime.events import scheduled_event
from local.lambda_runtime.lambda_errors import LambdaError

INTERVAL_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 3.0
RETRY_SECONDS: Final = 5.0


class Function(Protocol):
    """What takes an event."""

    async def invoke(self, event: bytes) -> bytes:
        """The response to it, both as JSON. Raises LambdaError."""


class Scheduler:
    """Invokes a function at once and then every `interval` seconds; skips its turn while a run goes on.

    component: the name before its lines. retry: seconds until a first run that found the lease taken is repeated.
    """

    def __init__(
        self,
        function: Function,
        component: str,
        *,
        interval: float = INTERVAL_SECONDS,
        retry: float = RETRY_SECONDS,
    ) -> None:
        self._function = function
        self._component = component
        self._interval = interval
        self._retry = retry
        self._run: asyncio.Task[str] | asyncio.Task[None] | None = None
        self._ticks: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Returns at once."""
        self._ticks = asyncio.create_task(self._tick())

    async def close(self) -> None:
        """Begins no other run; the present one has a few seconds to end."""
        for task, grace in ((self._ticks, 0.0), (self._run, GRACE_SECONDS)):
            if task and not task.done():
                await asyncio.wait({task}, timeout=grace)
                task.cancel()
                await asyncio.wait({task})

    async def _tick(self) -> None:
        self._run = asyncio.create_task(self._first())
        while True:
            await asyncio.sleep(self._interval)
            if self._run.done():
                self._run = asyncio.create_task(self._invoke())
            else:
                echo(self._component, "the run before goes on: no other is begun")

    async def _first(self) -> None:
        """Again and again as long as a run that was killed with the last supervisor holds its lease."""
        loop = asyncio.get_running_loop()
        gives_up = loop.time() + self._interval - self._retry
        while await self._invoke() == "busy" and loop.time() < gives_up:
            echo(self._component, f"an earlier run still holds the lease: trying again in {self._retry:.0f} s")
            await asyncio.sleep(self._retry)
        echo(self._component, f"the first run has ended, the others begin every {self._interval:.0f} s")

    async def _invoke(self) -> str:
        """What became of the run, in the crawler's word."""
        try:
            summary = json.loads(await self._function.invoke(json.dumps(scheduled_event()).encode()))
            return str(summary.get("outcome"))
        except LambdaError as error:
            echo(self._component, f"ERROR the run failed: {error}")
            return "failed"
