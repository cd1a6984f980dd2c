"""The simulated exchange as a child process."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from local import ROOT
from local.output import say
from local.processes import lines_of, send_to_session, start_child
from local.settings import Settings

KEY_ID: Final = "local"
STOP_SECONDS: Final = 3.0
_READY: Final = re.compile(r"exchange: \d+ markets at (\S+)")


class ExchangeFailed(Exception):
    """It did not start; the message is its own."""


class ExchangeProcess:
    """`python -m local.exchange` on a free port; `url` is known when start() has returned."""

    def __init__(self, settings: Settings, key_file: Path) -> None:
        self._arguments = ["--port", "0", "--markets", str(settings.markets), "--api-key", f"{KEY_ID}={key_file}"]
        if settings.recording:
            self._arguments += ["--recording", str(settings.recording)]
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Returns when it takes requests. Raises ExchangeFailed."""
        command = [sys.executable, "-m", "local.exchange", *self._arguments]
        self._process = await start_child(command, environment=os.environ, directory=ROOT)
        lines = lines_of(self._process)
        said = []
        async for line in lines:
            if ready := _READY.fullmatch(line):
                self.url = ready[1]
                self.ended = asyncio.create_task(self._show(lines))
                return
            said.append(line)
        raise ExchangeFailed("\n".join(said) or f"exit status {await self._process.wait()}")

    async def close(self) -> None:
        """Ends it."""
        if self._process is None:
            return
        send_to_session(self._process, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            send_to_session(self._process, signal.SIGKILL)
            await self._process.wait()

    async def _show(self, lines: AsyncIterator[str]) -> None:
        async for line in lines:
            say("exchange", line)
