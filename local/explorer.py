"""Third-party JavaScript of the pages, fetched before a run serves them."""

import os
import signal
import sys
from typing import Final

from local import ROOT
from local.console import echo
from local.processes import iter_lines, signal_session, start_child

FETCH: Final = ROOT / "layers" / "explorer" / "fetch.py"


async def fetch_modules() -> None:
    """Fetch the modules of the pages, unless they are there, and show the progress.

    A failure is shown and does not end the run: the API works, and the pages say which command to repeat.
    """
    process = await start_child([sys.executable, str(FETCH)], environment=os.environ, directory=ROOT)
    try:
        async for line in iter_lines(process):
            echo("explorer", line.removeprefix("explorer").strip())
        if await process.wait():
            echo("explorer", "the pages are not available in a browser; the API is")
    finally:
        signal_session(process, signal.SIGTERM)
        await process.wait()
