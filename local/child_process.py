"""Server program as a child process: start it, show its output, stop it."""

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
    """Child process that ended before it was ready. The message is its output."""


class ChildProcess:
    """Command that prints its URL when it accepts requests.

    component: name in front of each line that the process writes after its URL.
    ready_pattern: regular expression for the line with the URL. Its first group is the URL.
    environment: environment variables. Default: those of this process.
    stop_seconds: time between SIGTERM and SIGKILL.

    Attributes that start() sets:
    url: the URL. It is empty before.
    ended: task that ends with the process.
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
        """Start the process and return when it accepts requests. Raises ChildFailed."""
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
        """Stop the process: SIGTERM first, SIGKILL after `stop_seconds`."""
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
