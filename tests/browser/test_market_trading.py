"""Order book and trades of a market."""

import re

from playwright.sync_api import Page, expect

from tests.browser.market_page import MARKET, exchange_unavailable, market_url, open_market
from tests.browser.service import Service


def test_order_book_shows_ten_levels_and_more(page: Page, service: Service) -> None:
    market = open_market(page, service)
    book = page.locator("#book")
    book.scroll_into_view_if_needed()
    asks = book.get_by_role("table", name="Asks to sell YES").locator("tbody tr")
    expect(asks).to_have_count(10)
    expect(asks.first).to_contain_text(f"{round(market['yes_ask_dollars'] * 100)}¢")
    book.get_by_role("button", name=re.compile(r"^All \d+ levels$")).click()
    levels = service.get(f"/markets/{MARKET}/orderbook")["orderbook"]["yes_asks"]
    expect(asks).to_have_count(len(levels))
    with page.expect_download() as download:
        book.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == '"side","price_dollars","contracts"'
    assert sum(line.startswith('"yes_ask"') for line in lines) == len(levels)


def test_trades_continue_by_cursor(page: Page, service: Service) -> None:
    ticker = _settled_market(service)
    open_market(page, service, ticker)
    trades = page.locator("#trades")
    trades.scroll_into_view_if_needed()
    expect(trades.locator("tbody tr")).to_have_count(20)
    trades.get_by_role("button", name="More trades").click()
    expect(trades.locator("tbody tr")).to_have_count(40)
    times = [element.get_attribute("datetime") for element in trades.locator("tbody time").all()]
    expected = service.get(f"/markets/{ticker}/trades?limit=40")["items"]
    assert times == [trade["created_time"] for trade in expected]
    expect(trades.get_by_role("link", name="CSV")).to_have_attribute("href", re.compile("limit=40"))
    expect(page).to_have_url(market_url(service, ticker) + "?trades=40")
    page.reload()
    trades.scroll_into_view_if_needed()
    expect(trades.locator("tbody tr")).to_have_count(40)


def test_failure_of_more_trades_keeps_the_trades(quiet_page: Page, service: Service) -> None:
    ticker = _settled_market(service)
    quiet_page.route(re.compile("/trades.*cursor="), exchange_unavailable)
    open_market(quiet_page, service, ticker)
    trades = quiet_page.locator("#trades")
    trades.scroll_into_view_if_needed()
    trades.get_by_role("button", name="More trades").click()
    expect(trades.get_by_role("alert")).to_contain_text("The exchange did not respond in time.")
    expect(trades.locator("tbody tr")).to_have_count(20)
    quiet_page.unroute_all()
    trades.get_by_role("button", name="More trades").click()
    expect(trades.locator("tbody tr")).to_have_count(40)
    expect(trades.get_by_role("alert")).to_have_count(0)


def _settled_market(service: Service) -> str:
    """Return a settled market with more than two pages of trades. No trade is added to them."""
    markets = service.get("/markets?status=finalized&order_by=volume&limit=20&fields=ticker")["items"]
    tickers = (str(market["ticker"]) for market in markets)
    return next(ticker for ticker in tickers if service.get(f"/markets/{ticker}/trades?limit=41")["count"] == 41)
