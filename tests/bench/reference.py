"""References of the API's benchmark: a service built in the common way, and the bare SQL.

The reference is FastAPI over psycopg: rows become Pydantic models, a page is a dict of them, FastAPI encodes it, pages
go by OFFSET, Starlette compresses. Numbers are Decimals, because prices are exact. Its SQL is optimized by hand over
the same tables and indexes, so that the difference is the path from a row to a response. Under /quickest it is built
for speed instead: floats, and a response_model, which avoids FastAPI's encoder.
"""

import asyncio
import gzip
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import psycopg
from fastapi import FastAPI, HTTPException
from psycopg.rows import class_row
from pydantic import BaseModel
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Message

from tests.bench.api_process import Statement
from tests.bench.server import TABLE, connect

Row = TypeVar("Row", bound="Exact")


class Exact(BaseModel):
    """Columns of the default response, with exact numbers."""

    ticker: str
    event_ticker: str | None
    title: str | None
    subtitle: str | None
    market_type: str | None
    strike_type: str | None
    open_time: datetime | None
    close_time: datetime | None
    volume: Decimal | None
    liquidity: Decimal | None
    open_interest: Decimal | None
    result: str | None
    settlement_value: Decimal | None
    rules_primary: str | None


class Quick(Exact):
    """Columns of the default response, with floats."""

    volume: float | None  # type: ignore[assignment]  # less exact than the base class, on purpose
    liquidity: float | None  # type: ignore[assignment]
    open_interest: float | None  # type: ignore[assignment]
    settlement_value: float | None  # type: ignore[assignment]


class QuickPage(BaseModel):
    """Page of markets."""

    items: list[Quick]
    count: int


_COLUMNS: Final = """
    t.ticker, t.event_ticker, t.title, t.subtitle, t.market_type, t.strike_type, t.open_time, t.close_time, q.volume,
    q.liquidity, q.open_interest, t.result, t.settlement_value, t.rules_primary"""
# An index of `recent` serves no column of the markets view.
_FROM: Final = f"{TABLE}_details AS t JOIN {TABLE}_quotes AS q ON q.ticker = t.ticker"


class Reference:
    """Reference service, called in this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._connection = connect(environment)
        self._app = _app(self._connection)
        self._loop = asyncio.new_event_loop()

    def get(self, url: str) -> bytes:
        """Return the compressed body of a response."""
        return self._loop.run_until_complete(self._get(url))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._loop.close()

    async def _get(self, url: str) -> bytes:
        parts = urlsplit(url)
        sent: list[MutableMapping[str, Any]] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": "GET",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(b"host", b"bench"), (b"accept-encoding", b"gzip")],
            "client": ("127.0.0.1", 1),
            "server": ("bench", 80),
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        assert sent[0]["status"] == 200, sent
        return b"".join(message.get("body", b"") for message in sent)


def _app(connection: psycopg.Connection[tuple[Any, ...]]) -> FastAPI:
    app = FastAPI()
    app.add_middleware(GZipMiddleware, compresslevel=1)

    def page(model: type[Row], limit: int, offset: int) -> list[Row]:
        with connection.cursor(row_factory=class_row(model)) as cursor:
            return cursor.execute(
                f"SELECT {_COLUMNS} FROM {_FROM} WHERE t.recent IS NOT NULL"
                " ORDER BY t.recent DESC, t.ticker DESC LIMIT %s OFFSET %s",
                (limit, offset),
            ).fetchall()

    # One connection and one caller: an async endpoint avoids the thread pool.
    @app.get("/markets")
    async def markets(limit: int = 100, offset: int = 0):  # type: ignore[no-untyped-def]  # FastAPI encodes the result
        items = page(Exact, limit, offset)
        return {"items": items, "count": len(items)}

    @app.get("/quickest/markets", response_model=QuickPage)
    async def quickest(limit: int = 100, offset: int = 0) -> QuickPage:
        items = page(Quick, limit, offset)
        return QuickPage(items=items, count=len(items))

    @app.get("/markets/{ticker}", response_model=Exact)
    async def market(ticker: str) -> Exact:
        with connection.cursor(row_factory=class_row(Exact)) as cursor:
            row = cursor.execute(f"SELECT {_COLUMNS} FROM {_FROM} WHERE t.ticker = %s", (ticker,)).fetchone()
        if row is None:
            raise HTTPException(404)
        return row

    return app


class Floor:
    """Floor: the same statements through psycopg, in a session like the API's, and their text compressed."""

    def __init__(self, environment: Mapping[str, str], parameters: Mapping[str, str]) -> None:
        self._connection = connect(environment, parameters)
        # Planned each time, like the API's statements.
        self._connection.prepare_threshold = None
        self._cursor = psycopg.RawCursor(self._connection)

    def run(self, statements: Sequence[Statement]) -> bytes:
        """Run the statements and return the compressed text of the last one's rows."""
        text = ""
        for sql, values in statements:
            self._cursor.execute(sql.encode(), list(values))
            rows = self._cursor.fetchall() if self._cursor.description else []
            text = ",".join(cell for row in rows for cell in row if isinstance(cell, str))
        return gzip.compress(text.encode(), 1)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
