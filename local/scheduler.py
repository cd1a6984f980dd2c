"""Scheduler: one event every minute, in the format of EventBridge Scheduler."""

import asyncio
import json
from typing import Any, Final, Protocol

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
        self._schedule: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the schedule and return at once."""
        self._schedule = asyncio.create_task(self._run_schedule())

    async def close(self) -> None:
        """Stop the schedule. An invocation that is running has GRACE_SECONDS to end."""
        await _end(self._schedule, grace=0.0)
        await _end(self._run, grace=GRACE_SECONDS)

    async def _run_schedule(self) -> None:
        self._run = asyncio.create_task(self._invoke_first())
        while True:
            await asyncio.sleep(self._interval)
            if self._run.done():
                self._run = asyncio.create_task(self._invoke())
            else:
                echo(self._component, "the previous run has not ended: skipping this run")

    async def _invoke_first(self) -> None:
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


async def _end(task: asyncio.Task[Any] | None, *, grace: float) -> None:
    """Cancel a task that does not end within `grace` seconds, and wait until it has ended."""
    if task and not task.done():
        await asyncio.wait({task}, timeout=grace)
        task.cancel()
        await asyncio.wait({task})
