"""Benchmarks of events, series, searches, facets, and the orders within one series or event.

The reference is the service's own page of 100 markets, measured between the runs; the floor is the bare SQL.
"""

from collections.abc import Callable, Iterator, Mapping
from statistics import median
from urllib.parse import urlencode

from api.events.markets import SORT_ORDERS as EVENT_ORDERS
from api.markets.parameters import SORT_ORDERS
from tests.bench.pages import SMALL, Bench, above_floor, of_floor, of_reference
from tests.bench.report import Bar, Line, interleaved
from tests.bench.samples import Sample
from tests.bench.table import LARGE_EVENT, LARGE_SERIES

FLOOR, ABOVE_FLOOR = 1.3, 1.5
"""Bars of a page of 10,000, as a multiple of the floor, and of a page of 100, in milliseconds above it."""
SEARCH, FACETS, FILTERED_FACETS, UNSETTLED, WITHIN = 3, 5, 60, 2, 3
"""Bars, as multiples of a page of 100 markets."""


def listings(bench: Bench) -> Iterator[Line]:
    """Measure pages of events and series with the bars of pages of markets; the floor runs the same statements."""
    yield _beside_floor(bench, "events, page of 10,000", "/events?limit=10000", of_floor(FLOOR))
    for name, fields in (("events", "default"), ("series", "default"), ("series", "default,market_counts")):
        url = f"/{name}?limit=100&fields={fields}"
        yield _beside_floor(bench, f"{name}, page of 100, {fields}", url, above_floor(ABOVE_FLOOR))


def searches(bench: Bench, sampled: Mapping[str, Sample]) -> Iterator[Line]:
    """Measure searches of one and two words, rare and common."""
    title = sampled["title"]
    common, rare = title.common_word, title.rare_word
    second = sampled["subtitle"].common_word
    for words in (common, rare, f"{common} {rare}", f"{common} {second}", f'"{common}" bitcoin'):
        yield _times_page(bench, f"search={words}", _url("/markets", search=words, limit=100), of_reference(SEARCH))


def facets(bench: Bench, sampled: Mapping[str, Sample]) -> Iterator[Line]:
    """Measure the five facets without filters, and with one filter of each way to count."""
    yield _times_page(bench, "facets", "/markets/facets", of_reference(FACETS))
    filters = {
        "status": "active",
        "category": sampled["category"].common[0],
        "close_time__gte": sampled["close_time"].high,
        "event_ticker": LARGE_EVENT,
        "search": sampled["title"].common_word,
        "volume__gte": "1000",
        "market_type": "binary",
    }
    for name, value in filters.items():
        url = _url("/markets/facets", **{name: value})
        yield _times_page(bench, f"facets, {name}={value}", url, of_reference(FILTERED_FACETS))


def unsettled(bench: Bench) -> Iterator[Line]:
    """Measure the orders of unsettled markets."""
    for order in (name for name, order in SORT_ORDERS.items() if order.only_unsettled):
        for direction in ("desc", "asc"):
            url = _url("/markets", status="active", order_by=order, order_direction=direction, limit=100)
            yield _times_page(bench, f"active, {order} {direction}", url, of_reference(UNSETTLED))


def within(bench: Bench) -> Iterator[Line]:
    """Measure every order within one series and one event of 10,000 markets."""
    for name, value in (("series_ticker", LARGE_SERIES), ("event_ticker", LARGE_EVENT)):
        for order in SORT_ORDERS:
            url = _url("/markets", **{name: value}, order_by=order, limit=100)
            yield _times_page(bench, f"{name} of 10,000, {order}", url, of_reference(WITHIN))
    url = f"/events/{LARGE_EVENT}/markets?limit=100"
    yield _times_page(bench, f"event of 10,000, {next(iter(EVENT_ORDERS))}", url, of_reference(WITHIN))


def _beside_floor(bench: Bench, name: str, url: str, bar: Callable[[float, float, float], Bar]) -> Line:
    statements = bench.ours.statements_of(url)
    ours, floor = map(median, interleaved(lambda: bench.ours.get(url), lambda: bench.floor.run(statements)))
    return Line(name, ours, "ms", floor=floor, bars=(bar(ours, 0, floor),))


def _times_page(bench: Bench, name: str, url: str, bar: Callable[[float, float, float], Bar]) -> Line:
    ours, page = map(median, interleaved(lambda: bench.ours.get(url), lambda: bench.ours.get(SMALL)))
    return Line(f"{name} (ref: page of 100)", ours, "ms", page, bars=(bar(ours, page, 0),))


def _url(path: str, **parameters: object) -> str:
    return f"{path}?{urlencode(parameters)}"
