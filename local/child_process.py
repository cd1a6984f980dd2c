"""A program that serves, as a child process: started, shown, stopped."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from local import ROOT
from local.output import say
from local.processes import lines_of, send_to_session, start_child

STOP_SECONDS: Final = 3.0


class ChildFailed(Exception):
    """It ended before it was ready; the message is its own."""


class ChildProcess:
    """A command whose output has a line that matches `ready`, with its address as the group, when it takes requests.

    `url` is that address and `ended` a task that ends with the process, both when start() has returned.
    part: under which name the lines that follow are shown. seconds: how long it may take to stop.
    """

    ended: asyncio.Task[None]

    def __init__(
        self,
        part: str,
        command: Sequence[str],
        ready: str,
        *,
        environment: Mapping[str, str] = os.environ,
        seconds: float = STOP_SECONDS,
    ) -> None:
        self._part = part
        self._command = command
        self._ready = re.compile(ready)
        self._environment = environment
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Returns when it takes requests. Raises ChildFailed."""
        self._process = await start_child(self._command, environment=self._environment, directory=ROOT)
        lines = lines_of(self._process)
        said = []
        async for line in lines:
            if ready := self._ready.search(line):
                self.url = ready[1]
                self.ended = asyncio.create_task(self._show(lines))
                return
            said.append(line)
        raise ChildFailed("\n".join(said) or f"exit status {await self._process.wait()}")

    async def close(self) -> None:
        """Ends it."""
        if self._process is None:
            return
        send_to_session(self._process, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), self._seconds)
        except TimeoutError:
            send_to_session(self._process, signal.SIGKILL)
            await self._process.wait()

    async def _show(self, lines: AsyncIterator[str]) -> None:
        async for line in lines:
            say(self._part, line)
