"""One run of all parts, its signals and its exit code."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

from local.data_folder import DataFolder
from local.output import say
from local.parts import Failure, Parts
from local.settings import Settings, SettingsError


def main(run: type[Parts]) -> int:
    """The exit code: 0 after Ctrl+C or SIGTERM, 1 when a part failed, 2 when a variable is wrong."""
    try:
        settings = Settings.read()
    except SettingsError as error:
        print(f"{run.command}: {error}", file=sys.stderr)
        return 2
    return asyncio.run(_supervise(run, settings))


async def _supervise(parts_of: type[Parts], settings: Settings) -> int:
    """Nothing interrupts the stopping but the second signal."""
    stop = _signalled()
    code = 0
    async with AsyncExitStack() as parts:
        run = asyncio.create_task(parts_of(settings, parts).run())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({run, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        run.cancel()
        try:
            await run
        except asyncio.CancelledError:
            say("stopping", "(Ctrl+C again ends everything at once)")
        except Failure as failure:
            print(f"{parts_of.command}: {failure}", file=sys.stderr, flush=True)
            code = 1
    if code == 0:
        say("stopped:", f"everything is down, the data stays in {DataFolder(settings.data_dir)}")
    return code


def _signalled() -> asyncio.Event:
    stop = asyncio.Event()

    def note() -> None:
        if stop.is_set():
            os._exit(130)  # the children end with their parent
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, note)
    return stop
