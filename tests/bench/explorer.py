"""Benchmark of the requests of a first view of /explore.

The reference is the service's own page of 100 markets, measured between the runs.
"""

from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Final

from tests.bench.pages import SMALL, Bench, of_reference
from tests.bench.report import Line, interleaved

_FIELDS: Final = (
    "ticker,event_ticker,series_ticker,title,subtitle,event_title,status,result,yes_bid_dollars,yes_ask_dollars,"
    "last_price_dollars,price_change_24h_dollars,volume,volume_24h,open_interest,close_time,settlement_value,removed_at"
)
FIRST_VIEW: Final = (
    f"/markets?status=active&order_by=volume_24h&fields={_FIELDS}&limit=50",
    "/markets/facets?status=active&facet=status,category,series_ticker,strike_type,result&limit=25",
    "/markets/facets?facet=status&limit=25",
    "/status",
)
"""Requests to the database. A test in a browser compares them with those of the page."""
ALL: Final = 100
"""Bar of all requests together, as a multiple of a page of 100 markets."""


def first_view(bench: Bench) -> Iterator[Line]:
    """Measure each request, and all of them one after the other."""
    get = bench.ours.get
    for url in FIRST_VIEW:
        name = f"/explore: {url.partition('?')[0]}"
        ours, page = map(median, interleaved(partial(get, url), lambda: get(SMALL)))
        yield Line(f"{name} (ref: page of 100)", ours, "ms", page)
    ours, page = map(median, interleaved(lambda: [get(url) for url in FIRST_VIEW], lambda: get(SMALL)))
    name = f"/explore: its {len(FIRST_VIEW)} requests (ref: page of 100)"
    yield Line(name, ours, "ms", page, bars=(of_reference(ALL)(ours, page, 0),))
