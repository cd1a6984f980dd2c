"""Requests of a page that a test holds back, and continues when it wants their responses."""

import re

from playwright.sync_api import Page, Route


def hold_requests(page: Page, pattern: str) -> list[Route]:
    """Hold the requests whose URLs match a pattern, and return the list that receives them."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(pattern), hold)
    return held
