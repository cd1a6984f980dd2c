"""Listings of the simulated exchange, read by cursor to their end."""

from typing import Any

import httpx

MAX_PAGES = 500


def fetch_pages(api: httpx.Client, path: str, /, **query: str | int) -> list[dict[str, Any]]:
    """Return the responses of all pages."""
    pages: list[dict[str, Any]] = []
    cursor = ""
    while len(pages) < MAX_PAGES:
        pages.append(api.get(path, params={**query, "cursor": cursor}).json())
        cursor = pages[-1]["cursor"]
        if not cursor:
            return pages
    raise AssertionError("it does not end")


def fetch_all(
    api: httpx.Client, path: str = "/markets", rows: str = "markets", /, **query: str | int
) -> list[dict[str, Any]]:
    """Return the rows of all pages, which have 1,000 rows unless the query has another limit."""
    return [row for page in fetch_pages(api, path, **{"limit": 1000, **query}) for row in page[rows]]


def tickers_of(markets: list[dict[str, Any]]) -> set[str]:
    """Return the tickers of Market objects."""
    return {market["ticker"] for market in markets}
