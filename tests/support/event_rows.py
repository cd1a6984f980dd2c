"""Rows of events and series for tests."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from kalshi_markets.columns import Column, Kind
from kalshi_markets.database import Database
from kalshi_markets.event_columns import EVENT_COLUMNS, SERIES_COLUMNS
from kalshi_markets.exchange import Row, event_row, series_row
from local.exchange.catalogue import Exchange


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


def stored_events(database: Database) -> dict[str, dict[str, Any]]:
    """Return the stored events by ticker, with values that compare exactly."""
    return _stored(database, "events", EVENT_COLUMNS)


def stored_series(database: Database) -> dict[str, dict[str, Any]]:
    """Return the stored series by ticker, with values that compare exactly."""
    return _stored(database, "series", SERIES_COLUMNS)


def served_events(exchange: Exchange, tickers: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the exchange's events with these tickers, as stored_events does."""
    events = [event for ticker in tickers if (event := exchange.event(ticker))]
    return {event.ticker: _exact(event_row(_parsed(event.json)), EVENT_COLUMNS) for event in events}


def served_series(exchange: Exchange) -> dict[str, dict[str, Any]]:
    """Return the exchange's series, as stored_series does."""
    return {entry.ticker: _exact(series_row(_parsed(entry.json)), SERIES_COLUMNS) for entry in exchange.all_series()}


def _stored(database: Database, table: str, columns: Sequence[Column]) -> dict[str, dict[str, Any]]:
    kinds = (Kind.NUMBER, Kind.JSON)
    outputs = ", ".join(f"{column.name}::text" if column.kind in kinds else column.name for column in columns)
    rows = database.query(f"SELECT {outputs} FROM kalshi_markets_{table}")
    names = [column.name for column in columns]
    return {row[0]: _exact(dict(zip(names, row, strict=True)), columns) for row in rows}


def _parsed(text: bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def _exact(row: Row | None, columns: Sequence[Column]) -> dict[str, Any]:
    assert row
    return {column.name: _exact_value(column.kind, row[column.name]) for column in columns}


def _exact_value(kind: Kind, value: Any) -> Any:
    match kind, value:
        case _, None:
            return None
        case Kind.NUMBER, _:
            return Decimal(value)
        case Kind.JSON, _:
            return _parsed(value)
        case Kind.TIME, str():
            return datetime.fromisoformat(value)
    return value
