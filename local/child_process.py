"""A program that serves, as a child process: started, shown, stopped."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from local import ROOT
from local.console import echo
from local.processes import iter_lines, signal_session, start_child

STOP_SECONDS: Final = 3.0


class ChildFailed(Exception):
    """It ended before it was ready; the message is its own."""


class ChildProcess:
    """A command that writes its address when it takes requests: the group of `ready_pattern` in a line.

    `url` is that address and `ended` a task that ends with the process, both when start() has returned.
    component: the name before the lines that follow. stop_seconds: how long it may take to stop.
    """

    ended: asyncio.Task[None]

    def __init__(
        self,
        component: str,
        command: Sequence[str],
        ready_pattern: str,
        *,
        environment: Mapping[str, str] = os.environ,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._component = component
        self._command = command
        self._ready_pattern = re.compile(ready_pattern)
        self._environment = environment
        self._stop_seconds = stop_seconds
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Returns when it takes requests. Raises ChildFailed."""
        self._process = await start_child(self._command, environment=self._environment, directory=ROOT)
        lines = iter_lines(self._process)
        output = []
        async for line in lines:
            if match := self._ready_pattern.search(line):
                self.url = match[1]
                self.ended = asyncio.create_task(self._show(lines))
                return
            output.append(line)
        raise ChildFailed("\n".join(output) or f"exit status {await self._process.wait()}")

    async def close(self) -> None:
        """Ends it."""
        if self._process is None:
            return
        signal_session(self._process, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), self._stop_seconds)
        except TimeoutError:
            signal_session(self._process, signal.SIGKILL)
            await self._process.wait()

    async def _show(self, lines: AsyncIterator[str]) -> None:
        async for line in lines:
            echo(self._component, line)
