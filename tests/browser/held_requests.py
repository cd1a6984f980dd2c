"""Requests of a page that a test holds back, and continues when it wants their responses."""

import re
import time

from playwright.sync_api import Page, Route

_WAIT_SECONDS = 30.0


class HeldRequests:
    """Requests that wait for the test.

    A page shows that it is loading before its request reaches the test, so a test takes requests by `wait` only.
    """

    def __init__(self, page: Page) -> None:
        """Begin without requests."""
        self._page = page
        self._routes: list[Route] = []

    def hold(self, route: Route) -> None:
        """Hold one request."""
        self._routes.append(route)

    def wait(self, count: int) -> list[Route]:
        """Wait until the page has made a number of requests, and return all requests so far, the oldest first."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while len(self._routes) < count:
            assert time.monotonic() < deadline, f"The page made {len(self._routes)} requests of {count}."
            self._page.wait_for_timeout(10)
        return list(self._routes)


def hold_requests(page: Page, pattern: str) -> HeldRequests:
    """Hold the requests whose URLs match a pattern."""
    held = HeldRequests(page)
    page.route(re.compile(pattern), held.hold)
    return held
