"""What every run of several parts does: it takes its port and its folder, and ends when a part does."""

import asyncio
import errno
import socket
from contextlib import AsyncExitStack
from typing import ClassVar

from local.data_folder import DataFolder, FolderInUse
from local.http_server import listen
from local.output import say
from local.settings import Settings


class Failure(Exception):
    """Why the run cannot go on, for people."""


class Parts:
    """One run. What it starts, it first puts on the stack of parts to stop."""

    command: ClassVar[str]
    """What people type for it."""

    def __init__(self, settings: Settings, parts: AsyncExitStack) -> None:
        self._settings = settings
        self._parts = parts
        self._folder = DataFolder(settings.data_dir)
        self._ends: set[asyncio.Task[None]] = set()
        """Tasks that end when a part has ended by itself."""

    async def run(self) -> None:
        """Returns never. Raises Failure."""
        raise NotImplementedError

    def _take_port(self) -> socket.socket:
        port = self._settings.port
        try:
            listener = listen(port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = f"port {port} is taken: stop the other program or"
            else:
                why = f"port {port} cannot be used ({error.strerror}):"
            another = port + 1 if port > 1023 else 8000
            raise Failure(f"{why} choose another with PORT={another} {self.command}") from None
        self._parts.callback(listener.close)
        return listener

    def _take_folder(self) -> None:
        try:
            self._folder.lock()
            self._parts.callback(self._folder.unlock)
            before = self._folder.changed_source(self._settings.source)
        except FolderInUse as error:
            raise Failure(str(error)) from None
        except OSError as error:
            raise Failure(f"DATA_DIR {self._folder} cannot be used: {error.strerror}") from None
        if before:
            say("data", f"{self._folder} also holds markets of another source ({before});")
            say("", f"to keep them apart: DATA_DIR={self._folder}-2 {self.command}")

    def _watch(self, name: str, ended: asyncio.Task[None]) -> None:
        ended.set_name(name)
        self._ends.add(ended)

    async def _until_a_part_ends(self) -> None:
        if not self._ends:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(self._ends, return_when=asyncio.FIRST_COMPLETED)
        raise Failure(f"{done.pop().get_name()} ended by itself: look at the lines above and in {self._folder}")
