"""Base class of the runs: port, data folder and wait for the first part that ends."""

import asyncio
import errno
import socket
from contextlib import AsyncExitStack
from typing import ClassVar

from local.console import echo
from local.data_folder import DataFolder, FolderInUse
from local.lambda_runtime.http_server import listen
from local.settings import Settings


class RunFailed(Exception):
    """Error that ends the run. The message is for the user."""


class BaseRun:
    """A run of several parts. Each part registers its cleanup on the exit stack before it starts."""

    command: ClassVar[str]
    """Shell command that starts the run, used in messages."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._folder = DataFolder(settings.data_dir)
        self._watched: set[asyncio.Task[None]] = set()
        """Tasks that end when a part has ended by itself."""

    async def run(self) -> None:
        """Run until a part ends by itself; never return. Raises RunFailed."""
        raise NotImplementedError

    def _bind_port(self) -> socket.socket:
        port = self._settings.port
        try:
            listener = listen(port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"port {port} is taken: stop the other program or"
            else:
                reason = f"port {port} cannot be used ({error.strerror}):"
            other_port = port + 1 if port > 1023 else 8000
            raise RunFailed(f"{reason} choose another with PORT={other_port} {self.command}") from None
        self._stack.callback(listener.close)
        return listener

    def _lock_data_folder(self) -> None:
        try:
            self._folder.lock()
            self._stack.callback(self._folder.unlock)
            previous_source = self._folder.record_source(self._settings.source)
        except FolderInUse as error:
            raise RunFailed(str(error)) from None
        except OSError as error:
            raise RunFailed(f"DATA_DIR {self._folder} cannot be used: {error.strerror}") from None
        if previous_source:
            echo("data", f"{self._folder} also holds markets of another source ({previous_source});")
            echo("", f"to keep them apart: DATA_DIR={self._folder}-2 {self.command}")

    def _watch(self, name: str, ended: asyncio.Task[None]) -> None:
        ended.set_name(name)
        self._watched.add(ended)

    async def _wait_for_exit(self) -> None:
        if not self._watched:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(self._watched, return_when=asyncio.FIRST_COMPLETED)
        raise RunFailed(f"{done.pop().get_name()} exited unexpectedly: see the lines above and {self._folder}")
