import asyncio
import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.events.markets import RESOURCE as EVENT_MARKETS
from api.events.resource import RESOURCE as EVENTS
from api.markets.facet_query import FACET_GRAMMAR
from api.markets.parameters import FILTERS, LISTING_PARAMETERS
from api.middleware import RequestContextMiddleware
from api.series.resource import RESOURCE as SERIES
from tests.properties import corpus
from tests.properties.answers import items
from tests.properties.model import meets
from tests.properties.scale import SOAK, examples
from tests.properties.tables import Table
from tests.support.api_client import ApiResponse, escaped, variables

pytestmark = pytest.mark.timeout(1800)
NAMES = [*LISTING_PARAMETERS, *FILTERS]
VALUES = [quote(value) for value in corpus.EVERYTHING] + [*corpus.RAW]
GRAMMARS = {
    "/events": EVENTS.grammar,
    "/series": SERIES.grammar,
    "/markets/facets": FACET_GRAMMAR,
    "/events/a/markets": EVENT_MARKETS.grammar,
}
EXPECTED = {200, 400, 409, 422}
TIMED_OUT = "query_timeout"


@pytest.fixture(scope="module", autouse=True)
def unharmed(table: Table) -> Iterator[None]:
    """Check that the tests leave the database unchanged."""
    before = everything(table)
    yield
    assert everything(table) == before


def everything(table: Table) -> list[Any]:
    read = table.database.query
    relations = read(
        "SELECT relname, relkind::text, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    rows = [
        read(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} AS t")
        for name, kind, _ in relations
        if kind == "r"
    ]
    sequences = read("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1")
    return [relations, rows, sequences, read("SELECT rolname FROM pg_roles ORDER BY 1")]


def assert_sane(answer: ApiResponse, request: object) -> None:
    """Check that a response is documented, and is no server error except a query timeout."""
    if answer.status == 503:
        assert answer.json["code"] == TIMED_OUT, request
        return
    assert answer.status in EXPECTED, (request, answer.status, answer.text)
    if answer.status != 200:
        assert {*answer.json} == {"detail", "code", "hint", "request_id"}
    assert not any("\n" in value or "\r" in value for value in answer.headers.values()), request


@pytest.mark.parametrize("repetition", range(20 if SOAK else 6))
def test_no_value_in_any_parameter_breaks_anything(table: Table, repetition: int) -> None:
    """Parameters get different values in each repetition, so that every value reaches every kind of parameter."""
    for at, name in enumerate(NAMES):
        value = VALUES[(at * 7 + repetition * 31 + table.seed) % len(VALUES)]
        assert_sane(table.api.get(f"/markets?limit=3&fields=ticker&{name}={value}"), (name, value))


@pytest.mark.parametrize("path", GRAMMARS)
@pytest.mark.parametrize("repetition", range(20 if SOAK else 2))
def test_no_value_in_any_parameter_of_the_other_listings_breaks_anything(
    table: Table, path: str, repetition: int
) -> None:
    for at, name in enumerate([*GRAMMARS[path].parameters, *GRAMMARS[path].filters]):
        value = VALUES[(at * 11 + repetition * 37 + table.seed) % len(VALUES)]
        assert_sane(table.api.get(f"{path}?{name}={value}"), (path, name, value))


@examples(100, 2000)
@given(
    st.dictionaries(
        st.sampled_from(NAMES) | st.text(max_size=5),
        st.sampled_from(corpus.EVERYTHING)
        | st.lists(st.sampled_from(corpus.EVERYTHING) | st.integers() | st.none(), max_size=3)
        | st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=4), st.lists, max_leaves=3),
        max_size=3,
    )
)
def test_no_body_breaks_anything(table: Table, body: dict[str, Any]) -> None:
    assert_sane(table.api.post("/markets", body | {"limit": 3}), body)


@examples(150, 2000)
@given(data=st.data())
def test_a_value_that_is_taken_never_finds_a_row_that_it_excludes(table: Table, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FILTERS)))
    text = data.draw(st.sampled_from(corpus.EVERYTHING))
    column, operator = FILTERS[name].column, FILTERS[name].operator.suffix
    answer = table.api.get(f"/markets?limit=10000&fields=ticker&{escaped(**{name: text})}")
    assert_sane(answer, (name, text))
    if answer.status == 200 and (condition := corpus.meant(column, operator, text)):
        tickers = {dict(item)["ticker"] for item in items(answer, "json", ["ticker"])}
        assert tickers == {row["ticker"] for row in table.rows if meets(row, condition)}, (name, text)


def test_no_pattern_breaks_anything_or_runs_forever(table: Table) -> None:
    for name, text in itertools.product(("title_regex", "ticker_regex"), corpus.PATTERNS):
        assert_sane(table.api.get(f"/markets?limit=1&{escaped(**{name: text})}"), (name, text))


def test_no_cursor_breaks_anything_or_repeats_what_it_holds(table: Table) -> None:
    for order in ("recent", "volume", "ticker"):
        good = table.api.get(f"/markets?limit=5&order_by={order}").json["next_cursor"]
        for cursor in corpus.cursors(good):
            answer = table.api.get(f"/markets?limit=5&order_by={order}&cursor={quote(cursor)}")
            assert_sane(answer, (order, cursor))
            assert "s3cret" not in answer.text, "no answer repeats a value of the request"


def test_too_many_or_repeated_parameters_are_a_422(table: Table) -> None:
    for query in (
        "&".join(f"title__ne={n}" for n in range(5000)),
        "&".join(f"{name}=1" for name in NAMES),
        "limit=1&limit=1",
        "limit=1&%6cimit=1",
        "title=a&title=a",
        "&".join(f"x{n}=1" for n in range(101)),
        "volume__in=" + "1," * 1000 + "1",
    ):
        assert table.api.get(f"/markets?{query}").status == 422, query[:80]
    assert table.api.get("/markets?" + "&" * 5000).status == 200


@examples(60, 1000)
@given(
    st.sampled_from(("accept", "accept-encoding", "if-none-match")),
    st.sampled_from(corpus.HEADERS) | st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=60),
    st.sampled_from(
        (
            "/markets?limit=2",
            "/markets/x",
            "/events?limit=2",
            "/markets/facets",
            "/status",
            "/health",
            "/markets/columns",
        )
    ),
)
def test_no_header_breaks_anything(table: Table, name: str, value: str, path: str) -> None:
    answer = table.api.request("GET", path, headers={name: value})
    assert answer.status in (200, 304, 404), (name, value, answer.text)


_PIECES = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(VALUES),
    st.sampled_from(("=", "&", "__", "%", "_regex", "__in", "+", ",", ";", "#", "?")),
    st.binary(max_size=6).map(quote_from_bytes),
    st.binary(max_size=6).map(lambda raw: raw.decode("latin-1")),
)


@examples(200, 2000)
@given(st.lists(_PIECES, max_size=12).map("".join))
def test_no_query_string_breaks_anything(table: Table, query: str) -> None:
    status, body = raw(table, query.encode("latin-1", "replace"))
    assert status in EXPECTED or (status == 503 and TIMED_OUT.encode() in body), (query, body)


def raw(table: Table, query: bytes) -> tuple[int, bytes]:
    """Call GET /markets without the gateway, with arbitrary bytes as the query string."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/markets", "raw_path": b"/markets", "root_path": ""}
    scope |= {"query_string": query, "headers": [(b"host", b"x")], "http_version": "1.1", "scheme": "https"}
    with variables(table.api.environment):
        asyncio.run(RequestContextMiddleware(create_app(table.api.resources))(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@examples(60, 1000)
@given(ticker=st.sampled_from(VALUES) | st.binary(max_size=20).map(quote_from_bytes))
def test_no_ticker_breaks_anything(table: Table, ticker: str) -> None:
    answer = table.api.get(f"/markets/{ticker.replace('/', '%2F')}")
    assert answer.status in (200, 404, 405), (ticker, answer.text)


def test_every_market_is_found_by_its_ticker(table: Table) -> None:
    for ticker in table.markets:
        answer = table.api.get(f"/markets/{quote(ticker, safe='')}?fields=ticker")
        assert "/" in ticker or answer.status == 200, ticker
        assert "/" in ticker or answer.json == {"ticker": ticker}
