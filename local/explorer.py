"""Assets of the pages, built before a run serves them."""

import os
import signal
import sys
from typing import Final

from local import ROOT
from local.console import echo
from local.processes import iter_lines, signal_session, start_child

FETCH: Final = ROOT / "layers" / "explorer" / "fetch.py"
ASSETS: Final = FETCH.with_name("explorer_assets")
NO_PAGES: Final = "the pages are not available in a browser; the API is"
OLD_PAGES: Final = "the pages of the last build are served"


async def build_pages() -> None:
    """Fetch the packages of the pages and build the pages, unless both are there, and show the progress.

    A failure is shown and does not end the run: the API works. The pages of the last build are served, or say which
    command to repeat.
    """
    process = await start_child([sys.executable, str(FETCH)], environment=os.environ, directory=ROOT)
    try:
        async for line in iter_lines(process):
            echo("explorer", line.removeprefix("explorer   "))
        if await process.wait():
            echo("explorer", OLD_PAGES if ASSETS.is_dir() else NO_PAGES)
    finally:
        signal_session(process, signal.SIGTERM)
        await process.wait()
