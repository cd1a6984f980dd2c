"""Clock of a page, for tests whose results depend on the time."""

import time
from typing import Final

from playwright.sync_api import Page

BEFORE_REFRESH: Final = 55
"""Seconds after the installation of a clock in which a page does not refresh itself yet, however slowly it loads."""
REFRESH_MS: Final = 60_000
"""Time after that in which a page refreshes itself exactly once."""


def stop_at_full_hour(page: Page) -> None:
    """Stop the clock of a page at the last full hour. Call it before the page is opened.

    A chart then requests periods that have ended, whose candlesticks no longer change between two requests.
    """
    page.clock.set_fixed_time(time.time() // 3600 * 3600)


def install_clock(page: Page) -> float:
    """Install a clock that runs from the present, and return the time of its installation in Unix seconds."""
    start = time.time()
    page.clock.install(time=start)
    return start


def pause_before_refresh(page: Page, installed_at: float) -> None:
    """Advance the clock to the last seconds before the first refresh, and stop it there.

    A running clock adds the time that the machine takes to load the page.
    """
    page.clock.pause_at(installed_at + BEFORE_REFRESH)
