"""Page of a market, as the tests open and read it."""

from typing import Any, Final

from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.prepared_markets import WEATHER_EVENT
from tests.browser.service import Service

MARKET: Final = f"{WEATHER_EVENT}-T50"


def market_url(service: Service, ticker: str = MARKET) -> str:
    """Return the URL of a market's page."""
    return f"{service.url}/explore/markets/{ticker}"


def open_market(page: Page, service: Service, ticker: str = MARKET, *, query: str = "") -> Any:
    """Open a market's page, and return the market of the API."""
    page.goto(market_url(service, ticker) + query)
    expect(page.locator("main h1")).to_be_visible()
    return service.get(f"/markets?ticker={ticker}&fields=all")["items"][0]


def market_chart(page: Page) -> Locator:
    """Return the box of the chart."""
    return page.locator("candle-chart .chart-box")


def shown_candles(page: Page) -> list[Any]:
    """Return the candles of the request that the chart's panel shows.

    They are those of the chart only if no period of it can change: see page_clock.stop_at_full_hour.
    """
    expect(market_chart(page)).to_be_visible()
    url = page.locator("#chart .request .snippet pre").first.text_content()
    candles: list[Any] = page.request.get(str(url)).json()["candlesticks"]
    return candles


def exchange_unavailable(route: Route) -> None:
    """Respond as the API does when the exchange is unavailable."""
    body = {
        "detail": "The exchange did not respond in time.",
        "code": "exchange_unavailable",
        "hint": "Retry in a minute.",
        "request_id": "request-1",
    }
    route.fulfill(status=503, json=body)
