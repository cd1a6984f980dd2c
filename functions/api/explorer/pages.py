"""Table of the explorer's pages."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Page:
    """A page of the explorer.

    path: the route. It has at most one path parameter.
    name: the page's script without its suffix, and data-page of its body.
    request: the API request that returns the page's main data, with the path parameter of the route.
    """

    path: str
    name: str
    title: str
    description: str
    request: str

    @property
    def script(self) -> str:
        """Path of the page's script among the assets. It has all modules but the chart."""
        return f"pages/{self.name}.js"

    @property
    def styles(self) -> tuple[str, str]:
        """Paths of the stylesheets among the assets: that of all pages, and the page's own, which may not exist."""
        return "style.css", f"pages/{self.name}.css"

    @property
    def section(self) -> str:
        """Path of the link of the header that the page belongs to."""
        paths = [path for _, path in NAVIGATION if self.path == path or self.path.startswith(f"{path}/")]
        return max(paths, key=len, default=self.path)

    @property
    def parameter(self) -> str | None:
        """Name of the path parameter, or None."""
        _, brace, rest = self.path.partition("{")
        return rest.removesuffix("}") if brace else None


PAGES: Final = {
    page.path: page
    for page in (
        Page(
            "/",
            "home",
            "Kalshi Markets API",
            "All markets of the Kalshi exchange in a database, with an API that filters, sorts and paginates.",
            "/markets",
        ),
        Page(
            "/explore",
            "explore",
            "Explore markets",
            "Search, filter and sort all markets of the Kalshi exchange, live and settled.",
            "/markets",
        ),
        Page(
            "/explore/markets/{ticker}",
            "market",
            "Market",
            "Price, candlesticks, volume, past states and rules of one market.",
            "/markets/{ticker}",
        ),
        Page(
            "/explore/events/{event_ticker}",
            "event",
            "Event",
            "All outcomes of one event, with their probabilities.",
            "/events/{event_ticker}/markets",
        ),
        Page(
            "/explore/series",
            "series_list",
            "Series",
            "All series of the Kalshi exchange, by category.",
            "/series",
        ),
        Page(
            "/explore/series/{series_ticker}",
            "series",
            "Series",
            "One series and its events.",
            "/series/{series_ticker}",
        ),
        Page(
            "/explore/status",
            "status",
            "Status",
            "Freshness and completeness of the data, by crawler job.",
            "/status",
        ),
        Page(
            "/docs",
            "docs",
            "API reference",
            "Every endpoint, parameter and operator of the API, with requests to try.",
            "/openapi.json",
        ),
    )
}
"""Pages by path."""
NAVIGATION: Final = (
    ("Explore", "/explore"),
    ("Series", "/explore/series"),
    ("Status", "/explore/status"),
    ("API", "/docs"),
)
"""Links of the header: label and path."""
