"""Prepared pages: listings written to disk once, so that a benchmark measures the client.

A folder holds the bodies, each also compressed, and `pages.json`, which maps requests to bodies.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request

from local.exchange.catalogue import Exchange
from local.exchange.http.endpoints import Endpoints

MANIFEST = "pages.json"
LIVE = ("unopened", "open", "paused", "closed")

Query = dict[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    body: bytes
    headers: Mapping[str, str]


def write_pages(exchange: Exchange, folder: Path, source: Mapping[str, object]) -> int:
    """Write the pages of a full crawl to a folder and return their number.

    `source`: the options that determine the exchange's contents.
    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = []
    for number, (path, query, body) in enumerate(_all_pages(Endpoints(exchange))):
        file = f"{number:06}.json"
        (folder / file).write_bytes(body)
        (folder / f"{file}.gz").write_bytes(gzip.compress(body, compresslevel=6, mtime=0))
        pages.append({"path": path, "query": urlencode(query), "file": file})
    (folder / MANIFEST).write_text(json.dumps({"source": source, "pages": pages}, indent=1) + "\n", encoding="utf-8")
    return len(pages)


def _all_pages(get: Endpoints) -> Iterator[tuple[str, Query, bytes]]:
    """Yield path, query and body of the requests of a crawler's first run.

    Windows of settled markets are left out, because they depend on the time of the run.
    """
    for status in LIVE:
        yield from _listing_pages("/markets", get.markets, {"limit": "1000", "mve_filter": "exclude", "status": status})
    yield from _listing_pages("/historical/markets", get.historical_markets, {"limit": "1000", "mve_filter": "exclude"})
    yield from _listing_pages("/events", get.events, {"limit": "200"})
    yield "/series", {}, get.all_series(_request({}))


def _listing_pages(path: str, endpoint: Callable[[Request], bytes], query: Query) -> Iterator[tuple[str, Query, bytes]]:
    """Yield the pages of a listing, each with its path and query."""
    cursor = ""
    while True:
        page_query = {**query, "cursor": cursor} if cursor else query
        body = endpoint(_request(page_query))
        yield path, page_query, body
        cursor = json.loads(body)["cursor"]
        if not cursor:
            return


def _request(query: Query) -> Request:
    return Request({"type": "http", "query_string": urlencode(query).encode(), "headers": [], "path_params": {}})


class PageStore:
    """Prepared pages of a folder. Raises OSError or ValueError if the folder has none."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        try:
            self.source: dict[str, Any] = manifest["source"]
            pages = [(page["path"], dict(parse_qsl(page["query"])), page["file"]) for page in manifest["pages"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{MANIFEST} is invalid: {error!r}") from error
        self._files = {(path, frozenset(query.items())): folder / file for path, query, file in pages}

    def __len__(self) -> int:
        return len(self._files)

    def find(self, path: str, request: Request) -> Page | None:
        """Return the page for exactly this request, or None.

        The order of the parameters does not matter. Empty parameters count as missing.
        """
        query = frozenset((name, value) for name, value in request.query_params.multi_items() if value)
        file = self._files.get((path, query))
        if file is None:
            return None
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            return Page(file.with_name(f"{file.name}.gz").read_bytes(), headers)
        return Page(file.read_bytes(), {})
