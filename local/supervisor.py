"""Supervisor of one run: signals and exit code."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

from local.base_run import BaseRun, RunFailed
from local.console import echo
from local.data_folder import DataFolder
from local.settings import Settings, SettingsError


def main(run_class: type[BaseRun]) -> int:
    """Run all parts and return the exit code.

    0: after Ctrl+C or SIGTERM. 1: a part failed. 2: a variable is invalid.
    """
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"{run_class.command}: {error}", file=sys.stderr)
        return 2
    return asyncio.run(_supervise(run_class, settings))


async def _supervise(run_class: type[BaseRun], settings: Settings) -> int:
    """Run all parts until the first signal, then stop them. Only a second signal interrupts the stop."""
    stop = _stop_event()
    code = 0
    async with AsyncExitStack() as stack:
        run = asyncio.create_task(run_class(settings, stack).run())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({run, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        run.cancel()
        try:
            await run
        except asyncio.CancelledError:
            echo("stopping", "(press Ctrl+C again to stop immediately)")
        except RunFailed as failure:
            print(f"{run_class.command}: {failure}", file=sys.stderr, flush=True)
            code = 1
    if code == 0:
        echo("stopped:", f"all processes stopped, the data remains in {DataFolder(settings.data_dir)}")
    return code


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()

    def set_stop() -> None:
        if stop.is_set():
            os._exit(130)  # the children end with their parent
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, set_stop)
    return stop
