"""Rows of events and series for tests."""

from kalshi_markets.exchange import Row, event_row, series_row


def event(ticker: str, series_ticker: str, title: str | None = None, **members: object) -> Row:
    """Return the row of an Event object."""
    row = event_row({"event_ticker": ticker, "series_ticker": series_ticker, "title": title, **members})
    assert row
    return row


def series(ticker: str, title: str | None = None, category: str | None = None, **members: object) -> Row:
    """Return the row of a Series object."""
    row = series_row({"ticker": ticker, "title": title, "category": category, **members})
    assert row
    return row
