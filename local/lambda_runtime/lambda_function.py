"""A Lambda function: as many sandboxes as its concurrency permits, and a short queue before them."""

import asyncio
from types import TracebackType
from typing import Final, Self

from local.lambda_runtime.lambda_errors import RequestTooLarge, Throttled
from local.lambda_runtime.sandbox import FunctionSpec, Log, Sandbox

REQUEST_BYTES: Final = 6_291_456
"""Lambda's limit of a synchronous event (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""


class LambdaFunction:
    """`async with LambdaFunction(spec) as function: await function.invoke(event)`.

    concurrency: how many sandboxes there are, each with one event at a time; queue: how many events may wait for one.
    log: takes each line that the function writes.
    """

    def __init__(self, spec: FunctionSpec, *, concurrency: int = 1, queue: int = 100, log: Log = print) -> None:
        self.spec = spec
        self._concurrency = concurrency
        self._queue = queue
        self._waiting = 0
        self._log = log
        self._sandboxes: set[Sandbox] = set()
        # The one used last is the warmest.
        self._idle: asyncio.LifoQueue[Sandbox] = asyncio.LifoQueue()

    async def start(self) -> None:
        """Starts the sandboxes; their imports go on while this returns."""
        for sandbox in await asyncio.gather(*(self._start_sandbox() for _ in range(self._concurrency))):
            self._idle.put_nowait(sandbox)

    async def close(self) -> None:
        """Ends the sandboxes at once; what they were doing fails."""
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
        """The handler's response to an event, both as JSON. Raises LambdaError."""
        if len(event) > REQUEST_BYTES:
            raise RequestTooLarge(f"Request must be smaller than {REQUEST_BYTES} bytes")
        sandbox = await self._idle_sandbox()
        try:
            if not sandbox.alive:
                sandbox = await self._replace(sandbox)
            return await sandbox.invoke(event)
        finally:
            self._idle.put_nowait(sandbox)

    async def _idle_sandbox(self) -> Sandbox:
        if self._idle.empty() and self._waiting >= self._queue:
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
