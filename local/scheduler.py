"""Scheduler: one event every minute, in the format of EventBridge Scheduler."""

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
    """Function that handles an event."""

    async def invoke(self, event: bytes) -> bytes:
        """Return the response to an event, both as JSON. Raises LambdaError."""


class Scheduler:
    """Scheduler that invokes a function at once and then every `interval` seconds.

    While an invocation is running, no other is started.
    component: name in front of the scheduler's lines.
    retry: seconds until the first invocation is repeated, if another process holds the lease.
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
        """Start the schedule and return at once."""
        self._ticks = asyncio.create_task(self._tick())

    async def close(self) -> None:
        """Stop the schedule. An invocation that is running has GRACE_SECONDS to end."""
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
                echo(self._component, "the previous run has not ended: skipping this run")

    async def _first(self) -> None:
        """Invoke the function until it acquires the lease, for up to `interval` seconds.

        A run that was killed with an earlier supervisor may still hold the lease.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._interval - self._retry
        while await self._invoke() == "busy" and loop.time() < deadline:
            echo(self._component, f"an earlier run still holds the lease: retry in {self._retry:.0f} s")
            await asyncio.sleep(self._retry)
        echo(self._component, f"the first run has ended, further runs start every {self._interval:.0f} s")

    async def _invoke(self) -> str:
        """Invoke the function and return the outcome that the crawler reports, or "failed"."""
        try:
            summary = json.loads(await self._function.invoke(json.dumps(scheduled_event()).encode()))
            return str(summary.get("outcome"))
        except LambdaError as error:
            echo(self._component, f"ERROR the run failed: {error}")
            return "failed"
