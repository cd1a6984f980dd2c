"""Lambda function: one sandbox for each unit of concurrency, and a short queue in front of them."""

import asyncio
from types import TracebackType
from typing import Final, Self

from local.lambda_runtime.lambda_errors import RequestTooLarge, Throttled
from local.lambda_runtime.sandbox import FunctionSpec, Log, Sandbox

REQUEST_BYTES: Final = 6_291_456
"""Lambda's limit of a synchronous event (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""


class LambdaFunction:
    """Lambda function, used as `async with LambdaFunction(spec) as function: await function.invoke(event)`.

    concurrency: number of sandboxes. Each handles one event at a time.
    max_waiting: number of events that may wait for a sandbox. Events beyond it are throttled.
    log: receives each line that the function writes.
    """

    def __init__(self, spec: FunctionSpec, *, concurrency: int = 1, max_waiting: int = 100, log: Log = print) -> None:
        self.spec = spec
        self._concurrency = concurrency
        self._max_waiting = max_waiting
        self._waiting = 0
        self._log = log
        self._sandboxes: set[Sandbox] = set()
        # Last in, first out: the sandbox that was used last has the warmest caches.
        self._idle: asyncio.LifoQueue[Sandbox] = asyncio.LifoQueue()

    async def start(self) -> None:
        """Start the sandboxes. Their imports continue after this returns."""
        for sandbox in await asyncio.gather(*(self._start_sandbox() for _ in range(self._concurrency))):
            self._idle.put_nowait(sandbox)

    async def close(self) -> None:
        """End the sandboxes at once. Invocations that are running fail."""
        await asyncio.gather(*(sandbox.close() for sandbox in self._sandboxes))
        self._sandboxes.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def invoke(self, event: bytes) -> bytes:
        """Return the handler's response to an event, both as JSON. Raises LambdaError."""
        if len(event) > REQUEST_BYTES:
            raise RequestTooLarge(f"Request must be smaller than {REQUEST_BYTES} bytes")
        sandbox = await self._acquire_sandbox()
        try:
            if not sandbox.alive:
                sandbox = await self._replace(sandbox)
            return await sandbox.invoke(event)
        finally:
            self._idle.put_nowait(sandbox)

    async def _acquire_sandbox(self) -> Sandbox:
        """Wait for an idle sandbox and return it. Raises Throttled if too many events already wait."""
        if self._idle.empty() and self._waiting >= self._max_waiting:
            raise Throttled("Rate Exceeded.")
        self._waiting += 1
        try:
            return await self._idle.get()
        finally:
            self._waiting -= 1

    async def _start_sandbox(self) -> Sandbox:
        sandbox = Sandbox(self.spec, self._log)
        self._sandboxes.add(sandbox)
        await sandbox.start()
        return sandbox

    async def _replace(self, sandbox: Sandbox) -> Sandbox:
        self._sandboxes.discard(sandbox)
        await sandbox.close()
        return await self._start_sandbox()
